// Package alerts_test has real alerts reach people: a real job is killed, slowed down and fed with rubbish, Kafka goes
// away, a monitor watches it, Prometheus and Alertmanager have the rules of scripts/monitoring, services in place of
// PagerDuty and Slack take down what they are told, and a browser has the monitor's page open all the while.
package alerts_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"clickstream/pipelines/objectives"
	"clickstream/testing/browser"
	"clickstream/testing/kafkatest"
)

const (
	faster     = 60 // a minute of the rules is a second
	patience   = 2 * time.Minute
	tick       = 50 * time.Millisecond
	partitions = 4
	routingKey = "0123456789abcdef0123456789abcdef"
)

// scene is a job and all that watches it.
type scene struct {
	*testing.T
	*kafkatest.Cluster
	clickstream         string // the program
	topic, group, table string
	monitorAt           string
	flink               *checkpointing
	pages               *received[event]
	chats               *received[message]
	*prometheus
}

// TestAlertsReachPeople is the story. Whatever fires is cleared again, and nothing fires beside what is to.
func TestAlertsReachPeople(t *testing.T) {
	s := setUp(t)
	job, monitor := s.job(), s.monitor()
	s.prometheus = startPrometheus(t, s.monitorAt, s.pages, s.chats)
	s.awaits(`up == 1 and on (instance) min without (source) (clickstream_source_up) == 1`)
	s.awaits(`clickstream_clicks_counted_total > 0 and on (instance) clickstream_table_version > 1`)
	s.checkPanels()
	page := browser.Open(t, "http://"+s.monitorAt+"/")
	page.Refusals = true // while the monitor is away
	shows := func(tile, grade string) {
		t.Helper()
		page.Until(fmt.Sprintf("document.querySelector('#tile-%s')?.dataset.grade === '%s'", tile, grade))
	}
	says := func(words string) {
		t.Helper()
		page.Until(fmt.Sprintf("document.querySelector('#problems')?.innerText.includes('%s')", words))
	}
	shows("lag", "good")
	shows("latency", "good")
	shows("checkpoint", "good")
	assert.Empty(t, s.pages.that(func(event) bool { return true }), "all is well")
	assert.Empty(t, s.chats.that(func(message) bool { return true }), "all is well")

	job.end(syscall.SIGKILL)
	s.flink.take(42_000)
	s.flink.fail(3)
	lag := s.pages.await(t, incident("trigger", "ClickstreamConsumerLag"), "the lag")
	s.checkPage(lag, "consumer-lag")
	assert.Regexp(t, `^`+s.group+` is \d+(\.\d+)?k records behind on `+s.topic+`$`, lag.Payload.Summary)
	commit := s.pages.await(t, incident("trigger", "ClickstreamNoCommit"), "commits that do not come")
	s.checkPage(commit, "no-commit")
	checkpoint := s.chats.await(t, titled("ClickstreamCheckpointDuration"), "the checkpoint")
	s.checkChat(checkpoint, "#clickstream-warnings", "checkpoint-duration", "the last checkpoint of "+s.group+" on "+s.topic+" took 42s")
	failures := s.chats.await(t, titled("ClickstreamCheckpointFailures"), "checkpoints that fail")
	s.checkChat(failures, "#clickstream-warnings", "checkpoint-failures", "3 checkpoints of "+s.group+" on "+s.topic+" have failed in an hour")
	shows("lag", "bad")
	shows("checkpoint", "bad")
	says("Nothing committed for")

	monitor.end(syscall.SIGTERM)
	down := s.pages.await(t, incident("trigger", objectives.ExporterDown), "the monitor")
	s.checkTold(down)
	assert.Contains(t, down.Links[0].Href, "/graph?g0.expr=up", "the runbook of the monitor is as far away as the monitor")
	assert.Contains(t, down.Payload.Details["description"], "scripts/monitoring/runbook.md")
	says("Connection lost since")
	s.flink.take(100)
	s.monitor()
	s.pages.await(t, incident("resolve", objectives.ExporterDown), "its return")
	shows("checkpoint", "good")
	shows("lag", "bad")
	s.chats.await(t, titled("All clear: ClickstreamCheckpointDuration"), "a fast one")
	for _, told := range []event{lag, commit} {
		s.awaits(`ALERTS{alertstate="firing", alertname="` + told.Payload.Class + `"}`)
		assert.Empty(t, s.pages.that(incident("resolve", told.Payload.Class)), "it is over because nobody saw it")
	}

	job = s.job()
	for _, told := range []event{lag, commit} {
		over := s.pages.await(t, incident("resolve", told.Payload.Class), "the end of "+told.Payload.Class)
		assert.Equal(t, told.Incident, over.Incident)
	}
	shows("lag", "good")
	page.Until("!document.querySelector('#problems').innerText.includes('Nothing committed for')")

	feeding, stop := context.WithCancel(t.Context())
	fed := make(chan error, 1)
	go func() { fed <- s.feedLateAndBad(feeding) }()
	slow := s.chats.await(t, titled("ClickstreamProcessingLatency"), "the latency")
	s.checkChat(slow, "#clickstream", "processing-latency", "p95 from Kafka to the count is ")
	bad := s.chats.await(t, titled("ClickstreamDeadLetters"), "the dead letters")
	s.checkChat(bad, "#clickstream", "dead-letters", "% of the records of "+s.topic+" are dead letters")
	stop()
	require.NoError(t, <-fed)
	for _, title := range []string{"ClickstreamProcessingLatency", "ClickstreamDeadLetters"} {
		over := s.chats.await(t, titled("All clear: "+title), "the end of "+title)
		assert.Equal(t, "good", over.Attachments[0].Color)
	}

	comeBack := s.leave()
	away := s.pages.await(t, incident("trigger", "ClickstreamSourceDown"), "Kafka")
	s.checkTold(away)
	s.checkLink(away, "source-down")
	assert.Equal(t, "the monitor at "+s.monitorAt+" cannot ask kafka: nobody watches the pipeline", away.Payload.Summary)
	other := s.chats.await(t, titled("ClickstreamOtherSourceDown"), "the dead letter topic")
	s.checkChat(other, "#clickstream-warnings", "other-source-down", "the monitor at "+s.monitorAt+" cannot ask dead_letters")
	says("Kafka does not answer")
	comeBack()
	s.pages.await(t, incident("resolve", "ClickstreamSourceDown"), "its return")
	s.awaitsAllClear()
	assert.True(t, job.runs())
}

