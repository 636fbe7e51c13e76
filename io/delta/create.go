package delta

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/google/uuid"

	"clickstream/io/objects"
)

// Table is what a new table is to be.
type Table struct {
	Name, Description string
	Schema            []Column
	PartitionColumns  []string
	Configuration     map[string]string // keys that begin with "delta." mean something to others
}

// Create makes a table: the log's version 0, with protocol and metadata. It returns ErrTableExists when there
// is something of a log already, and then writes nothing. Of several who try at once one makes the table.
func Create(ctx context.Context, store objects.Store, t Table, o Options) (*Log, error) {
	l := newLog(store, o)
	at, err := l.create(ctx, t)
	if err != nil {
		return nil, l.fail(err)
	}
	l.at = at
	return l, nil
}

func (l *Log) create(ctx context.Context, t Table) (state, error) {
	c, err := list(ctx, l.store, 0)
	if err != nil {
		return state{}, fmt.Errorf("listing the log: %w", err)
	}
	if !c.isEmpty() {
		return state{}, ErrTableExists
	}
	// What an earlier table left would have readers look for its checkpoint.
	if _, stale, err := readLast(ctx, l.store); err != nil {
		return state{}, fmt.Errorf("reading %s: %w", lastName, err)
	} else if stale {
		if err := l.store.Delete(ctx, lastName); err != nil {
			return state{}, fmt.Errorf("deleting %s, which points to nothing: %w", lastName, err)
		}
	}
	schema, err := SchemaString(t.Schema)
	if err != nil {
		return state{}, err
	}
	e := &Entry{
		Info: &CommitInfo{
			Timestamp: after(nil, l.Now()), Operation: "CREATE TABLE", IsolationLevel: isolation, IsBlindAppend: true,
			EngineInfo: l.Engine, TxnID: l.txnID(),
		},
		Protocol: &Protocol{MinReaderVersion: readerVersion, MinWriterVersion: writerVersion},
		Metadata: &Metadata{
			ID: uuid.NewString(), Name: t.Name, Description: t.Description, Format: Format{Provider: "parquet"},
			SchemaString: schema, PartitionColumns: slices.Clone(t.PartitionColumns),
			Configuration: maps.Clone(t.Configuration), CreatedTime: l.Now().UnixMilli(),
		},
	}
	data, err := e.Format()
	if err != nil {
		return state{}, err
	}
	r := newReplay()
	if err := r.apply(e); err != nil {
		return state{}, err
	}
	s, err := r.snapshot(l.Now())
	if err != nil {
		return state{}, err
	}
	if err := putEntry(ctx, l.store, e, data); errors.Is(err, fs.ErrExist) {
		return state{}, ErrTableExists
	} else if err != nil {
		return state{}, err
	}
	return state{Snapshot: s, entry: sha256.Sum256(data)}, nil
}
