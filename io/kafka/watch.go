package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"clickstream/io/crashpoint"
)

// watch looks after an assignment's topic, whoever fetches its records: whether it is there, and still the same, where
// its partitions end, and what the consumer group is told.
type watch struct {
	settings   ReaderSettings
	assignment Assignment
	admin      *kadm.Client
	closed     <-chan struct{} // when the client is
	id         string          // the topic's, once it is known
	checked    time.Time
	missing    time.Time // since when the topic is not there; zero if it is
	doubtful   bool      // a broker does not know the topic's id
	committed  time.Time
	told       []int64     // the offsets that were committed then
	telling    atomic.Bool // a commit is under way
	complaints logger      // of offsets that are not committed, while the brokers are away
}

const (
	topicCheck     = 5 * time.Second        // between looks at the topic
	commitInterval = time.Second            // between commits of the group's offsets while they stand still
	lagInterval    = 100 * time.Millisecond // and while they move: lag tools see no more of a fast topic than came since
	lagPartition   = time.Millisecond       // for each partition of the topic, if that is longer: brokers keep a record of each
)

// pause is what is to pass between the last commit of the group's offsets and that of next.
func (w *watch) pause(next []int64) time.Duration {
	moving := max(lagInterval, time.Duration(w.assignment.Total)*lagPartition)
	if slices.Equal(next, w.told) {
		return max(moving, commitInterval)
	}
	return moving
}

func (w *watch) explain(err error) error {
	return w.settings.Connection.Explain(err, Doing{Operation: "Read", Topic: w.assignment.Topic})
}

// stableEnds asks for the last stable offsets of the partitions, by their index; those that are not known are left out.
func (w *watch) stableEnds(ctx context.Context) map[int]int64 {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	listed, err := w.admin.ListCommittedOffsets(ctx, w.assignment.Topic)
	if err != nil {
		slog.Debug("the ends of partitions are not known", "topic", w.assignment.Topic, "error", err)
		return nil
	}
	ends := make(map[int]int64, len(w.assignment.Partitions))
	for i, p := range w.assignment.Partitions {
		if end, ok := listed.Lookup(w.assignment.Topic, p); ok && end.Err == nil {
			ends[i] = end.Offset
		}
	}
	return ends
}

// checkDue looks at the topic if that is due.
func (w *watch) checkDue(ctx context.Context, now time.Time) error {
	if since := now.Sub(w.checked); since >= topicCheck || w.doubtful && since >= askInterval {
		w.checked, w.doubtful = now, false
		_, err := w.checkTopic(ctx)
		return err
	}
	return nil
}

// checkTopic fails if the topic has partitions that nobody reads, if it is another one by now, and if it is gone:
// the client waits for ever for a topic to come back. A broker that has just started may not know its topics yet,
// so it has to be gone for the retry timeout. It tells whether the topic is there, and the same.
func (w *watch) checkTopic(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	name, limit := w.assignment.Topic, w.settings.Connection.retryTimeout()
	topic, err := w.settings.Connection.describe(ctx, w.admin, name)
	switch {
	case errors.Is(err, ErrNoTopic):
		if w.missing.IsZero() {
			w.missing = time.Now()
		}
		if time.Since(w.missing) < limit {
			return false, nil
		}
		return false, gaveUp(err, limit)
	case err != nil:
		slog.Debug("the topic could not be looked at", "topic", name, "error", err)
		return false, nil
	}
	w.missing = time.Time{}
	id := TopicID(topic.ID)
	if !SameID(w.id, id) {
		return false, w.recreated(id)
	}
	w.id = cmp.Or(w.id, id)
	if n := len(topic.Partitions); n > w.assignment.Total {
		return false, fmt.Errorf("topic %s now has %d partitions, this run began with %d and does not read the new ones; run again", name, n, w.assignment.Total)
	}
	return true, nil
}

// recreated says that the topic has another id by now.
func (w *watch) recreated(id string) error {
	return fmt.Errorf("topic %s was deleted and made again while it was read: it was of id %s, and is of %s now, where its offsets mean other records; run again with another --table",
		w.assignment.Topic, w.id, id)
}

// commitOffsets is Reader.CommitOffsets, of these next offsets and this watermark.
func (w *watch) commitOffsets(next []int64, at *Watermark) {
	if w.settings.Group == "" || time.Since(w.committed) < w.pause(next) || !w.telling.CompareAndSwap(false, true) {
		return
	}
	w.committed, w.told = time.Now(), slices.Clone(next)
	offsets := kadm.Offsets{}
	for i, p := range w.assignment.Partitions {
		offsets.Add(kadm.Offset{Topic: w.assignment.Topic, Partition: p, At: next[i], LeaderEpoch: -1, Metadata: at.standing(i, w.committed)})
	}
	go func() {
		defer w.telling.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err := crashpoint.Reach(crashpoint.BeforeGroupCommit)
		if err == nil {
			err = commitOffsets(ctx, w.admin, w.settings.Group, offsets)
		}
		select {
		case <-w.closed: // with the commit under way, for which a later one makes up
			return
		default:
		}
		if err != nil {
			level := slog.LevelDebug
			if w.complaints.due("commit") {
				level = slog.LevelWarn
			}
			slog.Log(ctx, level, "offsets for lag tools were not committed", "group", w.settings.Group, "error", err)
		}
	}()
}