func setUp(t *testing.T) *scene {
	t.Helper()
	c := kafkatest.StartEmbedded(t)
	s := &scene{
		T: t, Cluster: c, topic: "clicks", group: "counter", table: filepath.Join(t.TempDir(), "views"), monitorAt: "127.0.0.1:" + kafkatest.FreePort(t),
		clickstream: filepath.Join(t.TempDir(), "clickstream"), flink: startFlink(t),
		pages: receive[event](t, 202, `{"status": "success"}`), chats: receive[message](t, 200, "ok"),
	}
	kafkatest.Named(t, "CLICKSTREAM_TEST_PROMETHEUS", "scripts/components/monitoring prometheus prints the lines that set it")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", s.clickstream, "../../pipelines/clickstream").CombinedOutput()
	require.NoError(t, err, "%s", out)
	c.MakeTopic(t, s.topic, partitions)
	start(t, "the producer", s.clickstream, "generate", "--brokers", c.Brokers[0], "--topic", s.topic, "--format", "json", "--rate", "2000")
	return s
}

// job starts a real one, with windows of three seconds.
func (s *scene) job() *service {
	s.Helper()
	return start(s.T, "the job", s.clickstream, "run", "--brokers", s.Brokers[0], "--topic", s.topic, "--group", s.group,
		"--dead-letter-topic", s.topic+"-dlq", "--format", "json", "--start", "earliest", "--table", s.table,
		"--window", "3s", "--watermark-delay", "1s", "--allowed-lateness", "6s", "--idle-timeout", "5s")
}

// monitor starts one that watches the job.
func (s *scene) monitor() *service {
	s.Helper()
	return start(s.T, "the monitor", s.clickstream, "monitor", "--brokers", s.Brokers[0], "--topic", s.topic, "--group", s.group,
		"--dead-letter-topic", s.topic+"-dlq", "--table", s.table, "--flink-rest", s.flink.URL, "--listen", s.monitorAt, "--interval", "1s")
}

