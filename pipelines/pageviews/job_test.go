package pageviews_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/linkedin/goavro/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/table"
	"clickstream/pipelines/launch"
	"clickstream/pipelines/pageviews"
	"clickstream/pipelines/settings"
	"clickstream/testing/kafkatest"
	"clickstream/testing/oracle"
	"clickstream/transforms/click"
)

func TestMain(m *testing.M) {
	beam.Init()
	if err := flag.Set("test.parallel", "8"); err != nil { // most tests wait for most of their time
		panic(err)
	}
	slog.SetDefault(slog.New(launch.Logs(slog.NewTextHandler(&log, nil))))
	os.Exit(m.Run())
}

// log is what all tests have logged. A line is told to be a test's by the names of its topics and folders.
var log lines

type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// with returns the lines that hold all of the words.
func (l *lines) with(words ...string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for line := range strings.Lines(l.text.String()) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// patience is how long anything that is to come may take, on a machine that is busy with other tests.
const patience = 2 * time.Minute

// eventually waits until the condition holds.
func eventually(t *testing.T, condition func() bool, words string, args ...any) {
	t.Helper()
	require.Eventuallyf(t, condition, patience, 20*time.Millisecond, words, args...)
}

// job is a run of the command on topics and a table of its own.
type job struct {
	*testing.T
	cluster  *kafkatest.Cluster
	settings settings.Run
	produced int64 // records in the topic that count or are rejected
	schema   int   // id of click.Schema, once it is asked for
	writer   *kgo.Client
	bundle   time.Duration
	shared   bool // another job writes to the table as well
}

// newJob makes a topic, and returns a job that is to read it, from its start to its ends. The arguments are
// flags of the run command, behind those.
func newJob(t *testing.T, c *kafkatest.Cluster, partitions int32, args ...string) *job {
	t.Helper()
	return newJobOn(t, c, c.Topic(t, partitions, "max.message.bytes", "16000000"), args...)
}

// newJobOn returns a job on a topic that is there, or not.
func newJobOn(t *testing.T, c *kafkatest.Cluster, topic string, args ...string) *job {
	t.Helper()
	j := &job{T: t, cluster: c}
	if !slices.Contains(args, "--brokers") { // which may be given more than once, and adds up
		args = append([]string{"--brokers", strings.Join(c.Brokers, ",")}, args...)
	}
	args = append([]string{
		"--registry", c.Registry,
		"--topic", topic, "--dead-letter-topic", c.Name(t), "--group", c.Name(t),
		"--table", filepath.Join(t.TempDir(), "views"), "--start", "earliest", "--until", "latest",
	}, args...)
	var cli struct {
		Run struct {
			Settings settings.Run `embed:""`
		} `cmd:""`
	}
	parser, err := settings.Parser(&cli, settings.NewSources(nil), kong.Exit(func(int) { t.Error("the parser wants to exit") }))
	require.NoError(t, err)
	_, err = parser.Parse(append([]string{"run"}, args...))
	require.NoError(t, err)
	j.settings = cli.Run.Settings
	require.NoError(t, settings.Validate(&j.settings))
	c.RemoveTopic(t, j.settings.DeadLetterTopic)
	return j
}

// prepare returns the plan.
func (j *job) prepare() pageviews.Plan {
	j.Helper()
	p, err := pageviews.Prepare(j.Context(), &j.settings)
	require.NoError(j, err)
	if j.bundle > 0 {
		p.Read.Bundle = j.bundle
	}
	return p
}

// run runs the job to its end.
func (j *job) run() pageviews.Plan {
	j.Helper()
	ctx, cancel := context.WithTimeout(j.Context(), patience)
	defer cancel()
	p := j.prepare()
	require.NoError(j, pageviews.Run(ctx, p))
	return p
}

// running is a job that goes on.
type running struct {
	*job
	plan   pageviews.Plan
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// start runs the job in the background. It is stopped with the test, if not before.
func (j *job) start() *running {
	j.Helper()
	return j.begin(j.prepare())
}

// begin runs a plan in the background.
func (j *job) begin(p pageviews.Plan) *running {
	j.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(j.Context()))
	r := &running{job: j, plan: p, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = pageviews.Run(ctx, p)
	}()
	j.Cleanup(func() {
		cancel()
		<-r.done
	})
	return r
}

// wait waits for the job's own end, and returns its error.
func (r *running) wait() error {
	r.Helper()
	select {
	case <-r.done:
	case <-time.After(patience):
		require.Fail(r, "the job does not end")
	}
	return r.err
}

// stop stops the job, which is to go on until then.
func (r *running) stop() {
	r.Helper()
	select {
	case <-r.done:
		require.NoError(r, r.err, "the job has ended before it was stopped")
	default:
	}
	r.cancel()
	require.ErrorIs(r, r.wait(), launch.ErrCancelled)
}

// reads waits until the job has read n records.
func (r *running) reads(n int64) {
	r.Helper()
	eventually(r.T, func() bool {
		select {
		case <-r.done:
			require.NoError(r, r.err)
		default:
		}
		return r.plan.Progress().Read >= n
	}, "the job has not read %d records", n)
}

// shows waits until the table is as wanted.
func (r *running) shows(want map[oracle.Key]int64) {
	r.Helper()
	eventually(r.T, func() bool { return len(oracle.Diff(want, r.rows())) == 0 }, "the table does not become %v", want)
}

// produce writes records to the topic.
func (j *job) produce(records ...*kgo.Record) {
	j.Helper()
	if j.writer == nil {
		j.writer = j.cluster.Client(j.T, kgo.DefaultProduceTopic(j.settings.Topic))
	}
	ctx, cancel := context.WithTimeout(j.Context(), patience)
	defer cancel()
	require.NoError(j, j.writer.ProduceSync(ctx, records...).FirstErr())
	j.produced += int64(len(records))
}

// event is what an event of the topic says.
type event struct {
	id, user, page string
	at             time.Time
	session        string
}

var clicks = func() *goavro.Codec {
	codec, err := goavro.NewCodec(click.Schema)
	if err != nil {
		panic(err)
	}
	return codec
}()

// value returns an event in the job's format.
func (j *job) value(e event) []byte {
	j.Helper()
	if j.settings.Format == "json" {
		return fmt.Appendf(nil, `{"event_id":%s,"user_id":%s,"page_url":%s,"timestamp":%d,"session_id":%s}`,
			quoted(e.id), quoted(e.user), quoted(e.page), e.at.UnixMilli(), quoted(e.session))
	}
	avro, err := clicks.BinaryFromNative(nil, map[string]any{
		"event_id": e.id, "user_id": e.user, "page_url": e.page, "timestamp": e.at.UnixMilli(), "session_id": goavro.Union("string", e.session),
	})
	require.NoError(j, err)
	if j.schema == 0 {
		j.schema = j.cluster.Register(j.T, j.settings.Topic+"-value", click.Schema)
	}
	return kafkatest.Frame(j.schema, avro)
}

// quoted returns s as a JSON string, whatever bytes it holds.
func quoted(s string) []byte {
	var b bytes.Buffer
	b.WriteByte('"')
	for len(s) > 0 && strings.HasPrefix(s, noise) { // which is long, and needs no escapes
		b.WriteString(noise)
		s = s[len(noise):]
	}
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ':
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.Bytes()
}

// click returns the record of a click that is as old as its event.
func (j *job) click(partition int32, page string, at time.Time) *kgo.Record {
	j.Helper()
	return j.event(partition, event{id: "e", user: "u", page: page, at: at})
}

// event returns the record of an event that is as old as it.
func (j *job) event(partition int32, e event) *kgo.Record {
	j.Helper()
	return &kgo.Record{Partition: partition, Timestamp: e.at, Value: j.value(e)}
}

// rows returns the table.
func (j *job) rows() map[oracle.Key]int64 {
	j.Helper()
	all := map[oracle.Key]int64{}
	view, err := table.View(j.Context(), j.settings.Table)
	require.NoError(j, err)
	for row, err := range view.Scan(j.Context(), table.Filter{}) {
		require.NoError(j, err)
		require.Equal(j, j.settings.Window, row.WindowEnd.Sub(row.WindowStart))
		k := oracle.Key{WindowStart: row.WindowStart.UnixMilli(), Page: row.PageURL}
		_, there := all[k]
		require.False(j, there, "row %v is there twice", k)
		all[k] = row.ViewCount
	}
	return all
}

// row returns the key of a page's row in the window that holds at.
func (j *job) row(page string, at time.Time) oracle.Key {
	return oracle.Key{WindowStart: at.Truncate(j.settings.Window).UnixMilli(), Page: page}
}

// letter is a dead letter.
type letter struct {
	*kgo.Record
	dlq map[string]string // its dlq headers, without the prefix
}

func (l letter) place() oracle.Place {
	p, err := strconv.ParseInt(l.dlq["partition"], 10, 32)
	if err != nil {
		panic(err)
	}
	o, err := strconv.ParseInt(l.dlq["offset"], 10, 64)
	if err != nil {
		panic(err)
	}
	return oracle.Place{Partition: int32(p), Offset: o}
}

// letters returns the dead letters, by where their records stand.
func (j *job) letters() []letter {
	j.Helper()
	var all []letter
	for _, r := range j.cluster.Read(j.T, j.settings.DeadLetterTopic) {
		l := letter{r, map[string]string{}}
		for _, h := range r.Headers {
			if name, ok := strings.CutPrefix(h.Key, "dlq."); ok {
				require.NotContains(j, l.dlq, name, "a header is there twice")
				l.dlq[name] = string(h.Value)
			}
		}
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b letter) int { return comparePlaces(a.place(), b.place()) })
	return all
}

