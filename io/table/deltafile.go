package table

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"clickstream/io/delta"
	"clickstream/io/parquet"
	"clickstream/transforms/click"
)

// piece is a data file of a Delta table. Its name says which windows it holds.
//
// There are three kinds. Runs write a file for each window and shard. Compact, and whoever takes a window out of
// such a file, write files of several windows of one shard; their footers tell of each window. Files of other
// programs hold any rows of one date.
type piece struct {
	name
	add     *delta.Add
	object  string // the file's name in the store
	foreign bool   // another program wrote it: its shard is none, and its windows may end before the name does
}

// noShard is the shard of a file that may hold rows of any.
const noShard = -1

// deltaName returns a new name for a file of n.
func deltaName(n name) string {
	var random [4]byte
	_, _ = rand.Read(random[:]) // it never fails
	return path.Join(n.folder(), strings.TrimSuffix(n.file(), suffix)+"-"+hex.EncodeToString(random[:])+suffix)
}

// parseDeltaName returns the name of which object is a file.
func parseDeltaName(object string) (name, bool) {
	stem, ok := strings.CutSuffix(object, suffix)
	if at := strings.LastIndexByte(stem, '-'); ok && at >= 0 {
		return parseName(stem[:at] + suffix)
	}
	return name{}, false
}

// files returns the files of a version that may hold windows of span, by window and shard.
func (v *deltaView) files(at *delta.Snapshot, span Span, m *Metadata) ([]piece, error) {
	var all []piece
	first, last := span.dates()
	for add := range at.Files() {
		// Looking at every name takes a tenth of a second for a month of minutes.
		if date := add.PartitionValues[dateColumn]; len(date) == len(time.DateOnly) && (date < first || date > last) {
			continue
		}
		p, err := newPiece(add, m)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", v.store, err)
		}
		if span.touches(p.name) {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b piece) int {
		return cmp.Or(a.name.compare(b.name), cmp.Compare(a.object, b.object))
	})
	return all, nil
}

// newPiece returns the file that the log names.
func newPiece(add *delta.Add, m *Metadata) (piece, error) {
	object, err := add.Name()
	if err != nil {
		return piece{}, err
	}
	if n, ok := parseDeltaName(object); ok {
		return piece{name: n, add: add, object: object}, nil
	}
	date := add.PartitionValues[dateColumn]
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return piece{}, fmt.Errorf("%s was written by another program, and its %s is %q: remove its rows, they have no date", object, dateColumn, date)
	}
	start, _, ok := add.Times("window_start")
	_, end, ok2 := add.Times("window_end")
	if !ok || !ok2 {
		start, end = day, floor(day.Add(24*time.Hour-time.Millisecond), m.Window).Add(m.Window)
	}
	n := name{start.UTC(), end.Sub(start), noShard, 0}
	return piece{name: n, add: add, object: object, foreign: true}, nil
}

// tell returns what is known of each window of a file, by window and shard: what the log tells or, where it is
// of several windows or somebody has rewritten the log, its footer. Of another program's it is what its rows tell.
func (v *deltaView) tell(ctx context.Context, p piece, m *Metadata) ([]parquet.Provenance, error) {
	if p.foreign {
		rows, err := v.foreignRows(ctx, p, m)
		return toldByRows(rows, m), err
	}
	if p.length == m.Window {
		told, ok, err := parquet.ParseTags(p.add.Tags)
		if err != nil {
			return nil, fmt.Errorf("table %s: what its log says of %s is damaged: %w", v.store, p.object, err)
		}
		if ok {
			told.Topic, told.Cluster, told.Window, told.Steps = m.Topic, m.Cluster, m.Window, m.Steps
			told.Start, told.End, told.Shard, told.Shards = p.start, p.end(), p.shard, p.shards
			return []parquet.Provenance{told}, nil
		}
	}
	data, err := v.read(ctx, p)
	if err != nil {
		return nil, err
	}
	told, err := parquet.ReadWindows(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, v.damaged(p.object, err)
	}
	return told, nil
}

