package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Follower keeps, for an assignment whose records somebody else fetches, what a Reader keeps for its own: the next
// offsets, the watermark, the lag. Records of a partition are to come in their order. It is used by one goroutine at a
// time, and all that it has to go on with is in its State.
type Follower struct {
	Watermark *Watermark

	assignment Assignment
	index      map[int32]int
	next       []int64
	ends       []int64 // the log's ends as far as known, for the lag
}

// NewFollower begins to follow a, now.
func NewFollower(s ReaderSettings, a Assignment, now time.Time) *Follower {
	f := &Follower{
		Watermark:  NewWatermark(len(a.Partitions), s.WatermarkDelay, s.IdleTimeout, NoTime, now),
		assignment: a,
		index:      make(map[int32]int, len(a.Partitions)),
		next:       slices.Clone(a.Start),
		ends:       make([]int64, len(a.Partitions)),
	}
	for i, p := range a.Partitions {
		f.index[p] = i
	}
	return f
}

// ResumeFollower goes on from a state that a follower of a had.
func ResumeFollower(s ReaderSettings, a Assignment, state []byte, now time.Time) (*Follower, error) {
	f := NewFollower(s, a, now)
	return f, f.restore(state)
}

// Next returns the next offset of each partition.
func (f *Follower) Next() []int64 { return slices.Clone(f.next) }

// Lag returns how many records the broker holds beyond what came.
func (f *Follower) Lag() int64 {
	var lag int64
	for i, end := range f.ends {
		lag += max(0, end-f.next[i])
	}
	return lag
}

// Chunk takes records of one partition, and returns them as a reader of the assignment hands them out: without those
// that lie before its start. It fails if they are not the next ones.
func (f *Follower) Chunk(partition int32, records []*kgo.Record) (Chunk, error) {
	i, ok := f.index[partition]
	if !ok {
		return Chunk{}, fmt.Errorf("topic %s partition %d is not of those that this reader was given, %v; run again", f.assignment.Topic, partition, f.assignment.Partitions)
	}
	before := 0
	for before < len(records) && records[before].Offset < f.assignment.Start[i] {
		before++
	}
	records = records[before:]
	c := Chunk{
		Index: i, Partition: partition, First: f.next[i], Next: f.next[i],
		Consumed: f.assignment.Consumed[i], Rejected: f.assignment.Rejected[i], Records: records,
	}
	for _, rec := range records {
		if rec.Offset < c.Next {
			return Chunk{}, fmt.Errorf("topic %s partition %d: offset %d came after %d, and records have to come once, in their order", f.assignment.Topic, partition, rec.Offset, c.Next-1)
		}
		c.Next = rec.Offset + 1
	}
	f.next[i] = c.Next
	return c, nil
}

// FollowerClient asks the brokers what a Follower has to know of them. It may be used by one Follower after another of
// the same assignment.
type FollowerClient struct {
	watch
	client *kgo.Client
	looked map[int]time.Time // by index: when a partition was last looked into
	sights map[int]sighted   // by index: an end that was seen, and that is to be reached
}

// sighted is where a partition ended at a time.
type sighted struct {
	end int64
	at  time.Time
}

// OpenFollowerClient returns a client for followers of a.
func OpenFollowerClient(s ReaderSettings, a Assignment) (*FollowerClient, error) {
	client, err := s.Connection.Client()
	if err != nil {
		return nil, err
	}
	return &FollowerClient{
		watch:  watch{settings: s, assignment: a, id: a.TopicID, admin: kadm.NewClient(client), closed: client.Context().Done()},
		client: client,
		looked: map[int]time.Time{},
		sights: map[int]sighted{},
	}, nil
}

// Close ends the client's connections.
func (c *FollowerClient) Close() { c.client.Close() }

// Tend does what is due about once a second: it asks the broker for the ends of the partitions, looks at the topic now
// and then, and tells the consumer group how far f has come. It fails as Reader.Poll does for the topic's sake.
func (c *FollowerClient) Tend(ctx context.Context, f *Follower) error {
	asked := time.Now()
	ends := c.stableEnds(ctx)
	for i, end := range ends {
		f.ends[i] = end
		// Of a partition that something comes to all the time, some is always on its way.
		if s, ok := c.sights[i]; ok && f.next[i] >= s.end {
			f.Watermark.CaughtUp(i, s.at)
			delete(c.sights, i)
		}
		if _, ok := c.sights[i]; !ok {
			c.sights[i] = sighted{end, asked}
		}
	}
	for _, i := range f.Watermark.Silent(time.Now()) {
		end, ok := ends[i]
		if !ok {
			continue // no answer is no proof
		}
		if end > f.next[i] && !c.nothingBetween(ctx, i, f.next[i], end) {
			continue
		}
		f.next[i] = max(f.next[i], end)
		f.Watermark.CaughtUp(i, time.Now())
	}
	if err := c.checkDue(ctx, time.Now()); err != nil {
		return err
	}
	c.commitOffsets(f.Next(), f.Watermark)
	return nil
}

const (
	lookInterval = 2 * time.Second // between looks into a partition
	lookTime     = time.Second     // that a look may take
)

// nothingBetween tells whether a partition holds no record from an offset to its end: whoever fetches the records sees
// neither the marks at the ends of transactions nor what was aborted, which take up offsets.
func (c *FollowerClient) nothingBetween(ctx context.Context, i int, from, end int64) bool {
	if time.Since(c.looked[i]) < lookInterval {
		return false
	}
	c.looked[i] = time.Now()
	a := c.assignment
	look := Assignment{
		Topic: a.Topic, TopicID: a.TopicID, Partitions: a.Partitions[i : i+1], Start: []int64{from}, End: []int64{end},
		Total: math.MaxInt, Consumed: []int64{0}, Rejected: []Offsets{nil},
	}
	r, err := OpenReader(ReaderSettings{Connection: c.settings.Connection}, look, look.Start, NoTime)
	if err != nil {
		slog.Debug("a silent partition could not be looked into", "topic", a.Topic, "partition", a.Partitions[i], "error", err)
		return false
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	for !r.Done() && err == nil && ctx.Err() == nil {
		err = r.Poll(ctx, func(c Chunk) error {
			if len(c.Records) > 0 {
				return errSomething
			}
			return nil
		})
	}
	return r.Done()
}

var errSomething = errors.New("there is a record")