func comparePlaces(a, b oracle.Place) int {
	if a.Partition != b.Partition {
		return int(a.Partition - b.Partition)
	}
	return int(a.Offset - b.Offset)
}

// exact compares the table and the dead letters with what the oracle counts, row by row and record by record:
// each record of the topic is in one of the two.
func (j *job) exact() {
	j.Helper()
	if !j.shared {
		assert.Empty(j, log.with("another program commits", j.settings.Table))
	}
	late := map[oracle.Place]bool{}
	var invalid []oracle.Place
	for _, l := range j.letters() {
		if l.dlq["reason"] == string(click.TooLate) {
			late[l.place()] = true
		} else {
			invalid = append(invalid, l.place())
		}
	}
	want := j.count(func(p oracle.Place) bool { return late[p] })
	assert.Empty(j, oracle.Diff(oracle.Top(want.Views, j.settings.Top), j.rows()), "the table")
	assert.Equal(j, want.Invalid, invalid, "the dead letters")
	assert.Equal(j, j.produced, want.Valid+int64(len(invalid)+len(late)), "each record is counted or a dead letter")
}

// count asks the oracle.
func (j *job) count(except func(oracle.Place) bool) *oracle.Counts {
	j.Helper()
	want, err := oracle.Count(j.Context(), j.settings.Topic, oracle.Rules{
		Format: j.settings.Format, Registry: j.cluster.Registry, Window: j.settings.Window, ClockSkew: j.settings.ClockSkew,
		Once: j.settings.Dedupe != "", Except: except,
	}, j.cluster.Options()...)
	require.NoError(j, err)
	return want
}

// admin returns an administrator of the job's cluster.
func (j *job) admin() *kadm.Client { return kadm.NewClient(j.cluster.Client(j.T)) }
