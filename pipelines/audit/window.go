package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"clickstream/io/table"
	"clickstream/transforms/click"
	"clickstream/transforms/hyperloglog"
)

// tally is views by page.
type tally struct {
	index map[string]int32 // where a page stands
	pages []string
	views []int64
	once  map[click.EventKey]int32 // where each event counts once: the page that it counts for
	users []hyperloglog.Sketch     // who viewed the pages, as far as somebody asks
}

// add counts views of a page, which may point into a record.
func (t *tally) add(page string, n int64) { t.views[t.place(page)] += n }

// place returns where a page stands, which may point into a record. One that is new has no views.
func (t *tally) place(page string) int32 {
	if at, ok := t.index[page]; ok {
		return at
	}
	if t.index == nil {
		t.index = map[string]int32{}
	}
	page = strings.Clone(page)
	at := int32(len(t.pages)) //nolint:gosec // a window has fewer pages
	t.index[page] = at
	t.pages = append(t.pages, page)
	t.views = append(t.views, 0)
	return at
}

// addOnce counts an event's view of a page, unless another click of it is counted for a lesser page. It is false where
// there was another click.
func (t *tally) addOnce(key click.EventKey, page string) bool {
	at := t.place(page)
	had, ok := t.once[key]
	switch {
	case !ok:
		if t.once == nil {
			t.once = map[click.EventKey]int32{}
		}
		t.views[at]++
	case t.pages[at] < t.pages[had]:
		t.views[had]--
		t.views[at]++
	default:
		return false
	}
	t.once[key] = at
	return !ok
}

// meet takes down that a user, if it is known, viewed a page.
func (t *tally) meet(page, user string) {
	at := int(t.place(page))
	if at >= len(t.users) {
		t.users = slices.Grow(t.users, len(t.pages)-len(t.users))[:len(t.pages)]
	}
	if user != "" {
		t.users[at].Add(user)
	}
}

// usersOf returns how many users viewed a page, nearly.
func (t *tally) usersOf(page string) int64 {
	if at, ok := t.index[page]; ok && int(at) < len(t.users) {
		return t.users[at].Estimate()
	}
	return 0
}

func (t *tally) of(page string) int64 {
	if at, ok := t.index[page]; ok {
		return t.views[at]
	}
	return 0
}

// window is what the topic and the table hold of one window.
type window struct {
	start  int64 // milliseconds since the epoch
	steps  click.Steps
	shards []*table.Info // what the table told of it, by shard; nil where it holds none
	open   bool          // a run may count it still, or anew
	gone   bool          // records that it was counted from are gone

	want      tally   // what the table is to hold
	perhaps   tally   // clicks that it may hold beside that, though they have a dead letter
	less      tally   // clicks that it may hold for another page, as one of perhaps is of the same event
	letters   []visit // those that perhaps and less are made of, where each event counts once
	lost      tally   // clicks found missing after it was compared and found equal
	waiting   int64   // clicks that it does not hold yet
	inReach   bool    // it is among those that wait to be compared
	compared  bool    // and equal: want was dropped
	different bool    // want is kept, until all of the topic is read
	changed   bool    // it changed while it was audited
}

// visit is an event's view of a page.
type visit struct {
	key  click.EventKey
	page string
}

// suppose finds out what w may hold beside what it is to hold, where each event counts once.
func (w *window) suppose() {
	if w.steps.Dedupe == "" {
		return
	}
	w.perhaps, w.less = tally{}, tally{}
	for _, v := range w.letters {
		had, ok := w.want.once[v.key]
		if ok && v.page >= w.want.pages[had] {
			continue
		}
		w.perhaps.add(v.page, 1)
		if ok {
			w.less.add(w.want.pages[had], 1)
		}
	}
}

// held tells whether the table holds anything of w.
func (w *window) held() bool {
	return slices.ContainsFunc(w.shards, func(i *table.Info) bool { return i != nil })
}

// place is where a click stands, as a window's shard sees it.
type place int

