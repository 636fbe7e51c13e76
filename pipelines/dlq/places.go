package dlq

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"clickstream/transforms/click"
)

// places is a set of places in one topic. It takes two bytes for each at the most where they lie close together, and an
// eighth of a byte where they lie side by side.
type places map[int32]*offsets

func (s places) add(partition int32, offset int64) bool {
	of := s[partition]
	if of == nil {
		of = &offsets{blocks: map[int64]*block{}}
		s[partition] = of
	}
	return of.add(offset)
}

func (s places) has(partition int32, offset int64) bool {
	of := s[partition]
	return of != nil && of.has(offset)
}

// offsets is a set of offsets, in blocks that are made where there is one.
type offsets struct {
	blocks map[int64]*block
	at     int64 // of the block that was used last
	last   *block
}

// block is offsets among 32,768: the few that there are, ascending, or a bit for each.
type block struct {
	few []uint16
	all *[512]uint64
}

const (
	blockBits = 15
	fewest    = 2048 // that take as much as the bits of all
)

// add adds an offset, and tells whether it is new.
func (s *offsets) add(o int64) bool {
	b := s.block(o >> blockBits)
	if b == nil {
		b = &block{}
		s.blocks[o>>blockBits], s.at, s.last = b, o>>blockBits, b
	}
	low := uint16(o & (1<<blockBits - 1)) //nolint:gosec // it is 15 bits
	if b.all != nil {
		word, bit := &b.all[low>>6], uint64(1)<<(low&63)
		had := *word&bit != 0
		*word |= bit
		return !had
	}
	i, had := slices.BinarySearch(b.few, low)
	if had {
		return false
	}
	if b.few = slices.Insert(b.few, i, low); len(b.few) >= fewest {
		b.all = new([512]uint64)
		for _, low := range b.few {
			b.all[low>>6] |= 1 << (low & 63)
		}
		b.few = nil
	}
	return true
}

func (s *offsets) has(o int64) bool {
	b := s.block(o >> blockBits)
	if b == nil {
		return false
	}
	low := uint16(o & (1<<blockBits - 1)) //nolint:gosec // it is 15 bits
	if b.all != nil {
		return b.all[low>>6]&(1<<(low&63)) != 0
	}
	_, had := slices.BinarySearch(b.few, low)
	return had
}

func (s *offsets) block(at int64) *block {
	if s.last == nil || s.at != at {
		b := s.blocks[at]
		if b == nil {
			return nil
		}
		s.at, s.last = at, b
	}
	return s.last
}

// ranges joins offsets, which ascend afterwards, to ranges.
func ranges(of []int64) []click.OffsetRange {
	slices.Sort(of)
	var all []click.OffsetRange
	for _, o := range of {
		switch last := len(all) - 1; {
		case last >= 0 && o < all[last].Next:
		case last >= 0 && o == all[last].Next:
			all[last].Next++
		default:
			all = append(all, click.OffsetRange{First: o, Next: o + 1})
		}
	}
	return all
}

// writeRanges writes ranges as «5-9,12», the last offset of each included.
func writeRanges(all []click.OffsetRange) string {
	var b strings.Builder
	for i, r := range all {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(r.First, 10))
		if r.Next > r.First+1 {
			b.WriteByte('-')
			b.WriteString(strconv.FormatInt(r.Next-1, 10))
		}
	}
	return b.String()
}

// readRanges reads what writeRanges wrote.
func readRanges(text string) ([]click.OffsetRange, error) {
	var all []click.OffsetRange
	for part := range strings.SplitSeq(text, ",") {
		first, last, more := strings.Cut(part, "-")
		if !more {
			last = first
		}
		a, err := strconv.ParseInt(first, 10, 64)
		b, err2 := strconv.ParseInt(last, 10, 64)
		if err != nil || err2 != nil || a < 0 || b < a || b-a > 1<<24 {
			return nil, fmt.Errorf("%q is no range of offsets", part)
		}
		all = append(all, click.OffsetRange{First: a, Next: b + 1})
	}
	return all, nil
}
