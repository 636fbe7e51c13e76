package table

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"clickstream/io/delta"
	"clickstream/io/parquet"
	"clickstream/transforms/click"
)

// open returns the version that is read, and what the table is of.
func (v *deltaView) open(ctx context.Context) (at *delta.Snapshot, m Metadata, err error) {
	if at = v.at; at == nil {
		if at, err = v.log.Refresh(ctx); err != nil {
			return nil, m, err
		}
	}
	m, err = v.metadata(at)
	return at, m, err
}

// Metadata is Reader's.
func (v *deltaView) Metadata(ctx context.Context) (Metadata, error) {
	_, m, err := v.open(ctx)
	return m, err
}

// part is what a file holds of a window of a shard.
type part struct {
	parquet.Provenance
	*piece
}

func (p *part) key() key { return key{p.Start.UnixMilli(), p.Shard} }

// parts returns what the files of a version hold of the windows of span, by window and shard.
func (v *deltaView) parts(ctx context.Context, at *delta.Snapshot, span Span, m *Metadata) ([]part, error) {
	files, err := v.files(at, span, m)
	if err != nil {
		return nil, err
	}
	parts := make([]part, 0, len(files))
	for i := range files {
		told, err := v.tell(ctx, files[i], m)
		if err != nil {
			return nil, err
		}
		for _, p := range told {
			if span.holds(p.Start) {
				parts = append(parts, part{p, &files[i]})
			}
		}
	}
	slices.SortStableFunc(parts, func(a, b part) int { return a.key().compare(b.key()) })
	return parts, nil
}

// Windows is Reader's. It reads the log, and the footers of files of several windows.
func (v *deltaView) Windows(ctx context.Context, in Span) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		at, m, err := v.open(ctx)
		var parts []part
		if err == nil {
			parts, err = v.parts(ctx, at, in, &m)
		}
		if err != nil {
			yield(Info{}, err)
			return
		}
		for len(parts) > 0 {
			n := 1
			for n < len(parts) && parts[n].key() == parts[0].key() {
				n++
			}
			if !yield(info(parts[:n]), nil) {
				return
			}
			parts = parts[n:]
		}
	}
}

// info returns what is known of a window of a shard, which may lie in several files where another program added
// to it.
func info(parts []part) Info {
	told := make([]parquet.Provenance, len(parts))
	var bytes int64
	for i, p := range parts {
		told[i] = p.Provenance
		bytes += int64(float64(p.add.Size) * p.End.Sub(p.Start).Seconds() / p.length.Seconds())
	}
	p := parquet.Join(told)
	return Info{
		Start: p.Start, End: p.End, Shard: p.Shard, Shards: p.Shards, Events: p.Events, Duplicates: p.Duplicates, Rows: p.Rows, Bytes: bytes,
		Offsets: p.Offsets, Schemas: p.Schemas, Consumed: p.Consumed, Topic: p.Topic, Cluster: p.Cluster, Version: p.Version,
	}
}

// Scan is Reader's. It reads one version from its beginning to its end.
func (v *deltaView) Scan(ctx context.Context, f Filter) iter.Seq2[click.PageView, error] {
	return scan(ctx, f, func() ([]source, error) {
		at, m, err := v.open(ctx)
		if err != nil {
			return nil, err
		}
		files, err := v.files(at, f.Span, &m)
		sources := make([]source, len(files))
		for i, p := range files {
			sources[i] = v.source(ctx, p, &m, noShard)
		}
		return sources, err
	})
}

// consumedApp is the application that a commit says a partition's consumed offset for, by a txn: unlike what is said
// of a file it stays when another program merges files.
const consumedApp = "clickstream.consumed."

// State is Reader's. It reads the log, but for files of several windows that are still open.
func (v *deltaView) State(ctx context.Context, lateness time.Duration) (State, error) {
	s := State{Consumed: map[int32]int64{}, First: map[int32]int64{}}
	at, m, err := v.open(ctx)
	if err != nil {
		return s, err
	}
	s.Begun, s.Made = m.Begun, m.Made
	newest, err := v.newest(ctx, at, &m)
	if err != nil || newest.IsZero() {
		return s, err
	}
	s.Final = floor(newest.Add(-lateness), m.Window)
	open, err := v.parts(ctx, at, Span{From: s.Final}, &m)
	if err != nil {
		return s, err
	}
	for _, p := range open {
		s.learn(p.End, p.Offsets, p.Consumed)
	}
	for txn := range at.Txns() {
		if text, ok := strings.CutPrefix(txn.AppID, consumedApp); ok {
			if partition, err := strconv.ParseInt(text, 10, 32); err == nil {
				s.Consumed[int32(partition)] = max(s.Consumed[int32(partition)], txn.Version)
			}
		}
	}
	return s, nil
}

// foreseen is how far ahead of this machine's clock windows of another program's may lie.
const foreseen = time.Hour

// newest returns the end of the newest window that every shard holds; zero where there is none.
func (v *deltaView) newest(ctx context.Context, at *delta.Snapshot, m *Metadata) (time.Time, error) {
	files, err := v.files(at, Span{}, m)
	if err != nil {
		return time.Time{}, err
	}
	newest := make([]time.Time, m.Shards)
	learn := func(shard int, end time.Time) {
		if shard < len(newest) && end.After(newest[shard]) {
			newest[shard] = end
		}
	}
	var foreign []piece
	for _, p := range files {
		if p.foreign {
			foreign = append(foreign, p)
		} else {
			learn(p.shard, p.end())
		}
	}
	// Which shards another program's file is of only its rows tell. One that merged the files of shards that are not
	// equally far must not make the slow ones look as far as the others. Few are read: the newest come first.
	slices.SortFunc(foreign, func(a, b piece) int { return b.end().Compare(a.end()) })
	for _, p := range foreign {
		if !p.end().After(slices.MinFunc(newest, time.Time.Compare)) {
			break
		}
		told, err := v.tell(ctx, p, m)
		if err != nil {
			return time.Time{}, err
		}
		for _, w := range told {
			if w.End.After(time.Now().Add(foreseen)) {
				return time.Time{}, fmt.Errorf("table %s: %s, which another program wrote, holds the window that ends at %s, and no click of before then would be counted: remove its rows", v.store, p.object, w.End.Format(time.RFC3339))
			}
			learn(w.Shard, w.End)
		}
	}
	return slices.MinFunc(newest, time.Time.Compare), nil
}
