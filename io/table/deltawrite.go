package table

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"clickstream/io/crashpoint"
	"clickstream/io/delta"
	"clickstream/io/parquet"
)

// upload is a window on its way into a Delta table.
type upload struct {
	*change
	held []part // what it replaces
	add  *delta.Add
}

// Replace is Table's. All windows become the table's in one commit, or none does.
func (t *deltaTable) Replace(ctx context.Context, ws []Window) (Commit, error) {
	changes, err := plan(t.store.String(), t.settings, ws)
	if err != nil || len(changes) == 0 {
		return Commit{}, err
	}
	if err := crashpoint.Reach(crashpoint.BeforeUpload); err != nil {
		return Commit{}, err
	}
	uploads := make([]*upload, len(changes))
	for i, ch := range changes {
		uploads[i] = &upload{change: ch}
	}
	for began, conflicts := time.Now(), 0; ; conflicts++ {
		c, err := t.tryReplace(ctx, uploads, Commit{Conflicts: conflicts}, began)
		var conflict *delta.Conflict
		if !errors.As(err, &conflict) {
			return c, withWayOut(t.store, err)
		}
		// Somebody else replaced one of the windows, or all of the log: look again. Each turn that is lost is
		// another's commit.
	}
}

// tryReplace plans on the newest version, and commits c, which began then. Files that are uploaded stay so for the next
// try.
func (t *deltaTable) tryReplace(ctx context.Context, uploads []*upload, c Commit, began time.Time) (Commit, error) {
	at, err := t.log.Refresh(ctx)
	if err != nil {
		return Commit{}, err
	}
	m, err := t.fits(at)
	if err != nil {
		return Commit{}, err
	}
	if err := t.checkNewest(at, &m); err != nil {
		return Commit{}, err
	}
	write, err := t.judge(ctx, at, &m, uploads, &c)
	if err != nil {
		return Commit{}, err
	}
	if len(write) == 0 {
		return c, t.drop(ctx, uploads, write)
	}
	if err := t.uploadAll(ctx, write); err != nil {
		return Commit{}, errors.Join(err, t.drop(context.WithoutCancel(ctx), uploads, nil))
	}
	rest, err := t.rest(ctx, &m, write)
	if err != nil {
		return Commit{}, errors.Join(err, t.drop(context.WithoutCancel(ctx), uploads, nil))
	}
	if err := crashpoint.Reach(crashpoint.AfterUpload); err != nil {
		return Commit{}, err
	}
	tx := t.transaction(at, write, rest, &c)
	c.Took = time.Since(began)
	maps.Copy(tx.Metrics, metricsOf(uploads, write, &c))
	newest, _, err := t.newestFiles(at, &m)
	if err != nil {
		return Commit{}, err
	}
	for _, p := range newest {
		tx.Keep = append(tx.Keep, p.object)
	}
	done, err := t.log.Commit(ctx, tx)
	if err != nil {
		var conflict *delta.Conflict
		if errors.As(err, &conflict) { // else the files stay: it may have been committed all the same
			err = errors.Join(err, discard(context.WithoutCancel(ctx), t.store, rest))
		}
		return Commit{}, err
	}
	t.others(done.Between)
	t.remember(write)
	if err := crashpoint.Reach(crashpoint.AfterLogEntry); err != nil {
		return c, err
	}
	return c, t.drop(ctx, uploads, write)
}

// judge finds what each window replaces, and returns those that are to be written.
func (t *deltaTable) judge(ctx context.Context, at *delta.Snapshot, m *Metadata, uploads []*upload, c *Commit) ([]*upload, error) {
	from, to := uploads[0].name.start, uploads[len(uploads)-1].name.start
	parts, err := t.parts(ctx, at, Span{From: from, To: to.Add(time.Millisecond)}, m)
	if err != nil {
		return nil, err
	}
	held := map[key][]part{}
	for _, p := range parts {
		held[p.key()] = append(held[p.key()], p)
	}
	var write []*upload
	for _, u := range uploads {
		u.held = held[u.name.key()]
		var events int64
		for _, p := range u.held {
			events += p.Events
		}
		switch {
		case events > u.Events:
			c.Refused = append(c.Refused, Refusal{u.Start, u.End, u.Shard, events, u.Events})
		case len(u.held) == 1 && events == u.Events && u.held[0].Rows == int64(len(u.Views)) && u.held[0].Checksum == parquet.Checksum(u.Views, u.Users) &&
			(u.Consumed == nil || t.shows(ctx, m, u)): // a rebuild is to heal a file that is not what the log tells
			c.Unchanged++
		default:
			write = append(write, u)
		}
	}
	return write, nil
}

// rest writes what the files that are replaced hold of other windows and shards, and returns the new files.
func (t *deltaTable) rest(ctx context.Context, m *Metadata, write []*upload) ([]delta.Add, error) {
	written := map[key]bool{}
	for _, u := range write {
		written[u.name.key()] = true
	}
	var rest []delta.Add
	for _, p := range replacedBy(write) {
		if p.length == m.Window && !p.foreign {
			continue
		}
		done, err := t.rewrite(ctx, m, []piece{*p}, func(k key) bool { return !written[k] })
		rest = append(rest, done.adds...)
		if err != nil {
			return nil, errors.Join(err, discard(context.WithoutCancel(ctx), t.store, rest))
		}
	}
	return rest, nil
}

// replacedBy returns the files that uploads replace.
func replacedBy(uploads []*upload) []*piece {
	var files []*piece
	seen := map[*piece]bool{}
	for _, u := range uploads {
		for _, p := range u.held {
			if !seen[p.piece] {
				seen[p.piece] = true
				files = append(files, p.piece)
			}
		}
	}
	return files
}

