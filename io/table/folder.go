package table

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"clickstream/io/crashpoint"
	"clickstream/io/parquet"
)

// folder is a table that is a folder of Parquet files on this machine: layout.go says which.
type folder struct {
	view
	settings Settings
	system   system
	stage    *stage
	encoders chan struct{} // one for each core: encoding more files at once only costs memory

	committing sync.Mutex // held with the lock of the stage, which knows processes only
	held       holdings
}

// syncs is how many files are written and synced at once. A file system puts syncs that wait into one write
// of its journal: ten windows of 1,000 rows took 5 to 11 ms with eight at once, 15 to 20 ms one by one (ext4 on
// a virtual disk, two busy cores).
const syncs = 8

func openFolder(ctx context.Context, root string, s Settings, sys system) (*folder, error) {
	_, err := os.Stat(root)
	isNew := errors.Is(err, fs.ErrNotExist)
	if isNew && s.Existing {
		return nil, elsewhere(root)
	}
	if isNew {
		if err := os.MkdirAll(root, 0o777); err != nil {
			return nil, fail(root, "making the folder", err)
		}
		if err := sys.Sync(filepath.Dir(filepath.Clean(root))); err != nil {
			return nil, fail(root, "making the folder", err)
		}
	}
	if err := checkFolder(root); err != nil {
		return nil, err
	}
	t := &folder{
		view:     view{root},
		settings: s,
		system:   sys,
		encoders: make(chan struct{}, runtime.GOMAXPROCS(0)),
		held:     holdings{known: map[name]holding{}},
	}
	isEmpty, err := t.survey(ctx)
	if err != nil {
		return nil, err
	}
	if err := t.checkRecord(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err // before anything is written
	}
	if t.stage, err = newStage(root); err != nil {
		return nil, fail(root, "opening to write", err)
	}
	if err := t.enroll(isEmpty); err != nil {
		return nil, first(err, t.stage.close())
	}
	return t, nil
}

// survey checks that the files that are there are of the table that the settings tell. Names tell the window
// and the shards; the newest file's footer speaks for the others, and each is looked at before it is replaced.
// It tells whether there are none.
func (t *folder) survey(ctx context.Context) (isEmpty bool, err error) {
	names, err := list(ctx, t.root, Span{})
	if err != nil || len(names) == 0 {
		return true, err
	}
	for _, n := range names {
		if err := t.fits(n, n.length, n.shards); err != nil {
			return false, err
		}
	}
	_, err = t.look(names[len(names)-1])
	return false, err
}

// fits returns an error when n's file is of another window or number of shards than the settings'.
func (t *folder) fits(n name, length time.Duration, shards int) error {
	differ := func(what string, have, want any) error {
		return fmt.Errorf("table %s: %s is of %s %v, not %v: choose another folder, or go on with %v",
			t.root, n.path(), what, have, want, have)
	}
	switch {
	case length != t.settings.Window:
		return differ("windows of", length, t.settings.Window)
	case shards != t.settings.Shards:
		return differ("a number of shards of", shards, t.settings.Shards)
	}
	return nil
}

// Replace is Table's.
func (t *folder) Replace(ctx context.Context, ws []Window) (c Commit, err error) {
	began := time.Now()
	changes, err := plan(t.root, t.settings, ws)
	if err != nil {
		return c, err
	}
	defer func() {
		for _, change := range changes {
			if change.staged != "" && change.verdict != replaced {
				err = first(err, t.drop(change.staged))
			}
		}
	}()
	if changes, err = t.judgeAll(changes, &c); err != nil || len(changes) == 0 {
		return c, err
	}
	if err := crashpoint.Reach(crashpoint.BeforeUpload); err != nil {
		return c, err
	}
	if err := t.stageAll(ctx, changes); err != nil {
		return c, err
	}
	if err := crashpoint.Reach(crashpoint.AfterUpload); err != nil {
		return c, err
	}
	err = t.commit(ctx, changes, &c)
	if c.Written > 0 {
		c.Took = time.Since(began)
	}
	return c, err
}

// verdict is what becomes of a change.
type verdict int

const (
	pending verdict = iota
	unchanged
	refused
	replaced
)

// change is a window on its way into the table.
type change struct {
	*Window
	name
	verdict verdict
	isNew   bool    // the table has nothing of it
	staged  string  // path of the file while it lies aside
	now     holding // what the table holds once that file is in its place
}

// plan checks ws and puts them in order.
func plan(root string, s Settings, ws []Window) ([]*change, error) {
	changes := make([]*change, len(ws))
	for i := range ws {
		w := &ws[i]
		if w.End.Sub(w.Start) != s.Window || w.Start.Nanosecond()%int(time.Millisecond) != 0 {
			return nil, fmt.Errorf("table %s: a window from %s to %s is not one of %s from a whole millisecond on",
				root, w.Start.UTC().Format(time.RFC3339Nano), w.End.UTC().Format(time.RFC3339Nano), s.Window)
		}
		if w.Shard < 0 || w.Shard >= s.Shards {
			return nil, fmt.Errorf("table %s: shard %d is none of %d", root, w.Shard, s.Shards)
		}
		if s.Top > 0 && len(w.Views) > s.Top {
			return nil, fmt.Errorf("table %s: window %s has %d pages, and the table keeps the top %d", root, w.Start.UTC().Format(time.RFC3339), len(w.Views), s.Top)
		}
		changes[i] = &change{Window: w, name: name{w.Start.UTC(), s.Window, w.Shard, s.Shards}}
	}
	slices.SortFunc(changes, func(a, b *change) int { return a.name.compare(b.name) })
	for i := 1; i < len(changes); i++ {
		if changes[i].name.compare(changes[i-1].name) == 0 {
			return nil, fmt.Errorf("table %s: window %s of shard %d is given twice",
				root, changes[i].name.start.Format(time.RFC3339), changes[i].name.shard)
		}
	}
	return changes, nil
}

