package enrich

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"clickstream/transforms/click"
)

// Parcel is what a reader's bundle holds for one bucket of users.
type Parcel struct {
	Reach   map[int32]click.OffsetRange // what the reader read, by partition: the same for all buckets
	Time    int64                       // of the watermark, or of the bundle's first click where that is before: milliseconds since the epoch; 0: not known
	Ready   []byte                      // visits that need no session
	Waiting []byte                      // visits that do
	Low     map[int32]int64             // least offsets of those, by partition
	Due     int64                       // event time at which the bucket is to be looked at: by then nearly all of those are; 0: it need not be
	Count   int                         // of those
}

// Found is visits that are to be written, and how far all of the bucket is once they are.
type Found struct {
	Visits   []byte // whose sessions were found
	Ready    []byte // that had one, or need none
	Frontier Frontier
}

// Frontier is the offsets before which a bucket holds nothing that is not written.
type Frontier struct {
	Next map[int32]int64 // by partition
	Time int64           // see Note.Until; 0: not known
}

// Mark is how far a bucket is.
type Mark struct {
	Bucket   int64
	Frontier Frontier
}

// appendVisit appends v to b.
func appendVisit(b []byte, v *click.Visit) []byte {
	b = binary.AppendVarint(b, int64(v.Partition))
	b = binary.AppendVarint(b, v.Offset)
	b = binary.AppendVarint(b, v.Timestamp)
	b = binary.AppendVarint(b, v.Time)
	for _, s := range []string{v.ID, v.User, v.Session, v.Page} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

var errEncoding = errors.New("these bytes are not what this version encodes; are all workers of the same version?")

// visits hands the visits that appendVisit has appended to f, one by one. Their text lies in a copy of b that they share.
func visits(b []byte, f func(*click.Visit) error) error {
	d := decoder{bytes: b, text: string(b)}
	for len(d.bytes) > 0 {
		var v click.Visit
		v.Partition = int32(d.varint()) //nolint:gosec // it was one
		v.Offset, v.Timestamp, v.Time = d.varint(), d.varint(), d.varint()
		v.ID, v.User, v.Session, v.Page = d.string(), d.string(), d.string(), d.string()
		if d.failed {
			return errEncoding
		}
		if err := f(&v); err != nil {
			return err
		}
	}
	return nil
}

// decoder reads varints and text. Once something is not there, it has failed, and reads nothing any more.
type decoder struct {
	bytes  []byte
	text   string // its last len(bytes) bytes are the same
	failed bool
}

func (d *decoder) varint() int64 {
	n, used := binary.Varint(d.bytes)
	if used <= 0 {
		d.failed, d.bytes = true, nil
		return 0
	}
	d.bytes = d.bytes[used:]
	return n
}

func (d *decoder) length() int {
	n, used := binary.Uvarint(d.bytes)
	if used <= 0 || n > uint64(len(d.bytes)-used) {
		d.failed, d.bytes = true, nil
		return 0
	}
	d.bytes = d.bytes[used:]
	return int(n) //nolint:gosec // no more than there are bytes
}

func (d *decoder) string() string {
	n := d.length()
	s := d.text[len(d.text)-len(d.bytes):][:n]
	d.bytes = d.bytes[n:]
	return s
}

func (d *decoder) block() []byte {
	n := d.length()
	b := d.bytes[:n:n]
	d.bytes = d.bytes[n:]
	return b
}

// entries returns how many entries follow, of which each takes so many bytes or more.
func (d *decoder) entries(least int) int {
	n, used := binary.Uvarint(d.bytes)
	if used <= 0 || n > uint64((len(d.bytes)-used)/least) { //nolint:gosec // no less than 0
		d.failed, d.bytes = true, nil
		return 0
	}
	d.bytes = d.bytes[used:]
	return int(n) //nolint:gosec // fewer than there are bytes
}

// Maps grow as they are read: what is said to follow may not.

func (d *decoder) offsets() map[int32]int64 {
	offsets := map[int32]int64{}
	for n := d.entries(2); n > 0 && !d.failed; n-- {
		p, next := int32(d.varint()), d.varint() //nolint:gosec // it was one
		offsets[p] = next
	}
	return offsets
}

func (d *decoder) ranges() map[int32]click.OffsetRange {
	ranges := map[int32]click.OffsetRange{}
	for n := d.entries(3); n > 0 && !d.failed; n-- {
		p := int32(d.varint()) //nolint:gosec // it was one
		ranges[p] = click.OffsetRange{First: d.varint(), Next: d.varint()}
	}
	return ranges
}

// end returns whether all was read, and nothing failed.
func (d *decoder) end() error {
	if d.failed || len(d.bytes) > 0 {
		return errEncoding
	}
	return nil
}

func appendBlock(b, block []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(block))), block...)
}

func appendOffsets(b []byte, offsets map[int32]int64) []byte {
	b = binary.AppendUvarint(b, uint64(len(offsets)))
	for _, p := range slices.Sorted(maps.Keys(offsets)) {
		b = binary.AppendVarint(b, int64(p))
		b = binary.AppendVarint(b, offsets[p])
	}
	return b
}

func appendRanges(b []byte, ranges map[int32]click.OffsetRange) []byte {
	b = binary.AppendUvarint(b, uint64(len(ranges)))
	for _, p := range slices.Sorted(maps.Keys(ranges)) {
		b = binary.AppendVarint(b, int64(p))
		b = binary.AppendVarint(b, ranges[p].First)
		b = binary.AppendVarint(b, ranges[p].Next)
	}
	return b
}

func appendFrontier(b []byte, f Frontier) []byte {
	return binary.AppendVarint(appendOffsets(b, f.Next), f.Time)
}

func (d *decoder) frontier() Frontier { return Frontier{Next: d.offsets(), Time: d.varint()} }

func encodeParcel(p Parcel) []byte {
	b := make([]byte, 0, len(p.Ready)+len(p.Waiting)+64+24*len(p.Reach))
	b = binary.AppendVarint(appendRanges(b, p.Reach), p.Time)
	b = appendBlock(appendBlock(b, p.Ready), p.Waiting)
	b = binary.AppendVarint(appendOffsets(b, p.Low), p.Due)
	return binary.AppendVarint(b, int64(p.Count))
}

func decodeParcel(b []byte) (Parcel, error) {
	d := decoder{bytes: b}
	p := Parcel{Reach: d.ranges(), Time: d.varint(), Ready: d.block(), Waiting: d.block(), Low: d.offsets(), Due: d.varint(), Count: int(d.varint())}
	return p, d.end()
}

func encodeFound(f Found) []byte {
	b := make([]byte, 0, len(f.Visits)+len(f.Ready)+64)
	return appendFrontier(appendBlock(appendBlock(b, f.Visits), f.Ready), f.Frontier)
}

func decodeFound(b []byte) (Found, error) {
	d := decoder{bytes: b}
	f := Found{Visits: d.block(), Ready: d.block(), Frontier: d.frontier()}
	return f, d.end()
}

func encodeMark(m Mark) []byte {
	return appendFrontier(binary.AppendVarint(nil, m.Bucket), m.Frontier)
}

func decodeMark(b []byte) (Mark, error) {
	d := decoder{bytes: b}
	m := Mark{Bucket: d.varint(), Frontier: d.frontier()}
	return m, d.end()
}
