package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/testing/kafkatest"
)

const root = "../.."

var fence = regexp.MustCompile("(?ms)^```(sh|python)\n(.*?)^```$")

// TestREADME runs every command of the README, in its order, in a copy of the repository, as a reader would. What
// it changes: ports that may be taken, and how long the benchmark, and what has no end, go on. It does not run test.sh,
// which runs it.
func TestREADME(t *testing.T) {
	t.Parallel()
	kafkatest.FindReal(t) // what that needs, the commands need
	python := kafkatest.Named(t, "CLICKSTREAM_TEST_PYTHON", "scripts/components/python makes such an interpreter")
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	blocks := fence.FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, blocks)

	dir := copyRepository(t)
	kafka, registry, flink, rest, workers, expansion, monitor := kafkatest.FreePort(t), kafkatest.FreePort(t), kafkatest.FreePort(t), kafkatest.FreePort(t), kafkatest.FreePort(t), kafkatest.FreePort(t), kafkatest.FreePort(t)
	change := strings.NewReplacer(
		"./scripts/test.sh", "test -x scripts/test.sh",
		"clickstream demo", "clickstream demo --for 8s",
		"./scripts/bench.sh", "./scripts/bench.sh --events 100000 --runs 1 --restart 20000 --steady 0",
		"bin/clickstream run --source kafkaio", "timeout --preserve-status --signal INT 20 bin/clickstream run --source kafkaio", // it runs on
		"components/down --dir /tmp/kafkaio", "components/down --dir kafkaio.run", "/tmp/kafkaio", "kafkaio.run",
		"--expansion-port 8097", "--expansion-port "+expansion, "localhost:8097", "127.0.0.1:"+expansion,
		"components/up", "components/up --dir components.run", "components/down --dir /tmp/flink", "components/down --dir flink.run",
		"components/down", "components/down --dir components.run", "/tmp/flink", "flink.run",
		"--flink-port 8099", "--flink-port "+flink, "localhost:8099", "127.0.0.1:"+flink,
		"--flink-rest-port 8082", "--flink-rest-port "+rest, "localhost:8082", "127.0.0.1:"+rest,
		"clickstream monitor &", "clickstream monitor --listen 127.0.0.1:"+monitor+" &",
		"clickstream worker", "clickstream worker --listen localhost:"+workers, "--environment external", "--environment external --environment-config localhost:"+workers,
		"--kafka-port 9092", "--kafka-port "+kafka, "--registry-port 8081", "--registry-port "+registry, "localhost:8081", "127.0.0.1:"+registry,
	)
	env := append(withoutSettings(os.Environ()), "CLICKSTREAM_BROKERS=127.0.0.1:"+kafka)
	run := func(ctx context.Context, t *testing.T, name string, args ...string) string {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir, cmd.Env = dir, env
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s\n%s", strings.Join(args, " "), out)
		return string(out)
	}
	t.Cleanup(func() { // a failed test has not come to the line that ends them
		for _, components := range []string{"components.run", "flink.run", "kafkaio.run"} {
			if _, err := os.Stat(filepath.Join(dir, components)); !errors.Is(err, fs.ErrNotExist) {
				run(context.Background(), t, "scripts/components/down", "--dir", components)
			}
		}
	})
	var said strings.Builder
	for _, b := range blocks {
		interpreter := []string{"bash", "-euxc"}
		if b[1] == "python" {
			interpreter = []string{python, "-c"}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		said.WriteString(run(ctx, t, interpreter[0], interpreter[1], change.Replace(b[2])))
		cancel()
	}
	for _, want := range []string{"https://shop.example/", "counted 99902", "fetch M/s", "what it counted is in ", "clickstream_consumer_group_lag{"} {
		assert.Contains(t, said.String(), want)
	}
}

// copyRepository copies what git knows of the repository, or would, into a new folder.
func copyRepository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	require.NoError(t, err)
	for _, name := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		from, to := filepath.Join(root, name), filepath.Join(dir, name)
		info, err := os.Stat(from)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed, and not committed yet
		}
		require.NoError(t, err)
		content, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o700))
		require.NoError(t, os.WriteFile(to, content, info.Mode().Perm()))
	}
	return dir
}
