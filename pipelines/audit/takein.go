package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/table"
	"clickstream/pipelines/settings"
	"clickstream/transforms/click"
	"clickstream/transforms/replay"
)

// TakenIn is what became of the clicks that were replayed.
type TakenIn struct {
	Clicks   int64    `json:"clicks"`   // that were replayed, earlier ones among them
	Held     int64    `json:"held"`     // of those, that the table held already
	Open     int64    `json:"open"`     // whose windows are open: a run counts them
	Deferred int64    `json:"deferred"` // whose windows are closed, and were counted anew
	NoClicks int64    `json:"no_clicks"`
	Rebuilt  *Rebuilt `json:"rebuilt,omitempty"` // nil where no window was to be counted anew
}

// Check returns why the windows of a table cannot be counted anew, as far as can be seen before.
func Check(ctx context.Context, a *settings.Audit) error {
	s, err := open(ctx, a)
	if err != nil {
		return err
	}
	s.close()
	return nil
}

// TakeIn counts those closed windows anew that have replayed clicks which the table does not hold. Those clicks lie in
// these ranges of offsets, ascending, by partition. A dry run changes nothing. tell is as Verify's.
func TakeIn(ctx context.Context, a *settings.Audit, in map[int32][]click.OffsetRange, dryRun bool, tell func(read, of int64)) (*TakenIn, error) {
	s, err := open(ctx, a)
	if err != nil {
		return nil, err
	}
	defer s.close()
	t := &takeIn{source: s, rules: s.rules(), windows: map[int64]*window{}, wanted: map[int64]bool{}, done: &TakenIn{}, tell: tell}
	if err := t.list(ctx); err != nil {
		return nil, err
	}
	for round := 0; ; round++ { // a partition's ranges one after the other, beside those of the others
		if more, err := t.read(ctx, in, round); err != nil {
			return nil, err
		} else if !more {
			break
		}
	}
	if len(t.wanted) == 0 {
		return t.done, nil
	}
	starts := slices.Sorted(maps.Keys(t.wanted))
	s.partitions = nil
	span := table.Span{From: instant(starts[0]), To: instant(starts[len(starts)-1]).Add(s.of.Window)}
	t.done.Rebuilt, err = s.rebuild(ctx, span, t.wanted, dryRun, tell)
	return t.done, err
}

// Err returns that windows were refused, or nil when none was.
func (t *TakenIn) Err() error {
	if t.Rebuilt == nil {
		return nil
	}
	return t.Rebuilt.Err()
}

// takeIn is a TakeIn that is under way.
type takeIn struct {
	*source
	rules   *rules
	windows map[int64]*window // that the table holds, by start
	wanted  map[int64]bool    // starts of those that are to be counted anew
	done    *TakenIn
	tell    func(read, of int64)
}

// list takes down what the table tells of its windows.
func (t *takeIn) list(ctx context.Context) error {
	for info, err := range t.table.Windows(ctx, table.Span{}) {
		if err != nil {
			return err
		}
		if info.Shard >= t.of.Shards {
			return fmt.Errorf("table %s: the window of %s has a shard %d, and the table is of %d", t.Table, info.Start.Format(time.RFC3339), info.Shard, t.of.Shards)
		}
		start := info.Start.UnixMilli()
		if t.windows[start] == nil {
			t.windows[start] = &window{start: start, shards: make([]*table.Info, t.of.Shards)}
		}
		t.windows[start].shards[info.Shard] = &info
	}
	return nil
}

// errGone is that a range is gone, which no retention of a topic that was just written to explains.
var errGone = errors.New("replayed records are gone from the topic")

// read reads the range of that number of each partition, as far as it is there, and tells whether any has one.
func (t *takeIn) read(ctx context.Context, in map[int32][]click.OffsetRange, round int) (more bool, err error) {
	begins, err := t.admin.ListStartOffsets(ctx, t.Topic)
	if err != nil {
		return false, t.explain(err)
	}
	ends, err := t.admin.ListCommittedOffsets(ctx, t.Topic)
	if err != nil {
		return false, t.explain(err)
	}
	t.partitions = nil
	for _, id := range slices.Sorted(maps.Keys(in)) {
		if round >= len(in[id]) {
			continue
		}
		more = true
		begin, ok := begins.Lookup(t.Topic, id)
		end, ok2 := ends.Lookup(t.Topic, id)
		if !ok || !ok2 || begin.Err != nil || end.Err != nil {
			return false, fmt.Errorf("%w: topic %s has no partition %d", errGone, t.Topic, id)
		}
		of := in[id][round]
		p := partition{id: id, start: max(of.First, begin.Offset), end: min(of.Next, end.Offset)}
		p.next = min(p.start, p.end)
		t.partitions = append(t.partitions, p)
	}
	total := t.left()
	return more, t.feed().read(ctx, t.partitions, func(i int, chunk []*kgo.Record) error {
		if t.tell != nil {
			t.tell(total-t.left(), total)
		}
		return t.take(ctx, t.partitions[i].id, chunk)
	})
}

// take finds out which windows the replayed clicks of a chunk lie in.
func (t *takeIn) take(ctx context.Context, partition int32, chunk []*kgo.Record) error {
	var (
		c       click.Click
		fetched = time.Now().UnixMilli()
	)
	for _, rec := range chunk {
		if rec.Attrs.IsControl() {
			continue
		}
		if _, replayed := replay.Of(rec.Headers); !replayed {
			continue
		}
		fault, err := t.rules.judge(ctx, rec, fetched, &c)
		if err != nil {
			return err
		}
		if fault != nil {
			t.done.NoClicks++
			continue
		}
		t.done.Clicks++
		start := t.rules.windowOf(&c)
		w := t.windows[start]
		switch {
		case w != nil && w.place(c.PageURL, partition, rec.Offset) != outside:
			t.done.Held++
		case t.state.Final.IsZero() || instant(start).Add(t.of.Window).After(t.state.Final):
			t.done.Open++
		default:
			t.done.Deferred++
			t.wanted[start] = true
		}
	}
	return nil
}

// WriteText writes what was done for people.
func (t *TakenIn) WriteText(w io.Writer) error {
	p := &printer{Writer: w}
	p.printf("of all that was replayed, %s: %d in the table already, %d of open windows, which a run counts, %d of closed ones", several(t.Clicks, "click"), t.Held, t.Open, t.Deferred)
	if t.NoClicks > 0 {
		p.printf("; %s no clicks still", several(t.NoClicks, "record"))
	}
	p.printf("\n")
	if t.Rebuilt == nil {
		p.printf("no window is to be rebuilt\n")
		return p.err
	}
	p.keep(t.Rebuilt.WriteText(w))
	return p.err
}
