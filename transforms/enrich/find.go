package enrich

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/state"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/timers"

	"clickstream/transforms/click"
	"clickstream/transforms/sessions"
)

// FindFn finds the sessions of a bucket's users. Visits wait until the watermark has passed them, so that those of a user are
// entered by time; those that come after the watermark are entered as they come.
type FindFn struct {
	Config  Config
	Waiting state.Bag[[]byte]   // visits, in blocks
	Ledger  state.Value[[]byte] // see ledger
	Book    state.Value[[]byte] // see sessions.Book
	Due     timers.EventTime
}

func newFindFn(cfg Config) *FindFn {
	return &FindFn{
		Config: cfg, Waiting: state.MakeBagState[[]byte]("waiting"),
		Ledger: state.MakeValueState[[]byte]("ledger"), Book: state.MakeValueState[[]byte]("book"),
		Due: timers.InEventTime("due"),
	}
}

// ProcessElement takes a parcel in.
func (f *FindFn) ProcessElement(_ context.Context, sp state.Provider, tp timers.Provider, bucket int64, p Parcel, emit func(int64, Found)) error {
	l, err := f.ledger(sp)
	if err != nil {
		return err
	}
	l.reach(p.Reach)
	if p.Count > 0 {
		if err := f.Waiting.Add(sp, p.Waiting); err != nil {
			return asked(err)
		}
		l.wait(p.Low)
		f.flow(-p.Count)
	}
	switch {
	case l.due != 0:
	case p.Due != 0:
		f.set(tp, l, p.Due)
	default:
		l.time = max(l.time, p.Time)
	}
	if len(p.Ready) > 0 || len(l.low) == 0 {
		emit(bucket, Found{Ready: p.Ready, Frontier: l.frontier()})
	}
	return asked(f.Ledger.Write(sp, l.encode()))
}

// set has the bucket looked at once the watermark has come to a time.
func (f *FindFn) set(tp timers.Provider, l *ledger, due int64) {
	l.due = due
	f.Due.Set(tp, time.UnixMilli(due))
}

// maxFound is how many bytes of visits go on at once: a user may have a million, and runners take elements of some megabytes.
const maxFound = 1 << 20

// OnTimer finds the sessions of the visits that the watermark has passed.
func (f *FindFn) OnTimer(ctx context.Context, _ beam.EventTime, sp state.Provider, tp timers.Provider, bucket int64, _ timers.Context, emit func(int64, Found)) error {
	l, err := f.ledger(sp)
	if err != nil {
		return err
	}
	if l.due == 0 {
		return nil // a runner may come again
	}
	before := l.frontier()
	passed, rest, err := f.sift(sp, l)
	if err != nil {
		return err
	}
	book, err := f.book(ctx, sp, bucket)
	if err != nil {
		return err
	}
	var found []byte
	for i := range passed {
		v := &passed[i]
		v.Session = book.Enter(v.User, v.Time, v.ID).String()
		if found = appendVisit(found, v); len(found) >= maxFound && i+1 < len(passed) {
			emit(bucket, Found{Visits: found, Frontier: before})
			found = nil
		}
	}
	book.Forget(l.due - 2*f.Config.Gap.Milliseconds())
	if err := f.Book.Write(sp, book.Encode()); err != nil {
		return asked(err)
	}
	l.time, l.due = max(l.time, l.due), 0
	if len(rest) > 0 {
		f.set(tp, l, due(rest))
	}
	emit(bucket, Found{Visits: found, Frontier: l.frontier()})
	f.flow(len(passed))
	return asked(f.Ledger.Write(sp, l.encode()))
}

// sift takes those of the waiting visits that are due, in the order in which they are entered, and leaves the rest, whose
// times it returns.
func (f *FindFn) sift(sp state.Provider, l *ledger) (passed []click.Visit, rest []int64, err error) {
	blocks, _, err := f.Waiting.Read(sp)
	if err != nil {
		return nil, nil, asked(err)
	}
	var left []byte
	clear(l.low)
	for _, block := range blocks {
		err := visits(block, func(v *click.Visit) error {
			if v.Time <= l.due {
				passed = append(passed, *v)
				return nil
			}
			left, rest = appendVisit(left, v), append(rest, v.Time)
			l.wait(map[int32]int64{v.Partition: v.Offset})
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	if err := f.Waiting.Clear(sp); err != nil {
		return nil, nil, asked(err)
	}
	if len(left) > 0 {
		if err := f.Waiting.Add(sp, left); err != nil {
			return nil, nil, asked(err)
		}
	}
	slices.SortFunc(passed, func(a, b click.Visit) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	return passed, rest, nil
}

// book returns the sessions of a bucket's users: at first, those that were found before this run.
func (f *FindFn) book(ctx context.Context, sp state.Provider, bucket int64) (*sessions.Book, error) {
	kept, known, err := f.Book.Read(sp)
	switch {
	case err != nil:
		return nil, asked(err)
	case known:
		return sessions.Decode(f.Config.Gap, kept)
	}
	return f.Config.seed(ctx, int(bucket))
}

func (f *FindFn) ledger(sp state.Provider) (*ledger, error) {
	kept, known, err := f.Ledger.Read(sp)
	if err != nil {
		return nil, asked(err)
	}
	if !known {
		return newLedger(f.Config.Begin), nil
	}
	return decodeLedger(kept)
}

// flow tells how many visits are on their way again, or are not.
func (f *FindFn) flow(n int) {
	if f.Config.Local {
		flowOf(f.Config.Pipeline).add(n)
	}
}

// asked wraps an error of the runner's state.
func asked(err error) error {
	if err != nil {
		return fmt.Errorf("ask the runner for the state of a bucket of users: %w", err)
	}
	return nil
}
