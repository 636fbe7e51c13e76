package table

import (
	"cmp"
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"clickstream/io/parquet"
	"clickstream/transforms/click"
)

// view reads a folder of Parquet files.
type view struct {
	root string
}

// Windows is Reader's. It reads each file's footer when it comes to it.
func (v *view) Windows(ctx context.Context, in Span) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		names, err := list(ctx, v.root, in)
		for _, n := range names {
			if err = ctx.Err(); err != nil {
				break
			}
			var info Info
			if info, err = v.info(n); err != nil || !yield(info, nil) {
				break
			}
		}
		if err != nil {
			yield(Info{}, err)
		}
	}
}

func (v *view) info(n name) (Info, error) {
	p, file, err := v.footer(n)
	if err != nil {
		return Info{}, err
	}
	return Info{
		Start: p.Start, End: p.End, Shard: p.Shard, Shards: p.Shards, Events: p.Events, Duplicates: p.Duplicates, Rows: p.Rows, Bytes: file.Size(),
		Offsets: p.Offsets, Schemas: p.Schemas, Consumed: p.Consumed, Topic: p.Topic, Cluster: p.Cluster, Version: p.Version,
	}, nil
}

// errEnough ends a scan early: it is no error of the scan.
var errEnough = errors.New("enough rows")

// Scan is Reader's. The shards of a window lie in files of their own, each by page, and are merged.
func (v *view) Scan(ctx context.Context, f Filter) iter.Seq2[click.PageView, error] {
	return scan(ctx, f, func() ([]source, error) {
		names, err := list(ctx, v.root, f.Span)
		sources := make([]source, len(names))
		for i, n := range names {
			sources[i] = source{n.start, func() (rowReader, error) { return v.open(n) }}
		}
		return sources, err
	})
}

// source is a file that rows are read from, each by window and page.
type source struct {
	start time.Time // of its first window
	open  func() (rowReader, error)
}

// rowReader reads the rows of one file. Errors name it.
type rowReader interface {
	Next() (click.PageView, error) // io.EOF after the last one
	Close() error
}

// scan yields the rows that f chooses of the files that list returns, which are ordered by their first window.
func scan(ctx context.Context, f Filter, list func() ([]source, error)) iter.Seq2[click.PageView, error] {
	return func(yield func(click.PageView, error) bool) {
		rows := 0
		sources, err := list()
		if err == nil {
			err = merge(sources, func(row click.PageView) error {
				switch {
				case !f.To.IsZero() && !row.WindowStart.Before(f.To):
					return errEnough
				case !f.holds(row.WindowStart), f.Page != "" && row.PageURL != f.Page:
					return ctx.Err()
				}
				rows++
				if !yield(row, nil) || rows == f.Limit {
					return errEnough
				}
				return ctx.Err()
			})
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(click.PageView{}, err)
		}
	}
}

// merge calls each with the rows of all sources, by window and page. A source is open from when its first window
// comes until its last row.
func merge(sources []source, each func(click.PageView) error) (err error) {
	var open []*cursor
	defer func() {
		for _, c := range open {
			err = first(err, c.rows.Close())
		}
	}()
	for {
		var least *cursor
		for _, c := range open {
			if least == nil || c.before(least) {
				least = c
			}
		}
		if len(sources) > 0 && (least == nil || !sources[0].start.After(least.row.WindowStart)) {
			rows, err := sources[0].open()
			if err != nil {
				return err
			}
			sources = sources[1:]
			least = &cursor{rows: rows}
			open = append(open, least)
		} else if least == nil {
			return nil
		} else if err := each(least.row); err != nil {
			return err
		}
		least.row, err = least.rows.Next()
		if errors.Is(err, io.EOF) {
			open = slices.DeleteFunc(open, func(c *cursor) bool { return c == least })
			err = least.rows.Close()
		}
		if err != nil {
			return err
		}
	}
}

// cursor is an open source, at a row.
type cursor struct {
	rows rowReader
	row  click.PageView
}

func (c *cursor) before(o *cursor) bool {
	return cmp.Or(c.row.WindowStart.Compare(o.row.WindowStart), strings.Compare(c.row.PageURL, o.row.PageURL)) < 0
}

// fileRows reads a file of the program's own.
type fileRows struct {
	*parquet.Reader
	file    io.Closer
	damaged func(error) error // says of which file an error is
}

func (r *fileRows) Next() (click.PageView, error) {
	row, err := r.Reader.Next()
	if err != nil && !errors.Is(err, io.EOF) {
		err = r.damaged(err)
	}
	return row, err
}

func (r *fileRows) Close() error { return first(r.Reader.Close(), r.file.Close()) }

func (v *view) open(n name) (rowReader, error) {
	f, err := os.Open(filepath.Join(v.root, n.path()))
	if err != nil {
		return nil, fail(v.root, "reading "+n.path(), err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, first(fail(v.root, "reading "+n.path(), err), f.Close())
	}
	rows, err := parquet.NewReader(f, info.Size())
	if err != nil {
		return nil, first(v.damaged(n, err), f.Close())
	}
	return &fileRows{rows, f, func(err error) error { return v.damaged(n, err) }}, nil
}