// judgeAll returns the changes that are to be written, and counts the others.
func (t *folder) judgeAll(changes []*change, c *Commit) ([]*change, error) {
	var write []*change
	for _, change := range changes {
		if err := t.judge(change, c); err != nil {
			return nil, err
		}
		if change.verdict == pending {
			write = append(write, change)
		}
	}
	return write, nil
}

// judge compares a change with what the table holds, and counts it when it is not to be written.
func (t *folder) judge(ch *change, c *Commit) error {
	held, err := t.look(ch.name)
	if ch.isNew = errors.Is(err, fs.ErrNotExist); ch.isNew {
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case held.events > ch.Events:
		ch.verdict = refused
		c.Refused = append(c.Refused, Refusal{ch.Start, ch.End, ch.Shard, held.events, ch.Events})
	case held.events == ch.Events && held.checksum == parquet.Checksum(ch.Views, ch.Users):
		ch.verdict = unchanged
		c.Unchanged++
	}
	return nil
}

// stageAll writes the changes' files aside and syncs them.
func (t *folder) stageAll(ctx context.Context, changes []*change) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(syncs)
	for _, ch := range changes {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return fail(t.root, "writing", context.Cause(ctx))
			}
			if err := t.stageOne(ch); err != nil {
				return fail(t.root, "writing "+ch.name.path(), err)
			}
			return nil
		})
	}
	return group.Wait()
}

func (t *folder) stageOne(ch *change) (err error) {
	path := t.stage.path(ch.name)
	f, err := t.system.Create(path)
	if err != nil {
		return err
	}
	ch.staged = path
	defer func() { err = first(err, f.Close()) }()
	p, err := t.encode(f, ch)
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	info, err := f.Stat()
	ch.now = holding{info, p.Events, p.Checksum}
	return err
}

func (t *folder) encode(f file, ch *change) (parquet.Provenance, error) {
	t.encoders <- struct{}{}
	defer func() { <-t.encoders }()
	return parquet.Write(f, ch.Views, ch.Users, provenance(t.settings, ch.Window))
}

// provenance returns what a file of w says of itself.
func provenance(s Settings, w *Window) parquet.Provenance {
	return parquet.Provenance{
		Topic: s.Topic, Cluster: s.Cluster, Version: s.Version, Steps: s.Steps,
		Window: s.Window, Start: w.Start, End: w.End, Shard: w.Shard, Shards: s.Shards,
		Events: w.Events, Duplicates: w.Duplicates, Offsets: w.Offsets, Schemas: w.Schemas, Consumed: w.Consumed,
	}
}

// commit renames the changes' files to their places, in order, unless another process was faster with more.
func (t *folder) commit(ctx context.Context, changes []*change, c *Commit) error {
	folders, err := t.rename(ctx, changes, c)
	for _, folder := range folders {
		if syncErr := t.system.Sync(folder); syncErr != nil {
			err = first(err, fail(t.root, "syncing "+folder, syncErr))
		}
	}
	return err
}

// rename does the renames, and returns the folders that must be synced for them to last.
func (t *folder) rename(ctx context.Context, changes []*change, c *Commit) (folders []string, err error) {
	t.committing.Lock()
	defer t.committing.Unlock()
	if err := t.stage.lock(ctx); err != nil {
		return nil, fail(t.root, "committing", err)
	}
	defer func() {
		if unlockErr := t.stage.unlock(); unlockErr != nil {
			err = first(err, fail(t.root, "committing", unlockErr))
		}
	}()
	for _, ch := range changes {
		if ctx.Err() != nil {
			return folders, fail(t.root, "committing", context.Cause(ctx))
		}
		if err := t.judge(ch, c); err != nil {
			return folders, err
		}
		if ch.verdict != pending {
			continue
		}
		folder := filepath.Join(t.root, ch.folder())
		made, err := t.place(ch, folder)
		if err != nil {
			return folders, fail(t.root, "committing "+ch.name.path(), err)
		}
		if made {
			folders = append(folders, t.root)
		}
		folders = append(folders, folder)
		ch.verdict = replaced
		if ch.isNew {
			c.publish(ch.Window, time.Now())
		}
		c.Written++
		c.Windows = append(c.Windows, ch.Start)
		c.Files++
		c.Rows += int64(len(ch.Views))
		c.Bytes += ch.now.info.Size()
		t.held.put(ch.name, ch.now)
		if err := crashpoint.Reach(crashpoint.AfterRename); err != nil {
			return folders, err
		}
	}
	slices.Sort(folders)
	return slices.Compact(folders), nil
}

// place renames a change's file into folder, and tells whether it made that folder.
func (t *folder) place(ch *change, folder string) (made bool, err error) {
	to := filepath.Join(folder, ch.file())
	err = t.system.Rename(ch.staged, to)
	if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if mkdirErr := t.system.Mkdir(folder); errors.Is(mkdirErr, fs.ErrExist) {
		return false, err // what is not there is the file
	} else if mkdirErr != nil {
		return false, mkdirErr
	}
	return true, t.system.Rename(ch.staged, to)
}

// drop removes a file that lies aside and will not be used. The folder may have gone with it.
func (t *folder) drop(path string) error {
	if err := t.system.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail(t.root, "removing what was not committed", err)
	}
	return nil
}

// Close is Table's.
func (t *folder) Close() error {
	if err := t.stage.close(); err != nil {
		return fail(t.root, "closing", err)
	}
	return nil
}
