package eventtime

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/window"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/sdf"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"clickstream/io/kafka"
	"clickstream/transforms/click"
	"clickstream/transforms/count"
	"clickstream/transforms/read"
)

// bundle is what one bundle of the reader brings, the watermark that it reports, and the table that is to be seen
// then, if the script says.
type bundle struct {
	batches   []click.Batch
	watermark int64
	line      int
	table     []Row
}

// story is what the steps of a running script share.
type story struct {
	bundles []bundle
	window  time.Duration

	mu     sync.Mutex
	begun  int // bundles
	held   map[held]count.Counts
	fired  chan struct{} // closed and made anew at each firing
	faults []string
}

type held struct {
	window int64
	shard  int64
}

var stories sync.Map // name → *story

func storyOf(name string) *story {
	s, _ := stories.Load(name)
	return s.(*story)
}

// begin waits until the table is as bundle n-1 wants it, and lets bundle n begin.
func (s *story) begin(ctx context.Context, n int) {
	if n > 0 && s.bundles[n-1].table != nil {
		s.await(ctx, s.bundles[n-1])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun = n + 1
}

// patience is how long a table that is to be seen may take.
const patience = 10 * time.Second

func (s *story) await(ctx context.Context, b bundle) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		s.mu.Lock()
		if s.fired == nil {
			s.fired = make(chan struct{})
		}
		fired := s.fired
		s.mu.Unlock()
		got := rows(s.table())
		if got == rows(b.table) {
			return
		}
		select {
		case <-fired:
		case <-ctx.Done():
			s.fault("table, line %d: want\n%sgot\n%s", b.line, rows(b.table), got)
			return
		}
	}
}

func (s *story) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// fire takes note of a firing. None may come before a bundle has begun whose watermark passes its window's end.
func (s *story) fire(start, shard int64, c count.Counts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := start + s.window.Milliseconds()
	if s.begun <= len(s.bundles) { // the story goes on
		if at := s.bundles[s.begun-1].watermark; at < end {
			s.faults = append(s.faults, fmt.Sprintf("window %s fired while the watermark was at %s", clock(start), clock(at)))
		}
	}
	if s.held == nil {
		s.held = map[held]count.Counts{}
	}
	if k := (held{start, shard}); s.held[k].Events <= c.Events {
		s.held[k] = c
	}
	if s.fired != nil {
		close(s.fired)
		s.fired = nil
	}
}

// table returns the rows that the firings have left.
func (s *story) table() []Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Row
	for k, c := range s.held {
		for i, p := range c.Pages {
			all = append(all, Row{time.UnixMilli(k.window).UTC(), p, c.Views[i]})
		}
	}
	return all
}

func init() {
	register.DoFn5x1[context.Context, *read.Estimator, *sdf.LockRTracker, []byte, func(click.Batch), sdf.ProcessContinuation](&playFn{})
	register.DoFn3x0[beam.Window, int64, count.Counts](&fireFn{})
	register.Emitter1[click.Batch]()
	beam.RegisterType(reflect.TypeFor[kafka.Restriction]())
}

// playFn plays a story's bundles, one a bundle, as read.ReadFn reads a topic's.
type playFn struct{ Story string }

func (f *playFn) CreateInitialRestriction([]byte) kafka.Restriction {
	return kafka.Restriction{Next: []int64{0}}
}

func (f *playFn) SplitRestriction(_ []byte, r kafka.Restriction) []kafka.Restriction {
	return []kafka.Restriction{r}
}

func (f *playFn) RestrictionSize([]byte, kafka.Restriction) float64 { return 1 }

func (f *playFn) CreateTracker(r kafka.Restriction) *sdf.LockRTracker {
	return sdf.NewLockRTracker(kafka.NewTracker(r))
}

func (f *playFn) InitialWatermarkEstimatorState(beam.EventTime, kafka.Restriction, []byte) int64 {
	return kafka.NoTime
}

func (f *playFn) CreateWatermarkEstimator(millis int64) *read.Estimator {
	return read.NewEstimator(millis)
}

func (f *playFn) WatermarkEstimatorState(e *read.Estimator) int64 { return e.Millis() }

func (f *playFn) ProcessElement(ctx context.Context, e *read.Estimator, rt *sdf.LockRTracker, _ []byte, emit func(click.Batch)) sdf.ProcessContinuation {
	s := storyOf(f.Story)
	n := int(rt.GetRestriction().(kafka.Restriction).Next[0])
	if n == len(s.bundles) || !rt.TryClaim(kafka.Claim{Index: 0, Next: int64(n + 1)}) {
		s.begin(ctx, n)
		_, _, _ = rt.TrySplit(0) // the story has ended
		return sdf.StopProcessing()
	}
	s.begin(ctx, n)
	for _, b := range s.bundles[n].batches {
		emit(b)
	}
	e.Set(s.bundles[n].watermark)
	return sdf.ResumeProcessingIn(0)
}

// fireFn shows the firings to the story.
type fireFn struct{ Story string }

func (f *fireFn) ProcessElement(w beam.Window, shard int64, c count.Counts) {
	storyOf(f.Story).fire(w.(window.IntervalWindow).Start.Milliseconds(), shard, c)
}
