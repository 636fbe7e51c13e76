package demo

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"clickstream/io/table"
	"clickstream/pipelines/launch"
	"clickstream/pipelines/settings"
	"clickstream/testing/oracle"
	"clickstream/transforms/click"
)

func TestMain(m *testing.M) {
	beam.Init()
	slog.SetDefault(slog.New(launch.Logs(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))))
	os.Exit(m.Run())
}

// patience is how long anything that is to come may take, on a machine that is busy with other tests.
const patience = time.Minute

// writer is what a demo prints to.
type writer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *writer) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// within returns a context that ends with the test, and when the test has lost its patience.
func within(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(context.WithoutCancel(t.Context()), patience)
}

// until runs the demo until the condition holds, and returns what Run does.
func until(t *testing.T, s *settings.Demo, common *settings.Common, out *writer, condition func() bool) error {
	t.Helper()
	ctx, stop := within(t)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, s, common, out) }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case err := <-ended:
			return errors.Join(errors.New("the demo ended before the condition held"), err)
		case <-ctx.Done():
			return errors.Join(errors.New("the condition did not hold in time"), <-ended)
		case <-tick.C:
		}
	}
	stop()
	return <-ended
}

func plainly() *settings.Common { return &settings.Common{LogFormat: "text", LogLevel: "info"} }

func TestPlainDemoAgainAndAgain(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s := &settings.Demo{Table: filepath.Join(t.TempDir(), "demo", "views"), Rate: 500, Plain: true, Listen: "127.0.0.1:0"}
	for range 2 {
		var out writer
		require.NoError(t, until(t, s, plainly(), &out, func() bool {
			return strings.Contains(out.String(), "written up to ") && strings.Contains(out.String(), "too_late")
		}), "printed: %s", &out)

		assert.NotContains(t, out.String(), "\x1b")
		for _, line := range queries(s.Table, program(os.Args[0])) {
			assert.Contains(t, out.String(), "\n  "+line+"\n")
		}
		assert.Contains(t, out.String(), "\nIt is in "+s.Table+"\n")
		held, err := readTable(t.Context(), s.Table)
		require.NoError(t, err)
		assert.Positive(t, held.Rows)
		assert.Contains(t, out.String(), number(held.Views)+" views.\n", "the closing lines tell of the whole table")

		// What ran has ended: nothing listens, nothing is left but the table and Prism, which lives in the process.
		for _, address := range addresses(t, out.String()) {
			_, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
			require.Error(t, err, "%s still listens", address)
		}
		temporary, err := os.ReadDir(os.Getenv("TMPDIR"))
		require.NoError(t, err)
		assert.Empty(t, temporary)
		staged, err := filepath.Glob(filepath.Join(s.Table, "_staging", "*", "*"))
		require.NoError(t, err)
		assert.Empty(t, staged)
		require.Eventually(t, func() bool { return len(ours()) == 0 }, patience, 20*time.Millisecond, "goroutines are left: %s", lazy(ours))
	}
}

// lazy is a text that is made when it is printed.
type lazy func() []string

func (l lazy) String() string { return strings.Join(l(), "\n\n") }

// addresses returns the broker's and the registry's from the first line, and the page's from the second.
func addresses(t *testing.T, printed string) []string {
	t.Helper()
	first, _, _ := strings.Cut(printed, "written up to")
	var found []string
	for _, word := range strings.FieldsFunc(first, func(r rune) bool { return strings.ContainsRune(" ,\n", r) }) {
		if word = strings.TrimPrefix(word, "http://"); strings.HasPrefix(word, "127.0.0.1:") {
			found = append(found, word)
		}
	}
	require.Len(t, found, 3)
	return found
}

// ours returns the goroutines of the program's packages and of its clients, brokers and registries.
func ours() []string {
	all := make([]byte, 16<<20)
	all = all[:runtime.Stack(all, true)]
	var found []string
	for stack := range strings.SplitSeq(string(all), "\n\n") {
		if strings.Contains(stack, "testing.tRunner") || strings.Contains(stack, "demo.ours") {
			continue
		}
		if strings.Contains(stack, "franz-go") || strings.Contains(stack, "clickstream/") || strings.Contains(stack, "net/http.(*Server)") {
			found = append(found, stack)
		}
	}
	return found
}

