package delta

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/google/uuid"

	"clickstream/io/objects"
)

const (
	// lookBack is how long a commit may take to find out whether it happened, when it was told that it may not
	// have.
	lookBack = 30 * time.Second
	// clockTolerance is how far clocks of writers may differ, for nobody to be told.
	clockTolerance = time.Minute
)

// Transaction is what a commit changes, and what it was planned on.
type Transaction struct {
	// Read is the version that the rest was planned on.
	Read *Snapshot

	Add    []Add
	Remove []Remove // of files of Read, see Add.Remove
	Txn    []Txn
	// Metadata and Protocol replace those of the table, if set.
	Metadata *Metadata
	Protocol *Protocol

	// Keep names files of Read that must be there still, for the plan to hold.
	Keep []string
	// Concerns tells whether a file that somebody else added since Read would have changed the plan, one of a
	// window that is written here for example. With nil no file does.
	Concerns func(*Add) bool

	Operation  string            // "WRITE", "OPTIMIZE"…
	Parameters map[string]string // of the operation, for who reads the history
	Metrics    map[string]string
}

// Committed is what became of a transaction.
type Committed struct {
	*Snapshot
	Between []*Entry // versions of others, between the one that was read and this one
}

// Conflict is the error of a commit that cannot be made any more, since somebody else committed what it was not
// planned for. Nothing was written. The way out is to plan anew, on the newest version.
type Conflict struct {
	Version int64 // the other's
	Info    *CommitInfo
	Reason  string
}

// Error says what is in the way.
func (c *Conflict) Error() string {
	return fmt.Sprintf("version %d, by %s, came in between: %s", c.Version, c.by(), c.Reason)
}

func (c *Conflict) by() string {
	if c.Info == nil || c.Info.EngineInfo == "" {
		return "another program"
	}
	return c.Info.EngineInfo
}

// Commit makes the transaction the next version of the table. When it returns nil the version survives a loss of
// power, and it is there once, however often the store was asked for it.
//
// Where others were faster it looks at what they committed since tx.Read, and goes on behind them unless that is
// a *Conflict:
//   - they changed the table's metadata or protocol,
//   - they removed a file that the transaction removes or is to keep, or added anew one that it adds or removes,
//   - they added a file that tx.Concerns,
//   - they committed for an application that the transaction commits for.
//
// So the versions are serializable: each is what it would be had it been planned on the one before it.
//
// Another error leaves it open whether the version is there only if it is that of the store, after which it
// could not be asked. Planning anew, on the newest version, is right in any case.
func (l *Log) Commit(ctx context.Context, tx Transaction) (Committed, error) {
	release, err := l.take(ctx)
	if err != nil {
		return Committed{}, l.fail(err)
	}
	defer release()
	done, err := l.commit(ctx, &tx)
	if err != nil {
		return Committed{}, l.fail(fmt.Errorf("committing: %w", err))
	}
	l.checkpointIfDue(ctx)
	return done, nil
}

// commit is Commit, for who has the turn.
func (l *Log) commit(ctx context.Context, tx *Transaction) (Committed, error) {
	if err := tx.check(); err != nil {
		return Committed{}, err
	}
	if l.Snapshot().Version < tx.Read.Version { // which another Log has read
		if _, _, err := l.readOn(ctx); err != nil {
			return Committed{}, err
		}
	}
	between, err := l.since(ctx, tx.Read.Version)
	if err != nil {
		return Committed{}, err
	}
	id := l.txnID()
	judged := 0
	for {
		for ; judged < len(between); judged++ {
			if err := tx.judge(between[judged]); err != nil {
				return Committed{}, err
			}
		}
		at := l.Snapshot()
		if err := at.CheckWriter(); err != nil {
			return Committed{}, err
		}
		mine, err := l.put(ctx, tx.entry(at, id, l.Options))
		if err == nil {
			return Committed{mine, between}, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return Committed{}, err
		}
		more, gapless, err := l.readOn(ctx)
		if err != nil {
			return Committed{}, err
		}
		switch {
		case !gapless:
			return Committed{}, &Conflict{Version: l.Snapshot().Version, Reason: "the log moved on further than it is kept"}
		case len(more) == 0:
			return Committed{}, fmt.Errorf("version %d can neither be written nor read: it is said to be there, and not to be there", at.Version+1)
		}
		between = append(between, more...)
	}
}

// txnID returns an id for a commit that tells whose it is.
func (l *Log) txnID() string { return l.Writer + "/" + uuid.NewString() }

// IsOwn tells whether a version is this writer's.
func (l *Log) IsOwn(e *Entry) bool {
	return e.Info != nil && strings.HasPrefix(e.Info.TxnID, l.Writer+"/")
}

// since returns the entries from the one after a version to the log's state.
func (l *Log) since(ctx context.Context, version int64) ([]*Entry, error) {
	var entries []*Entry
	for v := version + 1; v <= l.Snapshot().Version; v++ {
		e, _, err := l.readEntry(ctx, v)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &Conflict{Version: v, Reason: "it is no longer in the log"}
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// put writes an entry, and goes on to its version. The error is fs.ErrExist when there is one of that version.
func (l *Log) put(ctx context.Context, e *Entry) (*Snapshot, error) {
	data, err := e.Format()
	if err != nil {
		return nil, err
	}
	at := l.state()
	next, err := at.with(l.Now(), e) // before it is written: what cannot be read must not be there
	if err != nil {
		return nil, err
	}
	if err := putEntry(ctx, l.store, e, data); err != nil {
		return nil, err
	}
	if behind := at.Time.Sub(l.Now()); behind > clockTolerance {
		l.clockTold.Do(func() {
			l.Logger.Warn("the clock is behind that of the table's last version, whose time is gone on from: it was put back, or another writer's is ahead",
				"table", l.store.String(), "version", at.Version, "behind", behind.Round(time.Second).String())
		})
	}
	at.Snapshot, at.entry = next, sha256.Sum256(data)
	l.setState(at)
	return next, nil
}

// putEntry writes an entry's file. It looks whether the file is there when the store says that it could not be
// written, or that it was there already: an answer can be lost on the way.
func putEntry(ctx context.Context, store objects.Store, e *Entry, data []byte) error {
	name := entryName(e.Version)
	err := store.PutIfAbsent(ctx, name, data)
	if err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookBack)
	defer cancel()
	there, readErr := store.Read(ctx, name)
	switch {
	case errors.Is(readErr, fs.ErrNotExist):
		return fmt.Errorf("writing version %d: %w", e.Version, err)
	case readErr != nil:
		return fmt.Errorf("writing version %d: %w: whether it is there could not be read: %w", e.Version, err, readErr)
	case string(there) == string(data): // its txnId is nobody else's
		return nil
	}
	return fmt.Errorf("writing version %d: %w", e.Version, fs.ErrExist)
}
