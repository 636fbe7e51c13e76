package enrich

import (
	"encoding/binary"
	"maps"
	"slices"

	"clickstream/transforms/click"
)

// ledger is how far a bucket is.
type ledger struct {
	next  map[int32]int64               // offsets up to which parcels have come, by partition
	ahead map[int32][]click.OffsetRange // that have come before others, ascending
	low   map[int32]int64               // least offsets of those that wait, by partition
	due   int64                         // time of the timer that is set, milliseconds since the epoch; 0: none is
	time  int64                         // see Frontier
}

// newLedger returns the ledger of a bucket of which nothing has come. begin is where reading begins.
func newLedger(begin map[int32]int64) *ledger {
	return &ledger{next: maps.Clone(begin), ahead: map[int32][]click.OffsetRange{}, low: map[int32]int64{}}
}

// reach takes note of what was read.
func (l *ledger) reach(ranges map[int32]click.OffsetRange) {
	for p, r := range ranges {
		next := l.next[p]
		if r.First > next {
			l.ahead[p] = append(l.ahead[p], r)
			slices.SortFunc(l.ahead[p], func(a, b click.OffsetRange) int { return int(min(max(a.First-b.First, -1), 1)) })
			continue
		}
		next = max(next, r.Next)
		for len(l.ahead[p]) > 0 && l.ahead[p][0].First <= next {
			next = max(next, l.ahead[p][0].Next)
			l.ahead[p] = l.ahead[p][1:]
		}
		if len(l.ahead[p]) == 0 {
			delete(l.ahead, p)
		}
		l.next[p] = next
	}
}

// wait takes note of offsets of visits that wait.
func (l *ledger) wait(low map[int32]int64) {
	for p, offset := range low {
		if had, ok := l.low[p]; !ok || offset < had {
			l.low[p] = offset
		}
	}
}

// frontier returns the offsets before which nothing waits.
func (l *ledger) frontier() Frontier {
	f := Frontier{Next: maps.Clone(l.next), Time: l.time}
	for p, low := range l.low {
		f.Next[p] = min(f.Next[p], low)
	}
	return f
}

func (l *ledger) encode() []byte {
	b := appendOffsets(appendOffsets(nil, l.next), l.low)
	b = binary.AppendVarint(binary.AppendVarint(b, l.due), l.time)
	for _, p := range slices.Sorted(maps.Keys(l.ahead)) {
		for _, r := range l.ahead[p] {
			b = appendRanges(b, map[int32]click.OffsetRange{p: r})
		}
	}
	return b
}

func decodeLedger(b []byte) (*ledger, error) {
	d := decoder{bytes: b}
	l := newLedger(nil)
	l.next, l.low, l.due, l.time = d.offsets(), d.offsets(), d.varint(), d.varint()
	for len(d.bytes) > 0 {
		for p, r := range d.ranges() {
			l.ahead[p] = append(l.ahead[p], r)
		}
	}
	return l, d.end()
}