// TestTableIsExact holds each window of the table against a count of the topic that shares no code with the pipeline.
func TestTableIsExact(t *testing.T) {
	var out writer
	d := &demo{
		settings: &settings.Demo{Table: filepath.Join(t.TempDir(), "views"), Rate: 2000},
		common:   &settings.Common{Quiet: true}, out: &out, begin: time.Now(),
	}
	defer func() { require.NoError(t, d.release()) }()
	ctx, stop := within(t)
	defer stop()
	require.NoError(t, d.prepare(ctx))
	go func() {
		defer stop()
		for ctx.Err() == nil {
			p := d.plan.Progress()
			if p.Windows > 0 && p.Rejected[click.TooLate] > 0 {
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	require.NoError(t, d.play(ctx))
	require.ErrorIs(t, ctx.Err(), context.Canceled, "all was seen in time")

	counts, err := oracle.Count(t.Context(), rawTopic, oracle.Rules{
		Format: "avro", Registry: d.cluster.registry.URL(), Window: time.Minute, ClockSkew: 5 * time.Minute,
	}, kgo.SeedBrokers(d.cluster.broker.Addrs()...))
	require.NoError(t, err)
	held, err := readTable(t.Context(), d.folder.path)
	require.NoError(t, err)
	closed := d.plan.Progress().Watermark.Add(-5 * time.Second).Truncate(time.Minute) // it may have moved since it settled
	assert.False(t, held.To.Before(closed), "the table ends at %s, the watermark has closed all up to %s", held.To, closed)
	want := map[oracle.Key]int64{}
	for key, n := range counts.Views {
		start := time.UnixMilli(key.WindowStart)
		late := start.Before(d.begin.Add(-30 * time.Minute)) // a click that comes late is late by an hour
		if !late && !start.Add(time.Minute).After(held.To) {
			want[key] = n
		}
	}
	got := map[oracle.Key]int64{}
	view, err := table.View(t.Context(), d.folder.path)
	require.NoError(t, err)
	for row, err := range view.Scan(t.Context(), table.Filter{}) {
		require.NoError(t, err)
		got[oracle.Key{WindowStart: row.WindowStart.UnixMilli(), Page: row.PageURL}] = row.ViewCount
	}
	require.NotEmpty(t, want)
	assert.Empty(t, oracle.Diff(want, got))
	p := d.plan.Progress()
	assert.Equal(t, int64(len(counts.Invalid)), sum(&p)-p.Rejected[click.TooLate], "every bad record is a dead letter")
	assert.Empty(t, out.String(), "it is quiet")
}

func TestDemoEndsByItself(t *testing.T) {
	for _, length := range []time.Duration{time.Nanosecond, time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond, 700 * time.Millisecond} {
		var out writer
		began := time.Now()
		ctx, stop := within(t)
		err := Run(ctx, &settings.Demo{Table: filepath.Join(t.TempDir(), "views"), Rate: 500, For: length, Plain: true}, plainly(), &out)
		stop()
		require.NoError(t, err, "for %s", length)
		assert.Contains(t, out.String(), "/views", "it says where the table is, for %s", length)
		assert.GreaterOrEqual(t, time.Since(began), length)
	}
}

func TestQuietDemo(t *testing.T) {
	var out writer
	s := &settings.Demo{Table: filepath.Join(t.TempDir(), "views"), Rate: 500}
	require.NoError(t, until(t, s, &settings.Common{Quiet: true, LogFormat: "text"}, &out, func() bool {
		held, err := readTable(t.Context(), s.Table)
		return err == nil && held.Rows > 0
	}))
	assert.True(t, strings.HasPrefix(out.String(), "\nRead "), "nothing but the closing lines: %s", &out)
}

func TestDemoThatLogsJSON(t *testing.T) {
	var log, out writer
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(launch.Logs(slog.NewJSONHandler(&log, nil))))
	s := &settings.Demo{Table: filepath.Join(t.TempDir(), "views"), Rate: 500}
	require.NoError(t, until(t, s, &settings.Common{LogFormat: "json"}, &out, func() bool {
		return strings.Contains(log.String(), `"msg":"windows are in the table"`)
	}))
	for line := range strings.Lines(log.String()) {
		assert.True(t, strings.HasPrefix(line, `{"time":`), line)
	}
	assert.True(t, strings.HasPrefix(out.String(), "\nRead "), "nothing but the closing lines: %s", &out)
}

func TestPartThatFailsEndsTheDemo(t *testing.T) {
	for name, c := range map[string]struct {
		request kmsg.Key
		answer  func(kmsg.Request) kmsg.Response
		says    string
	}{
		"the clicks cannot be written": {kmsg.Produce, func(r kmsg.Request) kmsg.Response {
			return refuseProduce(r.(*kmsg.ProduceRequest))
		}, "the clicks: "},
		"the pipeline cannot read": {kmsg.Fetch, func(r kmsg.Request) kmsg.Response {
			answer := r.ResponseKind().(*kmsg.FetchResponse)
			for _, asked := range r.(*kmsg.FetchRequest).Topics {
				topic := kmsg.NewFetchResponseTopic()
				topic.Topic, topic.TopicID = asked.Topic, asked.TopicID
				for _, p := range asked.Partitions {
					partition := kmsg.NewFetchResponseTopicPartition()
					partition.Partition, partition.ErrorCode = p.Partition, kerr.TopicAuthorizationFailed.Code
					topic.Partitions = append(topic.Partitions, partition)
				}
				answer.Topics = append(answer.Topics, topic)
			}
			return answer
		}, "the pipeline: "},
	} {
		t.Run(name, func(t *testing.T) {
			var out writer
			d := &demo{
				settings: &settings.Demo{Table: filepath.Join(t.TempDir(), "views"), Rate: 500, Plain: true},
				common:   plainly(), out: &out, begin: time.Now(),
			}
			defer func() { require.NoError(t, d.release()) }()
			ctx, stop := within(t)
			defer stop()
			require.NoError(t, d.prepare(ctx))
			d.cluster.broker.ControlKey(int16(c.request), func(r kmsg.Request) (kmsg.Response, error, bool) {
				d.cluster.broker.KeepControl()
				return c.answer(r), nil, true
			})
			err := d.play(ctx)
			require.ErrorContains(t, err, c.says)
			require.NoError(t, ctx.Err(), "it does not wait for anything else")
			require.ErrorContains(t, err, rawTopic)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func refuseProduce(r *kmsg.ProduceRequest) kmsg.Response {
	answer := r.ResponseKind().(*kmsg.ProduceResponse)
	for _, asked := range r.Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.TopicID = asked.Topic, asked.TopicID
		for _, p := range asked.Partitions {
			partition := kmsg.NewProduceResponseTopicPartition()
			partition.Partition, partition.ErrorCode = p.Partition, kerr.TopicAuthorizationFailed.Code
			topic.Partitions = append(topic.Partitions, partition)
		}
		answer.Topics = append(answer.Topics, topic)
	}
	return answer
}
