package eventtime

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	beam.Init()
	os.Exit(m.Run())
}

func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.story")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".story"), func(t *testing.T) {
			f, err := os.Open(path)
			require.NoError(t, err)
			defer func() { require.NoError(t, f.Close()) }()
			script, err := Parse(f)
			require.NoError(t, err)
			Run(t, script)
		})
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"at noon":                   `line 1: "noon" is no time`,
		"partitions 2\n2: /a@12:00": "line 2: partition 2 is not one of 2",
		"0: /a":                     `"/a" is not page@time`,
		"0: many*/a@12:00":          `"many": invalid syntax`,
		"table\n  12:00 /a":         `line 2: a row is «window page views»`,
		"sleep 0":                   `"sleep" is not understood`,
		"window soon":               `"soon"`,
	} {
		_, err := Parse(strings.NewReader(text))
		assert.ErrorContains(t, err, want)
	}
}
