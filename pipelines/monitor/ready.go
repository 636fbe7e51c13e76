package monitor

import (
	"context"
	"fmt"
	"time"

	"clickstream/pipelines/vitals"
)

// slack is what may pass, beyond whole windows, between what is done and what is seen of it: the watermark's delay, a
// poll, a checkpoint and a look.
const slack = time.Minute

// defaultWindow stands in for the length of windows where it is not known.
const defaultWindow = time.Minute

// march is how the pipeline has gone on, as far as it was looked at.
type march struct {
	watermark time.Time
	read      int64
	moved     time.Time // when the watermark last did or, of a pipeline that tells none, what is read next
	behind    time.Time // since when there are records to read at each look; zero where there are none
}

// follow watches the watermark move until ctx ends.
func (m *Monitor) follow(ctx context.Context) {
	tick := time.NewTicker(m.cfg.Interval)
	defer tick.Stop()
	for {
		v := m.Vitals()
		m.mu.Lock()
		m.march.take(&v)
		m.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (m *march) take(v *vitals.Vitals) {
	at, known := v.Watermark()
	if m.moved.IsZero() || known && at.After(m.watermark) || known && m.watermark.IsZero() {
		m.moved = v.At
	}
	if known {
		m.watermark = at
	} else if v.Counters.Read > m.read {
		m.moved = v.At
	}
	m.read = v.Counters.Read
	if lag, _ := v.Lag(); lag == 0 {
		m.behind = time.Time{}
	} else if m.behind.IsZero() {
		m.behind = v.At
	}
}

// Ready returns why the pipeline is not ready, a line each: it is when its partitions are assigned, its watermark moves,
// and its last commit is fresh, or there is nothing to be done.
func (m *Monitor) Ready() []string {
	v := m.Vitals()
	m.mu.Lock()
	m.march.take(&v)
	march := m.march
	m.mu.Unlock()
	return notReady(&v, march)
}

func notReady(v *vitals.Vitals, m march) []string {
	var why []string
	add := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	for _, p := range v.Parts {
		if !p.Up && (p.Name == "kafka" || p.Name == "table") {
			add("%s: %s", p.Name, p.Fault)
		}
	}
	unassigned, first := 0, int32(0)
	for _, p := range v.Partitions {
		if p.Committed < 0 {
			if unassigned++; unassigned == 1 {
				first = p.Number
			}
		}
	}
	switch {
	case len(v.Partitions) == 0:
		add("nothing is known of the partitions of topic %s yet", v.Topic)
	case unassigned > 0:
		add("group %s has no offset of %d of %d partitions of topic %s, partition %d among them: has a run begun to read them?", v.Group, unassigned, len(v.Partitions), v.Topic, first)
	}
	window := v.Window
	if window <= 0 {
		window = defaultWindow
	}
	limit := 3*window + slack
	if m.behind.IsZero() || v.At.Sub(m.behind) <= limit {
		return why // there is nothing to be done, or there was until now
	}
	if at, known := v.Watermark(); v.At.Sub(m.moved) > limit {
		if known {
			add("the watermark has stood at %s for %s, and there are records to read", at.UTC().Format(time.RFC3339), v.At.Sub(m.moved).Round(time.Second))
		} else {
			add("nothing was read for %s, and there are records to read", v.At.Sub(m.moved).Round(time.Second))
		}
	}
	switch {
	case v.Table == "":
	case v.State == nil || v.State.LastCommit.IsZero():
		add("nothing was committed to table %s yet, and there are records to read", v.Table)
	case v.At.Sub(v.State.LastCommit) > limit:
		add("the last commit of table %s was at %s, more than %s ago, and there are records to read", v.Table, v.State.LastCommit.UTC().Format(time.RFC3339), limit)
	}
	return why
}
