package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
)

// pollWait is how long a poll waits for records before the loop looks around.
const pollWait = time.Second

// feed is a topic that is read.
type feed struct {
	connection kafka.Connection
	doing      kafka.Doing // that, for its errors; it names the topic
	id         string      // the topic's; an empty one is not known
}

// read hands all that is left of the topic's partitions to f, a fetched chunk of one at a time, and moves their next
// offsets. Control records, which end transactions, are among them. A chunk is f's until f returns. It fails when
// the topic is another one by now.
func (t feed) read(ctx context.Context, partitions []partition, f func(i int, chunk []*kgo.Record) error) error {
	offsets, index, open := map[int32]kgo.Offset{}, map[int32]int{}, 0
	for i, p := range partitions {
		index[p.id] = i
		if p.next < p.end {
			offsets[p.id] = kgo.NewOffset().At(p.next)
			open++
		}
	}
	if open == 0 {
		return nil
	}
	client, err := t.connection.Client(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{t.doing.Topic: offsets}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),  // the last offset may be one's
		kgo.FetchMaxBytes(16<<20), // memory, not speed: what was fetched waits here
		kgo.FetchMaxPartitionBytes(512<<10),
		kgo.FetchMaxWait(500*time.Millisecond),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	heard := time.Now()
	for open > 0 {
		poll, cancel := context.WithTimeout(ctx, pollWait)
		fetches := client.PollFetches(poll)
		cancel()
		if err := t.fault(ctx, client, fetches); err != nil {
			return err
		}
		var failed error
		fetches.EachPartition(func(fetched kgo.FetchTopicPartition) {
			i := index[fetched.Partition]
			p := &partitions[i]
			chunk := fetched.Records
			for len(chunk) > 0 && chunk[len(chunk)-1].Offset >= p.end {
				chunk = chunk[:len(chunk)-1]
			}
			if failed != nil || len(fetched.Records) == 0 || p.next >= p.end {
				return
			}
			heard = time.Now()
			if failed = f(i, chunk); failed != nil {
				return
			}
			if p.next = fetched.Records[len(fetched.Records)-1].Offset + 1; p.next >= p.end {
				p.next = p.end
				open--
				client.RemoveConsumePartitions(map[string][]int32{t.doing.Topic: {p.id}})
			}
		})
		if failed != nil {
			return failed
		}
		if silence := time.Since(heard); silence > max(t.connection.RetryTimeout, pollWait) {
			if err := t.connection.Ping(ctx); err != nil {
				return err
			}
			return fmt.Errorf("no records of topic %s came for %s, and %d of its partitions are not at their ends; try again, or with a longer --retry-timeout", t.doing.Topic, silence.Round(time.Second), open)
		}
	}
	return nil
}

// fault returns why the topic cannot be read on, if it cannot. What may pass is left to the client, which tries again.
func (t feed) fault(ctx context.Context, client *kgo.Client, fetches kgo.Fetches) (err error) {
	if ctx.Err() != nil {
		return fmt.Errorf("reading topic %s: %w", t.doing.Topic, context.Cause(ctx))
	}
	fetches.EachTopic(func(f kgo.FetchTopic) {
		if err == nil {
			err = t.same(kafka.TopicID(f.TopicID))
		}
	})
	if err != nil {
		return err
	}
	for _, e := range fetches.Errors() {
		switch {
		case errors.Is(e.Err, context.DeadlineExceeded), kerr.IsRetriable(e.Err) && !isUnknown(e.Err):
		case errors.Is(e.Err, kerr.UnknownTopicID):
			is, err := t.connection.Identify(ctx, kadm.NewClient(client), t.doing)
			if err == nil {
				err = t.same(is.Topic)
			}
			if err != nil {
				return err
			}
		case errors.Is(e.Err, kerr.OffsetOutOfRange):
			return fmt.Errorf("%w: records of topic %s partition %d were deleted while they were read; run again", kafka.ErrDataLoss, t.doing.Topic, e.Partition)
		default:
			return t.connection.Explain(e.Err, t.doing)
		}
	}
	return nil
}

// same returns an error unless the topic's id is the one that it had.
func (t feed) same(id string) error {
	if kafka.SameID(t.id, id) {
		return nil
	}
	return fmt.Errorf("topic %s was deleted and made again while it was read: it was of id %s, and is of %s now; run again", t.doing.Topic, t.id, id)
}

func isUnknown(err error) bool {
	return errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID)
}
