package delta

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"clickstream/io/objects"
)

// Errors of a log. Others name what is wrong with the table, and what to do.
var (
	// ErrNoTable is returned where there is no log.
	ErrNoTable = errors.New("there is no Delta table")
	// ErrTableExists is returned where a table is to be made, and there is a log.
	ErrTableExists = errors.New("there is a Delta table already")
)

// Options are how a log is used. The zero value is good.
type Options struct {
	Engine string           // program and version, for commitInfo
	Now    func() time.Time // time.Now when nil
	Logger *slog.Logger     // slog.Default() when nil

	// Writer is whose commits these are, where several logs are one writer's; empty: each log is one of its own.
	Writer string
	// Others, if set, is called with each version that another writer has made since the log was opened, when it is
	// read, in order. It must not call the log.
	Others func(*Entry)

	// CheckpointInterval is after how many versions a checkpoint is written. Zero leaves it to the table's
	// configuration, which is ten where it says nothing; less than zero is never.
	CheckpointInterval int64
}

// Log is the log of one table. It holds the newest version that it has seen. Any number of goroutines may use
// one, and any number of processes may have the same log open.
type Log struct {
	store objects.Store
	Options

	turn chan struct{} // held by who reads on or commits
	mu   sync.Mutex    // guards what follows
	at   state

	clockTold     sync.Once     // that the clock is behind
	checkpointing chan struct{} // held while a checkpoint is written
	background    sync.WaitGroup
}

// state is the newest version that was seen.
type state struct {
	*Snapshot
	// entry is the hash of the version's entry, zero when it was not read: it tells whether the log is still
	// the one that was opened.
	entry        [sha256.Size]byte
	checkpointed int64 // version of the newest checkpoint known, or 0
}

// Open reads the newest version of the table in a store. It returns ErrNoTable when there is none, ErrProtocol
// when the table needs a newer program, and errors that name the table and the version when the log is damaged.
func Open(ctx context.Context, store objects.Store, o Options) (*Log, error) {
	l := newLog(store, o)
	at, err := l.load(ctx, latest)
	if err != nil {
		return nil, l.fail(err)
	}
	l.at = at
	return l, nil
}

func newLog(store objects.Store, o Options) *Log {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Writer == "" {
		o.Writer = uuid.NewString()
	}
	return &Log{store: store, Options: o, turn: make(chan struct{}, 1), checkpointing: make(chan struct{}, 1)}
}

// fail returns err with the table's name.
func (l *Log) fail(err error) error { return fmt.Errorf("table %s: %w", l.store, err) }

// Snapshot returns the newest version that was seen. It reads nothing.
func (l *Log) Snapshot() *Snapshot { return l.state().Snapshot }

func (l *Log) state() state {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at
}

func (l *Log) setState(at state) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = at
}

// take waits for the turn to read on or to commit.
func (l *Log) take(ctx context.Context) (release func(), err error) {
	select {
	case l.turn <- struct{}{}:
		return func() { <-l.turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Refresh reads on, and returns the newest version there is. It costs three small reads when there is nothing
// new, whatever the length of the log.
func (l *Log) Refresh(ctx context.Context) (*Snapshot, error) {
	release, err := l.take(ctx)
	if err != nil {
		return nil, l.fail(err)
	}
	defer release()
	if _, _, err := l.readOn(ctx); err != nil {
		return nil, l.fail(err)
	}
	return l.Snapshot(), nil
}

// At returns a version of the table. It returns an error that names the versions there are when it is not one
// of them.
func (l *Log) At(ctx context.Context, version int64) (*Snapshot, error) {
	if version < 0 {
		return nil, l.fail(fmt.Errorf("version %d: versions begin at 0", version))
	}
	if s := l.Snapshot(); s.Version == version {
		return s, nil
	}
	at, err := l.load(ctx, version)
	if err != nil {
		return nil, l.fail(err)
	}
	return at.Snapshot, nil
}

// AsOf returns the newest version of the table that was made at a time or before. Times are those that the
// commits tell, which this package makes ascend; where they tell none, the times of the files.
func (l *Log) AsOf(ctx context.Context, t time.Time) (*Snapshot, error) {
	number, err := l.versionAsOf(ctx, t)
	if err != nil {
		return nil, l.fail(err)
	}
	return l.At(ctx, number)
}

func (l *Log) versionAsOf(ctx context.Context, t time.Time) (int64, error) {
	c, err := list(ctx, l.store, 0)
	if err != nil {
		return 0, err
	}
	first, ok := c.earliest()
	if err := noTable(c); err != nil {
		return 0, err
	}
	if !ok {
		_, _, _, err := c.way(c.latest())
		return 0, err
	}
	low, high := first, c.latest() // the version wanted lies in low ≤ v ≤ high
	began, err := l.timeOf(ctx, c, low)
	if err != nil {
		return 0, err
	}
	if began.After(t) {
		return 0, fmt.Errorf("%s lies before version %d, the earliest that is kept, which is of %s",
			t.UTC().Format(time.RFC3339), first, began.Format(time.RFC3339))
	}
	for low < high {
		middle := low + (high-low+1)/2
		made, err := l.timeOf(ctx, c, middle)
		if err != nil {
			return 0, err
		}
		if made.After(t) {
			high = middle - 1
		} else {
			low = middle
		}
	}
	return low, nil
}

// timeOf returns when a version was made.
func (l *Log) timeOf(ctx context.Context, c *catalog, number int64) (time.Time, error) {
	v, ok := c.entry(number)
	if !ok {
		cp, ok := c.checkpoint(number)
		if !ok || cp.number != number {
			_, _, _, err := c.way(number)
			return time.Time{}, err
		}
		return cp.modified.UTC(), nil
	}
	e, _, err := l.readEntry(ctx, number)
	if err != nil {
		return time.Time{}, err
	}
	if at := e.Info.time(); at != 0 {
		return time.UnixMilli(at).UTC(), nil
	}
	return v.modified.UTC(), nil
}

// Entries yields the versions from one on, up to the newest. An error ends it.
func (l *Log) Entries(ctx context.Context, from int64) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		for v := from; ; v++ {
			e, _, err := l.readEntry(ctx, v)
			if errors.Is(err, fs.ErrNotExist) && v > l.Snapshot().Version {
				return
			}
			if err != nil {
				yield(nil, l.fail(err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Close waits for checkpoints that are being written.
func (l *Log) Close() error {
	l.background.Wait()
	return nil
}

// readEntry reads the entry of a version, and returns its hash as well.
func (l *Log) readEntry(ctx context.Context, number int64) (*Entry, [sha256.Size]byte, error) {
	data, err := l.store.Read(ctx, entryName(number))
	if err != nil {
		return nil, [sha256.Size]byte{}, fmt.Errorf("reading version %d: %w", number, err)
	}
	e, err := ParseEntry(number, data)
	if err != nil {
		return nil, [sha256.Size]byte{}, fmt.Errorf("version %d is damaged: %s: %w: restore it from a copy", number, entryName(number), err)
	}
	return e, sha256.Sum256(data), nil
}
