package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/table"
	"clickstream/io/version"
	"clickstream/pipelines/settings"
	"clickstream/transforms/click"
	"clickstream/transforms/replay"
)

// maxRows is how many rows a rebuild holds at once: some 300 bytes each, with what waits to be collected. Where the
// windows have more, it does the first ones, and then reads the topic again for the others.
var maxRows = 2_000_000

// Rebuild counts windows of a table anew, from all that the topic now has of them, those clicks too that came too
// late, and replaces them whole, in ascending order. Each must be closed: none that a run may count still. It returns
// what it did up to an error. tell is as Verify's.
func Rebuild(ctx context.Context, s *settings.TableRebuild, tell func(read, of int64)) (*Rebuilt, error) {
	source, err := open(ctx, &s.Audit)
	if err != nil {
		return nil, err
	}
	defer source.close()
	if err := source.closed(s.From.Time, s.To.Time); err != nil {
		return nil, err
	}
	return source.rebuild(ctx, table.Span{From: s.From.Time, To: s.To.Time}, nil, s.DryRun, tell)
}

// rebuild counts the windows of a span anew, or only those that start at some times, in milliseconds since the epoch. The
// span has closed windows alone.
func (s *source) rebuild(ctx context.Context, span table.Span, only map[int64]bool, dryRun bool, tell func(read, of int64)) (*Rebuilt, error) {
	begun := time.Now()
	r := &rebuild{
		source: s, rules: s.rules(), tell: tell, only: only,
		from: span.From.UnixMilli(), to: span.To.UnixMilli(), held: map[shardKey]table.Info{},
		report: &Rebuilt{
			Table: s.Table, Topic: s.Topic, From: span.From.UTC(), To: span.To.UTC(), DryRun: dryRun,
			Rejected: map[click.Reason]int64{}, Windows: []Recount{},
		},
	}
	for info, err := range s.table.Windows(ctx, span) {
		if err != nil {
			return nil, err
		}
		if r.wanted(info.Start.UnixMilli()) {
			r.held[shardKey{info.Start.UnixMilli(), info.Shard}] = info
		}
	}
	err := s.bound(ctx, span.From)
	if err != nil {
		return nil, err
	}
	if r.only != nil {
		r.leaveGone()
	} else if err := r.checkGone(); err != nil {
		return nil, err
	}
	if !dryRun {
		if r.into, err = table.Open(ctx, table.Settings{
			Path: s.Table, Format: s.of.Format, Topic: s.of.Topic, Cluster: s.of.Cluster, TopicID: s.of.TopicID,
			Window: s.of.Window, Shards: s.of.Shards, Steps: s.of.Steps, Version: version.Own(),
		}); err != nil {
			return nil, err
		}
	}
	if r.only == nil || len(r.only) > 0 {
		err = r.run(ctx)
	}
	if r.into != nil {
		err = errors.Join(err, r.into.Close())
	}
	r.report.Seconds = time.Since(begun).Seconds()
	return r.report, err
}

// closed returns an error unless from and to are borders of windows, and all windows between them are closed.
func (s *source) closed(from, to time.Time) error {
	var faults []string
	for _, m := range []struct {
		flag string
		at   time.Time
	}{{"from", from}, {"to", to}} {
		before := m.at.UnixMilli()
		before -= before % s.of.Window.Milliseconds()
		if b := instant(before); !b.Equal(m.at) {
			faults = append(faults, fmt.Sprintf("--%s %s is no border of a window of %s: the nearest are %s and %s", m.flag,
				m.at.Format(time.RFC3339Nano), s.of.Window, b.Format(time.RFC3339Nano), b.Add(s.of.Window).Format(time.RFC3339Nano)))
		}
	}
	if len(faults) > 0 {
		return &settings.Error{Faults: faults}
	}
	switch final := s.state.Final; {
	case final.IsZero():
		return fmt.Errorf("no window of table %s is closed yet: a run counts all of them, late clicks too; let it go on, and rebuild later", s.Table)
	case to.After(final):
		return fmt.Errorf("windows of table %s are closed up to %s, and --to is %s: a run still counts the later ones, late clicks too; use --to %s at most",
			s.Table, final.Format(time.RFC3339), to.UTC().Format(time.RFC3339), final.Format(time.RFC3339))
	}
	return nil
}

type shardKey struct {
	start int64
	shard int
}

// rebuild is a Rebuild that is under way.
type rebuild struct {
	*source
	rules    *rules
	from, to int64          // start of the first window, end of the last
	only     map[int64]bool // starts of the windows that are wanted; nil for all
	held     map[shardKey]table.Info
	into     table.Table // nil when nothing is to be changed
	report   *Rebuilt
	tell     func(read, of int64)

	shards   map[shardKey]*recount
	rows     int
	rejected []offsets // by partition: records of this pass that are no clicks
}

