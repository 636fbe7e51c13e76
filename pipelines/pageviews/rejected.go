package pageviews

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/pipelines/settings"
	"clickstream/transforms/click"
)

// rejectedBefore notes in e which records earlier runs have rejected since then, that this one might take for clicks.
// Whether a click is too late depends on the watermark that a run had reached: a run that starts again begins with none,
// and would count what is a dead letter already, if the windows that made it late had not reached the table. And a schema
// that nobody knew may be registered by now: who replays the dead letter would have the click counted twice.
func rejectedBefore(ctx context.Context, s *settings.Run, admin *kadm.Client, since time.Time, e *kafka.Extent) error {
	connection := s.Kafka.Connection()
	from := kafka.Instant{Time: since}
	if since.IsZero() {
		from = kafka.Instant{Word: settings.Earliest}
	}
	letters, err := kafka.Resolve(ctx, admin, s.DeadLetterTopic, from, kafka.Instant{Word: settings.Latest})
	if err == nil {
		err = kafka.ReadExtent(ctx, kafka.ReaderSettings{Connection: connection}, letters, func(rec *kgo.Record) error {
			note(rec, e)
			return nil
		})
	}
	err = connection.Explain(err, kafka.Doing{Operation: "Read", Topic: s.DeadLetterTopic, Flag: kafka.DeadLetterFlag})
	if errors.Is(err, kafka.ErrDenied) {
		slog.Warn("dead letters may not be read: clicks that were too late just before the last stop may be counted", "topic", s.DeadLetterTopic, "error", err)
		return nil
	}
	for i := range e.Rejected {
		slices.Sort(e.Rejected[i])
		e.Rejected[i] = slices.Compact(e.Rejected[i])
	}
	return err
}

// note adds the record of which rec is the dead letter, if it may look like a click now and is of e.
func note(rec *kgo.Record, e *kafka.Extent) {
	h := map[string]string{}
	for _, header := range rec.Headers {
		h[header.Key] = string(header.Value)
	}
	partition, err := strconv.ParseInt(h["dlq.partition"], 10, 32)
	offset, err2 := strconv.ParseInt(h["dlq.offset"], 10, 64)
	reason := click.Reason(h["dlq.reason"])
	if reason != click.TooLate && reason != click.UnknownSchema || h["dlq.topic"] != e.Topic || err != nil || err2 != nil {
		return
	}
	if i, ok := slices.BinarySearch(e.Partitions, int32(partition)); ok {
		e.Rejected[i] = append(e.Rejected[i], offset)
	}
}
