package audit

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/table"
	"clickstream/pipelines/settings"
	"clickstream/transforms/click"
	"clickstream/transforms/replay"
)

// Verify reads the topic of a table from where the table began, accounts for every offset, and compares every window's
// rows. The report says what differs; the error, that it could not be found out. tell is called now and then with the
// offsets read so far, and how many there are in all.
//
// A run may go on meanwhile. What it has not come to yet is pending, and a window that it replaces while the table is
// read is not compared.
func Verify(ctx context.Context, s *settings.TableVerify, tell func(read, of int64)) (*Report, error) {
	begun := time.Now()
	source, err := open(ctx, &s.Audit)
	if err != nil {
		return nil, err
	}
	defer source.close()
	v := &verification{
		source: source, rules: source.rules(), limit: s.Limit, tell: tell, windows: map[int64]*window{},
		span: table.Span{From: s.From.Time, To: s.To.Time},
	}
	if s.Last > 0 {
		v.span.From = begun.Add(-s.Last).Truncate(source.of.Window).UTC()
	}
	v.report = newReport(s, source, v.span)
	if err := v.list(ctx); err != nil {
		return nil, err
	}
	if err := source.bound(ctx, v.span.From); err != nil {
		return nil, err
	}
	if v.letters, err = source.letters(ctx, s.DeadLetterTopic); err != nil {
		return nil, err
	}
	v.taken = make([]offsets, len(source.partitions))
	if err := v.read(ctx); err != nil {
		return nil, err
	}
	if err := v.finish(ctx); err != nil {
		return nil, err
	}
	v.report.conclude(source, time.Since(begun))
	return v.report, nil
}

// verification is a Verify that is under way.
type verification struct {
	*source
	rules    *rules
	letters  *letters
	taken    []offsets // by partition: clicks that the table holds where they stood when they were rejected
	span     table.Span
	limit    int // of what the report shows
	consumed map[int32]int64
	windows  map[int64]*window // by start
	held     []*window         // that the table holds, ascending
	reach    []*window         // with clicks, that wait to be compared
	swept    int64             // records that were read at the last sweep
	report   *Report
	tell     func(read, of int64)
}

// list takes down what the table tells of its windows, before the topic's ends are known.
func (v *verification) list(ctx context.Context) error {
	v.consumed = v.state.Consumed
	for info, err := range v.table.Windows(ctx, v.span) {
		if err != nil {
			return err
		}
		if info.End.Sub(info.Start) != v.of.Window || info.Shards != v.of.Shards || info.Shard >= v.of.Shards {
			return fmt.Errorf("table %s: the window of %s is %s long and cut into %d shards, and the table is of %s and %d", v.Table, info.Start.Format(time.RFC3339), info.End.Sub(info.Start), info.Shards, v.of.Window, v.of.Shards)
		}
		w := v.window(info.Start.UnixMilli())
		if w.shards == nil {
			w.shards = make([]*table.Info, v.of.Shards)
			v.held = append(v.held, w)
		}
		w.shards[info.Shard] = &info
		reached := info.Consumed
		if reached == nil {
			for p, r := range info.Offsets {
				v.consumed[p] = max(v.consumed[p], r.Next)
			}
		}
		for p, next := range reached {
			v.consumed[p] = max(v.consumed[p], next)
		}
	}
	slices.SortFunc(v.held, byStart)
	return nil
}

func byStart(a, b *window) int { return cmp.Compare(a.start, b.start) }

func (v *verification) window(start int64) *window {
	w := v.windows[start]
	if w == nil {
		w = &window{start: start, steps: v.of.Steps, open: v.state.Final.IsZero() || instant(start).Add(v.of.Window).After(v.state.Final)}
		v.windows[start] = w
	}
	return w
}

func (v *verification) read(ctx context.Context) error {
	for _, w := range v.held {
		for _, info := range w.shards {
			for i := range v.partitions {
				if p := &v.partitions[i]; info != nil {
					r, ok := info.Offsets[p.id]
					w.gone = w.gone || ok && r.First < p.first
				}
			}
		}
	}
	total := v.left()
	return v.feed().read(ctx, v.partitions, func(i int, chunk []*kgo.Record) error {
		if err := v.take(ctx, i, chunk); err != nil {
			return err
		}
		if v.tell != nil {
			v.tell(total-v.left(), total)
		}
		return v.sweep(ctx)
	})
}

