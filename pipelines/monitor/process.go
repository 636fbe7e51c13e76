package monitor

import (
	"context"
	"maps"
	"slices"
	"time"

	"clickstream/pipelines/vitals"
	"clickstream/transforms/progress"
)

// process is the pipeline itself, in this process. What it tells takes the place of what it leaves behind, which is
// later, and rounded.
type process struct {
	of      *progress.Progress
	commits bool // of the table are the pipeline's checkpoints: its runner takes none, or is not asked
}

func (*process) name() string               { return "process" }
func (*process) patience() time.Duration    { return time.Second }
func (*process) close()                     {}
func (*process) look(context.Context) error { return nil } // it is asked when it is needed

func (p *process) add(v *vitals.Vitals) {
	s := p.of.Snapshot()
	v.Rejects = maps.Clone(s.Rejected)
	v.Counters = vitals.Counters{
		Read: s.Read, Counted: s.Counted, Skipped: s.Skipped, Deferred: s.Deferred, Duplicates: s.Duplicates, Forwarded: s.Forwarded,
		Commits: s.Commits, Conflicts: s.Conflicts, Files: s.Files, Bytes: s.Bytes,
	}
	v.Latency, v.Publish, v.Commit, v.Bundle = s.Latency, s.Publish, s.Commit, s.Bundle
	v.Partitions = slices.Clone(v.Partitions)
	for i := range v.Partitions {
		if at, ok := s.Partitions[v.Partitions[i].Number]; ok {
			v.Partitions[i].Watermark, v.Partitions[i].Idle = at.Watermark, at.Idle
		}
	}
	if p.commits && v.Table != "" {
		v.Checkpoints = &vitals.Checkpoints{Completed: s.Commits, Failed: s.Failed, Last: s.Took}
	}
}
