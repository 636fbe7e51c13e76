package main

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/testing/kafkatest"
)

var servedAt = regexp.MustCompile(`\bat=(https?://\S+)`)

// servesAt waits until the command says where it serves.
func (c *command) servesAt() string {
	c.Helper()
	for deadline := time.After(patience); ; {
		select {
		case line, ok := <-c.lines:
			require.True(c, ok, "it ended and did not say where it serves")
			if at := servedAt.FindStringSubmatch(line); at != nil {
				return at[1]
			}
		case <-deadline:
			require.Fail(c, "it does not say where it serves")
		}
	}
}

// fetchPage returns what is served there.
func fetchPage(t require.TestingT, url string) string {
	response, err := http.Get(url) //nolint:gosec,noctx // it is the test's own
	require.NoError(t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return string(text)
}

// tells waits until the metrics served there have such lines.
func tells(t *testing.T, url string, lines ...string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		metrics := strings.Split(fetchPage(c, url+"/metrics"), "\n")
		for _, line := range lines {
			assert.True(c, slices.Contains(metrics, line), "%s is not told", line)
		}
	}, patience, 100*time.Millisecond)
}

// told returns what the metrics served there say of one.
func told(t *testing.T, url, metric string) (value int) {
	t.Helper()
	_, found, ok := strings.Cut(fetchPage(t, url+"/metrics"), "\n"+metric+" ")
	require.True(t, ok, "%s is not told", metric)
	_, err := fmt.Sscan(found, &value)
	require.NoError(t, err)
	return value
}

// given returns the value of a flag.
func given(args []string, name string) string { return args[slices.Index(args, name)+1] }

// TestTheMonitorTellsWhatARunDoes starts it before there is anything but the topic, and holds it beside what the run tells
// of itself.
func TestTheMonitorTellsWhatARunDoes(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		of := topicOf(t, c, "/a", "/b", "/a", "/c", "/a")
		var where []string
		for _, name := range []string{"--brokers", "--topic", "--group", "--dead-letter-topic", "--table"} {
			where = append(where, name, given(of, name))
		}
		watching := begin(t, append([]string{"monitor", "--listen", "127.0.0.1:0", "--interval", "1s"}, where...)...)
		outside := watching.servesAt()
		labels := fmt.Sprintf(`{group="%s",topic="%s"}`, given(of, "--group"), given(of, "--topic"))
		tells(t, outside, "clickstream_consumer_group_lag"+labels+" 6", `clickstream_source_up{source="kafka"} 1`, `clickstream_source_up{source="table"} 1`)

		running := begin(t, append([]string{"run", "--metrics-listen", "127.0.0.1:0", "--pprof"}, of...)...)
		inside := running.servesAt()
		tells(t, inside,
			`clickstream_source_up{source="process"} 1`, "clickstream_records_read_total"+labels+" 6", "clickstream_clicks_counted_total"+labels+" 5",
			fmt.Sprintf(`clickstream_dead_letters_total{group="%s",reason="json",topic="%s"} 1`, given(of, "--group"), given(of, "--topic")),
			"clickstream_processing_latency_seconds_count"+labels+" 5", "clickstream_window_seconds"+labels+" 60", "clickstream_consumer_group_lag"+labels+" 0",
		)
		for _, path := range []string{"/", "/runbook", "/debug/pprof/", "/healthz"} {
			assert.NotEmpty(t, fetchPage(t, inside+path), path)
		}
		tells(t, outside, "clickstream_consumer_group_lag"+labels+" 0")
		read := told(t, outside, "clickstream_records_read_total"+labels) // from where the group was when it was first seen
		c.Produce(t, given(of, "--topic"), &kgo.Record{Value: jsonClick(t, "/a", lastHour)}, &kgo.Record{Partition: 1, Value: jsonClick(t, "/b", lastHour)})
		tells(t, inside, "clickstream_records_read_total"+labels+" 8")
		tells(t, outside,
			"clickstream_consumer_group_lag"+labels+" 0", fmt.Sprint("clickstream_records_read_total", labels, " ", read+2),
			fmt.Sprintf(`clickstream_dead_letters_total{group="%s",reason="json",topic="%s"} 1`, given(of, "--group"), given(of, "--topic")))
		require.NoError(t, running.Process.Signal(syscall.SIGTERM))
		running.ends()

		run(t, append([]string{"run", "--quiet", "--until", "latest"}, of...)...) // which writes what the table lacks
		tells(t, outside,
			"clickstream_clicks_counted_total"+labels+" 7", "clickstream_commits_total"+labels+" 1", "clickstream_commit_duration_seconds_count"+labels+" 1",
			fmt.Sprintf(`clickstream_table_files{group="%s",table="%s",topic="%s"} 1`, given(of, "--group"), given(of, "--table"), given(of, "--topic")))
		assert.Contains(t, fetchPage(t, outside+"/readyz"), "ready")
		assert.Contains(t, run(t, append([]string{"monitor", "--quiet", "--once"}, where...)...), "clickstream_consumer_group_lag"+labels+" 0\n")
		require.NoError(t, watching.Process.Signal(syscall.SIGINT))
		watching.ends()
	})
}

func TestEnrichTellsWhatItDoes(t *testing.T) {
	c := kafkatest.StartEmbedded(t)
	of := topicOf(t, c, "/a", "/b", "/a")
	of = of[:slices.Index(of, "--table")]
	to := c.Topic(t, 1)
	running := begin(t, append([]string{"enrich", "--no-sessions", "--metrics-listen", "127.0.0.1:0", "--registry", c.Registry, "--enriched-topic", to}, of...)...)
	labels := fmt.Sprintf(`{group="%s",topic="%s"}`, given(of, "--group"), given(of, "--topic"))
	url := running.servesAt()
	tells(t, url, "clickstream_clicks_enriched_total"+labels+" 3", "clickstream_records_read_total"+labels+" 4", "clickstream_consumer_group_lag"+labels+" 0",
		fmt.Sprintf(`clickstream_dead_letters_total{group="%s",reason="json",topic="%s"} 1`, given(of, "--group"), given(of, "--topic")))
	assert.NotContains(t, fetchPage(t, url+"/metrics"), "clickstream_table_files")
	require.NoError(t, running.Process.Signal(syscall.SIGTERM))
	running.ends()
}

func TestMetricsWhereThePortIsTaken(t *testing.T) {
	c := kafkatest.StartEmbedded(t)
	of := topicOf(t, c, "/a")
	watching := begin(t, "monitor", "--listen", "127.0.0.1:0", "--brokers", given(of, "--brokers"), "--topic", given(of, "--topic"), "--table=")
	taken := strings.TrimPrefix(watching.servesAt(), "http://")
	for name, args := range map[string][]string{
		"listen":         {"monitor", "--quiet", "--listen", taken, "--brokers", given(of, "--brokers")},
		"metrics-listen": append([]string{"run", "--quiet", "--metrics-listen", taken}, of...),
	} {
		refused := begin(t, args...)
		refused.says("clickstream: --" + name + " " + taken + " is in use by another program; end that, or name another port")
		<-refused.ended
		assert.Equal(t, 1, refused.ProcessState.ExitCode())
	}
}
