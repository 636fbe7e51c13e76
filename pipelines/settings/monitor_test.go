package settings_test

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/pipelines/settings"
)

// metricsFaults returns what is wrong with a command line of a command that serves metrics.
func metricsFaults(t *testing.T, line string) []string {
	t.Helper()
	var cli struct {
		Monitor struct {
			Settings settings.Monitor `embed:""`
		} `cmd:""`
		Run struct {
			Settings settings.Run `embed:""`
		} `cmd:""`
		Common settings.Common `embed:""`
	}
	k, err := settings.Parser(&cli, settings.NewSources(nil), kong.Name("clickstream"))
	require.NoError(t, err)
	settings.CheckChoicesHere(k)
	ctx, err := k.Parse(strings.Fields(line))
	require.NoError(t, err)
	var checked settings.Settings = &cli.Monitor.Settings
	if ctx.Command() == "run" {
		checked = &cli.Run.Settings
	}
	var invalid *settings.Error
	if err := settings.Validate(checked); err != nil {
		require.ErrorAs(t, err, &invalid)
		return invalid.Faults
	}
	return nil
}

func TestMonitorSettings(t *testing.T) {
	cert := file(t, "cert.pem", "a certificate")
	for _, good := range []string{
		"monitor",
		"monitor --listen=:8080 --pprof --interval=1s --listen-token-file=" + cert + " --listen-tls-cert=" + cert + " --listen-tls-key=" + cert,
		"monitor --table= --flink-rest=http://localhost:8081 --flink-job=mine --once",
		"run --format=json --metrics-listen=127.0.0.1:0 --pprof --listen-token-file=" + cert,
	} {
		assert.Empty(t, metricsFaults(t, good), good)
	}
	for _, bad := range []struct{ args, fault string }{
		{"monitor --listen=8080", `--listen is "8080"; write host:port`},
		{"monitor --listen=http://localhost:8080", `--listen is "http://localhost:8080"; write host:port without a scheme`},
		{"monitor --listen-tls-cert=" + cert, "--listen-tls-cert " + cert + " comes without its key; set --listen-tls-key"},
		{"monitor --listen-tls-key=" + cert, "--listen-tls-key " + cert + " comes without its certificate; set --listen-tls-cert"},
		{"monitor --listen-token-file=none", "--listen-token-file: open none: no such file or directory"},
		{"monitor --interval=100ms", "--interval is 100ms; it must be at least 1s, as each look takes the brokers some work"},
		{"monitor --group=", "--group is empty; name the consumer group whose offsets are committed"},
		{"monitor --dead-letter-topic=events.clickstream.raw", "--dead-letter-topic is --topic, events.clickstream.raw; name another"},
		{"monitor --flink-rest=localhost:8081", `--flink-rest is "localhost:8081"; write its URL, as http://localhost:8081`},
		{"run --format=json --metrics-listen=:0 --pprof", "--pprof serves profiles to whoever reaches --metrics-listen :0; add --listen-token-file, or name an address of this machine alone, as 127.0.0.1:8080"},
		{"monitor --listen=0.0.0.0:1 --pprof", "--pprof serves profiles to whoever reaches --listen 0.0.0.0:1; add --listen-token-file, or name an address of this machine alone, as 127.0.0.1:8080"},
		{"run --format=json --pprof", "--pprof is for --metrics-listen, and that names no address; name one, or leave it out"},
		{"run --format=json --listen-token-file=" + cert, "--listen-token-file is for --metrics-listen, and that names no address; name one, or leave it out"},
	} {
		assert.Equal(t, []string{bad.fault}, metricsFaults(t, bad.args), bad.args)
	}
}
