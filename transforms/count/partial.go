package count

import (
	"math"
	"strings"

	"clickstream/transforms/click"
	"clickstream/transforms/hyperloglog"
)

// Partial counts clicks per window and page in memory, until Take hands the counts over.
//
// It keeps a dictionary of the pages that it has met, so that a click costs one look-up and one addition,
// whatever the number of windows, and so that a page's bytes are copied once.
type Partial struct {
	size   int64 // of a window, milliseconds
	shards int
	once   bool
	users  bool

	dictionary map[string]int32 // page → its number
	pages      []string
	shardOf    []int32 // by page number
	windows    map[int64]*tally
	spare      []*tally
}

// tally is the counts of one window.
type tally struct {
	views   []int64 // of all clicks, by page number; longer than needed
	touched []int32 // the numbers of the pages with views
	offsets map[int32]click.OffsetRange
	schemas []int32
	events  []event // where each counts once; those before unique are, and in order
	unique  int
	users   map[int32]*hyperloglog.Sketch // by page number, where somebody asks
}

// maxDictionary is how many pages are remembered from one bundle to the next.
const maxDictionary = 1 << 18

// NewPartial returns an empty partial count in windows of size milliseconds and the given number of shards. once is
// Config.Once, and users Config.Users.
func NewPartial(size int64, shards int, once, users bool) *Partial {
	return &Partial{size: size, shards: shards, once: once, users: users, dictionary: map[string]int32{}, windows: map[int64]*tally{}}
}

// Add counts the clicks of b.
func (p *Partial) Add(b click.Batch) {
	var (
		current *tally
		start   int64
	)
	for i, page := range b.Pages {
		if at := b.Times[i]; current == nil || at < start || at >= start+p.size {
			start = windowStart(at, p.size)
			current = p.window(start)
			current.cover(b)
		}
		id, ok := p.dictionary[page]
		if !ok {
			id = p.learn(page)
		}
		if int(id) >= len(current.views) {
			current.grow(len(p.pages))
		}
		if current.views[id] == 0 {
			current.touched = append(current.touched, id)
		}
		current.views[id]++
	}
	if p.once {
		p.note(b)
	}
	if p.users {
		p.meet(b)
	}
}

// meet takes down the users of b, whose pages are counted. It is a loop of its own as note is.
func (p *Partial) meet(b click.Batch) {
	for i, page := range b.Pages {
		user := b.Events[i].User
		if user == "" {
			continue
		}
		t, id := p.windows[windowStart(b.Times[i], p.size)], p.dictionary[page]
		s := t.users[id]
		if s == nil {
			if t.users == nil {
				t.users = map[int32]*hyperloglog.Sketch{}
			}
			s = &hyperloglog.Sketch{}
			t.users[id] = s
		}
		s.Add(user)
	}
}

// note takes down the events of b, whose pages are counted. It is a loop of its own, for Add to be none the slower where
// nobody asks for events.
func (p *Partial) note(b click.Batch) {
	for i, page := range b.Pages {
		t := p.windows[windowStart(b.Times[i], p.size)]
		t.note(newEvent(b.Events[i].ID, p.dictionary[page]), p.pages)
	}
}

// manyEvents is how many events are noted before it is looked for duplicates among them.
const manyEvents = 1 << 16

// note takes down an event. What it holds is at most twice the different ones.
func (t *tally) note(e event, pages []string) {
	if len(t.events) >= max(manyEvents, 2*t.unique) {
		t.events = unique(t.events, pages)
		t.unique = len(t.events)
	}
	t.events = append(t.events, e)
}

// windowStart returns the start of the window that holds the event time at. Windows are aligned to the epoch.
func windowStart(at, size int64) int64 {
	r := at % size
	if r < 0 {
		r += size
	}
	return at - r
}

func (p *Partial) window(start int64) *tally {
	if t := p.windows[start]; t != nil {
		return t
	}
	var t *tally
	if n := len(p.spare); n > 0 {
		t, p.spare = p.spare[n-1], p.spare[:n-1]
	} else {
		t = &tally{}
	}
	t.offsets = map[int32]click.OffsetRange{}
	p.windows[start] = t
	return t
}

func (t *tally) cover(b click.Batch) {
	r := click.OffsetRange{First: b.First, Next: b.Next}
	if had, ok := t.offsets[b.Partition]; ok {
		r = r.Union(had)
	}
	t.offsets[b.Partition] = r
	t.schemas = union(t.schemas, b.Schemas)
}

func (t *tally) grow(n int) {
	bigger := make([]int64, max(n, 2*len(t.views), 1024))
	copy(bigger, t.views)
	t.views = bigger
}

func (p *Partial) learn(page string) int32 {
	page = strings.Clone(page)
	id := int32(len(p.pages))
	p.dictionary[page] = id
	p.pages = append(p.pages, page)
	p.shardOf = append(p.shardOf, click.ShardOf(page, p.shards))
	return id
}

// First returns the start of the first window that has counts, or the largest int64 where there is none.
func (p *Partial) First() int64 {
	first := int64(math.MaxInt64)
	for start := range p.windows {
		first = min(first, start)
	}
	return first
}

// Take hands the counts of each window and shard to f, in no order, and begins anew. start is the window's,
// in milliseconds since the epoch.
func (p *Partial) Take(f func(start int64, shard int32, c Counts)) {
	for start, t := range p.windows {
		for shard, c := range p.split(t) {
			if len(c.Pages) > 0 {
				f(start, int32(shard), c)
			}
		}
		p.release(t)
	}
	clear(p.windows)
	if len(p.pages) > maxDictionary {
		*p = *NewPartial(p.size, p.shards, p.once, p.users)
	}
}

// split makes counts of a window's tally, one a shard.
func (p *Partial) split(t *tally) []Counts {
	sizes := make([]int, p.shards)
	for _, id := range t.touched {
		sizes[p.shardOf[id]]++
	}
	split := make([]Counts, p.shards)
	for shard, n := range sizes {
		split[shard].Pages, split[shard].Views = make([]string, 0, n), make([]int64, 0, n)
		split[shard].Offsets = cover(nil, t.offsets)
		split[shard].Schemas = union(nil, t.schemas)
	}
	for _, id := range t.touched {
		c := &split[p.shardOf[id]]
		c.Pages = append(c.Pages, p.pages[id])
		c.Views = append(c.Views, t.views[id])
		c.Events += t.views[id]
		if p.users {
			var s hyperloglog.Sketch
			if had := t.users[id]; had != nil {
				s = *had
			}
			c.users = append(c.users, s)
		}
	}
	if p.once {
		p.keepOnce(t, &split[0])
	}
	return split
}

// keepOnce gives c, which has all pages of the tally, its events in place of the views.
func (p *Partial) keepOnce(t *tally, c *Counts) {
	events := unique(t.events, p.pages)
	place := make(map[int32]int32, len(t.touched))
	for i, id := range t.touched {
		place[id] = int32(i)
	}
	for i := range events {
		events[i].page = place[events[i].page]
	}
	c.Views, c.once = nil, []run{newRun(events)}
}

// maxSpare is how many tallies are kept for later windows.
const maxSpare = 16

func (p *Partial) release(t *tally) {
	if len(p.spare) >= maxSpare {
		return
	}
	for _, id := range t.touched {
		t.views[id] = 0
	}
	t.touched, t.schemas = t.touched[:0], nil
	t.users = nil
	t.events, t.unique = nil, 0 // more of them than of pages, by far
	p.spare = append(p.spare, t)
}
