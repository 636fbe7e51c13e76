package delta

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"

	"golang.org/x/sync/errgroup"
)

// latest stands for the newest version there is.
const latest = math.MaxInt64

// entriesAtOnce is how many entries are read at the same time.
const entriesAtOnce = 16

// load reads a version: the newest checkpoint up to it, and the entries after that. A checkpoint that is not a
// whole file is passed over with a warning, as long as there is another way.
func (l *Log) load(ctx context.Context, to int64) (state, error) {
	c, err := l.catalog(ctx, to)
	if err != nil {
		return state{}, err
	}
	if err := noTable(c); err != nil {
		return state{}, err
	}
	newest := c.latest()
	if to == latest {
		to = newest
	} else if to > newest {
		return state{}, fmt.Errorf("version %d is not there: the newest is %d", to, newest)
	}
	return l.loadFrom(ctx, c, to, false)
}

// noTable returns an error when there is nothing of a log.
func noTable(c *catalog) error {
	switch {
	case c.latest() >= 0:
		return nil
	case c.newer:
		return fmt.Errorf("%w: its log has checkpoints of version 2 of their format alone: read it with a newer program", ErrProtocol)
	case !c.isEmpty():
		return fmt.Errorf("the log has no version, only %s: restore %s from a copy", c.files[0], logFolder)
	}
	return ErrNoTable
}

// catalog lists the log from the checkpoint on that it points to, or all of it when that does not help.
func (l *Log) catalog(ctx context.Context, to int64) (*catalog, error) {
	last, ok, err := readLast(ctx, l.store)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", lastName, err)
	}
	if ok && last.Version <= to {
		c, err := list(ctx, l.store, last.Version)
		if err != nil {
			return nil, fmt.Errorf("listing the log: %w", err)
		}
		if _, ok := c.checkpoint(to); ok {
			return c, nil
		}
	}
	c, err := list(ctx, l.store, 0)
	if err != nil {
		return nil, fmt.Errorf("listing the log: %w", err)
	}
	return c, nil
}