// take accounts for the records of a chunk of partition i.
func (v *verification) take(ctx context.Context, i int, chunk []*kgo.Record) error {
	var (
		p       = &v.partitions[i]
		late    = &v.letters.late[i]
		other   = &v.letters.other[i]
		o       = &v.report.Offsets
		fetched = time.Now().UnixMilli()
		c       click.Click
		w       *window
	)
	for _, rec := range chunk {
		if rec.Attrs.IsControl() {
			o.Markers++
			continue
		}
		v.report.Records++
		fault, err := v.rules.judge(ctx, rec, fetched, &c)
		if err != nil {
			return err
		}
		if fault != nil {
			v.rejected(p, rec.Offset, fault.Reason, other.has(rec.Offset) || late.has(rec.Offset))
			continue
		}
		start := v.rules.windowOf(&c)
		if w == nil || w.start != start {
			if at := instant(start); at.Before(v.span.From) || !v.span.To.IsZero() && !at.Before(v.span.To) {
				o.Elsewhere++
				continue
			}
			w = v.window(start)
		}
		origin, replayed := replay.Of(rec.Headers)
		if replayed && origin.SourcePartition == p.id && v.taken[i].has(origin.SourceOffset) {
			o.Again++
			v.taken[i].add(rec.Offset) // it may have been replayed in turn
			continue
		}
		v.counted(w, i, rec.Offset, &c, late.has(rec.Offset), other.has(rec.Offset), replayed)
	}
	return nil
}

// rejected accounts for a record that is no click.
func (v *verification) rejected(p *partition, offset int64, reason click.Reason, letter bool) {
	if !letter && offset >= v.consumed[p.id] {
		v.report.Offsets.Unread++
		return
	}
	v.report.Offsets.Rejected[reason]++
	if !letter {
		v.report.missing(p.id, offset, reason, v.limit)
	}
}

// counted accounts for a click of w in partition i. late and other tell what the dead letters say of it.
func (v *verification) counted(w *window, i int, offset int64, c *click.Click, late, other, replayed bool) {
	o, p := &v.report.Offsets, &v.partitions[i]
	at := w.place(c.PageURL, p.id, offset)
	switch {
	case at == rebuilt || at != outside && !late && !other:
		if at == rebuilt {
			v.taken[i].add(offset)
		}
		if late || other {
			v.report.Despite++
		}
		if v.owe(w, c) {
			o.Counted++
		} else {
			o.Duplicates++
		}
	case late || other:
		if late {
			o.TooLate++
		} else { // a run took it for no click, by a schema that was not there yet perhaps
			o.Doubtful++
		}
		if at != outside { // another run, before that or beside it, may have counted it
			v.doubt(w, c)
		}
	case w.open:
		o.Open++
		w.waiting++
	case replayed: // whoever comes to it leaves it to a rebuild
		o.Deferred++
	case offset >= v.consumed[p.id]:
		o.Unread++
		w.waiting++
	default:
		o.Lost++
		if w.compared {
			w.lost.add(c.PageURL, 1)
			return
		}
		v.owe(w, c)
	}
}

// owe adds a click to what w is to show. It is false for a duplicate of one that was added before.
func (v *verification) owe(w *window, c *click.Click) bool {
	v.reached(w)
	if w.steps.Users {
		w.want.meet(c.PageURL, c.UserID)
	}
	if w.steps.Dedupe == "" {
		w.want.add(c.PageURL, 1)
		return true
	}
	return w.want.addOnce(click.KeyOf(c.EventID), c.PageURL)
}

// doubt adds a click to what w may show.
func (v *verification) doubt(w *window, c *click.Click) {
	v.reached(w)
	if w.steps.Dedupe == "" {
		w.perhaps.add(c.PageURL, 1)
		return
	}
	w.letters = append(w.letters, visit{click.KeyOf(c.EventID), strings.Clone(c.PageURL)})
}

// reached has w compared once all of it was read.
func (v *verification) reached(w *window) {
	if !w.inReach && !w.different && w.held() {
		w.inReach = true
		v.reach = append(v.reach, w)
	}
}

// sweepEvery is after how many records it is looked which windows are complete.
const sweepEvery = 200_000

