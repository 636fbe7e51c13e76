package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/linkedin/goavro/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/io/parquet"
	"clickstream/io/table"
	"clickstream/pipelines/audit"
	"clickstream/pipelines/pageviews"
	"clickstream/pipelines/settings"
	"clickstream/testing/kafkatest"
	"clickstream/transforms/click"
)

func TestMain(m *testing.M) {
	beam.Init()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// patience is how long a run or an audit may take, on a machine that is busy with other tests.
const patience = time.Minute

// noon is where the event times of these tests start.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at returns a time that many seconds past noon.
func at(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

// subject is a topic, and a table that runs count it into: windows of a minute, open for a minute more.
type subject struct {
	*testing.T
	cluster *kafkatest.Cluster
	topic   string
	letters string
	table   string
	kind    string // of the table
	format  string
	shards  int
	schema  int

	meanwhile func(read, of int64) // is called while the topic is read
}

func newSubject(t *testing.T, c *kafkatest.Cluster, format string, partitions int32) *subject {
	t.Helper()
	s := &subject{T: t, cluster: c, topic: c.Topic(t, partitions), letters: c.Name(t), table: filepath.Join(t.TempDir(), "views"), format: format, shards: 1}
	s.kind = map[string]string{"json": table.Delta, "avro": table.Parquet}[format] // so that each is there
	c.RemoveTopic(t, s.letters)
	return s
}

// each runs f on each kind of cluster, with each format.
func each(t *testing.T, f func(t *testing.T, c *kafkatest.Cluster, format string)) {
	t.Helper()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		for _, format := range []string{"json", "avro"} {
			t.Run(format, func(t *testing.T) {
				t.Parallel()
				f(t, c, format)
			})
		}
	})
}

// flags are those that all commands share.
func (s *subject) flags(more ...string) []string {
	return append([]string{
		"--brokers", strings.Join(s.cluster.Brokers, ","), "--registry", s.cluster.Registry, "--topic", s.topic,
		"--format", s.format, "--table", s.table, "--allowed-lateness", "1m", "--retry-timeout", "20s",
	}, more...)
}

// parsed returns settings that flags make.
func parsed[S any](s *subject, flags []string) *S {
	s.Helper()
	var cli struct {
		Command struct {
			Settings S `embed:""`
		} `cmd:""`
	}
	parser, err := settings.Parser(&cli, settings.NewSources(nil), kong.Exit(func(int) { s.Error("the parser wants to exit") }))
	require.NoError(s, err)
	_, err = parser.Parse(append([]string{"command"}, flags...))
	require.NoError(s, err)
	return &cli.Command.Settings
}

// prepare returns the plan of a run from where the table is, or the topic's start, to its end.
func (s *subject) prepare(flags ...string) pageviews.Plan {
	s.Helper()
	run := parsed[settings.Run](s, append(s.flags("--dead-letter-topic", s.letters, "--group", s.letters, "--start", "earliest", "--until", "latest",
		"--watermark-delay", "10s", "--table-format", s.kind, "--shards", strconv.Itoa(s.shards)), flags...))
	require.NoError(s, settings.Validate(run))
	plan, err := pageviews.Prepare(s.Context(), run)
	require.NoError(s, err)
	return plan
}

func (s *subject) run(flags ...string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	require.NoError(s, pageviews.Run(ctx, s.prepare(flags...)))
}

// verify audits the table. The report's offsets always sum up.
func (s *subject) verify(flags ...string) *audit.Report {
	s.Helper()
	r, err := s.tryVerify(flags...)
	require.NoError(s, err)
	o := r.Offsets
	sum := o.Counted + o.Duplicates + o.TooLate + o.Doubtful + o.Deferred + o.Again + o.Open + o.Unread + o.Lost + o.Elsewhere + o.Markers + o.Gaps + o.Gone
	for _, n := range o.Rejected {
		sum += n
	}
	require.Equal(s, o.Consumed, sum, "%+v", o)
	require.Equal(s, r.Clean, r.Err() == nil)
	var text strings.Builder
	require.NoError(s, r.WriteText(&text))
	if r.Clean {
		require.Contains(s, text.String(), "\nclean: ")
	} else {
		require.Contains(s, text.String(), "\nNOT clean: ")
	}
	return r
}

func (s *subject) tryVerify(flags ...string) (*audit.Report, error) {
	s.Helper()
	set := parsed[settings.TableVerify](s, append(s.flags("--dead-letter-topic", s.letters), flags...))
	require.NoError(s, settings.Validate(set))
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	return audit.Verify(ctx, set, s.meanwhile)
}

// clean audits the table, and wants nothing to differ.
func (s *subject) clean(flags ...string) *audit.Report {
	s.Helper()
	r := s.verify(flags...)
	require.True(s, r.Clean, "%v\n%+v", r.Err(), r)
	return r
}

// rebuild rebuilds the windows that start from so many seconds past noon up to so many.
func (s *subject) rebuild(from, to int, flags ...string) (*audit.Rebuilt, error) {
	s.Helper()
	set := parsed[settings.TableRebuild](s, append(s.flags("--from", at(from).Format(time.RFC3339), "--to", at(to).Format(time.RFC3339)), flags...))
	require.NoError(s, settings.Validate(set))
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	return audit.Rebuild(ctx, set, nil)
}

// click returns the record of a click that is as old as its event.
func (s *subject) click(partition int32, page string, at time.Time) *kgo.Record {
	s.Helper()
	return s.event(partition, "e", "u", page, at)
}