// toldByRows returns what rows tell of their windows and shards. What they were counted from they do not.
func toldByRows(rows []click.PageView, m *Metadata) []parquet.Provenance {
	views, count := map[key]map[string]int64{}, map[key]int64{} // a page may have several rows
	users := map[key]map[string]int64{}
	for _, row := range rows {
		k := key{row.WindowStart.UnixMilli(), int(click.ShardOf(row.PageURL, m.Shards))}
		if views[k] == nil {
			views[k], users[k] = map[string]int64{}, map[string]int64{}
		}
		views[k][row.PageURL] += row.ViewCount
		users[k][row.PageURL] = max(users[k][row.PageURL], row.UniqueUsers)
		count[k]++
	}
	var told []parquet.Provenance
	for _, k := range slices.SortedFunc(maps.Keys(views), key.compare) {
		p := parquet.Provenance{
			Topic: m.Topic, Cluster: m.Cluster, Window: m.Window, Shard: k.shard, Shards: m.Shards, Steps: m.Steps,
			Start: time.UnixMilli(k.start).UTC(), End: time.UnixMilli(k.start).UTC().Add(m.Window),
			Checksum: parquet.Checksum(views[k], users[k]), Rows: count[k],
		}
		for _, n := range views[k] {
			p.Events += n
		}
		told = append(told, p)
	}
	return told
}

func (v *deltaView) read(ctx context.Context, p piece) ([]byte, error) {
	data, err := v.store.Read(ctx, p.object)
	if err != nil {
		return nil, fmt.Errorf("table %s: the log names %s, which cannot be read: %w", v.store, p.object, err)
	}
	return data, nil
}

func (v *deltaView) damaged(object string, err error) error {
	return fmt.Errorf("table %s: %s is damaged: %w; restore it from a copy, or count into another --table", v.store, object, err)
}

// foreignRows returns the rows of another program's file, in order.
func (v *deltaView) foreignRows(ctx context.Context, p piece, m *Metadata) ([]click.PageView, error) {
	data, err := v.read(ctx, p)
	if err != nil {
		return nil, err
	}
	rows, err := parquet.ReadForeign(bytes.NewReader(data), int64(len(data)), m.Users)
	if err != nil {
		return nil, fmt.Errorf("table %s: %s, which another program wrote, holds no page views: %w; remove its rows", v.store, p.object, err)
	}
	for _, row := range rows {
		start := row.WindowStart
		switch {
		case !floor(start, m.Window).Equal(start) || row.WindowEnd.Sub(start) != m.Window:
			err = fmt.Errorf("a row is of the window from %s to %s, and the table's windows are %s long", start.Format(time.RFC3339Nano), row.WindowEnd.Format(time.RFC3339Nano), m.Window)
		case start.Before(p.start), row.WindowEnd.After(p.end()):
			err = fmt.Errorf("a row is of the window of %s, and the log says %s to %s", start.Format(time.RFC3339), p.start.Format(time.RFC3339), p.end().Format(time.RFC3339))
		case start.Format(time.DateOnly) != p.add.PartitionValues[dateColumn]:
			err = fmt.Errorf("a row is of the window of %s, and its %s is %s", start.Format(time.RFC3339), dateColumn, p.add.PartitionValues[dateColumn])
		default:
			continue
		}
		return nil, fmt.Errorf("table %s: %s was written by another program: %w; remove its rows", v.store, p.object, err)
	}
	return rows, nil
}

// source returns the file as one that rows of a shard are read from, or with noShard all rows.
func (v *deltaView) source(ctx context.Context, p piece, m *Metadata, shard int) source {
	return source{p.start, func() (rowReader, error) {
		if p.foreign {
			rows, err := v.foreignRows(ctx, p, m)
			return &sliceRows{slices.DeleteFunc(rows, func(row click.PageView) bool {
				return shard != noShard && int(click.ShardOf(row.PageURL, m.Shards)) != shard
			})}, err
		}
		data, err := v.read(ctx, p)
		if err != nil {
			return nil, err
		}
		rows, err := parquet.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return nil, v.damaged(p.object, err)
		}
		return &fileRows{rows, io.NopCloser(nil), func(err error) error { return v.damaged(p.object, err) }}, nil
	}}
}

// sliceRows reads rows that are there already.
type sliceRows struct{ rows []click.PageView }

func (r *sliceRows) Next() (click.PageView, error) {
	if len(r.rows) == 0 {
		return click.PageView{}, io.EOF
	}
	row := r.rows[0]
	r.rows = r.rows[1:]
	return row, nil
}

func (r *sliceRows) Close() error { return nil }
