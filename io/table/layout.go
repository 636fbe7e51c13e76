package table

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A folder's layout:
//
//	DIR/window_date=2026-11-23/20261123T033500Z-1m0s-00000-of-00001.parquet
//	DIR/_staging/…
//
// The date is the UTC date of the window's start. Names tell everything that a file may be chosen by, and none
// of them holds a colon. Spark, DuckDB, Arrow and Hive read window_date as a column, and leave out what
// begins with an underscore.
const (
	datePrefix = "window_date="
	suffix     = ".parquet"
	staging    = "_staging"
	deltaLog   = "_delta_log"
)

// name is a file of the table: one window of one shard or, in a Delta table, all windows of one shard from start
// on for length that it holds.
type name struct {
	start         time.Time
	length        time.Duration
	shard, shards int
}

func (n name) end() time.Time { return n.start.Add(n.length) }

// key is a name's window and shard, to be compared.
type key struct {
	start int64 // milliseconds since the epoch
	shard int
}

func (n name) key() key { return key{n.start.UnixMilli(), n.shard} }

func (k key) compare(o key) int {
	return cmp.Or(cmp.Compare(k.start, o.start), cmp.Compare(k.shard, o.shard))
}

// folder returns the name of the folder that n lies in.
func (n name) folder() string { return datePrefix + n.start.UTC().Format(time.DateOnly) }

// file returns n's file name. Starts within a second have their milliseconds.
func (n name) file() string {
	start := n.start.UTC()
	stamp := start.Format("20060102T150405")
	if ms := start.Nanosecond() / int(time.Millisecond); ms != 0 {
		stamp += fmt.Sprintf(".%03d", ms)
	}
	return fmt.Sprintf("%sZ-%s-%05d-of-%05d%s", stamp, n.length, n.shard, n.shards, suffix)
}

// path returns n's path below the table's folder.
func (n name) path() string { return filepath.Join(n.folder(), n.file()) }

// compare orders names by window, then shard.
func (n name) compare(o name) int {
	if c := n.start.Compare(o.start); c != 0 {
		return c
	}
	if n.length != o.length {
		return int(max(-1, min(1, n.length-o.length)))
	}
	return n.shard - o.shard
}

// parseName returns the name whose path is path. It is false for any other path.
func parseName(path string) (name, bool) {
	file, ok := strings.CutSuffix(filepath.Base(path), suffix)
	if !ok {
		return name{}, false
	}
	parts := strings.Split(file, "-")
	if len(parts) != 5 || parts[3] != "of" {
		return name{}, false
	}
	start, err := time.Parse("20060102T150405Z", parts[0]) // takes a fraction as well
	length, err2 := time.ParseDuration(parts[1])
	shard, err3 := strconv.Atoi(parts[2])
	shards, err4 := strconv.Atoi(parts[4])
	n := name{start, length, shard, shards}
	if first(err, err2, err3, err4) != nil || n.path() != path {
		return name{}, false
	}
	return n, true
}

// list returns the files of the table at root whose windows lie in span, in order. Other Parquet files that
// readers of the folder would take for rows are an error.
func list(ctx context.Context, root string, span Span) ([]name, error) {
	var names []name
	walked, err := filepath.EvalSymlinks(root) // WalkDir does not follow a link
	if err != nil {
		return nil, fail(root, "listing files", err)
	}
	err = filepath.WalkDir(walked, func(path string, entry fs.DirEntry, err error) error {
		if err := first(err, ctx.Err()); err != nil {
			return err
		}
		if path == walked {
			return nil
		}
		base := entry.Name()
		switch {
		case base == deltaLog:
			return fmt.Errorf("%s is there: the folder is a Delta table, choose another one", path)
		case strings.HasPrefix(base, "_"), strings.HasPrefix(base, "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			date, err := time.Parse(datePrefix+time.DateOnly, base)
			if err == nil && filepath.Dir(path) == walked && !span.meets(date) {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(base, suffix):
			return nil
		}
		below, err := filepath.Rel(walked, path)
		if err != nil {
			return err
		}
		n, ok := parseName(below)
		if !ok {
			return fmt.Errorf("%s was not written by this program: choose another folder, or move the file away", path)
		}
		if span.holds(n.start) {
			names = append(names, n)
		}
		return nil
	})
	if err != nil {
		return nil, fail(root, "listing files", err)
	}
	slices.SortFunc(names, name.compare)
	return names, nil
}

// touches tells whether n's file may hold a window of s.
func (s Span) touches(n name) bool {
	return n.end().After(s.From) && (s.To.IsZero() || n.start.Before(s.To))
}

// dates returns the first and the last date that a window of s may start on, as texts to be compared.
func (s Span) dates() (first, last string) {
	last = "9999-12-31"
	if !s.To.IsZero() {
		last = s.To.UTC().Format(time.DateOnly)
	}
	return s.From.UTC().Format(time.DateOnly), last
}

// meets tells whether a window of s may start on the day that begins at date.
func (s Span) meets(date time.Time) bool {
	return date.AddDate(0, 0, 1).After(s.From) && (s.To.IsZero() || date.Before(s.To))
}

// checkFolder returns an error when root is no folder that can be read.
func checkFolder(root string) error {
	info, err := os.Stat(root)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("table %s: there is no such folder: %w", root, fs.ErrNotExist)
	}
	if err != nil {
		return fail(root, "opening", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("table %s: this is a file: name a folder", root)
	}
	return nil
}