// loadFrom reads a version by what is listed; complete says that it is all there is.
func (l *Log) loadFrom(ctx context.Context, c *catalog, to int64, complete bool) (state, error) {
	cp, hasCheckpoint, entries, err := c.way(to)
	if err != nil {
		return state{}, err
	}
	r := newReplay()
	if hasCheckpoint {
		if err := l.loadCheckpoint(ctx, r, cp); err != nil {
			return l.loadAround(ctx, c, to, complete, cp, err)
		}
		// Entries of other formats may follow, so it must be known before they are read.
		if _, err := r.snapshot(l.Now()); err != nil {
			return state{}, fmt.Errorf("version %d, by its checkpoint: %w", cp.number, err)
		}
	}
	at := state{checkpointed: max(0, r.version)}
	for len(entries) > 0 {
		some := entries[:min(len(entries), entriesAtOnce)]
		entries = entries[len(some):]
		read := make([]*Entry, len(some))
		group, ctx := errgroup.WithContext(ctx)
		for i, number := range some {
			group.Go(func() (err error) {
				e, hash, err := l.readEntry(ctx, number)
				if read[i] = e; number == to {
					at.entry = hash
				}
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return state{}, err
		}
		for _, e := range read {
			if err := r.apply(e); err != nil {
				return state{}, fmt.Errorf("version %d is damaged: %w", e.Version, err)
			}
		}
	}
	if hasCheckpoint && cp.number == to {
		if err := l.timeCheckpoint(ctx, r, cp, &at); err != nil {
			return state{}, err
		}
	}
	if at.Snapshot, err = r.snapshot(l.Now()); err != nil {
		return state{}, fmt.Errorf("version %d: %w", to, err)
	}
	return at, nil
}

// loadCheckpoint reads the parts of a checkpoint.
func (l *Log) loadCheckpoint(ctx context.Context, r *replay, cp checkpointFiles) error {
	for _, name := range cp.names {
		data, err := l.store.Read(ctx, name)
		if err != nil {
			return err
		}
		if err := r.readCheckpoint(data); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	r.version = cp.number
	return nil
}

// loadAround reads a version without a checkpoint that cannot be read.
func (l *Log) loadAround(ctx context.Context, c *catalog, to int64, complete bool, cp checkpointFiles, why error) (state, error) {
	if ctx.Err() != nil {
		return state{}, fmt.Errorf("reading the checkpoint of version %d: %w", cp.number, why)
	}
	if !complete {
		all, err := list(ctx, l.store, 0)
		if err != nil {
			return state{}, fmt.Errorf("listing the log: %w", err)
		}
		c = all
	}
	c.drop(cp)
	at, err := l.loadFrom(ctx, c, to, true)
	if err != nil {
		return state{}, fmt.Errorf("the checkpoint of version %d cannot be read: %w, and without it: %w", cp.number, why, err)
	}
	l.Logger.Warn("a checkpoint of the table cannot be read, the log was read without it",
		"table", l.store.String(), "version", cp.number, "error", why)
	return at, nil
}

// timeCheckpoint sets the time of a version that was read from its checkpoint alone, which tells none.
func (l *Log) timeCheckpoint(ctx context.Context, r *replay, cp checkpointFiles, at *state) error {
	e, hash, err := l.readEntry(ctx, cp.number)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.time = cp.modified.UnixMilli()
		return nil
	case err != nil:
		return err
	}
	at.entry = hash
	if r.time = e.Info.time(); len(e.Unknown) != 0 {
		r.unknown = fmt.Sprintf("version %d has an action %q", e.Version, e.Unknown[0])
	}
	return nil
}

// readOn reads the entries that are newer than the log's state, and returns them. It is false when the log no
// longer has that state, as it was cleaned up meanwhile: it is read anew then. It wants the turn.
func (l *Log) readOn(ctx context.Context) (entries []*Entry, gapless bool, err error) {
	at := l.state()
	has, err := l.checkGround(ctx, &at)
	if err != nil {
		return nil, false, err
	}
	if !has {
		return nil, false, l.readAnew(ctx, at)
	}
	for number := at.Version + 1; ; number++ {
		e, hash, err := l.readEntry(ctx, number)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, false, err
		}
		entries = append(entries, e)
		at.entry = hash
	}
	if len(entries) == 0 {
		return nil, true, nil
	}
	if at.Snapshot, err = at.with(l.Now(), entries...); err != nil {
		return nil, false, err
	}
	l.setState(at)
	for _, e := range entries {
		if l.Others != nil && !l.IsOwn(e) {
			l.Others(e)
		}
	}
	return entries, true, nil
}

// readAnew begins anew, with the log as it is now.
func (l *Log) readAnew(ctx context.Context, was state) error {
	at, err := l.load(ctx, latest)
	if err != nil {
		return err
	}
	if was.Metadata.ID != at.Metadata.ID || was.Version > at.Version {
		return fmt.Errorf("another table was put in its place, at version %d, where this one was at %d: start again", at.Version, was.Version)
	}
	l.setState(at)
	return nil
}

// checkGround tells whether the log still has the version that it was read to, such that what comes next is what
// is newer. It notes which checkpoint there is.
func (l *Log) checkGround(ctx context.Context, at *state) (bool, error) {
	group, groupCtx := errgroup.WithContext(ctx)
	var cleaned, replaced bool
	group.Go(func() error {
		last, ok, err := readLast(groupCtx, l.store)
		// Entries up to a newer checkpoint may be gone already, and what is not there is not the end then.
		if ok {
			cleaned = last.Version > at.Version
			at.checkpointed = max(at.checkpointed, last.Version)
		}
		return err
	})
	group.Go(func() error {
		_, hash, err := l.readEntry(groupCtx, at.Version)
		replaced = hash != at.entry
		if errors.Is(err, fs.ErrNotExist) {
			replaced = true
			return nil
		}
		return err
	})
	if err := group.Wait(); err != nil || replaced {
		return false, err
	}
	if !cleaned {
		return true, nil
	}
	_, _, err := l.readEntry(ctx, at.Version+1)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