// event returns the record of a user's event that is as old as it.
func (s *subject) event(partition int32, id, user, page string, at time.Time) *kgo.Record {
	s.Helper()
	event := map[string]any{"event_id": id, "user_id": user, "page_url": page, "timestamp": at.UnixMilli(), "session_id": nil}
	rec := &kgo.Record{Partition: partition, Timestamp: at}
	if s.format == "json" {
		var err error
		rec.Value, err = json.Marshal(event)
		require.NoError(s, err)
		return rec
	}
	if s.schema == 0 {
		s.schema = s.cluster.Register(s.T, s.topic+"-value", click.Schema)
	}
	avro, err := clicks.BinaryFromNative(nil, event)
	require.NoError(s, err)
	rec.Value = kafkatest.Frame(s.schema, avro)
	return rec
}

var clicks = func() *goavro.Codec {
	codec, err := goavro.NewCodec(click.Schema)
	if err != nil {
		panic(err)
	}
	return codec
}()

func (s *subject) produce(records ...*kgo.Record) {
	s.Helper()
	s.cluster.Produce(s.T, s.topic, records...)
}

// minutes produces two clicks of each partition, of two pages, in every minute from one to another; in each partition a
// record that is no click ends it.
func (s *subject) minutes(from, to int, partitions int32) {
	s.Helper()
	var records []*kgo.Record
	for p := range partitions {
		for m := from; m < to; m++ {
			records = append(records, s.click(p, "/", at(60*m)), s.click(p, fmt.Sprint("/", m), at(60*m+30)))
		}
		records = append(records, &kgo.Record{Partition: p, Timestamp: at(60 * to), Value: []byte("no click")}, s.click(p, "/", at(60*to)))
	}
	s.produce(records...)
}

// letter writes a dead letter of a record, as a run does.
func (s *subject) letter(partition int32, offset int64, reason click.Reason) {
	s.Helper()
	s.cluster.Produce(s.T, s.letters, &kgo.Record{Headers: []kgo.RecordHeader{
		{Key: "dlq.topic", Value: []byte(s.topic)}, {Key: "dlq.partition", Value: fmt.Append(nil, partition)},
		{Key: "dlq.offset", Value: fmt.Append(nil, offset)}, {Key: "dlq.reason", Value: []byte(reason)},
	}})
}

func (s *subject) admin() *kadm.Client { return kadm.NewClient(s.cluster.Client(s.T)) }

// identity returns what the topic is now.
func (s *subject) identity() kafka.Identity {
	s.Helper()
	is, err := kafka.Connection{Brokers: s.cluster.Brokers}.Identify(s.Context(), s.admin(), kafka.Doing{Operation: "Read", Topic: s.topic})
	require.NoError(s, err)
	return is
}

// deleteRecords deletes all records of a partition before the offset, as retention does.
func (s *subject) deleteRecords(partition int32, before int64) {
	s.Helper()
	var gone kadm.Offsets
	gone.AddOffset(s.topic, partition, before, -1)
	deleted, err := s.admin().DeleteRecords(s.Context(), gone)
	require.NoError(s, err)
	require.NoError(s, deleted.Error())
}

// file returns the path of the file of the window that starts so many seconds past noon.
func (s *subject) file(seconds int) string {
	s.Helper()
	found, err := filepath.Glob(filepath.Join(s.table, "*", at(seconds).Format("20060102T150405Z")+"-*.parquet"))
	require.NoError(s, err)
	require.Len(s, found, 1)
	return found[0]
}

// tamper changes the views of a window's file by hand, and leaves what its footer says of offsets.
func (s *subject) tamper(seconds int, change func(views map[string]int64)) {
	s.Helper()
	s.tamperUsers(seconds, func(views, _ map[string]int64) { change(views) })
}

// tamperUsers is tamper, for the users as well.
func (s *subject) tamperUsers(seconds int, change func(views, users map[string]int64)) {
	s.Helper()
	path := s.file(seconds)
	f, err := os.Open(path)
	require.NoError(s, err)
	info, err := f.Stat()
	require.NoError(s, err)
	rows, p, err := parquet.Read(f, info.Size())
	require.NoError(s, err)
	require.NoError(s, f.Close())
	views, users := map[string]int64{}, map[string]int64(nil)
	if p.Users {
		users = map[string]int64{}
	}
	for _, r := range rows {
		if views[r.PageURL] = r.ViewCount; p.Users {
			users[r.PageURL] = r.UniqueUsers
		}
	}
	change(views, users)
	events := int64(0)
	for _, n := range views {
		events += n
	}
	if events += p.Duplicates; p.Top == 0 || p.Events < events {
		p.Events = events
	}
	f, err = os.Create(path)
	require.NoError(s, err)
	_, err = parquet.Write(f, views, users, p)
	require.NoError(s, err)
	require.NoError(s, f.Close())
}

// views returns the views of a page in the window that starts so many seconds past noon.
func (s *subject) views(page string, seconds int) (n int64) {
	s.Helper()
	view, err := table.View(s.Context(), s.table)
	require.NoError(s, err)
	for row, err := range view.Scan(s.Context(), table.Filter{Span: table.Span{From: at(seconds), To: at(seconds + 60)}, Page: page}) {
		require.NoError(s, err)
		n += row.ViewCount
	}
	return n
}

// differs wants the report to tell exactly these differences.
func differs(t *testing.T, r *audit.Report, want ...audit.Difference) {
	t.Helper()
	assert.False(t, r.Clean)
	assert.EqualValues(t, len(want), r.DifferentRows)
	assert.Equal(t, want, r.Differences)
}
