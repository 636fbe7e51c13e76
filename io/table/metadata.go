package table

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

// ErrEmpty is returned by Metadata for a table that holds no window, and does not say what it is to hold.
var ErrEmpty = errors.New("nothing was written to it yet")

// Metadata is what a table is of. It stays the same for as long as there is the table.
type Metadata struct {
	Format  string
	Topic   string
	Cluster string // id of the Kafka cluster; empty where it is not known
	Window  time.Duration
	Shards  int
	Begun   map[int32]int64 // offset of each partition that the table began at; nil where it is not known
	Made    time.Time       // when the table was made; zero where it is not known
	Version string          // of the program that made the table, or its newest window
}

// Metadata is Reader's: what the table's record says or, where there is none, its newest file.
func (v *view) Metadata(ctx context.Context) (Metadata, error) {
	r, err := readRecord(filepath.Join(v.root, recordFile))
	if err == nil {
		window, err := time.ParseDuration(r.Window)
		if err != nil || window <= 0 || r.Shards < 1 {
			return Metadata{}, fmt.Errorf("table %s: %s is damaged: its window is %q and its shards are %d; remove it and say where to start", v.root, recordFile, r.Window, r.Shards)
		}
		return Metadata{Parquet, r.Topic, r.Cluster, window, r.Shards, r.Begun, r.Made, r.Version}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return Metadata{}, fail(v.root, "reading "+recordFile, err)
	}
	names, err := list(ctx, v.root, Span{})
	if err != nil {
		return Metadata{}, err
	}
	if len(names) == 0 {
		return Metadata{}, fmt.Errorf("table %s: %w", v.root, ErrEmpty)
	}
	p, _, err := v.footer(names[len(names)-1])
	if err != nil {
		return Metadata{}, err
	}
	return Metadata{Parquet, p.Topic, p.Cluster, p.Window, p.Shards, nil, time.Time{}, p.Version}, nil
}
