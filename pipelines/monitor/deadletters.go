package monitor

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"clickstream/io/kafka"
	"clickstream/pipelines/vitals"
	"clickstream/transforms/click"
	"clickstream/transforms/replay"
)

// What is held of the dead letter topic at most: the answer of a fetch, and another one under way. The first batch of an
// answer is whole, however large.
const (
	fetchBytes          = 512 << 10
	fetchPartitionBytes = 128 << 10
	fetchWait           = time.Second // for an answer that nothing is new
)

// topicCheck is what passes between looks whether the topic is still the one that is read, with as many partitions.
const topicCheck = 30 * time.Second

// deadLetters reads the dead letter topic from where it ended at first, and counts those of the pipeline's topic.
type deadLetters struct {
	connection  kafka.Connection
	topic       string // of the dead letters
	source      string // that they came from
	interval    time.Duration
	client      *kgo.Client // nil while the topic is not read
	admin       *kadm.Client
	id          kadm.TopicID
	next        map[int32]int64 // where to go on
	fromStart   bool            // what comes to be there is read whole: it is new
	checked     time.Time
	answered    atomic.Bool // the broker has answered a fetch since the look began
	knownReason map[string]click.Reason

	mu      sync.Mutex
	rejects map[click.Reason]int64
}

func newDeadLetters(cfg Config) *deadLetters {
	d := &deadLetters{
		connection: cfg.Connection, topic: cfg.DeadLetterTopic, source: cfg.Topic, interval: cfg.Interval,
		knownReason: map[string]click.Reason{}, rejects: map[click.Reason]int64{}, next: map[int32]int64{},
	}
	for _, r := range click.Reasons {
		d.knownReason[string(r)] = r
	}
	return d
}

func (*deadLetters) name() string              { return "dead_letters" }
func (d *deadLetters) patience() time.Duration { return 10*time.Second + d.interval }

func (d *deadLetters) close() {
	if d.client != nil {
		d.client.Close()
		d.client = nil
	}
}

func (d *deadLetters) add(v *vitals.Vitals) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v.Rejects = maps.Clone(d.rejects)
}

// look reads for as long as an interval, and longer until the broker has answered: the client tries again and again, and says
// nothing of it.
func (d *deadLetters) look(ctx context.Context) error {
	if d.client == nil {
		if missing, err := d.open(ctx); missing || err != nil {
			return err
		}
	}
	d.answered.Store(false)
	if time.Since(d.checked) > topicCheck {
		if err := d.check(ctx); err != nil || d.client == nil {
			return err
		}
	}
	until := time.Now().Add(d.interval)
	for begun := true; begun || !d.answered.Load() || time.Now().Before(until); begun = false {
		polling, cancel := context.WithTimeout(ctx, fetchWait)
		fetches := d.client.PollFetches(polling)
		cancel()
		fetches.EachRecord(d.count)
		for _, f := range fetches.Errors() {
			if errors.Is(f.Err, context.DeadlineExceeded) && ctx.Err() == nil {
				continue // nothing is new
			}
			d.close()
			return d.connection.Explain(f.Err, kafka.Doing{Operation: "Read", Topic: d.topic, Flag: kafka.DeadLetterFlag})
		}
	}
	return nil
}

// OnBrokerRead is kgo's: it sees that fetches are answered, as polls do not return for answers without records.
func (d *deadLetters) OnBrokerRead(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if err == nil && key == kmsg.Fetch.Int16() {
		d.answered.Store(true)
	}
}

// open begins to read, if the topic is there. It is made by the first run that needs it.
func (d *deadLetters) open(ctx context.Context) (missing bool, err error) {
	client, err := d.connection.Client(
		kgo.FetchMaxBytes(fetchBytes), kgo.FetchMaxPartitionBytes(fetchPartitionBytes), kgo.FetchMaxWait(fetchWait), kgo.MaxConcurrentFetches(1),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), // what was deleted is passed by
		kgo.WithHooks(d),
	)
	if err != nil {
		return false, err
	}
	admin := kadm.NewClient(client)
	from, id, err := d.from(ctx, admin)
	if err != nil {
		client.Close()
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			d.fromStart, d.id = true, kadm.TopicID{}
			clear(d.next)
			return true, nil
		}
		return false, d.connection.Explain(err, kafka.Doing{Operation: "Read", Topic: d.topic, Flag: kafka.DeadLetterFlag})
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{d.topic: from})
	d.client, d.admin, d.id, d.fromStart, d.checked = client, admin, id, true, time.Now()
	return false, nil
}

// from returns where to read from: on from where it was read to, from the start what is new, and from the end what was
// there before anything was read.
func (d *deadLetters) from(ctx context.Context, admin *kadm.Client) (map[int32]kgo.Offset, kadm.TopicID, error) {
	topics, err := admin.ListTopics(ctx, d.topic)
	if err == nil {
		err = topics[d.topic].Err
	}
	if err != nil {
		return nil, kadm.TopicID{}, err
	}
	ends, err := admin.ListEndOffsets(ctx, d.topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, kadm.TopicID{}, err
	}
	id := topics[d.topic].ID
	if d.id != id && d.id != (kadm.TopicID{}) {
		clear(d.next) // it was made anew
	}
	from := map[int32]kgo.Offset{}
	for p, end := range ends[d.topic] {
		next, ok := d.next[p]
		switch {
		case ok:
		case d.fromStart:
			next = 0
		default:
			next = end.Offset
		}
		d.next[p] = next
		from[p] = kgo.NewOffset().At(next)
	}
	return from, id, nil
}

// check ends the reading if the topic is gone, another one, or has more partitions: the next look begins anew.
func (d *deadLetters) check(ctx context.Context) error {
	topics, err := d.admin.ListTopics(ctx, d.topic)
	if err != nil {
		return d.connection.Explain(err, kafka.Doing{Operation: "Read", Topic: d.topic, Flag: kafka.DeadLetterFlag})
	}
	d.checked = time.Now()
	if t := topics[d.topic]; t.Err != nil || t.ID != d.id || len(t.Partitions) != len(d.next) {
		d.close()
	}
	return nil
}

// markerKey is the header of what replays note of their progress.
const markerKey = replay.Prefix + "marker"

// count counts a record if it is a dead letter of the topic.
func (d *deadLetters) count(rec *kgo.Record) {
	d.next[rec.Partition] = rec.Offset + 1
	var reason click.Reason
	of, at := false, 0
	for i := range rec.Headers {
		switch h := &rec.Headers[i]; h.Key {
		case "dlq.reason":
			reason = d.knownReason[string(h.Value)]
		case "dlq.topic":
			of = string(h.Value) == d.source
		case "dlq.partition", "dlq.offset":
			at++
		case markerKey:
			return
		}
	}
	if reason == "" || !of || at != 2 {
		return
	}
	d.mu.Lock()
	d.rejects[reason]++
	d.mu.Unlock()
}
