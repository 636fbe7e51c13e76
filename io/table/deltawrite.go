package table

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
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
	held []piece // what it replaces
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
	for {
		c, err := t.tryReplace(ctx, uploads)
		var conflict *delta.Conflict
		if !errors.As(err, &conflict) {
			return c, withWayOut(t.store, err)
		}
		// Somebody else replaced one of the windows, or all of the log: look again. Each turn that is lost is
		// another's commit.
	}
}

// tryReplace plans on the newest version, and commits. Files that are uploaded stay so for the next try.
func (t *deltaTable) tryReplace(ctx context.Context, uploads []*upload) (Commit, error) {
	at, err := t.log.Refresh(ctx)
	if err != nil {
		return Commit{}, err
	}
	if err := t.fits(at); err != nil {
		return Commit{}, err
	}
	var c Commit
	write, err := t.judge(ctx, at, uploads, &c)
	if err != nil {
		return Commit{}, err
	}
	if len(write) == 0 {
		return c, t.drop(ctx, uploads, write)
	}
	if err := t.uploadAll(ctx, write); err != nil {
		return Commit{}, errors.Join(err, t.drop(context.WithoutCancel(ctx), uploads, nil))
	}
	if err := crashpoint.Reach(crashpoint.AfterUpload); err != nil {
		return Commit{}, err
	}
	done, err := t.log.Commit(ctx, t.transaction(at, write, &c))
	if err != nil {
		return Commit{}, err // the files stay: it may have been committed all the same
	}
	t.others(done.Between)
	if err := crashpoint.Reach(crashpoint.AfterLogEntry); err != nil {
		return c, err
	}
	return c, t.drop(ctx, uploads, write)
}

// judge finds what each window replaces, and returns those that are to be written.
func (t *deltaTable) judge(ctx context.Context, at *delta.Snapshot, uploads []*upload, c *Commit) ([]*upload, error) {
	from, to := uploads[0].name.start, uploads[len(uploads)-1].name.start
	held, err := t.pieces(ctx, at, Span{From: from, To: to.Add(time.Millisecond)})
	if err != nil {
		return nil, err
	}
	var write []*upload
	for _, u := range uploads {
		u.held = nil
		var events int64
		for _, p := range held {
			if p.name.compare(u.name) == 0 {
				u.held = append(u.held, p)
				events += p.told.Events
			}
		}
		switch {
		case events > u.Events:
			c.Refused = append(c.Refused, Refusal{u.Start, u.End, u.Shard, events, u.Events})
		case len(u.held) == 1 && events == u.Events && u.held[0].told.Checksum == parquet.Checksum(u.Views):
			c.Unchanged++
		default:
			write = append(write, u)
		}
	}
	return write, nil
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
	from, err := parquet.Write(&file, u.Views, provenance(t.settings, u.Window))
	<-encoders
	if err != nil {
		return fmt.Errorf("table %s: %w", t.store, err)
	}
	object := deltaName(u.name)
	add, err := newAdd(object, file.Len(), u.Views, from, time.Now())
	if err != nil {
		return fmt.Errorf("table %s: %w", t.store, err)
	}
	u.add = &add
	if err := t.store.Put(ctx, object, file.Bytes()); err != nil {
		return fmt.Errorf("table %s: writing %s: %w", t.store, object, err)
	}
	return nil
}

// transaction returns the commit that replaces the windows, in their order, and counts what it does.
func (t *deltaTable) transaction(at *delta.Snapshot, write []*upload, c *Commit) delta.Transaction {
	tx := delta.Transaction{Read: at, Operation: "WRITE", Parameters: map[string]string{
		"mode": "Overwrite", "partitionBy": `["` + dateColumn + `"]`,
	}}
	ours := map[key]bool{}
	now := time.Now()
	for _, u := range write {
		ours[u.name.key()] = true
		for _, p := range u.held {
			tx.Remove = append(tx.Remove, p.add.Remove(now, true))
		}
		tx.Add = append(tx.Add, *u.add)
		c.Written++
		c.Files++
		c.Rows += int64(len(u.Views))
		c.Bytes += u.add.Size
	}
	tx.Concerns = func(a *delta.Add) bool {
		object, err := a.Name()
		n, ok := parseDeltaName(object)
		return err != nil || !ok || ours[n.key()]
	}
	tx.Metrics = map[string]string{
		"numFiles": strconv.Itoa(c.Files), "numRemovedFiles": strconv.Itoa(len(tx.Remove)),
		"numOutputRows": strconv.FormatInt(c.Rows, 10), "numOutputBytes": strconv.FormatInt(c.Bytes, 10),
	}
	return tx
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
