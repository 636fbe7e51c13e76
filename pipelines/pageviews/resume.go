package pageviews

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"clickstream/io/kafka"
	"clickstream/io/table"
	"clickstream/pipelines/settings"
)

// putBack is how far back a clock may have been put since the table was made: dead letters bear the time of the clock
// of whoever wrote them.
const putBack = time.Hour

// resume moves the extent to where the table is, and returns up to when windows are final (zero: none is).
//
// Windows that are not final are counted anew, from the first record that can hold a click of them: a click lies
// no further ahead of its record's time than the clock skew. Nothing is read that lies before where the table
// began. What was final stays: records below the offsets that the table consumed have been dealt with.
func resume(ctx context.Context, s *settings.Run, admin *kadm.Client, t table.Table, e *kafka.Extent) (time.Time, error) {
	state, err := t.State(ctx, s.AllowedLateness)
	if err != nil {
		return time.Time{}, err
	}
	if err := table.CheckFiles(ctx, t, state.Final); err != nil {
		return time.Time{}, err
	}
	explain := func(err error) error {
		return s.Kafka.Connection().Explain(err, kafka.Doing{Operation: "Read", Topic: e.Topic})
	}
	begins, err := listed(admin.ListStartOffsets(ctx, e.Topic))
	if err != nil {
		return time.Time{}, explain(err)
	}
	ends, err := listed(admin.ListEndOffsets(ctx, e.Topic))
	if err != nil {
		return time.Time{}, explain(err)
	}
	if err := checkCut(s, e.Topic, ends, state); err != nil {
		return time.Time{}, err
	}
	since := state.Made
	if open := state.Final.Add(-2 * s.ClockSkew); !state.Final.IsZero() && open.After(since) {
		since = open
	}
	if !since.IsZero() {
		since = since.Add(-putBack)
	}
	if err := rejectedBefore(ctx, s, admin, since, e); err != nil {
		return time.Time{}, err
	}
	if state.Final.IsZero() {
		for i, p := range e.Partitions {
			if begun, ok := state.Begun[p]; ok {
				e.Start[i] = begun
			} else if state.Begun != nil { // the partition is younger than the table
				e.Start[i] = begins[e.Topic][p].Offset
			}
		}
		return time.Time{}, nil
	}
	open, err := kafka.Resolve(ctx, admin, e.Topic, kafka.Instant{Time: state.Final.Add(-s.ClockSkew)}, kafka.Instant{Word: settings.Never})
	if err != nil {
		return time.Time{}, explain(err)
	}
	var again int64
	for i, p := range open.Partitions {
		e.Consumed[i] = state.Consumed[p]
		// A record that nobody has dealt with may bear a time of long before: it is too late, and must be said to be.
		e.Start[i] = max(min(open.Start[i], e.Consumed[i]), state.Begun[p])
		read, _ := slices.BinarySearch(e.Rejected[i], e.Start[i])
		e.Rejected[i] = slices.Clone(e.Rejected[i][read:]) // the others are not read
		again += max(0, e.Consumed[i]-e.Start[i])
		if err := checkGone(s, e.Topic, p, begins[e.Topic][p].Offset, state); err != nil {
			return time.Time{}, err
		}
	}
	slog.Info("going on where the table is", "table", s.Table, "final_until", state.Final.Format(time.RFC3339), "records_read_again", again)
	return state.Final, nil
}

// listed returns offsets, or why one of them is not known.
func listed(offsets kadm.ListedOffsets, err error) (kadm.ListedOffsets, error) {
	if err == nil {
		err = offsets.Error()
	}
	return offsets, err
}

// checkCut fails when the topic ends before what the table was counted from: its offsets mean other records by now,
// which would be taken for those that were dealt with.
func checkCut(s *settings.Run, topic string, ends kadm.ListedOffsets, state table.State) error {
	for _, counted := range []map[int32]int64{state.Begun, state.Consumed} {
		for _, p := range slices.Sorted(maps.Keys(counted)) {
			if end := ends[topic][p].Offset; end < counted[p] {
				return fmt.Errorf("%w: topic %s partition %d ends at offset %d, and table %s was counted from it up to %d: its log was cut, or the topic was deleted and made again; choose another --table",
					kafka.ErrDataLoss, topic, p, end, s.Table, counted[p])
			}
		}
	}
	return nil
}

// checkGone tells whether Kafka still has the records of partition p that come next, and those of the windows that
// are counted anew.
func checkGone(s *settings.Run, topic string, p int32, begin int64, state table.State) error {
	needed := state.Consumed[p]
	if first, ok := state.First[p]; ok {
		needed = min(needed, first)
	}
	if begin <= needed {
		return nil
	}
	if s.OnDataLoss == "warn" {
		slog.Warn("records are gone before they were read", "topic", topic, "partition", p, "from", needed, "to", begin)
		return nil
	}
	return fmt.Errorf("%w: topic %s partition %d begins at offset %d, and table %s needs it from %d; raise the topic's retention, and go on without what is gone by --on-data-loss warn",
		kafka.ErrDataLoss, topic, p, begin, s.Table, needed)
}