// wanted tells whether the window that starts then is to be counted anew.
func (r *rebuild) wanted(start int64) bool {
	return start >= r.from && start < r.to && (r.only == nil || r.only[start])
}

// counted tells whether a click that was replayed counts where it stood before: it is the same click, to be counted
// once. Where that record is gone, or is none even now, the replayed one counts.
func (r *rebuild) counted(i int, o replay.Origin) bool {
	p := &r.partitions[i]
	return o.SourcePartition == p.id && o.SourceOffset >= p.start && o.SourceOffset < p.end && !r.rejected[i].has(o.SourceOffset)
}

// run counts and replaces, in as many passes as memory wants.
func (r *rebuild) run(ctx context.Context) error {
	end := r.to
	for first := true; r.from < end; first = false {
		r.to, r.shards, r.rows = end, map[shardKey]*recount{}, 0
		if !first {
			r.partitions = nil
			if err := r.bound(ctx, instant(r.from)); err != nil {
				return err
			}
		}
		r.rejected = make([]offsets, len(r.partitions))
		total := r.left()
		err := r.feed().read(ctx, r.partitions, func(i int, chunk []*kgo.Record) error {
			if r.tell != nil {
				r.tell(total-r.left(), total)
			}
			return r.take(ctx, i, chunk, first)
		})
		if err != nil {
			return err
		}
		if err := r.replace(ctx); err != nil {
			return err
		}
		r.from = r.to
	}
	return nil
}

// take counts the clicks of a chunk of partition i. What is no click was told of by the run that read it: it is counted
// in the first pass, and that is all.
func (r *rebuild) take(ctx context.Context, i int, chunk []*kgo.Record, first bool) error {
	var (
		c       click.Click
		id      = r.partitions[i].id
		fetched = time.Now().UnixMilli()
	)
	for _, rec := range chunk {
		if rec.Attrs.IsControl() {
			continue
		}
		fault, err := r.rules.judge(ctx, rec, fetched, &c)
		if err != nil {
			return err
		}
		if first {
			r.report.Records++
		}
		if fault != nil {
			r.rejected[i].add(rec.Offset)
			if first {
				r.report.Rejected[fault.Reason]++
			}
			continue
		}
		if start := r.rules.windowOf(&c); r.wanted(start) {
			if o, replayed := replay.Of(rec.Headers); replayed && r.counted(i, o) {
				continue
			}
			r.count(shardKey{start, int(click.ShardOf(c.PageURL, r.of.Shards))}, &c, id, rec.Offset, r.rules.decoder.Schema())
		}
	}
	for r.rows > maxRows && r.drop() {
	}
	return nil
}

func (r *rebuild) count(k shardKey, c *click.Click, partition int32, offset int64, schema int32) {
	n := r.shards[k]
	if n == nil {
		n = &recount{offsets: map[int32]click.OffsetRange{}, schemas: map[int32]bool{}}
		r.shards[k] = n
	}
	before := n.rows()
	if r.of.Dedupe == "" {
		n.add(c.PageURL, 1)
	} else {
		n.addOnce(click.KeyOf(c.EventID), c.PageURL)
	}
	if r.of.Users {
		n.meet(c.PageURL, c.UserID)
	}
	r.rows += n.rows() - before
	n.events++
	at := click.OffsetRange{First: offset, Next: offset + 1}
	if had, ok := n.offsets[partition]; ok {
		at = at.Union(had)
	}
	n.offsets[partition] = at
	if schema != 0 {
		n.schemas[schema] = true
	}
}

// drop leaves the newest window to the next pass. It is false when there is but one.
func (r *rebuild) drop() bool {
	oldest, newest := r.to, r.from
	for k := range r.shards {
		oldest, newest = min(oldest, k.start), max(newest, k.start)
	}
	if newest <= oldest {
		return false
	}
	maps.DeleteFunc(r.shards, func(k shardKey, n *recount) bool {
		if k.start != newest {
			return false
		}
		r.rows -= n.rows()
		return true
	})
	r.to = newest
	return true
}

// replace replaces the windows of this pass.
func (r *rebuild) replace(ctx context.Context) error {
	keys := map[shardKey]bool{}
	for k := range r.shards {
		keys[k] = true
	}
	for k := range r.held {
		if k.start >= r.from && k.start < r.to {
			keys[k] = true
		}
	}
	ascending := slices.SortedFunc(maps.Keys(keys), func(a, b shardKey) int { return cmp.Or(cmp.Compare(a.start, b.start), a.shard-b.shard) })
	for len(ascending) > 0 {
		n := 1
		for n < len(ascending) && dayOf(ascending[n]) == dayOf(ascending[0]) {
			n++
		}
		if err := r.day(ctx, ascending[:n]); err != nil {
			return err
		}
		ascending = ascending[n:]
	}
	return nil
}

