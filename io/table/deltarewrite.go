package table

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"clickstream/io/delta"
	"clickstream/io/objects"
	"clickstream/io/parquet"
	"clickstream/transforms/click"
)

// rewritten is the files that a rewrite made.
type rewritten struct {
	adds []delta.Add
	rows int64
	same bool // they hold the very rows of the files before, as far as they were kept
}

// rewrite writes what files of one date hold of the windows and shards that keep chooses to new files, one for each
// shard. All that is known of a window goes along. Rows of one page and window, which only another program's file
// can have brought, become one.
func (v *deltaView) rewrite(ctx context.Context, m *Metadata, files []piece, keep func(key) bool) (done rewritten, err error) {
	done.same = true
	for shard := range m.Shards {
		r := shardRewrite{deltaView: v, Metadata: m, shard: shard, told: map[time.Time][]parquet.Provenance{}, same: true}
		if err = r.read(ctx, files, keep); err != nil {
			break
		}
		var add *delta.Add
		if add, err = r.write(ctx); add != nil {
			done.adds = append(done.adds, *add)
			done.rows += r.rows
			done.same = done.same && r.same
		}
		if err != nil {
			break
		}
	}
	if err != nil {
		return rewritten{}, errors.Join(err, discard(context.WithoutCancel(ctx), v.store, done.adds))
	}
	return done, nil
}

// shardRewrite is a rewrite of one shard.
type shardRewrite struct {
	*deltaView
	*Metadata
	shard   int
	sources []source
	keep    func(key) bool
	told    map[time.Time][]parquet.Provenance // by window
	rows    int64
	same    bool
}

// read finds the files of the shard, and what is told of the windows that are kept.
func (r *shardRewrite) read(ctx context.Context, files []piece, keep func(key) bool) error {
	r.keep = keep
	for _, p := range files {
		if !p.foreign && p.shard != r.shard {
			continue
		}
		r.sources = append(r.sources, r.source(ctx, p, r.Metadata, r.shard))
		told, err := r.tell(ctx, p, r.Metadata)
		if err != nil {
			return err
		}
		for _, w := range told {
			if w.Shard == r.shard && keep(key{w.Start.UnixMilli(), r.shard}) {
				r.told[w.Start] = append(r.told[w.Start], w)
			}
		}
	}
	return nil
}

// write writes the shard's file, and returns nil where nothing is kept.
func (r *shardRewrite) write(ctx context.Context) (*delta.Add, error) {
	if len(r.told) == 0 {
		return nil, nil
	}
	var data bytes.Buffer
	file := parquet.NewWriter(&data, r.Users)
	var b bounds
	views, users := map[string]int64{}, map[string]int64(nil)
	if r.Users {
		users = map[string]int64{}
	}
	var window time.Time
	flush := func() error {
		if len(views) == 0 {
			return nil
		}
		told, ok := r.told[window]
		if !ok {
			return fmt.Errorf("table %s: rows of the window of %s of shard %d lie in a file whose footer does not tell of them; restore it from a copy, or count into another --table", r.store, window.Format(time.RFC3339), r.shard)
		}
		delete(r.told, window)
		b.add(views, users)
		r.rows += int64(len(views))
		err := file.Add(views, users, parquet.Join(told))
		clear(views)
		clear(users)
		return err
	}
	err := merge(r.sources, func(row click.PageView) error {
		if !r.keep(key{row.WindowStart.UnixMilli(), r.shard}) {
			return ctx.Err()
		}
		if !row.WindowStart.Equal(window) {
			if err := first(flush(), ctx.Err()); err != nil {
				return err
			}
			window = row.WindowStart
		}
		had, twice := views[row.PageURL]
		r.same = r.same && !twice
		views[row.PageURL] = had + row.ViewCount
		if users != nil {
			users[row.PageURL] = max(users[row.PageURL], row.UniqueUsers) // nobody can tell of two rows
		}
		return nil
	})
	if err = first(err, flush()); err != nil {
		return nil, err
	}
	for _, window := range slices.SortedFunc(maps.Keys(r.told), time.Time.Compare) { // those without a row
		if err := file.Add(nil, nil, parquet.Join(r.told[window])); err != nil {
			return nil, err
		}
	}
	told, err := file.Close()
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", r.store, err)
	}
	return r.put(ctx, name{told.Start, told.End.Sub(told.Start), r.shard, r.Shards}, data.Bytes(), &told, b)
}

// put writes a data file, and returns the log's words for it, which are there with an error of the store as well:
// the file may be there then.
func (v *deltaView) put(ctx context.Context, n name, data []byte, told *parquet.Provenance, b bounds) (*delta.Add, error) {
	object := deltaName(n)
	tags, err := told.Tags()
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", v.store, err)
	}
	window := told.Window
	stats := delta.NewStats(told.Rows).
		Time("window_start", told.Start, told.End.Add(-window), 0).Time("window_end", told.Start.Add(window), told.End, 0).
		Text("page_url", b.least, b.greatest, 0).Integer("view_count", b.fewest, b.most, 0)
	if told.Users {
		stats.Integer("unique_users", b.fewestUsers, b.mostUsers, 0)
	}
	add := &delta.Add{
		Path: delta.EscapePath(object), PartitionValues: delta.Values{dateColumn: told.Start.UTC().Format(time.DateOnly)},
		Size: int64(len(data)), ModificationTime: time.Now().UnixMilli(), DataChange: true, Stats: stats.String(), Tags: tags,
	}
	if err := v.store.Put(ctx, object, data); err != nil {
		return add, fmt.Errorf("table %s: writing %s: %w", v.store, object, err)
	}
	return add, nil
}

// bounds is the least and the greatest page, number of views and number of users of a file.
type bounds struct {
	begun                  bool
	least, greatest        string
	fewest, most           int64
	fewestUsers, mostUsers int64
}

func (b *bounds) add(views, users map[string]int64) {
	for page, n := range views {
		u := users[page]
		if !b.begun {
			*b = bounds{true, page, page, n, n, u, u}
			continue
		}
		b.fewestUsers, b.mostUsers = min(b.fewestUsers, u), max(b.mostUsers, u)
		b.least, b.greatest = min(b.least, page), max(b.greatest, page)
		b.fewest, b.most = min(b.fewest, n), max(b.most, n)
	}
}

// discard removes files that no version names.
func discard(ctx context.Context, store objects.Store, adds []delta.Add) error {
	var errs error
	for i := range adds {
		object, err := adds[i].Name()
		if err == nil {
			err = store.Delete(ctx, object)
		}
		errs = errors.Join(errs, err)
	}
	return errs
}
