package table

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"clickstream/io/delta"
)

const (
	topPages = 10
	// topBytes bounds what is read to find them.
	topBytes = 16 << 20
)

// showTop finds the top pages of the newest window, unless its files are those that they were found in before.
func (f *Follower) showTop(ctx context.Context, s *Status, m *Metadata) error {
	var objects []string
	var bytes int64
	for object, h := range f.files {
		if h.end == s.NewestEnd.UnixMilli() {
			objects = append(objects, object)
			bytes += h.size
		}
	}
	slices.Sort(objects)
	if f.status != nil && slices.Equal(objects, f.shown) {
		s.Top = f.status.Top
		return nil
	}
	if bytes > topBytes {
		f.shown = objects
		return nil
	}
	var top ranking
	for _, object := range objects {
		h := f.files[object]
		_, ours := parseDeltaName(object)
		start := time.UnixMilli(h.start).UTC()
		add := &delta.Add{Path: delta.EscapePath(object), Size: h.size, PartitionValues: delta.Values{dateColumn: start.Format(time.DateOnly)}}
		p := piece{name: name{start, time.Duration(h.end-h.start) * time.Millisecond, int(h.shard), m.Shards}, add: add, object: object, foreign: !ours}
		rows, err := f.view.source(ctx, p, m, noShard).open()
		if err != nil {
			return err
		}
		if err := top.take(rows, s.NewestEnd); err != nil {
			return err
		}
	}
	s.Top, f.shown = top.best, objects
	return nil
}

// ranking keeps the most viewed pages of a window.
type ranking struct{ best []Page }

// take reads the rows of one window to their end, and closes them.
func (r *ranking) take(rows rowReader, end time.Time) error {
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return rows.Close()
		}
		if err != nil {
			return first(err, rows.Close())
		}
		if row.WindowEnd.Equal(end) {
			r.add(Page{row.PageURL, row.ViewCount})
		}
	}
}

func (r *ranking) add(p Page) {
	if len(r.best) == topPages && comparePages(p, r.best[topPages-1]) > 0 {
		return
	}
	p.URL = strings.Clone(p.URL)
	at, _ := slices.BinarySearchFunc(r.best, p, comparePages)
	r.best = slices.Insert(r.best, at, p)
	r.best = r.best[:min(len(r.best), topPages)]
}

func comparePages(a, b Page) int {
	return cmp.Or(cmp.Compare(b.Views, a.Views), strings.Compare(a.URL, b.URL))
}

// topOfFolder finds the top pages of the newest window of a table without a log.
func topOfFolder(v *view, names []name, s *Status) error {
	var top ranking
	for _, n := range slices.Backward(names) {
		if !n.end().Equal(s.NewestEnd) {
			break
		}
		rows, err := v.open(n)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was just replaced
		}
		if err != nil {
			return err
		}
		if err := top.take(rows, s.NewestEnd); err != nil {
			return err
		}
	}
	s.Top = top.best
	return nil
}
