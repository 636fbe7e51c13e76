package demo

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestClosing(t *testing.T) {
	s := later()
	golden(t, "closing", closing(outcome{
		Took: 30_040 * time.Millisecond, Progress: s.Progress, Table: s.Table,
		Path: "/home/ada/demo/page_views_1min", Program: "go run ./pipelines/clickstream", Page: s.Page,
	}))
	golden(t, "closing-empty", closing(outcome{Took: 400 * time.Millisecond, Path: "/home/ada/demo/page_views_1min", Program: "clickstream"}))
}

// TestQueriesReachTheirPrograms gives the lines to a shell, whose programs are scripts that say what they got.
func TestQueriesReachTheirPrograms(t *testing.T) {
	bin := t.TempDir()
	for _, name := range []string{"python3", "clickstream"} {
		script := "#!/bin/sh\nfor a; do printf '%s\\n' \"$a\"; done\n"
		require.NoError(t, os.WriteFile(filepath.Join(bin, name), []byte(script), 0o700)) //nolint:gosec // it is run
	}
	for path, python := range map[string]string{
		"/home/ada/demo":       "/home/ada/demo",
		"/a b/c":               "/a b/c",
		"/it's":                `/it\'s`,
		`/a"b\c`:               `/a"b\\c`,
		"/$HOME/`id`/$(id)":    "/$HOME/`id`/$(id)",
		"/wow!/it's \"1\"":     `/wow!/it\'s "1"`,
		"/*/[a]/?":             "/*/[a]/?",
		"/größe/😀/a\u00a0b\tc": "/größe/😀/a\\U000000a0b\\U00000009c",
	} {
		t.Run(path, func(t *testing.T) {
			lines := queries(path, "clickstream")
			require.Len(t, lines, 3)
			got := make([]string, 0, len(lines))
			for _, line := range lines {
				assert.NotContains(t, line, "\n")
				shell := exec.CommandContext(t.Context(), "sh", "-c", line)
				shell.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=/root"}
				out, err := shell.CombinedOutput()
				require.NoError(t, err, "%s: %s", line, out)
				got = append(got, string(out))
			}
			assert.Equal(t, "table\nshow\n--limit\n10\n--table\n"+path+"\n", got[0])
			assert.True(t, strings.HasPrefix(got[1], "-c\nimport duckdb; duckdb.sql(\"select "), got[1])
			assert.Equal(t, "-c\nimport pandas as pd; print(pd.read_parquet('"+python+"').groupby('page_url').view_count.sum().nlargest(10))\n", got[2])
		})
	}
}

func TestQueriesOfDuckDB(t *testing.T) {
	sql := func(path string) string {
		line := queries(path, "clickstream")[1]
		_, line, _ = strings.Cut(line, "read_parquet(")
		line, _, _ = strings.Cut(line, ", hive_partitioning")
		return line
	}
	assert.Equal(t, "'/home/ada/demo/**/*.parquet'", sql("/home/ada/demo"))
	assert.Equal(t, "'/it''s/**/*.parquet'", sql("/it's"), "a quote is doubled in SQL")
	assert.Equal(t, "'/[*]/[[]a]/[?]/**/*.parquet'", sql("/*/[a]/?"), "the folder's own name is no pattern")
	assert.Equal(t, `'/a\\\"b/**/*.parquet'`, sql(`/a"b`), "a double quote, for Python and then for the shell")
}

func TestProgram(t *testing.T) {
	assert.Equal(t, "go run ./pipelines/clickstream", program("/root/.cache/go-build/ab/abcd-d/clickstream"))
	assert.Equal(t, "go run ./pipelines/clickstream", program("/tmp/go-build123/b001/exe/clickstream"))
	assert.Equal(t, "clickstream", program("clickstream"))
	assert.Equal(t, "'./my bin/clickstream'", program("./my bin/clickstream"))
}
