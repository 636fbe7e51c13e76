package table

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"clickstream/io/delta"
	"clickstream/transforms/click"
)

// version returns the version that is read.
func (v *deltaView) version(ctx context.Context) (*delta.Snapshot, error) {
	if v.at != nil {
		return v.at, nil
	}
	return v.log.Refresh(ctx)
}

// Metadata is Reader's.
func (v *deltaView) Metadata(ctx context.Context) (Metadata, error) {
	at, err := v.version(ctx)
	if err != nil {
		return Metadata{}, err
	}
	return v.metadata(at)
}

// Windows is Reader's. It reads the log alone.
func (v *deltaView) Windows(ctx context.Context, in Span) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		at, err := v.version(ctx)
		if err != nil {
			yield(Info{}, err)
			return
		}
		m, err := v.metadata(at)
		if err != nil {
			yield(Info{}, err)
			return
		}
		pieces, err := v.pieces(ctx, at, in)
		if err != nil {
			yield(Info{}, err)
			return
		}
		for _, p := range pieces {
			info := Info{
				Start: p.start, End: p.start.Add(p.length), Shard: p.shard, Shards: p.shards,
				Events: p.told.Events, Rows: p.told.Rows, Bytes: p.add.Size, Offsets: p.told.Offsets, Schemas: p.told.Schemas,
				Consumed: p.told.Consumed, Topic: m.Topic, Cluster: m.Cluster, Version: p.told.Version,
			}
			if !yield(info, nil) {
				return
			}
		}
	}
}

// Scan is Reader's. It reads one version from its beginning to its end.
func (v *deltaView) Scan(ctx context.Context, f Filter) iter.Seq2[click.PageView, error] {
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
		at, err := v.version(ctx)
		var pieces []piece
		if err == nil {
			pieces, err = v.pieces(ctx, at, f.Span)
		}
		for len(pieces) > 0 && err == nil {
			shards := 1
			for shards < len(pieces) && pieces[shards].start.Equal(pieces[0].start) {
				shards++
			}
			err = merge(shards, func(i int) (*shardReader, error) { return v.open(ctx, pieces[i]) }, each)
			pieces = pieces[shards:]
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(click.PageView{}, err)
		}
	}
}

// State is Reader's. It reads the log alone.
func (v *deltaView) State(ctx context.Context, lateness time.Duration) (State, error) {
	s := State{Consumed: map[int32]int64{}, First: map[int32]int64{}}
	at, err := v.version(ctx)
	if err != nil {
		return s, err
	}
	m, err := v.metadata(at)
	if err != nil {
		return s, err
	}
	s.Begun, s.Made = m.Begun, m.Made
	all, err := v.files(at, Span{})
	if err != nil {
		return s, err
	}
	newest := make([]time.Time, m.Shards)
	for _, p := range all {
		if end := p.start.Add(p.length); p.shard < len(newest) && end.After(newest[p.shard]) {
			newest[p.shard] = end
		}
	}
	slowest := slices.MinFunc(newest, time.Time.Compare)
	if slowest.IsZero() {
		return s, nil
	}
	s.Final = floor(slowest.Add(-lateness), m.Window)
	pieces, err := v.pieces(ctx, at, Span{From: s.Final.Add(-consumedSpan)})
	if err != nil {
		return s, err
	}
	for _, p := range pieces {
		s.learn(p.start.Add(p.length), p.told.Offsets, p.told.Consumed)
	}
	return s, nil
}
