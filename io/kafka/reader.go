package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Chunk is what one fetch brought of one partition: the records from offset First up to Next that are data.
type Chunk struct {
	Index     int // of the partition in the assignment
	Partition int32
	After     int64 // where the chunk before ended: before First where records between them are gone
	First     int64
	Next      int64
	Consumed  int64     // see Assignment
	Rejected  Offsets   // see Assignment
	Written   time.Time // by when all records were there, as the broker told; zero: when they were fetched
	Records   []*kgo.Record
}

// ReaderSettings say how a reader goes about its assignment. They are serialized into the pipeline's graph.
type ReaderSettings struct {
	Connection     Connection
	Group          string        // consumer group that the offsets are committed for; empty: none
	WatermarkDelay time.Duration // how far events of a partition may be out of order
	IdleTimeout    time.Duration // silence after which a caught-up partition is left out of the watermark
	AllowDataLoss  bool          // go on, with a warning, where the records that are next are gone
}

// Reader fetches the partitions of an assignment. It is used by one goroutine at a time.
type Reader struct {
	Watermark *Watermark

	watch
	client  *kgo.Client
	health  *health
	index   map[int32]int
	next    []int64
	covered []int64 // offsets up to which chunks were handed out: before next where records are gone
	ends    []int64
	logEnds []int64 // the log's ends as far as known, for the lag
	written []logEnd
	polled  time.Time
	asked   time.Time
	sight   sight
	parking *time.Timer
}

const (
	pollWait       = 200 * time.Millisecond // how long an empty topic keeps a poll waiting
	fetchBytes     = 16 << 20               // of one broker's answer, as it travels
	partitionBytes = 512 << 10              // of one partition in it
	askInterval    = time.Second / 2        // between questions about silent partitions
)

// OpenReader begins to read a at next. reported is the watermark that an earlier reader of a reported, or NoTime.
func OpenReader(s ReaderSettings, a Assignment, next []int64, reported int64) (*Reader, error) {
	now := time.Now()
	r := &Reader{
		Watermark: NewWatermark(len(a.Partitions), s.WatermarkDelay, s.IdleTimeout, reported, now),
		watch:     watch{settings: s, assignment: a, id: a.TopicID},
		health:    &health{},
		index:     make(map[int32]int, len(a.Partitions)),
		next:      slices.Clone(next),
		covered:   slices.Clone(next),
		ends:      slices.Clone(a.End),
		logEnds:   make([]int64, len(a.Partitions)),
		written:   make([]logEnd, len(a.Partitions)),
	}
	offsets := map[int32]kgo.Offset{}
	for i, p := range a.Partitions {
		r.index[p] = i
		if next[i] >= r.ends[i] {
			r.Watermark.End(i)
			continue
		}
		offsets[p] = kgo.NewOffset().At(next[i])
	}
	client, err := s.Connection.Client(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{a.Topic: offsets}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), // an offset that is gone is lost data, and said
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // they take up offsets: the end of a partition may be one
		kgo.FetchMaxBytes(fetchBytes),
		kgo.FetchMaxPartitionBytes(partitionBytes),
		kgo.FetchMaxWait(500*time.Millisecond),
		kgo.KeepRetryableFetchErrors(), // or a partition without a leader would be waited for without a word
		kgo.WithHooks(r.health),
	)
	if err != nil {
		return nil, err
	}
	r.client, r.admin, r.closed = client, kadm.NewClient(client), client.Context().Done()
	return r, nil
}

// Close ends the reader's connections.
func (r *Reader) Close() { r.client.Close() }

// Next returns the next offset of each partition.
func (r *Reader) Next() []int64 { return slices.Clone(r.next) }

// Done tells whether every partition was read to its end.
func (r *Reader) Done() bool {
	for i := range r.next {
		if r.next[i] < r.ends[i] {
			return false
		}
	}
	return true
}

// Lag returns how many records the broker holds beyond what was read.
func (r *Reader) Lag() int64 {
	var lag int64
	for i, end := range r.logEnds {
		lag += max(0, min(end, r.ends[i])-r.next[i])
	}
	return lag
}

