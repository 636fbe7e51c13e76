package preflight

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/kafka"
	"clickstream/io/table"
	"clickstream/io/version"
)

func TestCheck(t *testing.T) {
	at := table.Settings{Path: filepath.Join(t.TempDir(), "views"), Format: table.Delta, Topic: "clicks", Cluster: "c", Window: time.Minute, Shards: 1}
	made, err := table.Open(t.Context(), at)
	require.NoError(t, err)
	require.NoError(t, made.Close())
	at.Existing = true
	elsewhere := at
	elsewhere.Path += "-on-another-machine"
	a := kafka.Assignment{Topic: "clicks", Partitions: []int32{3}}
	for name, c := range map[string]struct {
		config Config
		want   string
	}{
		"fit":              {Config{version.Own(), at}, ""},
		"another program":  {Config{"v9.9.9", at}, "the worker is clickstream " + version.Own() + ", and the job was submitted by clickstream v9.9.9; start the workers with the program that submits it"},
		"does not see it":  {Config{version.Own(), elsewhere}, "name a path or a bucket that all of them share"},
		"of another topic": {Config{version.Own(), table.Settings{Path: at.Path, Format: table.Delta, Topic: "other", Cluster: "c", Window: time.Minute, Shards: 1, Existing: true}}, "other"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := (&CheckFn{Config: c.config}).ProcessElement(t.Context(), a)
			assert.Equal(t, a, got)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}
