package parquet

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"

	"clickstream/transforms/click"
)

// windowsKey is there in files of several windows: a JSON array with what each window's own file would say.
const windowsKey = "clickstream.windows"

// windowJSON is a window in that array. The rest is the file's.
type windowJSON struct {
	Start      time.Time          `json:"start"`
	End        time.Time          `json:"end"`
	Events     int64              `json:"events"`
	Duplicates int64              `json:"duplicates,omitzero"`
	Rows       int64              `json:"rows"`
	Offsets    map[int32][2]int64 `json:"offsets"` // null where they are not known
	Schemas    []int32            `json:"schemas"`
	Consumed   map[int32]int64    `json:"consumed,omitzero"` // null and {} differ
	Version    string             `json:"version"`
	Checksum   uint64             `json:"checksum,string"`
}

func writeWindows(windows []Provenance) (string, error) {
	list := make([]windowJSON, len(windows))
	for i, p := range windows {
		list[i] = windowJSON{p.Start, p.End, p.Events, p.Duplicates, p.Rows, nil, p.Schemas, p.Consumed, p.Version, p.Checksum}
		if p.Offsets != nil {
			list[i].Offsets = make(map[int32][2]int64, len(p.Offsets))
		}
		for partition, o := range p.Offsets {
			list[i].Offsets[partition] = [2]int64{o.First, o.Next}
		}
	}
	text, err := json.Marshal(list)
	return string(text), err
}

func readWindows(file Provenance, text string) ([]Provenance, error) {
	var list []windowJSON
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, err
	}
	windows := make([]Provenance, len(list))
	for i, w := range list {
		p := file
		p.Start, p.End, p.Events, p.Duplicates, p.Rows = w.Start, w.End, w.Events, w.Duplicates, w.Rows
		p.Schemas, p.Consumed, p.Version, p.Checksum = w.Schemas, w.Consumed, w.Version, w.Checksum
		p.Offsets = nil
		if w.Offsets != nil {
			p.Offsets = make(map[int32]click.OffsetRange, len(w.Offsets))
		}
		for partition, o := range w.Offsets {
			p.Offsets[partition] = click.OffsetRange{First: o[0], Next: o[1]}
		}
		windows[i] = p
	}
	return windows, nil
}

// ReadWindows returns what the footer of the file in r, size bytes long, says of each window, in their order, and
// reads nothing but the footer. Errors are those of ReadProvenance.
func ReadWindows(r io.ReaderAt, size int64) ([]Provenance, error) {
	f, err := openFile(r, size,
		parquet.SkipMagicBytes(true), parquet.SkipPageIndex(true), parquet.OptimisticRead(true), parquet.ReadBufferSize(4<<10))
	if err != nil {
		return nil, err
	}
	p, err := provenanceOf(f)
	if err != nil {
		return nil, err
	}
	text, ok := f.Lookup(windowsKey)
	if !ok {
		return []Provenance{p}, nil
	}
	windows, err := readWindows(p, text)
	if err != nil {
		return nil, fmt.Errorf("%s in the parquet footer: %w", windowsKey, err)
	}
	return windows, nil
}

// Join returns what is true of windows of one table together. The span, the offsets and the schemas cover all of
// theirs, events, duplicates and rows are their sums, and so are checksums, which add up for different rows of one window. The
// rest is the last one's. Offsets are nil where all are. Consumed is nil where all are.
func Join(windows []Provenance) Provenance {
	if len(windows) == 0 {
		return Provenance{}
	}
	all := windows[len(windows)-1]
	if len(windows) == 1 {
		return all
	}
	all.Events, all.Duplicates, all.Rows, all.Checksum, all.Offsets, all.Consumed, all.Schemas = 0, 0, 0, 0, nil, nil, nil
	schemas := map[int32]bool{}
	for _, p := range windows {
		if p.Start.Before(all.Start) {
			all.Start = p.Start
		}
		if p.End.After(all.End) {
			all.End = p.End
		}
		all.Events += p.Events
		all.Duplicates += p.Duplicates
		all.Rows += p.Rows
		all.Checksum += p.Checksum
		for partition, r := range p.Offsets {
			if all.Offsets == nil {
				all.Offsets = map[int32]click.OffsetRange{}
			}
			if had, ok := all.Offsets[partition]; ok {
				r = had.Union(r)
			}
			all.Offsets[partition] = r
		}
		for partition, next := range p.Consumed {
			if all.Consumed == nil {
				all.Consumed = map[int32]int64{}
			}
			all.Consumed[partition] = max(all.Consumed[partition], next)
		}
		for _, id := range p.Schemas {
			schemas[id] = true
		}
	}
	all.Schemas = slices.Sorted(maps.Keys(schemas))
	return all
}