func dayOf(k shardKey) string { return instant(k.start).Format(time.DateOnly) }

// day replaces windows of one day at once: they may lie in one file, which is written anew.
func (r *rebuild) day(ctx context.Context, shards []shardKey) error {
	var (
		replacing []table.Window
		done      []Recount
	)
	for _, k := range shards {
		start := instant(k.start)
		if len(done) == 0 || !done[len(done)-1].WindowStart.Equal(start) {
			done = append(done, Recount{WindowStart: start})
		}
		of := &done[len(done)-1]
		n, held := r.shards[k], r.held[k]
		of.Before += held.Events
		if n == nil {
			n = &recount{}
		}
		of.After += n.events
		if n.events < held.Events {
			of.Refused = append(of.Refused, table.Refusal{Start: start, End: start.Add(r.of.Window), Shard: k.shard, Held: held.Events, Offered: n.events})
			continue
		}
		w := n.window(start, r.of.Window, k.shard, r.state.Consumed)
		w.KeepTop(r.of.Top)
		replacing = append(replacing, w)
		delete(r.shards, k)
	}
	changed := r.changed(ctx, replacing)
	written, err := r.put(ctx, replacing)
	if err != nil {
		return err
	}
	for start, rows := range changed {
		if slices.ContainsFunc(written.Windows, instant(start).Equal) {
			r.report.Rows += rows
		}
	}
	for _, of := range done {
		of.Rebuilt = slices.ContainsFunc(written.Windows, of.WindowStart.Equal)
		for _, refused := range written.Refused {
			if refused.Start.Equal(of.WindowStart) {
				of.Refused = append(of.Refused, refused)
			}
		}
		r.report.add(of)
	}
	return nil
}

// changed counts the rows in which the table is not as windows that are to replace its own, by their start. Of a window
// that cannot be read, which is why it is rebuilt perhaps, all rows are new.
func (r *rebuild) changed(ctx context.Context, shards []table.Window) map[int64]int64 {
	changed := map[int64]int64{}
	for len(shards) > 0 {
		n := 1
		for n < len(shards) && shards[n].Start.Equal(shards[0].Start) {
			n++
		}
		changed[shards[0].Start.UnixMilli()] = r.changedRows(ctx, shards[:n])
		shards = shards[n:]
	}
	return changed
}

// changedRows is changed of the shards of one window.
func (r *rebuild) changedRows(ctx context.Context, shards []table.Window) int64 {
	var total, gone, same int64
	for _, w := range shards {
		total += int64(len(w.Views))
	}
	for row, err := range r.table.Scan(ctx, table.Filter{Span: table.Span{From: shards[0].Start, To: shards[0].End}}) {
		if err != nil {
			return total
		}
		shard := int(click.ShardOf(row.PageURL, r.of.Shards))
		i := slices.IndexFunc(shards, func(w table.Window) bool { return w.Shard == shard })
		if i < 0 {
			continue // it is not replaced
		}
		switch views := shards[i].Views[row.PageURL]; {
		case views == 0:
			gone++
		case views == row.ViewCount && shards[i].Users[row.PageURL] == row.UniqueUsers:
			same++
		}
	}
	return total - same + gone
}

// put replaces windows of shards, or finds out what that would do.
func (r *rebuild) put(ctx context.Context, shards []table.Window) (c table.Commit, err error) {
	if r.into != nil {
		return r.into.Replace(ctx, shards)
	}
	for _, w := range shards {
		k := shardKey{w.Start.UnixMilli(), w.Shard}
		held, ok := r.held[k]
		same := ok && held.Events == w.Events && held.Rows == int64(len(w.Views))
		if same {
			if same, err = r.same(ctx, w); err != nil {
				return c, err
			}
		}
		if !same {
			c.Written++
			c.Windows = append(c.Windows, w.Start)
		}
	}
	return c, nil
}

// same tells whether the table shows the rows of w.
func (r *rebuild) same(ctx context.Context, w table.Window) (bool, error) {
	for row, err := range r.table.Scan(ctx, table.Filter{Span: table.Span{From: w.Start, To: w.End}}) {
		if err != nil {
			return false, err
		}
		if int(click.ShardOf(row.PageURL, r.of.Shards)) != w.Shard {
			continue
		}
		if w.Views[row.PageURL] != row.ViewCount || w.Users[row.PageURL] != row.UniqueUsers {
			return false, nil
		}
	}
	return true, nil
}
