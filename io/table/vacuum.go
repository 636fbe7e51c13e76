package table

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"clickstream/io/delta"
	"clickstream/io/objects"
)

// Garbage is a file of a Delta table's folder that is of no version that is still to be read.
type Garbage struct {
	Name     string // in the table's folder
	Bytes    int64
	Modified time.Time
}

// Vacuum yields the files of the Delta table at path that are of no use any more, each after it was removed unless
// it is a dry run: files that were replaced, or written and never committed, retain ago or earlier. Readers of
// older versions, and whoever is about to commit, need the younger ones. An error ends it.
//
// Whatever the clock says, a file of the newest version stays.
func Vacuum(ctx context.Context, path string, retain time.Duration, dryRun bool) iter.Seq2[Garbage, error] {
	return vacuumAt(ctx, path, retain, dryRun, time.Now)
}

func vacuumAt(ctx context.Context, path string, retain time.Duration, dryRun bool, now func() time.Time) iter.Seq2[Garbage, error] {
	return func(yield func(Garbage, error) bool) {
		store, err := objects.Open(ctx, path)
		if err != nil {
			yield(Garbage{}, fmt.Errorf("table %s: %w", path, err))
			return
		}
		log, err := delta.Open(ctx, store, delta.Options{Now: now})
		if err != nil {
			yield(Garbage{}, err)
			return
		}
		before := now().Add(-retain)
		// What is listed before the log is read anew is in that version, or is not of the table.
		var old []objects.Info
		for info, err := range store.List(ctx, datePrefix, "") {
			if err != nil {
				yield(Garbage{}, fmt.Errorf("table %s: %w", path, err))
				return
			}
			if strings.HasSuffix(info.Name, suffix) && info.Modified.Before(before) {
				old = append(old, info)
			}
		}
		at, err := log.Refresh(ctx)
		if err != nil {
			yield(Garbage{}, err)
			return
		}
		for _, info := range old {
			if !isGarbage(at, info.Name, before) {
				continue
			}
			if !dryRun {
				if err := store.Delete(ctx, info.Name); err != nil {
					yield(Garbage{}, fmt.Errorf("table %s: removing %s: %w", path, info.Name, err))
					return
				}
			}
			if !yield(Garbage{info.Name, info.Size, info.Modified}, nil) {
				return
			}
		}
	}
}

// isGarbage tells whether a file that was written before then is of no use since before then.
func isGarbage(at *delta.Snapshot, name string, then time.Time) bool {
	if at.File(name) != nil {
		return false
	}
	removed := at.Tombstone(name)
	return removed == nil || time.UnixMilli(removed.DeletionTimestamp).Before(then)
}
