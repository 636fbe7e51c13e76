package enrich

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"

	"clickstream/io/kafka"
	"clickstream/testing/kafkatest"
	"clickstream/testing/oracle"
	"clickstream/transforms/click"
	"clickstream/transforms/deadletter"
	"clickstream/transforms/progress"
	"clickstream/transforms/teardown"
)

// desk is topics, and a group that a run has taken over.
type desk struct {
	*testing.T
	cluster *kafkatest.Cluster
	config  Config
	admin   *kadm.Client
}

func newDesk(t *testing.T, c *kafkatest.Cluster) *desk {
	t.Helper()
	d := &desk{T: t, cluster: c, admin: kadm.NewClient(c.Client(t))}
	connection := kafka.Connection{Brokers: c.Brokers, RetryTimeout: 30 * time.Second}
	d.config = Config{
		Connection: connection, Group: c.Name(t), Source: c.Topic(t, 2), Topic: c.Topic(t, 2), Schema: 7,
		DeadLetters: deadletter.Config{Connection: connection, Topic: c.Topic(t, 1), Version: "test"},
		Gap:         30 * time.Minute, Buckets: 2, Begin: map[int32]int64{0: 0, 1: 0},
	}
	is, err := connection.Identify(t.Context(), d.admin, kafka.Doing{Operation: "Read", Topic: d.config.Source})
	require.NoError(t, err)
	d.config.SourceID = is.Topic
	d.takeOver()
	return d
}

// takeOver begins a run, as a pipeline does.
func (d *desk) takeOver() {
	d.Helper()
	d.config.Pipeline = uuid.NewString()
	name := d.config.Pipeline
	d.Cleanup(func() { require.NoError(d, teardown.End(name)) })
	at, err := kafka.FetchPosition(d.Context(), d.admin, d.config.Group, d.config.Source)
	require.NoError(d, err)
	for p := range d.config.Begin {
		at.Next[p] += 0 // which are 0 in the beginning
	}
	at.TopicID, at.Note = d.config.SourceID, Note{d.config.Pipeline, 5}.String()
	require.NoError(d, kafka.CommitPosition(d.Context(), d.admin, at))
}

func (d *desk) step() *ForwardFn {
	f := &ForwardFn{Config: d.config}
	require.NoError(d, f.Setup())
	return f
}

// bundle gives batches to a step.
func (d *desk) bundle(f *ForwardFn, batches ...click.Batch) error {
	f.StartBundle(d.Context(), nil)
	for _, b := range batches {
		if err := f.ProcessElement(d.Context(), b, nil); err != nil {
			return err
		}
	}
	return f.FinishBundle(d.Context(), nil)
}

// group returns how far the group is, once no transaction is open that might move it.
func (d *desk) group() map[int32]int64 {
	d.Helper()
	at, err := kafka.FetchPosition(d.Context(), d.admin, d.config.Group, d.config.Source)
	require.NoError(d, err)
	assert.EqualValues(d, 5, ParseNote(at.Note).Until, "the note stays")
	return at.Next
}

// written returns the sources of what is committed in both topics, as partition:offset, by partition and offset of the
// topics.
func (d *desk) written() (clicks, rejects []string) {
	d.Helper()
	for _, rec := range d.cluster.Read(d.T, d.config.Topic) {
		e, err := oracle.ReadEnriched(Schema, rec)
		require.NoError(d, err)
		clicks = append(clicks, fmt.Sprintf("%d:%d", e.Partition, e.Offset))
	}
	for _, rec := range d.cluster.Read(d.T, d.config.DeadLetters.Topic) {
		headers := map[string]string{}
		for _, h := range rec.Headers {
			headers[h.Key] = string(h.Value)
		}
		rejects = append(rejects, headers["dlq.partition"]+":"+headers["dlq.offset"])
	}
	return clicks, rejects
}

// batchOf is a batch of a reader of both partitions: of what c and r stand for in a text, the offsets from first on.
func batchOf(partition int32, first int64, text string) click.Batch {
	b := click.Batch{Partition: partition, After: first, First: first, Next: first + int64(len(text))}
	for i, kind := range text {
		offset := first + int64(i)
		switch kind {
		case 'c':
			b.Pages, b.Times = append(b.Pages, "/"), append(b.Times, 1_700_000_000_000)
			b.Events = append(b.Events, click.Event{ID: fmt.Sprintf("%d-%d", partition, offset), User: "u", Offset: offset, Timestamp: 1_700_000_000_000})
		case 'r':
			b.Rejects = append(b.Rejects, click.Reject{Fault: *click.Faultf(click.JSON, "it is none"), Topic: "source", Partition: partition, Offset: offset, Value: []byte("{")})
		}
	}
	return b
}

