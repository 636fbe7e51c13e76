package dlq_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/pipelines/dlq"
	"clickstream/pipelines/settings"
	"clickstream/testing/kafkatest"
	"clickstream/transforms/click"
	"clickstream/transforms/deadletter"
	"clickstream/transforms/replay"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if flags := os.Getenv(replayer); flags != "" { // see TestReplayIsKilled
		os.Exit(replayAndReport(strings.Split(flags, "\n")))
	}
	beam.Init()
	os.Exit(m.Run())
}

// patience is how long anything that is to come may take, on a machine that is busy with other tests.
const patience = 2 * time.Minute

// desk is a topic, and the dead letters of records of it.
type desk struct {
	*testing.T
	cluster *kafkatest.Cluster
	topic   string
	letters string
}

// newDesk makes a topic and a dead letter topic.
func newDesk(t *testing.T, c *kafkatest.Cluster, partitions int32) *desk {
	t.Helper()
	return &desk{T: t, cluster: c, topic: c.Topic(t, partitions), letters: c.Topic(t, partitions)}
}

// each runs f on each kind of cluster.
func each(t *testing.T, f func(t *testing.T, c *kafkatest.Cluster)) {
	t.Helper()
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		f(t, c)
	})
}

// settle returns settings that flags make, behind those that all commands share.
func settle[S any](d *desk, flags ...string) *S {
	d.Helper()
	set, err := parse[S](append([]string{
		"--brokers", strings.Join(d.cluster.Brokers, ","), "--dead-letter-topic", d.letters, "--topic", d.topic, "--retry-timeout", "20s",
	}, flags...))
	require.NoError(d, err)
	return set
}

func parse[S any](flags []string) (*S, error) {
	var cli struct {
		Command struct {
			Settings S `embed:""`
		} `cmd:""`
	}
	parser, err := settings.Parser(&cli, settings.NewSources(nil), kong.Exit(func(int) { panic("the parser wants to exit") }))
	if err != nil {
		return nil, err
	}
	if _, err := parser.Parse(append([]string{"command"}, flags...)); err != nil {
		return nil, err
	}
	return &cli.Command.Settings, settings.Validate(any(&cli.Command.Settings).(settings.Settings))
}

// rejected puts records into the topic and makes their dead letters, of the reasons in turn, from their start on.
func (d *desk) rejected(partition int32, count int, reasons ...click.Reason) []*kgo.Record {
	d.Helper()
	var records, letters []*kgo.Record
	for i := range count {
		records = append(records, &kgo.Record{
			Partition: partition, Key: fmt.Appendf(nil, "key-%d", i), Value: fmt.Appendf(nil, "%d:%d is no click", partition, i),
			Headers: []kgo.RecordHeader{{Key: "trace", Value: fmt.Append(nil, i)}},
		})
	}
	d.cluster.Produce(d.T, d.topic, records...)
	for i, rec := range records {
		letters = append(letters, d.letter(rec, reasons[i%len(reasons)]))
	}
	d.cluster.Produce(d.T, d.letters, letters...)
	return letters
}

// letter returns the dead letter of a record that was produced, as a run makes it, for the same partition.
func (d *desk) letter(rec *kgo.Record, reason click.Reason) *kgo.Record {
	x := click.Reject{
		Fault: click.Fault{Reason: reason, Detail: "it is " + string(reason)}, Stage: "decode",
		Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset, Timestamp: rec.Timestamp.UnixMilli(), Key: rec.Key, Value: rec.Value,
	}
	for _, h := range rec.Headers {
		x.Headers = append(x.Headers, click.Header{Key: h.Key, Value: h.Value})
	}
	letter := deadletter.Record(x, "clickstream/test")
	letter.Partition = rec.Partition
	return letter
}

// copyOf returns another dead letter of the same record, as a run writes that starts again.
func copyOf(letter *kgo.Record, partition int32) *kgo.Record {
	return &kgo.Record{Partition: partition, Key: letter.Key, Value: letter.Value, Headers: letter.Headers}
}

// replay replays.
func (d *desk) replay(flags ...string) *dlq.Replayed {
	d.Helper()
	done, err := d.tryReplay(d.Context(), flags...)
	require.NoError(d, err)
	return done
}

func (d *desk) tryReplay(ctx context.Context, flags ...string) (*dlq.Replayed, error) {
	d.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return dlq.Replay(ctx, settle[settings.DLQReplay](d, flags...), nil)
}

// list lists.
func (d *desk) list(flags ...string) *dlq.Listing {
	d.Helper()
	ctx, cancel := context.WithTimeout(d.Context(), patience)
	defer cancel()
	listed, err := dlq.List(ctx, settle[settings.DLQList](d, flags...), nil)
	require.NoError(d, err)
	return listed
}

// committed returns the records of a topic that are committed.
func (d *desk) committed(topic string) []*kgo.Record {
	d.Helper()
	ctx, cancel := context.WithTimeout(d.Context(), patience)
	defer cancel()
	adm := d.admin()
	ends, err := adm.ListEndOffsets(ctx, topic)
	require.NoError(d, err)
	from := map[int32]kgo.Offset{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			from[o.Partition] = kgo.NewOffset().At(0)
		}
	})
	client := d.cluster.Client(d.T, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	defer client.Close()
	var all []*kgo.Record
	for len(from) > 0 {
		fetches := client.PollFetches(ctx)
		require.NoError(d, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				all = append(all, r)
			}
			if end, _ := ends.Lookup(topic, r.Partition); r.Offset+1 >= end.Offset {
				delete(from, r.Partition)
			}
		})
	}
	return all
}

// replayed returns the records of the topic that were replayed, and wants none twice.
func (d *desk) replayed() map[settings.Place]*kgo.Record {
	d.Helper()
	all := map[settings.Place]*kgo.Record{}
	for _, rec := range d.committed(d.topic) {
		if o, ok := replay.Of(rec.Headers); ok {
			of := settings.Place{Partition: o.SourcePartition, Offset: o.SourceOffset}
			require.NotContains(d, all, of, "the record was replayed twice")
			all[of] = rec
		}
	}
	return all
}

func (d *desk) admin() *kadm.Client { return kadm.NewClient(d.cluster.Client(d.T)) }

// refused wants an error of one line that holds the words.
func refused(t *testing.T, err error, words ...string) {
	t.Helper()
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "\n")
	for _, w := range words {
		assert.ErrorContains(t, err, w)
	}
}
