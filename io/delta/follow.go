package delta

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"clickstream/io/objects"
)

// Follower reads a log on and on for whoever watches the table, and keeps nothing of its files: what it takes does not grow
// with the table, as a Log's snapshots do. It is to be used by one goroutine at a time.
type Follower struct {
	// Stats says of which files the statistics are wanted, by their names, where a checkpoint has them; nil is none. An
	// entry's are there always. Tags of a checkpoint are left out.
	Stats func(name string) bool

	log      *Log
	read     bool // there is a version that was read to
	awaited  bool // the table was not there when it was looked for
	version  int64
	hash     [sha256.Size]byte // of the version's entry, zero where it was not read
	metadata Metadata
	checked  time.Time
	seen     seen
}

// seen is what was read to when a Read last came to its end.
type seen struct {
	id      string // of the table; empty: there was no such Read
	version int64
}

// Step is what a follower finds next.
type Step struct {
	// Anew tells that what was found before no longer counts: the table begins with this step.
	Anew bool
	// Entry is what changed. A checkpoint comes as entries of its version that add files, and may come as several.
	Entry *Entry
	// New tells that the version was committed since the table is followed.
	New bool
}

// groundCheck is what passes between looks whether the log is still the one that is read on, while nothing is new.
const groundCheck = 30 * time.Second

// Follow returns a follower of the log in a store, which need not be there yet.
func Follow(store objects.Store) *Follower { return &Follower{log: newLog(store, Options{})} }

// Metadata returns what the table is, as of the version that was read to.
func (f *Follower) Metadata() Metadata { return f.metadata }

// Version returns the version that was read to, or -1.
func (f *Follower) Version() int64 {
	if !f.read {
		return -1
	}
	return f.version
}

// Read calls each with all that is new since it was called before; the first time, and where the log no longer goes on from
// there, with all that the table holds. It returns ErrNoTable where there is none. After an error, also one of each, it is
// to be called again, and begins anew: what each was called with then does not count, and comes again.
func (f *Follower) Read(ctx context.Context, each func(Step) error) error {
	err := f.readOn(ctx, each)
	if err == nil {
		f.seen = seen{f.metadata.ID, f.version}
	} else {
		f.read = false
	}
	if errors.Is(err, ErrNoTable) {
		f.awaited = true
	}
	if err != nil {
		return f.log.fail(err)
	}
	return nil
}

func (f *Follower) readOn(ctx context.Context, each func(Step) error) error {
	if !f.read {
		return f.readAnew(ctx, each)
	}
	was := f.version
	for {
		e, hash, err := f.log.readEntry(ctx, f.version+1)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return err
		}
		if f.version == was { // the first that is new may be another table's
			has, err := f.hasGround(ctx)
			if err == nil && !has {
				err = f.readAnew(ctx, each)
			}
			if err != nil || !has {
				return err
			}
		}
		if err = f.take(e, hash); err == nil {
			err = each(Step{Entry: e, New: true})
		}
		if err != nil {
			return err
		}
	}
	if f.version > was || time.Since(f.checked) < groundCheck {
		return nil
	}
	if has, err := f.hasGround(ctx); err != nil || has {
		return err
	}
	return f.readAnew(ctx, each)
}

// hasGround tells whether the log still has the version that was read to.
func (f *Follower) hasGround(ctx context.Context) (bool, error) {
	f.checked = time.Now()
	at := state{Snapshot: &Snapshot{Version: f.version}, entry: f.hash}
	has, err := f.log.checkGround(ctx, &at)
	return has || f.hash == ([sha256.Size]byte{}) && at.checkpointed == f.version, err
}

// take goes on by a version.
func (f *Follower) take(e *Entry, hash [sha256.Size]byte) error {
	if e.Protocol != nil {
		if err := e.Protocol.checkReader(); err != nil {
			return err
		}
	}
	if e.Metadata != nil {
		f.metadata = *e.Metadata
	}
	f.version, f.hash = e.Version, hash
	return nil
}

// readAnew reads the newest version there is, and what is committed meanwhile.
func (f *Follower) readAnew(ctx context.Context, each func(Step) error) error {
	c, err := f.log.catalog(ctx, latest)
	if err != nil {
		return err
	}
	if err := noTable(c); err != nil {
		return err
	}
	err = f.readFrom(ctx, c, each)
	var damaged *badCheckpoint
	if !errors.As(err, &damaged) || ctx.Err() != nil {
		return err
	}
	if c, err = list(ctx, f.log.store, 0); err != nil {
		return fmt.Errorf("listing the log: %w", err)
	}
	c.drop(damaged.checkpoint)
	return f.readFrom(ctx, c, each)
}

// badCheckpoint is a checkpoint that cannot be read.
type badCheckpoint struct {
	checkpoint checkpointFiles
	error
}

func (b *badCheckpoint) Unwrap() error { return b.error }

