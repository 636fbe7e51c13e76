package yamlfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/yamlfile"
)

func read(t *testing.T, content string) (*yamlfile.File, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return yamlfile.Read(path)
}

func TestEntries(t *testing.T) {
	f, err := read(t, "# a comment\nallowed_lateness: 5m\n\nbrokers: [a, b]\n")
	require.NoError(t, err)
	entries, faults := f.Entries([]string{"brokers", "allowed-lateness"})
	require.Empty(t, faults)
	require.Len(t, entries, 2)
	assert.Equal(t, "allowed-lateness", entries[0].Key)
	assert.Equal(t, 2, entries[0].Line)
	assert.Equal(t, "5m", entries[0].Value.Value)
	assert.Equal(t, "brokers", entries[1].Key)
}

func TestEntriesOfNothing(t *testing.T) {
	for _, content := range []string{"", "\n", "# only a comment\n", "---\n", "null\n"} {
		f, err := read(t, content)
		require.NoError(t, err, "%q", content)
		entries, faults := f.Entries([]string{"a"})
		assert.Empty(t, entries)
		assert.Empty(t, faults)
	}
}

func TestEntriesRefuse(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"unknown":      {"window: 1m\ntopics: x\n", "c.yaml:2: unknown key topics; did you mean topic?"},
		"nothing near": {"quux: 1\n", "c.yaml:1: unknown key quux"},
		"twice":        {"window: 1m\n\nwindow: 2m\n", "c.yaml:3: window is set already in line 1"},
		"a list":       {"- window\n", "c.yaml:1: the file must be a list of «key: value» lines"},
		"a word":       {"window\n", "c.yaml:1: the file must be"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := read(t, c.content)
			require.NoError(t, err)
			_, faults := f.Entries([]string{"window", "topic"})
			require.Len(t, faults, 1)
			assert.ErrorContains(t, faults[0], c.want)
		})
	}
}

func TestReadRefuses(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"no YAML":         {"a: [", "c.yaml: yaml: line 1"},
		"a tab":           {"a:\n\tb: 1\n", "c.yaml: yaml: line 2"},
		"a second":        {"a: 1\n---\nb: 1\n", "second document"},
		"an unknown name": {"a: *b\n", "unknown anchor"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(t, c.content)
			require.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
	_, err := yamlfile.Read(filepath.Join(t.TempDir(), "missing.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "missing.yaml")
}

func TestNearest(t *testing.T) {
	known := []string{"--allowed-lateness", "--window", "--watermark-delay", "--topic", "--table", "--tls-ca", "--labels"}
	for word, want := range map[string]string{
		"--windw": "--window", "--allowed_latenes": "--allowed-lateness", "--lateness": "--allowed-lateness",
		"--WINDOW": "--window", "--widnow": "--window", "--tpoic": "--topic", "--topics": "--topic", "--xyzzy": "", "--watermark": "--watermark-delay",
		"--q": "", "": "",
	} {
		assert.Equal(t, want, yamlfile.Nearest(word, known), "%q", word)
	}
}