// feedLateAndBad writes clicks that have come to the broker a minute and a half ago, as it says, and as many records that
// are no clicks, until ctx ends: some each tick.
func (s *scene) feedLateAndBad(ctx context.Context) error {
	client, err := kgo.NewClient(append(s.Options(), kgo.DefaultProduceTopic(s.topic))...)
	if err != nil {
		return err
	}
	defer client.Close()
	every := time.NewTicker(tick)
	defer every.Stop()
	for n := 0; ; n++ {
		for i := range 25 {
			now := time.Now()
			value, err := json.Marshal(map[string]any{"event_id": fmt.Sprint(n, "-", i), "user_id": "u", "page_url": "/", "timestamp": now.UnixMilli()})
			if err != nil {
				return err
			}
			client.Produce(ctx, &kgo.Record{Value: value, Timestamp: now.Add(-90 * time.Second)}, nil)
			client.Produce(ctx, &kgo.Record{Value: []byte("no click")}, nil)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}

// leave has Kafka answer nobody, until what it returns is called.
func (s *scene) leave() (comeBack func()) {
	var back atomic.Bool
	s.Fakes.Broker.Control(func(kmsg.Request) (kmsg.Response, error, bool) {
		if back.Load() {
			return nil, nil, false
		}
		s.Fakes.Broker.KeepControl()
		return nil, errors.New("Kafka is away"), true
	})
	return func() { back.Store(true) }
}

// checkPage checks what PagerDuty was told of a topic, and that the link leads to what is to be done.
func (s *scene) checkPage(e event, id string) {
	s.Helper()
	s.checkTold(e)
	s.checkLink(e, id)
	assert.Equal(s.T, s.topic, e.Payload.Component)
}

func (s *scene) checkTold(e event) {
	s.Helper()
	assert.Equal(s.T, routingKey, e.RoutingKey)
	assert.Equal(s.T, "critical", e.Payload.Severity)
	assert.Equal(s.T, "clickstream at "+s.monitorAt, e.Client)
	assert.Contains(s.T, e.Payload.Details["description"], "First look: ")
	assert.Contains(s.T, e.Payload.Details["firing"], e.Payload.Summary)
	require.Len(s.T, e.Links, 1)
}

func (s *scene) checkLink(e event, id string) {
	s.Helper()
	assert.Equal(s.T, "http://"+s.monitorAt+"/runbook#"+id, e.Links[0].Href)
	page, err := get(e.Links[0].Href)
	require.NoError(s.T, err)
	assert.Contains(s.T, string(page), `id="`+id+`"`)
}

// checkChat checks what Slack was told.
func (s *scene) checkChat(m message, channel, id, summary string) {
	s.Helper()
	assert.Equal(s.T, channel, m.Channel)
	a := m.Attachments[0]
	assert.Contains(s.T, a.Text, summary)
	assert.Contains(s.T, a.Text, "Remedy: ")
	assert.Contains(s.T, a.Text, "<http://"+s.monitorAt+"/runbook#"+id+"|Runbook>")
	assert.Equal(s.T, "http://"+s.monitorAt+"/runbook#"+id, a.Link)
	assert.Contains(s.T, a.Fallback, summary)
	assert.Contains(s.T, []string{"danger", "warning"}, a.Color)
}

// checkPanels asks Prometheus what each line of Grafana's dashboard shows: there is something of every one.
func (s *scene) checkPanels() {
	s.Helper()
	chosen := strings.NewReplacer("$topic", ".*", "$group", ".*", "$table", ".*", "$__rate_interval", "1m")
	for _, p := range objectives.Panels {
		for _, line := range p.Series {
			s.awaits(chosen.Replace(line.Expr))
		}
	}
	for _, t := range objectives.Targets {
		s.awaits(strings.ReplaceAll(t.Expr, "[5m]", "[1m]"))
	}
	for _, v := range objectives.Variables {
		text, err := get(s.url + "/api/v1/label/" + v.Name + "/values?match[]=" + v.Of)
		require.NoError(s.T, err)
		want := map[string]string{"topic": s.topic, "group": s.group, "table": s.table}[v.Name]
		assert.JSONEq(s.T, fmt.Sprintf(`{"status": "success", "data": [%q]}`, want), string(text))
	}
	if promtool := os.Getenv("CLICKSTREAM_TEST_PROMTOOL"); promtool != "" {
		text, err := get("http://" + s.monitorAt + "/metrics")
		require.NoError(s.T, err)
		lint := exec.CommandContext(s.Context(), promtool, "check", "metrics")
		lint.Stdin = strings.NewReader(string(text))
		said, err := lint.CombinedOutput()
		assert.NoError(s.T, err, "%s", said)
	}
}

// awaitsAllClear waits until everything that was told of is over: each alert there is, and nothing beside.
func (s *scene) awaitsAllClear() {
	s.Helper()
	over := map[string]bool{}
	for _, a := range objectives.Alerts {
		over[a.Name] = true
	}
	require.EventuallyWithT(s.T, func(t *assert.CollectT) { assert.Equal(t, over, s.told()) }, patience, tick)
}

// told are the alerts that somebody was told of, and whether they are over.
func (s *scene) told() map[string]bool {
	told := map[string]bool{}
	for _, e := range s.pages.that(func(event) bool { return true }) {
		told[e.Payload.Class] = e.Action == "resolve"
	}
	for _, m := range s.chats.that(func(message) bool { return true }) {
		name, over := strings.CutPrefix(m.Attachments[0].Title, "All clear: ")
		told[name] = over
	}
	return told
}