// readFrom reads the newest version by what is listed. New is what comes after the version that had been read to, and all of
// a table that was awaited, or is another one.
func (f *Follower) readFrom(ctx context.Context, c *catalog, each func(Step) error) error {
	cp, hasCheckpoint, entries, err := c.way(c.latest())
	if err != nil {
		return err
	}
	isNew := func(version int64) bool {
		switch {
		case f.seen.id == "":
			return f.awaited
		case f.seen.id != f.metadata.ID: // nothing of it was seen
			return true
		}
		return version > f.seen.version
	}
	anew := true
	step := func(e *Entry, isNew bool) error {
		err := each(Step{Anew: anew, Entry: e, New: isNew})
		anew = false
		return err
	}
	if hasCheckpoint {
		if err := f.readCheckpoint(ctx, cp, step); err != nil {
			return err
		}
	}
	for _, number := range entries {
		e, hash, err := f.log.readEntry(ctx, number)
		if err == nil {
			err = f.take(e, hash)
		}
		if err == nil {
			err = step(e, isNew(number))
		}
		if err != nil {
			return err
		}
	}
	if anew {
		return fmt.Errorf("version %d holds nothing: the log is damaged, restore it from a copy", c.latest())
	}
	f.read, f.checked = true, time.Now()
	return nil
}

// readCheckpoint reads the parts of a checkpoint, and what the commit of its version told.
func (f *Follower) readCheckpoint(ctx context.Context, cp checkpointFiles, step func(*Entry, bool) error) error {
	f.version, f.hash = cp.number, [sha256.Size]byte{}
	for _, name := range cp.names {
		data, err := f.log.store.Read(ctx, name)
		if err == nil {
			err = f.readFiles(data, step)
		}
		if err != nil {
			return &badCheckpoint{cp, fmt.Errorf("the checkpoint of version %d: %s: %w", cp.number, name, err)}
		}
	}
	e, hash, err := f.log.readEntry(ctx, cp.number)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was cleaned up
	}
	if err != nil {
		return err
	}
	f.hash = hash
	return step(&Entry{Version: cp.number, Info: e.Info}, false)
}

// followed are the fields of files that a follower reads in a checkpoint.
var followed = map[string]bool{"add.path": true, "add.partitionValues": true, "add.size": true, "add.modificationTime": true, "add.deletionVector": true, "sidecar.path": true}

// readFiles reads a part of a checkpoint, a group of rows after the other.
func (f *Follower) readFiles(data []byte, step func(*Entry, bool) error) (err error) {
	defer catch(&err)
	file, err := openCheckpoint(data)
	if err != nil {
		return err
	}
	all := fieldsOf(file.Root())
	about, fields := map[string][]*parquet.Column{}, map[string][]*parquet.Column{}
	for key, leaves := range all {
		if strings.HasPrefix(key, "protocol.") || strings.HasPrefix(key, "metaData.") {
			about[key] = leaves
		}
		if followed[key] {
			fields[key] = leaves
		}
	}
	for _, group := range file.RowGroups() { // what the table is may stand behind its files
		rows, err := readGroup(group, about, file.NumRows())
		if err == nil {
			err = f.takeRows(rows)
		}
		if err != nil {
			return err
		}
	}
	for _, group := range file.RowGroups() {
		rows, err := readGroup(group, fields, file.NumRows())
		if err == nil && f.Stats != nil {
			err = f.readStats(group, all["add.stats"], rows)
		}
		if err != nil {
			return err
		}
		e, err := f.entryOf(rows)
		if err == nil {
			err = step(e, false)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// takeRows takes in what the rows of a checkpoint say of the table.
func (f *Follower) takeRows(rows []actionRow) error {
	for i := range rows {
		if m := rows[i].metadata; m != nil {
			f.metadata = *m
		}
		if p := rows[i].protocol; p != nil {
			if err := p.checkReader(); err != nil {
				return err
			}
		}
	}
	return nil
}

// readStats reads the statistics of the files that they are wanted of.
func (f *Follower) readStats(group parquet.RowGroup, leaves []*parquet.Column, rows []actionRow) error {
	wanted := false
	for i := range rows {
		wanted = wanted || rows[i].add != nil && f.wants(rows[i].add)
	}
	if !wanted || len(leaves) != 1 || leaves[0].Type().Kind() != parquet.ByteArray {
		return nil
	}
	return eachValue(group.ColumnChunks()[leaves[0].Index()], len(rows), func(row int, v parquet.Value) error {
		if add := rows[row].add; !v.IsNull() && add != nil && f.wants(add) {
			add.Stats = string(v.ByteArray())
		}
		return nil
	})
}

func (f *Follower) wants(add *Add) bool {
	name, err := add.Name()
	return err == nil && f.Stats(name)
}

// entryOf returns the files of a checkpoint's rows.
func (f *Follower) entryOf(rows []actionRow) (*Entry, error) {
	e := &Entry{Version: f.version}
	for i := range rows {
		switch row := &rows[i]; {
		case row.elsewhere:
			return nil, fmt.Errorf("%w: the checkpoint has deletion vectors or sidecars: read it with a newer program", ErrProtocol)
		case row.add != nil:
			e.Adds = append(e.Adds, *row.add)
		}
	}
	return e, nil
}
