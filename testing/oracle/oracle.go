// Package oracle counts the page views of a topic by the plainest means there are, to hold the pipeline
// against. It shares no code with it and imports nothing of it: read it as the rules written down twice.
package oracle

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// Rules say what is counted, and how.
type Rules struct {
	Format    string        // avro or json
	Registry  string        // URL of the schema registry's Confluent API; for avro
	Window    time.Duration // windows start at multiples of it since the epoch
	ClockSkew time.Duration // how far a click's time may lie past its record's

	// Once has the clicks of one event_id and window count once, for the page that is the least by its bytes.
	Once bool
	// Users asks for Counts.Users.
	Users bool

	// Except leaves records out, valid or not. Whether a click came too late depends on when it was read,
	// which a topic does not tell: leave out what the dead letters name so. Nil leaves nothing out. It is
	// called from several goroutines at once.
	Except func(Place) bool
}

// Place is where a record stands in the topic.
type Place struct {
	Partition int32
	Offset    int64
}

// Key names a row of the table.
type Key struct {
	WindowStart int64 // milliseconds since the epoch
	Page        string
}

// Counts are what a topic holds.
type Counts struct {
	Views   map[Key]int64
	Users   map[Key]map[string]bool // who viewed each page, duplicates too, where Rules.Users asks for it
	Valid   int64                   // duplicates too
	Invalid []Place                 // ascending
}

// Count reads the topic from its start to its ends as they are now, without what transactions have not
// committed. The options say how to connect. It takes some 3 µs of processor time per Avro event.
func Count(ctx context.Context, topic string, rules Rules, opts ...kgo.Opt) (*Counts, error) {
	ends, err := bounds(ctx, topic, opts)
	if err != nil {
		return nil, err
	}
	counters := make(map[int32]*counter)
	from := make(map[int32]kgo.Offset)
	schemas := &schemas{registry: rules.Registry}
	for p, b := range ends {
		if b.start < b.end {
			counters[p] = &counter{rules: rules, schemas: schemas, counts: Counts{Views: make(map[Key]int64), Users: make(map[Key]map[string]bool)}, once: make(map[occurrence]string), end: b.end}
			from[p] = kgo.NewOffset().At(b.start)
		}
	}
	if len(from) == 0 {
		return &Counts{Views: make(map[Key]int64)}, nil
	}

	client, err := kgo.NewClient(append(slices.Clone(opts),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // the last offset may be that of one
	)...)
	if err != nil {
		return nil, fmt.Errorf("connect the oracle: %w", err)
	}
	defer client.Close()
	for !allDone(counters) {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("read topic %s: %w", topic, err)
		}
		var work errgroup.Group
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			work.Go(func() error { return counters[p.Partition].add(ctx, p.Records) })
		})
		if err := work.Wait(); err != nil {
			return nil, fmt.Errorf("count topic %s: %w", topic, err)
		}
	}
	return sum(counters), nil
}

type bound struct{ start, end int64 }

// bounds returns the offsets to read of each partition.
func bounds(ctx context.Context, topic string, opts []kgo.Opt) (map[int32]bound, error) {
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("connect the oracle: %w", err)
	}
	defer client.Close()
	adm := kadm.NewClient(client)
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("starts of topic %s: %w", topic, err)
	}
	ends, err := adm.ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("ends of topic %s: %w", topic, err)
	}
	all := make(map[int32]bound)
	for p, end := range ends[topic] {
		all[p] = bound{starts[topic][p].Offset, end.Offset}
	}
	return all, nil
}

// counter counts one partition.
type counter struct {
	rules   Rules
	schemas *schemas
	counts  Counts
	once    map[occurrence]string // the least page of each event
	next    int64                 // the offset after the last one read
	end     int64
}

func (c *counter) add(ctx context.Context, records []*kgo.Record) error {
	for _, r := range records {
		c.next = r.Offset + 1
		place := Place{r.Partition, r.Offset}
		if r.Offset >= c.end || r.Attrs.IsControl() || c.rules.Except != nil && c.rules.Except(place) {
			continue
		}
		var e event
		var ok bool
		var err error
		if c.rules.Format == "json" {
			e, ok = fromJSON(r.Value)
		} else {
			e, ok, err = c.schemas.fromAvro(ctx, r.Value)
		}
		if err != nil {
			return fmt.Errorf("partition %d offset %d: %w", r.Partition, r.Offset, err)
		}
		if !ok || !e.valid(r.Timestamp, c.rules.ClockSkew) {
			c.counts.Invalid = append(c.counts.Invalid, place)
			continue
		}
		window := c.rules.Window.Milliseconds()
		start := e.timestamp / window * window // no valid time is negative
		if c.rules.Once {
			note(c.once, occurrence{start, e.eventID}, e.pageURL)
		} else {
			c.counts.Views[Key{start, e.pageURL}]++
		}
		if c.rules.Users && e.userID != "" {
			meet(c.counts.Users, Key{start, e.pageURL}, e.userID)
		}
		c.counts.Valid++
	}
	return nil
}

func allDone(counters map[int32]*counter) bool {
	for _, c := range counters {
		if c.next < c.end {
			return false
		}
	}
	return true
}

// occurrence is an event in a window.
type occurrence struct {
	windowStart int64
	eventID     string
}

func note(once map[occurrence]string, o occurrence, page string) {
	if had, ok := once[o]; !ok || page < had {
		once[o] = page
	}
}

func meet(users map[Key]map[string]bool, k Key, user string) {
	if users[k] == nil {
		users[k] = map[string]bool{}
	}
	users[k][user] = true
}

func sum(counters map[int32]*counter) *Counts {
	total := &Counts{Views: make(map[Key]int64), Users: make(map[Key]map[string]bool)}
	once := make(map[occurrence]string)
	for _, c := range counters {
		for o, page := range c.once {
			note(once, o, page)
		}
		for k, n := range c.counts.Views {
			total.Views[k] += n
		}
		for k, users := range c.counts.Users {
			for user := range users {
				meet(total.Users, k, user)
			}
		}
		total.Valid += c.counts.Valid
		total.Invalid = append(total.Invalid, c.counts.Invalid...)
	}
	for o, page := range once {
		total.Views[Key{o.windowStart, page}]++
	}
	slices.SortFunc(total.Invalid, func(a, b Place) int {
		if a.Partition != b.Partition {
			return int(a.Partition - b.Partition)
		}
		return int(a.Offset - b.Offset)
	})
	return total
}
