package monitor

import (
	"context"
	"sync"
	"time"

	"clickstream/io/table"
	"clickstream/pipelines/vitals"
	"clickstream/transforms/click"
)

// tableTail follows the table: what it is, and what its commits tell of the pipeline.
type tableTail struct {
	follower *table.Follower
	commits  bool // are the pipeline's checkpoints: there is no Flink to ask

	mu       sync.Mutex
	state    *vitals.TableState // never changed, only replaced
	window   time.Duration
	counters vitals.Counters
	latency  click.Durations
	publish  click.Durations
	commit   click.Durations
	took     time.Duration // of the last commit
}

func newTable(cfg Config) *tableTail {
	return &tableTail{follower: table.NewFollower(cfg.Table, cfg.AllowedLateness), commits: cfg.FlinkREST == ""}
}

func (*tableTail) name() string            { return "table" }
func (*tableTail) patience() time.Duration { return time.Minute } // a checkpoint may be far away
func (*tableTail) close()                  {}

func (t *tableTail) add(v *vitals.Vitals) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.window > 0 {
		v.Window = t.window
	}
	v.State = t.state
	v.Latency, v.Publish, v.Commit = t.latency, t.publish, t.commit
	v.Counters.Counted, v.Counters.Skipped, v.Counters.Deferred, v.Counters.Duplicates = t.counters.Counted, t.counters.Skipped, t.counters.Deferred, t.counters.Duplicates
	v.Counters.Commits, v.Counters.Conflicts, v.Counters.Files, v.Counters.Bytes = t.counters.Commits, t.counters.Conflicts, t.counters.Files, t.counters.Bytes
	if t.commits {
		v.Checkpoints = &vitals.Checkpoints{Completed: t.counters.Commits, Last: t.took}
	}
}

// look reads on. A table that is not there yet is none: the first run makes it.
func (t *tableTail) look(ctx context.Context) error {
	news, err := t.follower.Look(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := news.Status; s != nil {
		t.window = s.Window
		t.state = &vitals.TableState{Version: s.Version, Files: s.Files, SmallFiles: s.SmallFiles, Bytes: s.Bytes, LastCommit: s.LastCommit, NewestEnd: s.NewestEnd}
		for _, p := range s.Top {
			t.state.Top = append(t.state.Top, vitals.Page{URL: p.URL, Views: p.Views})
		}
	}
	for i := range news.Told {
		t.take(&news.Told[i])
	}
	return err
}

// take adds what a commit tells. Of one that was there before the table was followed it keeps how long it took.
func (t *tableTail) take(c *table.Told) {
	t.took = c.Took
	if c.Before {
		return
	}
	t.counters.Commits++
	t.counters.Conflicts += c.Conflicts
	t.counters.Files += c.Files
	t.counters.Bytes += c.Bytes
	t.counters.Counted += c.Counted
	t.counters.Skipped += c.Skipped
	t.counters.Deferred += c.Deferred
	t.counters.Duplicates += c.Duplicates
	t.latency.Add(c.Latency)
	t.publish.Add(c.Published)
	if c.Took > 0 { // an older version's does not tell
		t.commit.Observe(c.Took, 1)
	}
}
