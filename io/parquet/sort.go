package parquet

import (
	"encoding/binary"
	"slices"
	"strings"
)

// pageViews is a page's views before they are in order.
type pageViews struct {
	page  string
	views int64
	users int64 // where somebody asks
}

// sorter orders pages bytewise: comparing pages is most of what a large window costs, and pages that begin
// alike make each comparison long. So it leaves out what all begin with and orders by the next eight bytes,
// digit by digit (https://en.wikipedia.org/wiki/Radix_sort#Least_significant_digit), and those that are equal
// by the eight after them. 100,000 pages of a shop take 8 ms this way, 20 ms by comparison.
type sorter struct {
	keys, spare []pageKey
	rows        []pageViews
}

// pageKey is eight bytes of the page at place at.
type pageKey struct {
	key uint64
	at  uint32
}

// fewRows are sorted faster by comparison.
const fewRows = 256

func compare(x, y pageViews) int { return strings.Compare(x.page, y.page) }

// sort sorts rows, of different pages, by page.
func (s *sorter) sort(rows []pageViews) {
	if len(rows) >= fewRows {
		s.keys = slices.Grow(s.keys[:0], len(rows))[:len(rows)]
		s.spare = slices.Grow(s.spare[:0], len(rows))[:len(rows)]
		s.rows = slices.Grow(s.rows[:0], len(rows))[:len(rows)]
	}
	s.sortFrom(rows, 0)
	clear(s.rows)
}

// sortFrom sorts rows whose pages have their first depth bytes in common.
func (s *sorter) sortFrom(rows []pageViews, depth int) {
	if len(rows) < fewRows {
		slices.SortFunc(rows, compare)
		return
	}
	depth += common(rows, depth)
	s.byKey(rows, depth)
	for first := 0; first < len(rows); {
		key := keyAt(rows[first].page, depth)
		next, short := first, false
		for next < len(rows) && keyAt(rows[next].page, depth) == key {
			short = short || len(rows[next].page) < depth+8
			next++
		}
		switch {
		case next-first == 1:
		case short: // a page that ends here has the key of one that goes on with NUL
			slices.SortFunc(rows[first:next], compare)
		default:
			s.sortFrom(rows[first:next], depth+8)
		}
		first = next
	}
}

// byKey orders rows by their keys at depth.
func (s *sorter) byKey(rows []pageViews, depth int) {
	from, to := s.keys[:len(rows)], s.spare[:len(rows)]
	var differ uint64
	for i, r := range rows {
		from[i] = pageKey{keyAt(r.page, depth), uint32(i)}
		differ |= from[i].key ^ from[0].key
	}
	for shift := 0; shift < 64; shift += 8 {
		if byte(differ>>shift) == 0 {
			continue
		}
		var place [256]uint32
		for _, k := range from {
			place[byte(k.key>>shift)]++
		}
		var before uint32
		for digit, n := range place {
			place[digit] = before
			before += n
		}
		for _, k := range from {
			digit := byte(k.key >> shift)
			to[place[digit]] = k
			place[digit]++
		}
		from, to = to, from
	}
	for i, k := range from {
		s.rows[i] = rows[k.at]
	}
	copy(rows, s.rows)
}

// common returns how many bytes after the first depth all pages have in common.
func common(rows []pageViews, depth int) int {
	prefix := rows[0].page[depth:]
	for _, r := range rows[1:] {
		page := r.page[depth:]
		n := 0
		for n < len(prefix) && n < len(page) && prefix[n] == page[n] {
			n++
		}
		prefix = prefix[:n]
	}
	return len(prefix)
}

// keyAt returns eight bytes of page from depth on, as a number that orders as they do. Past the page's end
// they are zero.
func keyAt(page string, depth int) uint64 {
	var b [8]byte
	copy(b[:], page[depth:])
	return binary.BigEndian.Uint64(b[:])
}
