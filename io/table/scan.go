package table

import (
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

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
		Start: p.Start, End: p.End, Shard: p.Shard, Shards: p.Shards, Events: p.Events, Rows: p.Rows, Bytes: file.Size(),
		Offsets: p.Offsets, Schemas: p.Schemas, Consumed: p.Consumed, Topic: p.Topic, Cluster: p.Cluster, Version: p.Version,
	}, nil
}

// errEnough ends a scan early: it is no error of the scan.
var errEnough = errors.New("enough rows")

// Scan is Reader's. The shards of a window lie in files of their own, each by page, and are merged.
func (v *view) Scan(ctx context.Context, f Filter) iter.Seq2[click.PageView, error] {
	return func(yield func(click.PageView, error) bool) {
		rows := 0
		each := func(row click.PageView) error {
			if f.Page != "" && row.PageURL != f.Page {
				return ctx.Err()
			}
			rows++
			if !yield(row, nil) || rows == f.Limit {
				return errEnough
			}
			return ctx.Err()
		}
		names, err := list(ctx, v.root, f.Span)
		for len(names) > 0 && err == nil {
			shards := 1
			for shards < len(names) && names[shards].start.Equal(names[0].start) && names[shards].length == names[0].length {
				shards++
			}
			err = v.merge(names[:shards], each)
			names = names[shards:]
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(click.PageView{}, err)
		}
	}
}

// merge calls each with the rows of a window's shards, by page.
func (v *view) merge(names []name, each func(click.PageView) error) error {
	return merge(len(names), func(i int) (*shardReader, error) { return v.open(names[i]) }, each)
}

// merge opens n files of one window, each ordered by page, and calls each with their rows, by page.
func merge(n int, open func(i int) (*shardReader, error), each func(click.PageView) error) (err error) {
	shards := make([]*shardReader, 0, n)
	defer func() {
		for _, s := range shards {
			err = first(err, s.close())
		}
	}()
	for i := range n {
		s, err := open(i)
		if err != nil {
			return err
		}
		shards = append(shards, s)
		if err := s.next(); err != nil {
			return err
		}
	}
	for {
		var least *shardReader
		for _, s := range shards {
			if !s.end && (least == nil || strings.Compare(s.row.PageURL, least.row.PageURL) < 0) {
				least = s
			}
		}
		if least == nil {
			return nil
		}
		if err := each(least.row); err != nil {
			return err
		}
		if err := least.next(); err != nil {
			return err
		}
	}
}

// shardReader reads the rows of one file.
type shardReader struct {
	damaged func(error) error // says of which file an error is
	file    io.Closer
	rows    *parquet.Reader
	row     click.PageView
	end     bool // row is none: there are no more
}

func (v *view) open(n name) (*shardReader, error) {
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
	return &shardReader{damaged: func(err error) error { return v.damaged(n, err) }, file: f, rows: rows}, nil
}

func (s *shardReader) next() (err error) {
	s.row, err = s.rows.Next()
	if errors.Is(err, io.EOF) {
		s.end = true
		return nil
	}
	if err != nil {
		return s.damaged(err)
	}
	return nil
}

func (s *shardReader) close() error { return first(s.rows.Close(), s.file.Close()) }
