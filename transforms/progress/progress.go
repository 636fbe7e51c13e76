// Package progress is what the steps of a pipeline that run in this process have done so far.
package progress

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"clickstream/io/table"
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
	told       map[part]click.Tally
	partitions map[int32]At
	latency    click.Durations
	bundle     click.Durations
	commits    commits
}

// part is a window of a shard.
type part struct {
	start time.Time
	shard int
}

// commits sums up those of the table.
type commits struct {
	n, failed, conflicts, files, bytes int64
	took, published                    click.Durations
	last                               time.Duration // that a commit took
}

// At is where a partition stands.
type At struct {
	Watermark time.Time // of its clicks; zero while it is not known
	Idle      bool      // it is left out of the pipeline's watermark, as it is silent
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

	Partitions map[int32]At    // those that a bundle has ended for
	Latency    click.Durations // of counted clicks: see click.Tally
	Bundle     click.Durations // length of the readers' bundles
	Publish    click.Durations // from a window's end to its first rows in the table
	Commit     click.Durations // see table.Commit
	Took       time.Duration   // of them, the last
	Commits    int64           // of the table
	Failed     int64           // commits that failed, and were tried again by the runner or ended the pipeline
	Conflicts  int64           // commits that were planned anew
	Files      int64           // that they wrote
	Bytes      int64           // in those files
}

var pipelines sync.Map // name → *Progress

// Of returns the progress of the named pipeline in this process.
func Of(pipeline string) *Progress {
	if p, ok := pipelines.Load(pipeline); ok {
		return p.(*Progress)
	}
	p := &Progress{
		rejected: map[click.Reason]*atomic.Int64{}, readers: map[int32]position{}, partitions: map[int32]At{},
		duplicates: map[time.Time]int64{}, told: map[part]click.Tally{},
	}
	for _, r := range click.Reasons {
		p.rejected[r] = &atomic.Int64{}
	}
	had, _ := pipelines.LoadOrStore(pipeline, p)
	return had.(*Progress)
}

// Forget drops the progress of a pipeline that has ended.
func Forget(pipeline string) { pipelines.Delete(pipeline) }

// Read adds n records that were read, and made b.
func (p *Progress) Read(n int, b *click.Batch) {
	p.read.Add(int64(n))
	p.counted.Add(int64(len(b.Pages)))
	p.skipped.Add(b.Skipped)
	p.deferred.Add(b.Deferred)
}

// Bundle adds a bundle of a reader.
func (p *Progress) Bundle(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bundle.Observe(took, 1)
}

// Left adds how long clicks took until their counts left the reader.
func (p *Progress) Left(latency click.Durations) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latency.Add(latency)
}

// Rejected adds a rejected record.
func (p *Progress) Rejected(r click.Reason) { p.rejected[r].Add(1) }

// Wrote adds a commit of the table.
func (p *Progress) Wrote(c table.Commit) {
	p.windows.Add(int64(c.Written))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commits.conflicts += int64(c.Conflicts)
	if c.Written == 0 {
		return
	}
	p.commits.n++
	p.commits.files += int64(c.Files)
	p.commits.bytes += c.Bytes
	p.commits.took.Observe(c.Took, 1)
	p.commits.last = c.Took
	p.commits.published.Add(c.Published)
}

// Failed adds a commit of the table that failed.
func (p *Progress) Failed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commits.failed++
}

// Untold returns what the tally of a window of a shard, all that is known of it, has beyond what was told of it.
func (p *Progress) Untold(start time.Time, shard int, t click.Tally) click.Tally {
	p.mu.Lock()
	defer p.mu.Unlock()
	return t.Minus(p.told[part{start, shard}])
}

// Told notes that the tally of a window of a shard was told.
func (p *Progress) Told(start time.Time, shard int, t click.Tally) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.told) >= maxWindows {
		clear(p.told)
	}
	p.told[part{start, shard}] = t
}

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

// Partitions notes where partitions stand.
func (p *Progress) Partitions(at map[int32]At) {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.Copy(p.partitions, at)
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
	s.Partitions = maps.Clone(p.partitions)
	s.Latency, s.Bundle = p.latency, p.bundle
	s.Publish, s.Commit, s.Took = p.commits.published, p.commits.took, p.commits.last
	s.Commits, s.Failed, s.Conflicts, s.Files, s.Bytes = p.commits.n, p.commits.failed, p.commits.conflicts, p.commits.files, p.commits.bytes
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
