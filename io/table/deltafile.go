package table

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"clickstream/io/delta"
	"clickstream/io/parquet"
)

// piece is a data file of a Delta table: one window of one shard.
type piece struct {
	name
	add    *delta.Add
	object string             // the file's name in the store
	told   parquet.Provenance // what its tags tell, or its footer
}

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

// pieces returns the files of a version whose windows lie in span, by window and shard, with what is told of them.
func (v *deltaView) pieces(ctx context.Context, at *delta.Snapshot, span Span) ([]piece, error) {
	all, err := v.files(at, span)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].told, err = v.tell(ctx, all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// files returns the files of a version whose windows lie in span, by window and shard. A file of another program
// is an error: it may hold rows of any window.
func (v *deltaView) files(at *delta.Snapshot, span Span) ([]piece, error) {
	var all []piece
	for add := range at.Files() {
		object, err := add.Name()
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", v.store, err)
		}
		n, ok := parseDeltaName(object)
		if !ok {
			return nil, fmt.Errorf("table %s: %s was not written by this program, which keeps a file for each window: remove its rows, or restore version %d of the table or one before it", v.store, object, at.Version)
		}
		if span.holds(n.start) {
			all = append(all, piece{name: n, add: add, object: object})
		}
	}
	slices.SortFunc(all, func(a, b piece) int {
		if c := a.name.compare(b.name); c != 0 {
			return c
		}
		return cmp.Compare(a.object, b.object)
	})
	return all, nil
}

// tell returns what the log tells of a file or, where somebody has rewritten the log without it, its footer.
func (v *deltaView) tell(ctx context.Context, p piece) (parquet.Provenance, error) {
	told, ok, err := parquet.ParseTags(p.add.Tags)
	if err != nil {
		return told, fmt.Errorf("table %s: what its log says of %s is damaged: %w", v.store, p.object, err)
	}
	if ok {
		return told, nil
	}
	data, err := v.read(ctx, p)
	if err != nil {
		return told, err
	}
	if told, err = parquet.ReadProvenance(bytes.NewReader(data), int64(len(data))); err != nil {
		return told, v.damaged(p.object, err)
	}
	return told, nil
}

func (v *deltaView) read(ctx context.Context, p piece) ([]byte, error) {
	data, err := v.store.Read(ctx, p.object)
	if err != nil {
		return nil, fmt.Errorf("table %s: the log names %s, which cannot be read: %w", v.store, p.object, err)
	}
	return data, nil
}

func (v *deltaView) damaged(object string, err error) error {
	return fmt.Errorf("table %s: %s is damaged: %w; count its window again with table rebuild", v.store, object, err)
}

// open returns a reader of a file's rows.
func (v *deltaView) open(ctx context.Context, p piece) (*shardReader, error) {
	data, err := v.read(ctx, p)
	if err != nil {
		return nil, err
	}
	rows, err := parquet.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, v.damaged(p.object, err)
	}
	return &shardReader{damaged: func(err error) error { return v.damaged(p.object, err) }, file: io.NopCloser(nil), rows: rows}, nil
}

// newAdd returns the log's words for a file that was written.
func newAdd(object string, size int, views map[string]int64, from parquet.Provenance, at time.Time) (delta.Add, error) {
	tags, err := from.Tags()
	if err != nil {
		return delta.Add{}, err
	}
	least, greatest, fewest, most := extremes(views)
	stats := delta.NewStats(from.Rows).Time("window_start", from.Start, from.Start, 0).Time("window_end", from.End, from.End, 0).
		Text("page_url", least, greatest, 0).Integer("view_count", fewest, most, 0)
	return delta.Add{
		Path: delta.EscapePath(object), PartitionValues: delta.Values{dateColumn: from.Start.UTC().Format(time.DateOnly)},
		Size: int64(size), ModificationTime: at.UnixMilli(), DataChange: true, Stats: stats.String(),
		Tags: tags,
	}, nil
}

// extremes returns the least and the greatest page and number of views.
func extremes(views map[string]int64) (least, greatest string, fewest, most int64) {
	begun := false
	for page, n := range views {
		if !begun {
			least, greatest, fewest, most, begun = page, page, n, n, true
			continue
		}
		least, greatest = min(least, page), max(greatest, page)
		fewest, most = min(fewest, n), max(most, n)
	}
	return least, greatest, fewest, most
}
