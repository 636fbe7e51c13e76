package count

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"clickstream/transforms/click"
	"clickstream/transforms/hyperloglog"
)

// Counts is page views of one window and shard, whole or a part, and where they came from. Each page stands
// once; Views[i] is how often Pages[i] was viewed.
//
// Where each event counts once, there are no views before Settle makes them of the events.
type Counts struct {
	Pages   []string
	Views   []int64
	Events  int64                       // all clicks: the sum of Views, and the duplicates of events that count once
	Offsets map[int32]click.OffsetRange // by partition: offsets that cover the events
	Schemas []int32                     // ids of the schemas that they were written with, ascending
	Tally   click.Tally                 // what the readers tell, which is not of this window alone

	users []hyperloglog.Sketch // who viewed each page; nil where nobody asks
	once  []run                // the events; nil where every click counts
	index map[string]int       // where a page stands; made by the first merge
}

// Merge adds o's counts to c's. Neither may be used by anyone else; o's pages are kept.
func (c *Counts) Merge(o Counts) {
	if c.index == nil {
		c.index = make(map[string]int, max(len(c.Pages), len(o.Pages)))
		for i, p := range c.Pages {
			c.index[p] = i
		}
	}
	if o.once != nil {
		c.mergeOnce(o)
	} else {
		c.mergeViews(o)
	}
	c.Events += o.Events
	c.Offsets = cover(c.Offsets, o.Offsets)
	c.Schemas = union(c.Schemas, o.Schemas)
	c.Tally.Add(o.Tally)
}

func (c *Counts) mergeViews(o Counts) {
	for i, p := range o.Pages {
		if at, ok := c.index[p]; ok {
			c.Views[at] += o.Views[i]
			c.mergeUsers(at, &o, i)
			continue
		}
		c.index[p] = len(c.Pages)
		c.Pages = append(c.Pages, p)
		c.Views = append(c.Views, o.Views[i])
		c.takeUsers(&o, i)
	}
}

func (c *Counts) mergeOnce(o Counts) {
	places := make([]int32, len(o.Pages))
	for i, p := range o.Pages {
		at, ok := c.index[p]
		if !ok {
			at = len(c.Pages)
			c.index[p] = at
			c.Pages = append(c.Pages, p)
			c.takeUsers(&o, i)
		} else {
			c.mergeUsers(at, &o, i)
		}
		places[i] = int32(at) //nolint:gosec // a window has fewer pages
	}
	for _, r := range o.once {
		c.once = append(c.once, r.moved(places))
	}
}

// mergeUsers adds who viewed o's page i to who viewed c's page at.
func (c *Counts) mergeUsers(at int, o *Counts, i int) {
	if o.users != nil {
		c.users[at].Merge(&o.users[i])
	}
}

// takeUsers appends who viewed o's page i, which is c's last.
func (c *Counts) takeUsers(o *Counts, i int) {
	if o.users != nil {
		c.users = append(c.users, o.users[i])
	}
}

func cover(a, b map[int32]click.OffsetRange) map[int32]click.OffsetRange {
	if a == nil {
		return maps.Clone(b)
	}
	for p, r := range b {
		if had, ok := a[p]; ok {
			r = r.Union(had)
		}
		a[p] = r
	}
	return a
}

func union(a, b []int32) []int32 {
	for _, id := range b {
		if at, ok := slices.BinarySearch(a, id); !ok {
			a = slices.Insert(a, at, id)
		}
	}
	return a
}

