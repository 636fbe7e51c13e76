package delta

import (
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
)

// upkeepTime is how long a checkpoint in the background may take.
const upkeepTime = 5 * time.Minute

// Checkpoint writes a checkpoint of the newest version that was seen, and cleans the log up. Nobody needs to call
// it: commits do when it is due.
func (l *Log) Checkpoint(ctx context.Context) error {
	select {
	case l.checkpointing <- struct{}{}:
		defer func() { <-l.checkpointing }()
	case <-ctx.Done():
		return l.fail(context.Cause(ctx))
	}
	s := l.Snapshot()
	if err := l.writeCheckpoint(ctx, s); err != nil {
		return l.fail(fmt.Errorf("writing the checkpoint of version %d: %w", s.Version, err))
	}
	if err := l.cleanUp(ctx); err != nil {
		return l.fail(fmt.Errorf("cleaning up the log: %w", err))
	}
	return nil
}

// checkpointIfDue has a checkpoint written in the background: the commit is done without it, and failing to
// write one costs the readers time, nothing else.
func (l *Log) checkpointIfDue(ctx context.Context) {
	at := l.state()
	interval := l.CheckpointInterval
	if interval == 0 {
		interval = at.Metadata.checkpointInterval()
	}
	// Of several writers, the one whose version it is writes the checkpoint, and any where that one did not.
	if interval < 0 || at.Version%interval != 0 && at.Version < at.checkpointed+2*interval {
		return
	}
	select {
	case l.checkpointing <- struct{}{}:
	default:
		return // one is under way; the next commit asks again
	}
	l.background.Go(func() {
		defer func() { <-l.checkpointing }()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), upkeepTime)
		defer cancel()
		err := l.writeCheckpoint(ctx, at.Snapshot)
		if err == nil {
			err = l.cleanUp(ctx)
		}
		if err != nil {
			l.Logger.Warn("a checkpoint of the table's log was not written, which makes it slower to open",
				"table", l.store.String(), "version", at.Version, "error", err)
		}
	})
}

// writeCheckpoint writes a checkpoint, and has the log point to it, unless it points to a newer one. The pointer
// comes last: it never points to what is not there.
func (l *Log) writeCheckpoint(ctx context.Context, s *Snapshot) error {
	if err := s.CheckWriter(); err != nil {
		return err
	}
	data, last, err := s.checkpoint(l.Now())
	if err != nil {
		return err
	}
	if err := l.store.Put(ctx, checkpointName(s.Version), data); err != nil {
		return err
	}
	l.mu.Lock()
	l.at.checkpointed = max(l.at.checkpointed, s.Version)
	l.mu.Unlock()
	other, ok, err := readLast(ctx, l.store)
	if err != nil || ok && other.Version >= s.Version {
		return err
	}
	pointer, err := json.Marshal(last)
	if err != nil {
		return err
	}
	return l.store.Put(ctx, lastName, pointer)
}

// cleanUp deletes the versions that are older than the table's configuration wants them kept, which is 30 days
// where it says nothing. It is the protocol's metadata cleanup: what goes are files of versions before a
// checkpoint of a version that is old enough itself, so every one that is not can still be read. They go
// in ascending order, so whoever is killed in between leaves no hole.
func (l *Log) cleanUp(ctx context.Context) error {
	retention, expires, err := l.Snapshot().Metadata.logRetention()
	if err != nil || !expires {
		return err
	}
	before := l.Now().Add(-retention)
	// Only what is old is looked at, and there is nothing old in most cases.
	old := false
	for info, err := range l.store.List(ctx, logFolder, fmt.Sprintf(versionFmt, 0)) {
		if err != nil {
			return err
		}
		old = info.Modified.Before(before)
		break
	}
	if !old {
		return nil
	}
	c, err := list(ctx, l.store, 0)
	if err != nil {
		return err
	}
	// A checkpoint was just written, which tells the store's time: where this machine's clock is ahead of that, what
	// others are still going on from would look old.
	if by := c.modified().Add(-retention); by.Before(before) {
		before = by
	}
	keep, ok := c.expired(before)
	if !ok {
		return nil
	}
	// What is deleted cannot be had again, so what stands for it must be good.
	r := newReplay()
	if err := l.loadCheckpoint(ctx, r, keep); err != nil {
		return fmt.Errorf("the checkpoint of version %d, which earlier versions would be deleted for: %w", keep.number, err)
	}
	if _, err := r.snapshot(l.Now()); err != nil {
		return fmt.Errorf("the checkpoint of version %d, which earlier versions would be deleted for: %w", keep.number, err)
	}
	first := fmt.Sprintf(versionFmt, keep.number)
	for _, name := range c.files {
		if name >= first {
			break
		}
		if err := l.store.Delete(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// expired returns the newest checkpoint such that all versions up to its own were written before then.
func (c *catalog) expired(before time.Time) (checkpointFiles, bool) {
	old := int64(-1)
	for _, v := range c.entries {
		if !v.modified.Before(before) {
			break
		}
		old = v.number
	}
	return c.checkpoint(old)
}

// modified returns when the newest of the entries and checkpoints was written, by the store's clock.
func (c *catalog) modified() (newest time.Time) {
	for _, v := range c.entries {
		newest = later(newest, v.modified)
	}
	for _, cp := range c.checkpoints {
		newest = later(newest, cp.modified)
	}
	return newest
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