// TestForward has clicks and rejects written, and the group moved, by bundles as a runner has them: some fail, some come
// again, some hold what was written and what was not.
func TestForward(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c)
		f := d.step()
		require.NoError(t, d.bundle(f, batchOf(0, 0, "ccr"), batchOf(1, 0, "rc"), batchOf(0, 3, "c")))
		clicks, rejects := d.written()
		assert.ElementsMatch(t, []string{"0:0", "0:1", "0:3", "1:1"}, clicks)
		assert.ElementsMatch(t, []string{"0:2", "1:0"}, rejects)
		assert.Equal(t, map[int32]int64{0: 4, 1: 2}, d.group())
		assert.EqualValues(t, 4, progress.Of(d.config.Pipeline).Snapshot().Forwarded)

		require.NoError(t, d.bundle(f, batchOf(0, 0, "ccr"), batchOf(0, 3, "c")), "again")
		require.NoError(t, d.bundle(d.step(), batchOf(0, 2, "rccr")), "by another worker, in part")
		clicks, rejects = d.written()
		assert.ElementsMatch(t, []string{"0:0", "0:1", "0:3", "0:4", "1:1"}, clicks)
		assert.ElementsMatch(t, []string{"0:2", "0:5", "1:0"}, rejects)
		assert.Equal(t, map[int32]int64{0: 6, 1: 2}, d.group())

		f.StartBundle(t.Context(), nil)
		require.NoError(t, f.ProcessElement(t.Context(), batchOf(0, 6, "crc"), nil))
		require.NoError(t, f.ProcessElement(t.Context(), batchOf(1, 2, "crc"), nil)) // it fails here
		require.NoError(t, d.bundle(f, batchOf(0, 6, "cr"), batchOf(1, 2, "c")))
		clicks, rejects = d.written()
		assert.ElementsMatch(t, []string{"0:0", "0:1", "0:3", "0:4", "0:6", "1:1", "1:2"}, clicks)
		assert.ElementsMatch(t, []string{"0:2", "0:5", "0:7", "1:0"}, rejects)
		assert.Equal(t, map[int32]int64{0: 8, 1: 3}, d.group())

		require.NoError(t, d.bundle(f, batchOf(1, 3, "....")))
		assert.Equal(t, map[int32]int64{0: 8, 1: 3}, d.group(), "nothing was written, and the next transaction tells")
		require.NoError(t, d.bundle(f, batchOf(1, 7, "..."), batchOf(0, 8, "r")))
		assert.Equal(t, map[int32]int64{0: 9, 1: 10}, d.group())
		assert.EqualValues(t, 7, progress.Of(d.config.Pipeline).Snapshot().Forwarded, "what failed is not counted")
	})
}

// TestForwardIsOneTransaction has a bundle whose last record no topic takes write nothing at all.
func TestForwardIsOneTransaction(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c)
		large := batchOf(0, 0, "crc")
		large.Events[1].ID = strings.Repeat("x", 4<<20)
		err := d.bundle(d.step(), large)
		require.ErrorContains(t, err, "clicks cannot be written, and the job stops rather than lose them: ")
		require.NotErrorIs(t, err, ErrTakenOver)
		assert.NotContains(t, err.Error(), "\n")
		require.NoError(t, d.bundle(d.step(), batchOf(1, 0, "r")), "the runner tries again")
		clicks, rejects := d.written()
		assert.Empty(t, clicks)
		assert.Equal(t, []string{"1:0"}, rejects)
		assert.Equal(t, map[int32]int64{0: 0, 1: 1}, d.group())
	})
}

// TestForwardTakenOver has another run take over between two bundles, and within one.
func TestForwardTakenOver(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c)
		old := d.step()
		require.NoError(t, d.bundle(old, batchOf(0, 0, "c")))
		fence := func() {
			require.NoError(t, kafka.Fence(t.Context(), d.config.Connection, c.Client(t), d.config.TransactionalID(0)))
			d.takeOver()
		}
		takenOver := func(err error) {
			t.Helper()
			require.ErrorIs(t, err, ErrTakenOver)
			require.ErrorContains(t, err, "another run has taken over: group "+d.config.Group+" is another run's now")
		}
		fence()
		takenOver(d.bundle(old, batchOf(0, 1, "cr")))
		takenOver(d.bundle(old, batchOf(0, 1, "cr"))) // which opens another producer

		within := d.step()
		within.StartBundle(t.Context(), nil)
		require.NoError(t, within.ProcessElement(t.Context(), batchOf(0, 1, "c"), nil))
		fence()
		takenOver(within.FinishBundle(t.Context(), nil))

		require.NoError(t, d.bundle(d.step(), batchOf(0, 1, "cr")))
		clicks, rejects := d.written()
		assert.ElementsMatch(t, []string{"0:0", "0:1"}, clicks)
		assert.Equal(t, []string{"0:2"}, rejects)
		assert.Equal(t, map[int32]int64{0: 3, 1: 0}, d.group())
	})
}

// TestForwardEnds has a bundle that begins after its pipeline's end open nothing that stays.
func TestForwardEnds(t *testing.T) {
	d := newDesk(t, kafkatest.StartEmbedded(t))
	require.NoError(t, d.bundle(d.step(), batchOf(0, 0, "c")))
	require.NoError(t, teardown.End(d.config.Pipeline))
	require.ErrorIs(t, d.bundle(d.step(), batchOf(0, 1, "c")), teardown.ErrEnded)
	forwarders.Lock()
	defer forwarders.Unlock()
	for key := range forwarders.of {
		assert.NotContains(t, key, d.config.Pipeline)
	}
}