// Poll waits for records, at most a fifth of a second, and hands each chunk to f in turn; a chunk's records are
// f's until it returns. It fails if the topic is another one by now, if it or some of its records are gone, if they
// may not be read, or if the brokers are out of reach for the retry timeout.
func (r *Reader) Poll(ctx context.Context, f func(Chunk) error) error {
	poll, cancel := context.WithTimeout(ctx, pollWait)
	fetches := r.client.PollFetches(poll)
	cancel()
	r.polled = time.Now()
	if err := r.failure(ctx, fetches); err != nil {
		return err
	}
	var failed error
	fetches.EachTopic(func(t kgo.FetchTopic) {
		if id := TopicID(t.TopicID); failed == nil && !SameID(r.id, id) {
			failed = r.recreated(id)
		}
	})
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if failed == nil && len(p.Records) > 0 {
			failed = r.chunk(p, f)
		}
	})
	return failed
}

// logEnd is where a partition's log ended by some time.
type logEnd struct {
	offset int64
	by     time.Time
}

// writtenBy returns by when all records of partition i below next had been written: who asks whether a schema is there
// since needs to ask but once about a backlog. end is what the broker told with them.
func (r *Reader) writtenBy(i int, next, end int64) time.Time {
	if next > r.written[i].offset {
		r.written[i] = logEnd{max(next, end), r.polled}
	}
	return r.written[i].by
}

func (r *Reader) chunk(p kgo.FetchTopicPartition, f func(Chunk) error) error {
	i := r.index[p.Partition]
	r.health.recover(partition(p.Partition))
	records := p.Records
	r.logEnds[i] = p.LastStableOffset
	if last := records[len(records)-1]; last.Offset >= r.ends[i] {
		cut, _ := slices.BinarySearchFunc(records, r.ends[i], func(rec *kgo.Record, end int64) int {
			return int(rec.Offset - end)
		})
		records = records[:cut]
	}
	c := Chunk{Index: i, Partition: p.Partition, After: r.covered[i], First: r.next[i], Next: r.next[i], Consumed: r.assignment.Consumed[i], Rejected: r.assignment.Rejected[i], Records: records}
	if len(records) > 0 {
		c.Next = records[len(records)-1].Offset + 1
	}
	if len(records) < len(p.Records) {
		c.Next = r.ends[i] // a later record is known: between, compaction left nothing
	}
	c.Written = r.writtenBy(i, c.Next, p.HighWatermark)
	if slices.ContainsFunc(records, isControl) {
		c.Records = slices.DeleteFunc(slices.Clone(records), isControl)
	}
	if err := f(c); err != nil {
		return err
	}
	r.next[i], r.covered[i] = c.Next, c.Next
	if r.next[i] >= r.ends[i] {
		r.end(i)
	}
	return nil
}

func isControl(rec *kgo.Record) bool { return rec.Attrs.IsControl() }

func (r *Reader) end(i int) {
	r.Watermark.End(i)
	r.client.RemoveConsumePartitions(map[string][]int32{r.assignment.Topic: {r.assignment.Partitions[i]}})
}

// failure returns why the reader cannot go on, if it cannot.
func (r *Reader) failure(ctx context.Context, fetches kgo.Fetches) error {
	for _, e := range fetches.Errors() {
		switch {
		case errors.Is(e.Err, context.DeadlineExceeded), errors.Is(e.Err, context.Canceled):
		case errors.Is(e.Err, kgo.ErrClientClosed):
			return fmt.Errorf("the reader of topic %s was closed: %w", r.assignment.Topic, e.Err)
		case errors.Is(e.Err, kerr.OffsetOutOfRange):
			if err := r.lost(ctx, r.index[e.Partition]); err != nil {
				return err
			}
		case errors.Is(e.Err, kerr.UnknownTopicOrPartition): // see checkTopic
		case errors.Is(e.Err, kerr.UnknownTopicID):
			r.doubtful = true
		case kerr.IsRetriable(e.Err):
			r.health.fail(partition(e.Partition), e.Err)
		default:
			return r.explain(e.Err)
		}
	}
	if since, err := r.health.failing(r.settings.Connection.retryTimeout()); err != nil {
		return gaveUp(r.explain(err), since.Round(time.Second))
	}
	return nil
}

// ErrDataLoss is returned when records that were to be read are gone.
var ErrDataLoss = errors.New("data loss")

