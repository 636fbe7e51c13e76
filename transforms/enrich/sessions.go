package enrich

import (
	"context"
	"reflect"
	"slices"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/mtime"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/state"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/timers"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/cespare/xxhash/v2"

	"clickstream/transforms/click"
)

func init() {
	beam.RegisterCoder(reflect.TypeFor[Parcel](), encodeParcel, decodeParcel)
	beam.RegisterCoder(reflect.TypeFor[Found](), encodeFound, decodeFound)
	beam.RegisterCoder(reflect.TypeFor[Mark](), encodeMark, decodeMark)
	register.DoFn3x1[context.Context, click.Batch, func(beam.EventTime, int64, Parcel), error](&SpreadFn{})
	register.DoFn6x1[context.Context, state.Provider, timers.Provider, int64, Parcel, func(int64, Found), error](&FindFn{})
	register.DoFn4x1[context.Context, int64, Found, func(beam.EventTime, int64, Mark), error](&WriteFn{})
	register.DoFn3x1[state.Provider, int64, Mark, error](&CommitFn{})
	register.Emitter3[beam.EventTime, int64, Parcel]()
	register.Emitter2[int64, Found]()
	register.Emitter3[beam.EventTime, int64, Mark]()
}

// Sessions writes the clicks of a PCollection<click.Batch> to the enriched topic, and finds the sessions of those that name
// none.
//
//	batches of clicks
//	  └ spread over buckets of users, within each bundle
//	      └ kept until the watermark has passed them, then found, by time
//	          └ the enriched topic
//	              └ the offsets before which all is written: the group's
//
// Each click is written at least once, and always as the same record, by its event_id. A run that starts again reads from
// the group's offsets, and takes the sessions that were found before from the enriched topic.
func Sessions(s beam.Scope, cfg Config, batches beam.PCollection) {
	s = s.Scope("enrich.Sessions")
	parcels := beam.ParDo(s, &SpreadFn{Config: cfg}, batches)
	found := beam.ParDo(s, newFindFn(cfg), parcels)
	marks := beam.ParDo(s, &WriteFn{Config: cfg}, found)
	beam.ParDo0(s, newCommitFn(cfg), marks)
}

// SpreadFn makes parcels of a bundle's batches: one for each bucket, be there clicks for it or not, since each bucket has to
// know how far reading is.
type SpreadFn struct {
	Config Config

	load load
}

// load is what a bundle holds.
type load struct {
	reach   map[int32]click.OffsetRange
	parcels []Parcel
	times   [][]int64 // of those that wait, by bucket
	count   int
	time    int64
	emitted int64 // time of the parcels
}

// StartBundle forgets what a bundle that failed has gathered.
func (f *SpreadFn) StartBundle(context.Context, func(beam.EventTime, int64, Parcel)) { f.load = load{} }

// ProcessElement spreads a batch.
func (f *SpreadFn) ProcessElement(ctx context.Context, b click.Batch, _ func(beam.EventTime, int64, Parcel)) error {
	l := &f.load
	first := l.reach == nil
	if first {
		if f.Config.Local {
			if err := flowOf(f.Config.Pipeline).wait(ctx); err != nil {
				return err
			}
		}
		*l = load{reach: map[int32]click.OffsetRange{}, parcels: make([]Parcel, f.Config.Buckets), times: make([][]int64, f.Config.Buckets)}
	}
	r := click.OffsetRange{First: b.After, Next: b.Next}
	if had, ok := l.reach[b.Partition]; ok {
		r = r.Union(had)
	}
	l.reach[b.Partition] = r
	at := max(b.Watermark, 0) // clicks are of 2000 or later, and what lies long before 1970, Flink's runner counts wrong
	if first || at < l.emitted {
		l.emitted = at
	}
	for i := range b.Events {
		v := b.Visit(i)
		if l.count == 0 || v.Time < l.time {
			l.time = v.Time
		}
		l.count++
		bucket := f.Config.bucket(v.User)
		p := &l.parcels[bucket]
		if v.Session != "" || v.User == "" {
			p.Ready = appendVisit(p.Ready, &v)
			continue
		}
		p.Waiting = appendVisit(p.Waiting, &v)
		p.Count++
		l.times[bucket] = append(l.times[bucket], v.Time)
		if p.Low == nil {
			p.Low = map[int32]int64{}
		}
		if low, ok := p.Low[v.Partition]; !ok || v.Offset < low {
			p.Low[v.Partition] = v.Offset
		}
	}
	return nil
}

// bucket returns the bucket of a user.
func (c Config) bucket(user string) int {
	return int(xxhash.Sum64String(user) % uint64(c.Buckets)) //nolint:gosec // less than the buckets
}

// FinishBundle emits the parcels, at the watermark as it was, the least of the readers'. Then none holds it where it is not.
// And none is of a time past a timer that waits for it: Prism would keep the parcel behind that.
func (f *SpreadFn) FinishBundle(_ context.Context, emit func(beam.EventTime, int64, Parcel)) {
	l := f.load
	f.load = load{}
	if l.reach == nil {
		return
	}
	if f.Config.Local {
		flowOf(f.Config.Pipeline).add(l.count)
	}
	time := min(l.time, l.emitted)
	for bucket := range l.parcels {
		p := l.parcels[bucket]
		p.Reach, p.Time, p.Due = l.reach, time, due(l.times[bucket])
		if p.Count == 0 && time == 0 { // the watermark will tell, once it is known
			p.Due = l.time
		}
		emit(mtime.FromMilliseconds(l.emitted), int64(bucket), p)
	}
}

// due returns a time by which nearly all of some times are. Some few may lie far ahead, by clocks that are wrong: the others
// are not to wait for them.
func due(times []int64) int64 {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[(len(times)-1)*9/10]
}