// sweep compares the windows of which all was read, and forgets those that are equal: what is kept of a topic is
// the windows that its partitions are at.
func (v *verification) sweep(ctx context.Context) error {
	if v.report.Records-v.swept < sweepEvery {
		return nil
	}
	v.swept = v.report.Records
	var complete []*window
	v.reach = slices.DeleteFunc(v.reach, func(w *window) bool {
		if !w.complete(v.partitions) {
			return false
		}
		complete = append(complete, w)
		return true
	})
	slices.SortFunc(complete, byStart)
	return v.scan(ctx, complete, func(w *window, rows []click.PageView) error {
		w.inReach = false
		o := w.compare(rows)
		if w.different = len(o.diffs) > 0; !w.different { // else its rows are looked at again once all is read
			v.equal(w, o)
		}
		return nil
	})
}

func (v *verification) equal(w *window, o outcome) {
	w.compared, w.want, w.perhaps, w.less, w.letters = true, tally{}, tally{}, tally{}, nil
	v.report.Rows += o.rows
	v.report.Views += o.views
	v.report.Despite += o.perhaps
}

// scan hands each window, with its rows in the table, to f. The windows ascend. Those that lie side by side in the
// table are read in one go.
func (v *verification) scan(ctx context.Context, windows []*window, f func(*window, []click.PageView) error) error {
	for len(windows) > 0 {
		n := 1
		if at, ok := slices.BinarySearchFunc(v.held, windows[0], byStart); ok {
			for n < len(windows) && at+n < len(v.held) && v.held[at+n] == windows[n] {
				n++
			}
		}
		if err := scan(ctx, v.table, v.of.Window, windows[:n], f); err != nil {
			return err
		}
		windows = windows[n:]
	}
	return nil
}

// finish compares the windows that are left: those that the topic told of to its end, those that differ, and those
// that the table holds and the topic knows nothing of.
func (v *verification) finish(ctx context.Context) error {
	var left, lost []*window
	for _, w := range v.windows {
		switch {
		case w.compared && len(w.lost.pages) > 0:
			lost = append(lost, w)
		case !w.compared && (w.held() || len(w.want.pages)+len(w.perhaps.pages)+len(w.letters) > 0):
			left = append(left, w)
		}
	}
	slices.SortFunc(left, byStart)
	slices.SortFunc(lost, byStart)
	if err := v.scan(ctx, left, func(w *window, rows []click.PageView) error { return v.last(ctx, w, w.compare(rows)) }); err != nil {
		return err
	}
	err := v.scan(ctx, lost, func(w *window, rows []click.PageView) error {
		w.different = true
		v.report.differ(w.miss(rows), v.limit)
		return nil
	})
	if err != nil {
		return err
	}
	v.conclude()
	return nil
}

// last takes what comparing a window shows once all is read.
func (v *verification) last(ctx context.Context, w *window, o outcome) error {
	if w.different = len(o.diffs) > 0; !w.different {
		v.equal(w, o)
		return nil
	}
	changed, err := v.hasChanged(ctx, w)
	if err != nil {
		return err
	}
	if changed {
		w.changed, w.different = true, false
		return nil
	}
	v.report.Rows += o.rows
	v.report.Views += o.views
	v.report.differ(o.diffs, v.limit)
	return nil
}

// hasChanged tells whether the table holds something else of w than it did when the audit began.
func (v *verification) hasChanged(ctx context.Context, w *window) (bool, error) {
	now := make([]*table.Info, len(w.shards))
	span := table.Span{From: instant(w.start), To: instant(w.start).Add(v.of.Window)}
	for info, err := range v.table.Windows(ctx, span) {
		if err != nil {
			return false, err
		}
		if info.Shard >= len(now) {
			return true, nil // it had none, or fewer
		}
		now[info.Shard] = &info
	}
	return !slices.EqualFunc(w.shards, now, sameInfo), nil
}

func sameInfo(a, b *table.Info) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Events == b.Events && a.Rows == b.Rows && maps.Equal(a.Offsets, b.Offsets)
}

// conclude counts the windows.
func (v *verification) conclude() {
	r := &v.report.Windows
	for _, w := range v.windows {
		switch {
		case w.changed:
			r.Changed++
		case w.different:
			r.Different++
			if !w.held() {
				r.Missing++
			}
		case w.held():
			r.Equal++
			if w.gone {
				r.Incomplete++
			}
		}
		if w.waiting > 0 {
			r.Waiting++
		}
	}
}