// lost deals with the next records of partition i being gone: it fails, or goes on where records begin.
func (r *Reader) lost(ctx context.Context, i int) error {
	topic, p := r.assignment.Topic, r.assignment.Partitions[i]
	begin, err := r.admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return r.explain(err)
	}
	if _, err := r.checkTopic(ctx); err != nil {
		return err
	}
	first, ok := begin.Lookup(topic, p)
	if ok && first.Err == nil && first.Offset <= r.next[i] {
		return fmt.Errorf("%w: topic %s partition %d ends before offset %d, up to which it was read: its log was cut, or the topic was deleted and made again; run again with another --table",
			ErrDataLoss, topic, p, r.next[i])
	}
	if !ok || first.Err != nil || !r.settings.AllowDataLoss {
		return fmt.Errorf("%w: topic %s partition %d no longer has offset %d, its records begin at %d; raise the topic's retention, and go on without what is gone by --on-data-loss warn",
			ErrDataLoss, topic, p, r.next[i], first.Offset)
	}
	slog.Warn("records are gone before they were read", "topic", topic, "partition", p, "from", r.next[i], "to", first.Offset)
	r.next[i] = first.Offset
	if r.next[i] >= r.ends[i] {
		r.end(i)
		return nil
	}
	r.client.RemoveConsumePartitions(map[string][]int32{topic: {p}})
	r.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {p: kgo.NewOffset().At(first.Offset)}})
	return nil
}

// Tend does what is due between polls: it asks the broker about silent partitions, fixes the ends of a run that
// ends at a time, and looks at the topic now and then.
func (r *Reader) Tend(ctx context.Context) error {
	now := time.Now()
	if r.assignment.Until > 0 && now.UnixMilli() > r.assignment.Until {
		if err := r.fixEnds(ctx); err != nil {
			return err
		}
	}
	if silent := r.Watermark.Silent(now); len(silent) > 0 && now.Sub(r.asked) >= askInterval {
		r.asked = now
		r.askSilent(ctx, silent)
	}
	return r.checkDue(ctx, now)
}

// askSilent asks for the ends of the silent partitions. No answer is no proof: they go on holding the watermark.
func (r *Reader) askSilent(ctx context.Context, silent []int) {
	ends := r.stableEnds(ctx)
	now := time.Now()
	for _, i := range silent {
		end, ok := ends[i]
		if !ok {
			continue
		}
		r.logEnds[i] = end
		if end <= r.next[i] {
			r.Watermark.CaughtUp(i, now)
		}
	}
}

// sight is what a look has shown: where partitions ended at that time, by their index.
type sight struct {
	at   time.Time
	ends map[int]int64
}

// Look asks where the partitions end now: see Reached.
func (r *Reader) Look(ctx context.Context) {
	r.sight = sight{at: time.Now()}
	r.sight.ends = r.stableEnds(ctx)
}

// Reached tells whether all was read that was there at the last Look, which is then known to the watermark: of a
// partition that something comes to all the time, no end is ever seen to be reached otherwise. A partition whose end is
// not known is not reached.
func (r *Reader) Reached() bool {
	all := true
	for i := range r.next {
		end, ok := r.sight.ends[i]
		switch {
		case r.next[i] >= r.ends[i]:
		case ok && r.next[i] >= end:
			r.Watermark.CaughtUp(i, r.sight.at)
		default:
			all = false
		}
	}
	return all
}

// fixEnds makes the ends those of the time at which the run is to end, which has come.
func (r *Reader) fixEnds(ctx context.Context) error {
	at, err := offsetsAfter(ctx, r.admin, r.assignment.Topic, time.UnixMilli(r.assignment.Until))
	if err == nil {
		err = at.Error()
	}
	if err != nil {
		return r.explain(err)
	}
	// Looked at afterwards: the ends of another topic would end this one early.
	if same, err := r.checkTopic(ctx); err != nil || !same {
		return err
	}
	r.assignment.Until = 0
	for i, p := range r.assignment.Partitions {
		o, _ := at.Lookup(r.assignment.Topic, p)
		r.ends[i] = o.Offset
		if r.next[i] >= r.ends[i] {
			r.end(i)
		}
	}
	return nil
}

// CommitOffsets tells the consumer group how far the pipeline has come, for tools that show lag: ten times a second at
// most while it moves, and in the background. The offsets are never read back: the table knows how far it is. Each partition's
// watermark goes with them, see Standing.
func (r *Reader) CommitOffsets() { r.commitOffsets(r.next, r.Watermark) }