const (
	outside place = iota // nothing of the shard was counted from there, or there is no such shard
	within               // the shard was counted from there: the click is among its events, unless it has a dead letter
	rebuilt              // the shard was rebuilt from there: the click is among its events in any case
	unknown              // the table does not tell what the shard was counted from
)

// place tells where the offset of a partition stands. A window takes clicks until it is final and none after that,
// and a reader goes through a partition in order: so a click that was counted stands between the first and the last
// of its shard's offsets in its partition, and a click that stands there was counted. Only clicks with a dead letter
// may stand there and not be counted: a run leaves out what one before it has rejected.
func (w *window) place(page string, partition int32, offset int64) place {
	if len(w.shards) == 0 {
		return outside
	}
	info := w.shards[click.ShardOf(page, len(w.shards))]
	switch {
	case info == nil:
		return outside
	case info.Offsets == nil:
		return unknown
	}
	r, ok := info.Offsets[partition]
	switch {
	case !ok || offset < r.First || offset >= r.Next:
		return outside
	case info.Consumed != nil:
		return rebuilt
	}
	return within
}

// complete tells whether nothing of what w was counted from is left to read.
func (w *window) complete(partitions []partition) bool {
	for _, info := range w.shards {
		if info == nil {
			continue
		}
		if info.Offsets == nil {
			return false
		}
		for _, p := range partitions {
			if r, ok := info.Offsets[p.id]; ok && p.next < min(r.Next, p.end) {
				return false
			}
		}
	}
	return true
}

// Difference is a row in which the table is not as the topic tells.
type Difference struct {
	WindowStart time.Time `json:"window_start"`
	PageURL     string    `json:"page_url"`
	Topic       int64     `json:"topic"` // views that the topic gives
	Table       int64     `json:"table"` // views that the table shows; 0 where it has no such row
	Note        string    `json:"note,omitempty"`
}

// row compares what the table shows of a page with what it is to show.
func (w *window) row(page string, got, users int64, twice bool) (Difference, bool) {
	want := w.want.of(page)
	d := Difference{WindowStart: instant(w.start), PageURL: page, Topic: want, Table: got}
	switch {
	case twice:
		d.Note = "the row is there twice"
	case got < want-w.less.of(page) || got > want+w.perhaps.of(page) && !w.gone:
	case got == want && w.isSure(page) && users != w.want.usersOf(page):
		d.Note = fmt.Sprintf("unique_users is %d, and %d by the topic", users, w.want.usersOf(page))
	default:
		return d, false
	}
	return d, true
}

// isSure tells whether it is known which users viewed a page: not where others may have whose clicks have dead letters, or
// are gone.
func (w *window) isSure(page string) bool {
	return w.steps.Users && !w.gone && w.perhaps.of(page) == 0 && w.less.of(page) == 0
}

// outcome is what comparing a window's rows showed.
type outcome struct {
	rows    int64 // that the table has
	views   int64 // in those rows
	perhaps int64 // of those views, clicks that have a dead letter
	diffs   []Difference
}

// compare compares w with its rows in the table, which come by page.
func (w *window) compare(rows []click.PageView) outcome {
	w.suppose()
	var o outcome
	seen := 0
	add := func(page string, got, users int64, twice bool) {
		d, differs := w.row(page, got, users, twice)
		if differs {
			o.diffs = append(o.diffs, d)
		} else {
			o.perhaps += max(0, min(got-d.Topic, w.perhaps.of(page)))
		}
	}
	for i := 0; i < len(rows); {
		page, users, got, n := rows[i].PageURL, rows[i].UniqueUsers, int64(0), 0
		for ; i < len(rows) && rows[i].PageURL == page; i++ {
			got += rows[i].ViewCount
			n++
		}
		o.rows, o.views = o.rows+int64(n), o.views+got
		if _, ok := w.want.index[page]; ok {
			seen++
		}
		add(page, got, users, n > 1)
	}
	if seen < len(w.want.pages) || w.steps.Top > 0 && len(rows) > w.steps.Top {
		o.diffs = append(o.diffs, w.unseen(rows)...)
		slices.SortFunc(o.diffs, func(a, b Difference) int { return strings.Compare(a.PageURL, b.PageURL) })
	}
	return o
}

