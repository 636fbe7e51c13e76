package table

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"clickstream/io/crashpoint"
	"clickstream/io/delta"
	"clickstream/io/objects"
)

// Compaction says which files of a Delta table are merged.
type Compaction struct {
	Into     time.Duration // the windows of so much time go into one file of each shard: an hour, or a day (UTC)
	Lateness time.Duration // how long after its end a window may still be replaced: such are left alone
	Span                   // only hours, or days, that lie in it
	DryRun   bool          // tell what would be merged, and change nothing
	Version  string        // of this program
}

// Compacted is an hour, or a day, whose files were merged.
type Compacted struct {
	Start, End    time.Time
	Files, Made   int   // how many there were, and how many there are
	Bytes, Shrunk int64 // how large they were, and are; Shrunk is 0 in a dry run
}

// Compact merges the files of a Delta table's closed windows, those that no run replaces any more, and yields each
// hour, or day, once its files are merged. The rows stay what they are. Where a window of a merged file is replaced
// all the same, by a rebuild for example, the rest of that file is written anew, so merging costs nobody anything.
//
// It is safe beside runs, and beside others that compact. A merge is a commit of its own, so one that is cut off
// leaves whole hours done, and others as they were. The files that were merged stay until they are vacuumed. An
// error ends it.
func Compact(ctx context.Context, path string, c Compaction) iter.Seq2[Compacted, error] {
	return func(yield func(Compacted, error) bool) {
		if err := compact(ctx, path, c, func(done Compacted) bool { return yield(done, nil) }); err != nil {
			yield(Compacted{}, err)
		}
	}
}

func compact(ctx context.Context, path string, c Compaction, yield func(Compacted) bool) error {
	store, err := objects.Open(ctx, path)
	if err != nil {
		return fmt.Errorf("table %s: %w", path, err)
	}
	log, err := delta.Open(ctx, store, delta.Options{Engine: engine(c.Version)})
	if errors.Is(err, delta.ErrNoTable) {
		return fmt.Errorf("table %s: there is no Delta table: only those have files that can be merged, as readers see all of a commit or nothing", path)
	}
	if err != nil {
		return withWayOut(store, err)
	}
	w := compactor{deltaView{store: store, log: log}, c, time.Time{}}
	state, err := w.State(ctx, c.Lateness)
	if err != nil {
		return withWayOut(store, err)
	}
	w.final = state.Final
	slots, err := w.slots(ctx)
	if err != nil {
		return withWayOut(store, err)
	}
	for _, start := range slots {
		done, err := w.merge(ctx, start)
		if err != nil {
			return withWayOut(store, err)
		}
		if done.Files > 0 && !yield(done) {
			return nil
		}
	}
	return nil
}

// compactor is a Compact that is under way.
type compactor struct {
	deltaView
	Compaction
	final time.Time // windows that end by then are closed
}

// slots returns when the hours, or days, begin that may have files to merge.
func (c *compactor) slots(ctx context.Context) ([]time.Time, error) {
	at, m, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	files, err := c.files(at, c.Span, &m)
	var slots []time.Time
	for _, p := range files {
		start := floor(p.start, c.Into)
		end := start.Add(c.Into)
		if start.Before(c.From) || !c.To.IsZero() && end.After(c.To) || end.After(c.final) {
			continue
		}
		slots = append(slots, start)
	}
	slices.SortFunc(slots, time.Time.Compare)
	return slices.CompactFunc(slots, time.Time.Equal), err
}

// merge merges the files of the hour, or day, that begins then. Files is zero where there is nothing to merge.
func (c *compactor) merge(ctx context.Context, start time.Time) (Compacted, error) {
	for {
		at, m, err := c.open(ctx)
		if err == nil {
			err = at.CheckWriter()
		}
		if err != nil {
			return Compacted{}, err
		}
		files, err := c.mergeable(at, start, &m)
		if err != nil || len(files) == 0 {
			return Compacted{}, err
		}
		done := Compacted{Start: start, End: start.Add(c.Into), Files: len(files)}
		for _, p := range files {
			done.Bytes += p.add.Size
		}
		if c.DryRun {
			done.Made = m.Shards
			return done, nil
		}
		merged, err := c.rewrite(ctx, &m, files, func(key) bool { return true })
		if err != nil {
			return Compacted{}, err
		}
		if err := crashpoint.Reach(crashpoint.AfterUpload); err != nil {
			return Compacted{}, err
		}
		tx := c.transaction(at, files, merged)
		for _, add := range tx.Add {
			done.Made++
			done.Shrunk += add.Size
		}
		_, err = c.log.Commit(ctx, tx)
		var conflict *delta.Conflict
		if !errors.As(err, &conflict) {
			return done, err
		}
		if err := discard(context.WithoutCancel(ctx), c.store, merged.adds); err != nil { // somebody replaced one of the windows
			return Compacted{}, err
		}
	}
}

// mergeable returns the files whose windows all start in the hour, or day, that begins then, and are closed; none
// where they are one of each shard.
func (c *compactor) mergeable(at *delta.Snapshot, start time.Time, m *Metadata) ([]piece, error) {
	end := start.Add(c.Into)
	files, err := c.files(at, Span{start, end}, m)
	files = slices.DeleteFunc(files, func(p piece) bool {
		return p.start.Before(start) || p.end().Add(-m.Window).Compare(end) >= 0 || p.end().After(c.final)
	})
	shards := map[int]bool{}
	for _, p := range files {
		shards[p.shard] = true
	}
	if len(files) == len(shards) && !shards[noShard] {
		return nil, err
	}
	return files, err
}

// transaction returns the commit of a merge.
func (c *compactor) transaction(at *delta.Snapshot, files []piece, merged rewritten) delta.Transaction {
	tx := delta.Transaction{Read: at, Operation: "OPTIMIZE", Add: merged.adds, Parameters: map[string]string{
		"predicate": "[]", "zOrderBy": "[]",
	}}
	now := time.Now()
	for _, p := range files {
		tx.Remove = append(tx.Remove, p.add.Remove(now, !merged.same))
	}
	for i := range tx.Add {
		tx.Add[i].DataChange = !merged.same
	}
	tx.Metrics = map[string]string{
		"numAddedFiles": strconv.Itoa(len(tx.Add)), "numRemovedFiles": strconv.Itoa(len(tx.Remove)),
		"numOutputRows": strconv.FormatInt(merged.rows, 10),
	}
	return tx
}
