package audit

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"clickstream/io/kafka"
	"clickstream/io/table"
)

// checkGone returns an error when the topic no longer has what a window was counted from.
func (r *rebuild) checkGone() error {
	var last *table.Info
	var where partition
	for _, info := range r.held {
		for _, p := range r.partitions {
			if o, ok := info.Offsets[p.id]; ok && o.First < p.first && (last == nil || info.Start.After(last.Start)) {
				last, where = &info, p
			}
		}
	}
	if last == nil {
		return nil
	}
	return fmt.Errorf("%w: the window of %s was counted from offset %d of topic %s partition %d, which begins at %d by now: it cannot be counted again; use --from %s at least",
		kafka.ErrDataLoss, last.Start.Format(time.RFC3339), last.Offsets[where.id].First, r.Topic, where.id, where.first, last.End.Format(time.RFC3339))
}

// leaveGone leaves out the windows of which the topic no longer has what they were counted from, and tells of them.
func (r *rebuild) leaveGone() {
	gone := map[int64]*Recount{}
	for k, info := range r.held {
		for _, p := range r.partitions {
			o, ok := info.Offsets[p.id]
			if !ok || o.First >= p.first {
				continue
			}
			if gone[k.start] == nil {
				gone[k.start] = &Recount{WindowStart: instant(k.start), Gone: fmt.Sprintf("it was counted from offset %d of topic %s partition %d, which begins at %d by now", o.First, r.Topic, p.id, p.first)}
			}
		}
	}
	for k, info := range r.held {
		if of := gone[k.start]; of != nil {
			of.Before += info.Events
			of.After += info.Events
			delete(r.held, k)
		}
	}
	for _, start := range slices.Sorted(maps.Keys(gone)) {
		delete(r.only, start)
		r.report.add(*gone[start])
	}
}
