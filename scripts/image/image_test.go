// Package image_test holds the image's recipe against BuildKit's linter, and against what runners ask of it.
package image_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lint returns what the linter says of a recipe.
func lint(t *testing.T, path string) (string, error) {
	t.Helper()
	path, err := filepath.Abs(path)
	require.NoError(t, err)
	run := exec.CommandContext(t.Context(), "go", "run", "-C", "lint", ".", path)
	run.Stderr = os.Stderr // what is downloaded, the first time
	out, err := run.Output()
	return string(out), err
}

func TestDockerfileIsLinted(t *testing.T) {
	said, err := lint(t, "Dockerfile")
	require.NoError(t, err, said)
	assert.Empty(t, said)

	bad := filepath.Join(t.TempDir(), "Dockerfile")
	require.NoError(t, os.WriteFile(bad, []byte("FROM scratch AS a\nCOPY clickstream /\nENV a b\nCMD clickstream\n"), 0o600))
	said, err = lint(t, bad)
	require.Error(t, err)
	assert.Contains(t, said, "LegacyKeyValueFormat")
	assert.Contains(t, said, "JSONArgsRecommended")
}

// TestDockerfile has what runs be of distroless, not root's, and begin with the program, as runners start their workers.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("Dockerfile")
	require.NoError(t, err)
	from, has := map[string]string{}, map[string][]string{} // by stage
	var stage string
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		switch {
		case len(words) == 4 && words[0] == "FROM":
			stage = words[3]
			from[stage] = words[1]
		case len(words) > 1 && words[0] != "#" && stage != "":
			has[stage] = append(has[stage], strings.TrimSpace(line))
		}
	}
	assert.Equal(t, "worker", stage, "what is built unless another is named")
	assert.Equal(t, map[string]string{
		"launcher": "${LAUNCHER}", "program": "gcr.io/distroless/static-debian12:nonroot", "template": "program", "worker": "program",
	}, from)
	assert.Contains(t, has["program"], "USER 65532:65532")
	assert.Contains(t, has["program"], `ENTRYPOINT ["/usr/local/bin/clickstream"]`)
	assert.Contains(t, has["template"], "ENV FLEX_TEMPLATE_GO_BINARY=/usr/local/bin/clickstream")
	assert.NotRegexp(t, `(?m)^(RUN|ADD)`, string(text), "there is no shell, and all comes from the context")
	for _, s := range []string{"template", "worker"} {
		assert.NotRegexp(t, "ENTRYPOINT|USER", strings.Join(has[s], "\n"), s)
	}
}