// Encode writes: the number of pages; their lengths and bytes; their views; the offset ranges; the schema ids; the tally, as
// appendTally does; and, where views do not tell of all, how many events there are, the records of those that count once with their number, and, where
// somebody asks who viewed the pages, a sketch of each.
// Every number is a varint, but for those in records. A coder of its own, since the generic one costs as much as all the rest.
func Encode(c Counts) []byte {
	size := 4 * binary.MaxVarintLen64
	for _, p := range c.Pages {
		size += len(p) + 6
	}
	events := 0
	for _, r := range c.once {
		events += r.len()
	}
	b := make([]byte, 0, size+len(c.Offsets)*16+len(c.Schemas)*4+events*recordSize)
	b = binary.AppendUvarint(b, uint64(len(c.Pages)))
	for _, p := range c.Pages {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	var counted int64
	for _, n := range c.Views {
		counted += n
		b = binary.AppendUvarint(b, uint64(n))
	}
	if c.once != nil {
		b = append(b, make([]byte, len(c.Pages))...)
	}
	b = binary.AppendUvarint(b, uint64(len(c.Offsets)))
	for _, p := range slices.Sorted(maps.Keys(c.Offsets)) {
		b = binary.AppendUvarint(b, uint64(p))
		b = binary.AppendUvarint(b, uint64(c.Offsets[p].First))
		b = binary.AppendUvarint(b, uint64(c.Offsets[p].Next))
	}
	b = binary.AppendUvarint(b, uint64(len(c.Schemas)))
	for _, id := range c.Schemas {
		b = binary.AppendUvarint(b, uint64(id))
	}
	b = appendTally(b, &c.Tally)
	if c.once == nil && c.users == nil && c.Events == counted {
		return b
	}
	b = binary.AppendUvarint(b, uint64(c.Events))
	b = c.appendOnce(b)
	for i := range c.users {
		b = c.users[i].Append(b)
	}
	return b
}

// appendOnce appends the events that count once.
func (c *Counts) appendOnce(b []byte) []byte {
	n := 0
	if len(c.once) == 1 { // else some of them may be the same
		n = c.once[0].len()
	} else {
		c.each(func(event) { n++ })
	}
	b = binary.AppendUvarint(b, uint64(n))
	c.each(func(e event) { b = e.append(b) })
	return b
}

var errEncoding = errors.New("these bytes are not encoded counts; are all workers of the same version?")

// Decode reads what Encode wrote. The pages share one copy of b.
func Decode(b []byte) (Counts, error) {
	d := decoder{text: string(b)}
	n := d.length()
	c := Counts{Pages: make([]string, n), Views: make([]int64, n)}
	for i := range c.Pages {
		c.Pages[i] = d.page()
	}
	for i := range c.Views {
		c.Views[i] = d.number()
		c.Events += c.Views[i]
	}
	n = d.length()
	c.Offsets = make(map[int32]click.OffsetRange, n)
	for range n {
		p := int32(d.number())
		c.Offsets[p] = click.OffsetRange{First: d.number(), Next: d.number()}
	}
	for range d.length() {
		c.Schemas = append(c.Schemas, int32(d.number()))
	}
	c.Tally = d.tally()
	if !d.failed && len(d.text) > 0 {
		c.Events = d.number()
		c.once = d.run(len(c.Pages))
		if c.once != nil {
			c.Views = nil
		}
		if len(d.text) > 0 {
			c.users = d.users(len(c.Pages))
		}
	}
	if d.failed || len(d.text) > 0 {
		return Counts{}, errEncoding
	}
	return c, nil
}

// users reads the sketches of so many pages.
func (d *decoder) users(pages int) []hyperloglog.Sketch {
	users, rest := make([]hyperloglog.Sketch, pages), []byte(d.text)
	d.text = ""
	for i := range users {
		var err error
		if users[i], rest, err = hyperloglog.Read(rest); err != nil {
			d.failed = true
			return nil
		}
	}
	d.failed = d.failed || len(rest) > 0
	return users
}

// run reads the records of events of so many pages. They share the text.
func (d *decoder) run(pages int) []run {
	n := d.length()
	if n == 0 || n > len(d.text)/recordSize {
		d.failed = d.failed || n > 0
		return nil
	}
	r := run{records: d.text[:n*recordSize]}
	d.text = d.text[n*recordSize:]
	var last event
	for i, at := 0, (cursor{run: r}); at.next(); i++ {
		if i > 0 && last.compareKey(at.event) >= 0 || uint32(at.page) >= uint32(pages) { //nolint:gosec // neither is negative
			d.failed = true
		}
		last = at.event
	}
	return []run{r}
}

type decoder struct {
	text   string
	failed bool
}

func (d *decoder) number() int64 {
	var n uint64
	for i := 0; i < len(d.text) && i < binary.MaxVarintLen64; i++ {
		b := d.text[i]
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			d.text = d.text[i+1:]
			return int64(n)
		}
	}
	d.text, d.failed = "", true
	return 0
}

// length reads how many of something follow: no more than there are bytes.
func (d *decoder) length() int {
	n := d.number()
	if n < 0 || n > int64(len(d.text)) {
		d.text, d.failed = "", true
		return 0
	}
	return int(n)
}

func (d *decoder) page() string {
	n := d.length()
	p := d.text[:n]
	d.text = d.text[n:]
	return p
}
