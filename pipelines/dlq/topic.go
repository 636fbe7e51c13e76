package dlq

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/pipelines/settings"
)

// topic is the dead letter topic, as it was when it was opened.
type topic struct {
	name       string
	connection kafka.Connection
	client     *kgo.Client
	admin      *kadm.Client
	extent     kafka.Extent // from its start to its end
	words      known
}

// Tell is called now and then with the offsets read so far, and how many there are to be.
type Tell func(read, of int64)

// open reaches the cluster, and looks up what there is of the dead letter topic. The errors are those of Explain.
func open(ctx context.Context, c kafka.Connection, name string) (*topic, error) {
	client, err := c.Connect(ctx)
	if err != nil {
		return nil, err
	}
	t := &topic{name: name, connection: c, client: client, admin: kadm.NewClient(client), words: known{}}
	if err := t.bound(ctx); err != nil {
		client.Close()
		return nil, err
	}
	return t, nil
}

func (t *topic) close() { t.client.Close() }

// bound looks up where the topic begins and ends now. The ends are those of what is committed or may be so yet: what a
// transaction that has just ended wrote must not be missed.
func (t *topic) bound(ctx context.Context) error {
	is, err := t.connection.Identify(ctx, t.admin, kafka.Doing{Operation: "Read", Topic: t.name, Flag: kafka.DeadLetterFlag})
	if err != nil {
		return err
	}
	explain := func(err error) error {
		return t.connection.Explain(err, kafka.Doing{Operation: "Describe", Topic: t.name, Flag: kafka.DeadLetterFlag})
	}
	if t.extent, err = kafka.Resolve(ctx, t.admin, t.name, kafka.Instant{Word: settings.Earliest}, kafka.Instant{Word: settings.Latest}); err != nil {
		return explain(err)
	}
	t.extent.TopicID = is.Topic
	ends, err := t.admin.ListEndOffsets(ctx, t.name)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return explain(err)
	}
	for i, p := range t.extent.Partitions {
		if end, ok := ends.Lookup(t.name, p); ok {
			t.extent.End[i] = end.Offset
		}
	}
	return nil
}

// part returns the extent's part from that time on, of one partition alone if one is named.
func (t *topic) part(ctx context.Context, since time.Time, only *int32) (kafka.Extent, error) {
	e := kafka.Extent{Topic: t.extent.Topic, TopicID: t.extent.TopicID}
	var from kafka.Extent
	if !since.IsZero() {
		var err error
		if from, err = kafka.Resolve(ctx, t.admin, t.name, kafka.Instant{Time: since}, kafka.Instant{Word: settings.Never}); err != nil {
			return e, t.connection.Explain(err, kafka.Doing{Operation: "Describe", Topic: t.name, Flag: kafka.DeadLetterFlag})
		}
	}
	for i, p := range t.extent.Partitions {
		if only != nil && p != *only {
			continue
		}
		start := t.extent.Start[i]
		if i < len(from.Start) {
			start = max(start, min(from.Start[i], t.extent.End[i]))
		}
		e.Partitions = append(e.Partitions, p)
		e.Start, e.End = append(e.Start, start), append(e.End, t.extent.End[i])
		e.Consumed, e.Rejected = append(e.Consumed, 0), append(e.Rejected, nil)
	}
	if only != nil && len(e.Partitions) == 0 {
		return e, fmt.Errorf("topic %s has no partition %d; it has %d, from 0", t.name, *only, len(t.extent.Partitions))
	}
	return e, nil
}

// read hands the records of an extent to f, a partition's in their order, up to the extent's ends. A record is f's until
// it returns. Records that were deleted since are passed by.
func (t *topic) read(ctx context.Context, e kafka.Extent, tell Tell, f func(*kgo.Record) error) error {
	if len(e.Partitions) == 0 {
		return nil
	}
	a := e.Divide(uuid.NewString(), 1)[0]
	a.Total = len(t.extent.Partitions)
	r, err := kafka.OpenReader(kafka.ReaderSettings{Connection: t.connection, AllowDataLoss: true}, a, a.Start, kafka.NoTime)
	if err != nil {
		return err
	}
	defer r.Close()
	var total int64
	for i := range e.Start {
		total += e.End[i] - e.Start[i]
	}
	heard := time.Now()
	for !r.Done() {
		if ctx.Err() != nil {
			return fmt.Errorf("reading topic %s: %w", t.name, context.Cause(ctx))
		}
		err := r.Poll(ctx, func(c kafka.Chunk) error {
			for _, rec := range c.Records {
				if err := f(rec); err != nil {
					return err
				}
			}
			heard = time.Now()
			return nil
		})
		if err == nil {
			err = r.Tend(ctx)
		}
		if err != nil {
			return err
		}
		left := int64(0)
		for i, next := range r.Next() {
			left += max(0, e.End[i]-next)
		}
		if tell != nil {
			tell(total-left, total)
		}
		if silence := time.Since(heard); silence > max(t.connection.RetryTimeout, time.Second) {
			return t.silent(ctx, silence)
		}
	}
	return nil
}

// silent says why no records come, though there are some.
func (t *topic) silent(ctx context.Context, silence time.Duration) error {
	if err := t.connection.Ping(ctx); err != nil {
		return err
	}
	return fmt.Errorf("no records of topic %s came for %s, and it is not read to its end: has another program a transaction open in it? Try again, or with a longer --retry-timeout",
		t.name, silence.Round(time.Second))
}

// scan reads the extent, and hands dead letters to letters, markers to markers and foreign records to foreign. What is
// nil is left out.
func (t *topic) scan(ctx context.Context, e kafka.Extent, tell Tell, letters func(*letter) error, markers func(marker, *kgo.Record) error, foreign *Foreign) error {
	var l letter
	return t.read(ctx, e, tell, func(rec *kgo.Record) error {
		if letters == nil && len(rec.Headers) != 1 { // markers have one
			return nil
		}
		if m, is, err := readMarker(rec); is {
			if err == nil && markers != nil {
				err = markers(m, rec)
			}
			if err != nil && foreign != nil {
				foreign.add(rec)
			}
			return nil
		}
		switch {
		case t.words.parse(rec, &l):
			if letters != nil {
				return letters(&l)
			}
		case foreign != nil:
			foreign.add(rec)
		}
		return nil
	})
}
