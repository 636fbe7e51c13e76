package count

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"clickstream/transforms/click"
)

// event is a click of which one with the same event_id may come again. hi and lo are its key.
type event struct {
	hi, lo uint64
	page   int32
}

func newEvent(id string, page int32) event {
	key := click.KeyOf(id)
	return event{binary.BigEndian.Uint64(key[:8]), binary.BigEndian.Uint64(key[8:]), page}
}

func (e event) compareKey(o event) int {
	return cmp.Or(cmp.Compare(e.hi, o.hi), cmp.Compare(e.lo, o.lo))
}

// lesser returns which of two clicks of one event stays: the one whose page is less by its bytes, so that it does not
// depend on which came first.
func (e event) lesser(o event, pages []string) event {
	if o.page != e.page && pages[o.page] < pages[e.page] {
		return o
	}
	return e
}

// unique sorts events by their keys, and leaves one of each.
func unique(events []event, pages []string) []event {
	slices.SortFunc(events, event.compareKey)
	n := 0
	for _, e := range events {
		if n > 0 && events[n-1].compareKey(e) == 0 {
			events[n-1] = events[n-1].lesser(e, pages)
			continue
		}
		events[n] = e
		n++
	}
	return events[:n]
}

// recordSize is the bytes of an event in a run: 16 of its key, and the number of its page.
const recordSize = 20

func (e event) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, e.hi)
	b = binary.BigEndian.AppendUint64(b, e.lo)
	return binary.BigEndian.AppendUint32(b, uint32(e.page))
}

// run is different events, ascending by their keys, as they lie in what is encoded: nothing else is ever held of an event.
// Runs are not merged as they come, but all at once, when the views are wanted.
type run struct {
	records string  // recordSize bytes each
	pages   []int32 // by the number of a page in the records, where it stands in Counts.Pages; nil: at that number
}

func (r *run) len() int { return len(r.records) / recordSize }

// newRun returns a run of events, which are unique.
func newRun(events []event) run {
	b := make([]byte, 0, len(events)*recordSize)
	for _, e := range events {
		b = e.append(b)
	}
	return run{records: string(b)}
}

// moved returns the run where page i of the counts that it was of stands at to[i].
func (r *run) moved(to []int32) run {
	if r.pages == nil {
		return run{r.records, to}
	}
	pages := make([]int32, len(r.pages))
	for i, p := range r.pages {
		pages[i] = to[p]
	}
	return run{r.records, pages}
}

// cursor goes through a run.
type cursor struct {
	event // where it is
	run
}

// next goes to the next event of the run. It is false at the end.
func (c *cursor) next() bool {
	if c.records == "" {
		return false
	}
	r := c.records[:recordSize]
	c.records = c.records[recordSize:]
	c.event = event{number(r[:8]), number(r[8:16]), int32(number(r[16:]))}
	if c.pages != nil {
		c.page = c.pages[c.page]
	}
	return true
}

// number returns what the bytes say, the largest first.
func number(s string) (n uint64) {
	for i := range len(s) {
		n = n<<8 | uint64(s[i])
	}
	return n
}

// each hands every event of the runs to f, once, ascending by their keys. It goes through all runs side by side, so it
// takes no memory for the events.
func (c *Counts) each(f func(event)) {
	heap := make([]cursor, 0, len(c.once)) // the least event is the first
	for _, r := range c.once {
		if at := (cursor{run: r}); at.next() {
			heap = append(heap, at)
		}
	}
	for i := len(heap)/2 - 1; i >= 0; i-- {
		sink(heap, i)
	}
	var last event
	for isFirst := true; len(heap) > 0; isFirst = false {
		switch e := heap[0].event; {
		case isFirst:
			last = e
		case last.compareKey(e) == 0:
			last = last.lesser(e, c.Pages)
		default:
			f(last)
			last = e
		}
		if !heap[0].next() {
			heap[0] = heap[len(heap)-1]
			heap = heap[:len(heap)-1]
		}
		sink(heap, 0)
		if len(heap) == 0 {
			f(last)
		}
	}
}

// sink moves the cursor at i down to its place.
func sink(heap []cursor, i int) {
	for {
		least := 2*i + 1
		if least >= len(heap) {
			return
		}
		if right := least + 1; right < len(heap) && heap[right].compareKey(heap[least].event) < 0 {
			least = right
		}
		if heap[i].compareKey(heap[least].event) <= 0 {
			return
		}
		heap[i], heap[least] = heap[least], heap[i]
		i = least
	}
}

// Settle returns the counts with their views, for which each event counts once, and lets go of the events. Their number
// stays: Events less the views is how many were duplicates. Counts in which every click counts are settled.
func (c Counts) Settle() Counts {
	if c.once == nil {
		return c
	}
	settled := Counts{Events: c.Events, Offsets: c.Offsets, Schemas: c.Schemas, Tally: c.Tally}
	views := make([]int64, len(c.Pages))
	c.each(func(e event) { views[e.page]++ })
	for i, n := range views {
		if n > 0 { // else each of its events is of another page as well, which is less
			settled.Pages = append(settled.Pages, strings.Clone(c.Pages[i])) // it shares the events' memory
			settled.Views = append(settled.Views, n)
			settled.takeUsers(&c, i)
		}
	}
	return settled
}

// Users returns how many users viewed the page that stands at i, nearly; 0 where nobody asked.
func (c *Counts) Users(i int) int64 {
	if c.users == nil {
		return 0
	}
	return c.users[i].Estimate()
}

// Duplicates returns how many of the events were counted already, and are in no row.
func (c *Counts) Duplicates() int64 {
	n := c.Events
	for _, views := range c.Views {
		n -= views
	}
	return n
}
