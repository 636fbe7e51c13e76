// Package progress is what the steps of a pipeline that run in this process have done so far.
package progress

import (
	"sync"
	"sync/atomic"
	"time"

	"clickstream/transforms/click"
)

// Progress counts what one pipeline's steps do. Its methods may be called at any time, by anyone.
type Progress struct {
	read      atomic.Int64
	counted   atomic.Int64
	skipped   atomic.Int64
	deferred  atomic.Int64
	windows   atomic.Int64
	forwarded atomic.Int64
	rejected  map[click.Reason]*atomic.Int64

	mu         sync.Mutex
	readers    map[int32]position  // by the reader's first partition
	duplicates map[time.Time]int64 // by window
	twice      int64               // the sum of duplicates, of windows too that are forgotten
}

type position struct {
	lag       int64
	watermark int64
}

// Snapshot is the state of a Progress at one moment.
type Snapshot struct {
	Read       int64                  // records read
	Counted    int64                  // clicks handed to the count
	Skipped    int64                  // clicks that an earlier run had dealt with
	Deferred   int64                  // replayed clicks of windows that are final, left to a rebuild
	Duplicates int64                  // clicks of events that were counted already, in the windows that were stored
	Windows    int64                  // files of windows written or replaced
	Forwarded  int64                  // enriched clicks that are committed
	Rejected   map[click.Reason]int64 // records rejected, for reasons that occurred
	Lag        int64                  // records that the brokers hold beyond what was read
	Watermark  time.Time              // the least of the readers'; zero while unknown
}

var pipelines sync.Map // name → *Progress

// Of returns the progress of the named pipeline in this process.
func Of(pipeline string) *Progress {
	if p, ok := pipelines.Load(pipeline); ok {
		return p.(*Progress)
	}
	p := &Progress{rejected: map[click.Reason]*atomic.Int64{}, readers: map[int32]position{}, duplicates: map[time.Time]int64{}}
	for _, r := range click.Reasons {
		p.rejected[r] = &atomic.Int64{}
	}
	had, _ := pipelines.LoadOrStore(pipeline, p)
	return had.(*Progress)
}

// Forget drops the progress of a pipeline that has ended.
func Forget(pipeline string) { pipelines.Delete(pipeline) }

// Read adds n records that were read, of which so many were counted, or skipped.
func (p *Progress) Read(n, counted, skipped int) {
	p.read.Add(int64(n))
	p.counted.Add(int64(counted))
	p.skipped.Add(int64(skipped))
}

// Deferred adds n replayed clicks whose windows are final.
func (p *Progress) Deferred(n int) { p.deferred.Add(int64(n)) }

// Rejected adds a rejected record.
func (p *Progress) Rejected(r click.Reason) { p.rejected[r].Add(1) }

// Wrote adds n files of windows.
func (p *Progress) Wrote(n int) { p.windows.Add(int64(n)) }

// maxWindows is how many windows' duplicates are remembered, to tell what is new in one that is stored again.
const maxWindows = 10_000

// Duplicates notes that the window that starts then was stored, and how many duplicates were left out of it.
func (p *Progress) Duplicates(window time.Time, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.twice += n - p.duplicates[window]
	if p.duplicates[window] = n; n == 0 {
		delete(p.duplicates, window)
	}
	if len(p.duplicates) > maxWindows {
		clear(p.duplicates)
	}
}

// Forwarded adds n enriched clicks that are committed.
func (p *Progress) Forwarded(n int) { p.forwarded.Add(int64(n)) }

// At notes where a reader stands. The watermark is in milliseconds since the epoch.
func (p *Progress) At(reader int32, lag, watermark int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readers[reader] = position{lag, watermark}
}

// Snapshot returns the state as it is now.
func (p *Progress) Snapshot() Snapshot {
	s := Snapshot{Read: p.read.Load(), Counted: p.counted.Load(), Skipped: p.skipped.Load(), Deferred: p.deferred.Load(), Windows: p.windows.Load(), Forwarded: p.forwarded.Load(), Rejected: map[click.Reason]int64{}}
	for r, n := range p.rejected {
		if n := n.Load(); n > 0 {
			s.Rejected[r] = n
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Duplicates = p.twice
	low, known := int64(0), false
	for _, at := range p.readers {
		s.Lag += at.lag
		if !known || at.watermark < low {
			low, known = at.watermark, true
		}
	}
	if known && low > 0 {
		s.Watermark = time.UnixMilli(low).UTC()
	}
	return s
}