// unseen returns the pages that are to be among the rows, and are not. Of a window whose top alone is kept, those are
// the ones that go before the last of its rows, or that there is room for; and that last row, where there is one too many.
func (w *window) unseen(rows []click.PageView) (diffs []Difference) {
	shown := make(map[string]bool, len(rows))
	var last click.PageView
	for _, r := range rows {
		if len(shown) == 0 || before(last, r) {
			last = r
		}
		shown[r.PageURL] = true
	}
	if w.steps.Top > 0 && len(shown) > w.steps.Top {
		diffs = append(diffs, Difference{
			WindowStart: instant(w.start), PageURL: last.PageURL, Topic: w.want.of(last.PageURL), Table: last.ViewCount,
			Note: fmt.Sprintf("the table keeps the top %d", w.steps.Top),
		})
	}
	isFull := w.steps.Top > 0 && len(shown) >= w.steps.Top
	for i, page := range w.want.pages {
		row := click.PageView{PageURL: page, ViewCount: w.want.views[i]}
		if shown[page] || isFull && before(last, row) {
			continue
		}
		if d, differs := w.row(page, 0, 0, false); differs {
			if isFull {
				d.Note = fmt.Sprintf("it is one of the top %d", w.steps.Top)
			}
			diffs = append(diffs, d)
		}
	}
	return diffs
}

// before tells whether a goes before b in the order of most views.
func before(a, b click.PageView) bool {
	return cmp.Or(cmp.Compare(b.ViewCount, a.ViewCount), strings.Compare(a.PageURL, b.PageURL)) < 0
}

// miss returns the differences of a window that was equal, before clicks were found that neither its rows nor the
// dead letters tell of.
func (w *window) miss(rows []click.PageView) []Difference {
	var diffs []Difference
	for i, page := range w.lost.pages {
		d := Difference{WindowStart: instant(w.start), PageURL: page}
		if at, ok := slices.BinarySearchFunc(rows, page, func(r click.PageView, page string) int { return strings.Compare(r.PageURL, page) }); ok {
			d.Table = rows[at].ViewCount
		}
		d.Topic = d.Table + w.lost.views[i]
		diffs = append(diffs, d)
	}
	slices.SortFunc(diffs, func(a, b Difference) int { return strings.Compare(a.PageURL, b.PageURL) })
	return diffs
}

// scan hands the rows of each of the windows to f: nil for one that has none. The windows ascend.
func scan(ctx context.Context, t table.Reader, size time.Duration, windows []*window, f func(*window, []click.PageView) error) error {
	if len(windows) == 0 {
		return nil
	}
	span := table.Span{From: instant(windows[0].start), To: instant(windows[len(windows)-1].start).Add(size)}
	var rows []click.PageView
	var started int64 // the window of those rows
	flush := func(before int64) error {
		for len(windows) > 0 && windows[0].start < before {
			var of []click.PageView
			if len(rows) > 0 && started == windows[0].start {
				of = rows
			}
			if err := f(windows[0], of); err != nil {
				return err
			}
			windows = windows[1:]
		}
		return nil
	}
	for row, err := range t.Scan(ctx, table.Filter{Span: span}) {
		if err != nil {
			return err
		}
		start := row.WindowStart.UnixMilli()
		if start != started {
			if err := flush(start); err != nil {
				return err
			}
			started, rows = start, rows[:0]
		}
		if row.WindowEnd.Sub(row.WindowStart) != size {
			return fmt.Errorf("the window of %s is %s long in the table, and others are %s", row.WindowStart.Format(time.RFC3339), row.WindowEnd.Sub(row.WindowStart), size)
		}
		rows = append(rows, row)
	}
	return flush(span.To.UnixMilli())
}