// remember takes down the newest window that was written.
func (t *deltaTable) remember(written []*upload) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, u := range written {
		if t.newestWritten == nil || u.name.start.After(t.newestWritten.start) {
			t.newestWritten = &name{u.name.start, u.name.length, u.name.shard, u.name.shards}
		}
	}
}

// newestFiles returns the files that may hold the newest window that was written here, and that window; nil where
// none was.
func (t *deltaTable) newestFiles(at *delta.Snapshot, m *Metadata) ([]piece, *name, error) {
	t.mu.Lock()
	n := t.newestWritten
	t.mu.Unlock()
	if n == nil {
		return nil, nil, nil
	}
	files, err := t.files(at, Span{From: n.start, To: n.start.Add(time.Millisecond)}, m)
	return slices.DeleteFunc(files, func(p piece) bool { return !p.foreign && p.shard != n.shard }), n, err
}

// checkNewest returns an error when the table no longer holds the newest window that was written here. A commit of
// newer windows would leave a hole that nobody counts again, as all before them is taken to be final.
func (t *deltaTable) checkNewest(at *delta.Snapshot, m *Metadata) error {
	files, n, err := t.newestFiles(at, m)
	if err != nil || n == nil || len(files) > 0 {
		return err
	}
	return fmt.Errorf("table %s: version %d no longer holds the window of %s, which this run has written: somebody has restored an older version, or deleted rows; start the run again, and it counts them anew",
		t.store, at.Version, n.start.Format(time.RFC3339))
}

// uploadAll writes the files that are not there yet.
func (t *deltaTable) uploadAll(ctx context.Context, uploads []*upload) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(syncs)
	encoders := make(chan struct{}, runtime.GOMAXPROCS(0)) // encoding more files at once only costs memory
	for _, u := range uploads {
		if u.add == nil {
			group.Go(func() error { return t.upload(ctx, u, encoders) })
		}
	}
	return group.Wait()
}

func (t *deltaTable) upload(ctx context.Context, u *upload, encoders chan struct{}) error {
	var file bytes.Buffer
	encoders <- struct{}{}
	from, err := parquet.Write(&file, u.Views, u.Users, provenance(t.settings, u.Window))
	<-encoders
	if err != nil {
		return fmt.Errorf("table %s: %w", t.store, err)
	}
	var b bounds
	b.add(u.Views, u.Users)
	u.add, err = t.put(ctx, u.name, file.Bytes(), &from, b)
	return err
}

// transaction returns the commit that replaces the windows, in their order, and counts what it does. rest is what
// is left of the files that they lay in.
func (t *deltaTable) transaction(at *delta.Snapshot, write []*upload, rest []delta.Add, c *Commit) delta.Transaction {
	tx := delta.Transaction{Read: at, Operation: "WRITE", Add: rest, Txn: consumed(at, write), Parameters: map[string]string{
		"mode": "Overwrite", "partitionBy": `["` + dateColumn + `"]`,
	}}
	now := time.Now()
	for _, p := range replacedBy(write) {
		tx.Remove = append(tx.Remove, p.add.Remove(now, true))
	}
	for _, u := range write {
		tx.Add = append(tx.Add, *u.add)
		c.Written++
		c.Windows = append(c.Windows, u.Start)
		c.Files++
		c.Rows += int64(len(u.Views))
		c.Bytes += u.add.Size
		if len(u.held) == 0 {
			c.publish(u.Window, now)
		}
	}
	tx.Concerns = func(a *delta.Add) bool {
		p, err := newPiece(a, &Metadata{Window: t.settings.Window})
		return err != nil || slices.ContainsFunc(write, func(u *upload) bool {
			return (p.foreign || p.shard == u.Shard) && p.start.Before(u.End) && p.end().After(u.Start)
		})
	}
	tx.Metrics = map[string]string{
		"numFiles": strconv.Itoa(len(tx.Add)), "numRemovedFiles": strconv.Itoa(len(tx.Remove)),
		"numOutputRows": strconv.FormatInt(c.Rows, 10), "numOutputBytes": strconv.FormatInt(c.Bytes, 10),
	}
	return tx
}

// consumed returns the offsets that are consumed with the windows, where the table does not know of them yet.
func consumed(at *delta.Snapshot, write []*upload) []delta.Txn {
	next := map[int32]int64{}
	for _, u := range write {
		for partition, r := range u.Offsets {
			if u.Consumed == nil {
				next[partition] = max(next[partition], r.Next)
			}
		}
	}
	var txns []delta.Txn
	for _, partition := range slices.Sorted(maps.Keys(next)) {
		app := consumedApp + strconv.Itoa(int(partition))
		if had, ok := at.Txn(app); !ok || next[partition] > had {
			txns = append(txns, delta.Txn{AppID: app, Version: next[partition], LastUpdated: time.Now().UnixMilli()})
		}
	}
	return txns
}

// drop removes the files that were uploaded and are not used.
func (t *deltaTable) drop(ctx context.Context, uploads, used []*upload) error {
	keep := map[*upload]bool{}
	for _, u := range used {
		keep[u] = true
	}
	var errs error
	for _, u := range uploads {
		if u.add == nil || keep[u] {
			continue
		}
		object, err := u.add.Name()
		if err == nil {
			err = t.store.Delete(ctx, object)
		}
		errs = errors.Join(errs, err)
		u.add = nil
	}
	return errs
}
