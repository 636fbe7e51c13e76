package dashboard

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"clickstream/pipelines/objectives"
	"clickstream/pipelines/vitals"
	"clickstream/transforms/click"
)

// What a message holds at most of what others wrote.
const (
	mostText  = 300
	mostPages = 10
)

// hello is the message to who connects: what the page has to know once, and the history.
type hello struct {
	Run      string              `json:"run"`     // of the server: what an earlier one told has a gap before this
	Resumes  bool                `json:"resumes"` // the rows follow those that the page has already
	Interval int64               `json:"interval"`
	Capacity int                 `json:"capacity"` // rows that are worth keeping
	Runbook  string              `json:"runbook"`  // empty where it is not served
	Targets  []objectives.Target `json:"targets"`
	Columns  []string            `json:"columns"`
	Rows     json.RawMessage     `json:"rows"` // an array for each column
	Now      *now                `json:"now"`  // nil before the first sample
}

// sampleMessage is the message of a sample.
type sampleMessage struct {
	Row json.RawMessage `json:"row"`
	Now *now            `json:"now"`
}

// now is what is known at one moment, and what is to be said of it. Times are Unix milliseconds, 0 where unknown.
type now struct {
	At         int64      `json:"at"`
	Topic      string     `json:"topic"`
	Group      string     `json:"group"`
	Table      string     `json:"table"`
	Window     int64      `json:"window"`
	Problems   []problem  `json:"problems"` // the worst first
	Tiles      []tile     `json:"tiles"`    // of the targets, in their order
	Watermark  int64      `json:"watermark"`
	Totals     totals     `json:"totals"`
	Partitions partitions `json:"partitions"`
	State      *state     `json:"state"` // of the table
}

type totals struct {
	Read       int64   `json:"read"`
	Counted    int64   `json:"counted"`
	Rejects    []int64 `json:"rejects"` // in the order of the columns
	Skipped    int64   `json:"skipped"`
	Deferred   int64   `json:"deferred"`
	Duplicates int64   `json:"duplicates"`
	Commits    int64   `json:"commits"`
	Conflicts  int64   `json:"conflicts"`
}

type partitions struct {
	Count int         `json:"count"`
	Idle  int         `json:"idle"`
	Shown []partition `json:"shown"` // all, or the worst few
}

type partition struct {
	Number    int32 `json:"number"`
	Lag       int64 `json:"lag"`
	Committed int64 `json:"committed"`
	Watermark int64 `json:"watermark"`
	Idle      bool  `json:"idle"`
}

type state struct {
	Version    int64  `json:"version"`
	Files      int64  `json:"files"`
	SmallFiles int64  `json:"small"`
	Bytes      int64  `json:"bytes"`
	LastCommit int64  `json:"commit"`
	NewestEnd  int64  `json:"newest"`
	Top        []page `json:"top"`
}

type page struct {
	URL   string `json:"url"`
	Views int64  `json:"views"`
}

func newNow(v *vitals.Vitals) *now {
	n := &now{
		At: v.At.UnixMilli(), Topic: cut(v.Topic), Group: cut(v.Group), Table: cut(v.Table), Window: v.Window.Milliseconds(),
		Totals: totals{
			Read: v.Counters.Read, Counted: v.Counters.Counted + v.Counters.Forwarded, Skipped: v.Counters.Skipped,
			Deferred: v.Counters.Deferred, Duplicates: v.Counters.Duplicates, Commits: v.Counters.Commits, Conflicts: v.Counters.Conflicts,
		},
		Partitions: newPartitions(v),
	}
	if at, ok := v.Watermark(); ok {
		n.Watermark = at.UnixMilli()
	}
	for _, r := range click.Reasons {
		n.Totals.Rejects = append(n.Totals.Rejects, v.Rejects[r])
	}
	if t := v.State; t != nil {
		n.State = &state{
			Version: t.Version, Files: t.Files, SmallFiles: t.SmallFiles, Bytes: t.Bytes,
			LastCommit: millis(t.LastCommit), NewestEnd: millis(t.NewestEnd), Top: []page{},
		}
		for _, p := range t.Top[:min(mostPages, len(t.Top))] {
			n.State.Top = append(n.State.Top, page{cut(p.URL), p.Views})
		}
	}
	return n
}

func newPartitions(v *vitals.Vitals) partitions {
	p := partitions{Count: len(v.Partitions), Shown: []partition{}}
	for _, one := range v.Partitions {
		if one.Idle {
			p.Idle++
		}
	}
	for _, one := range worst(v.Partitions) {
		p.Shown = append(p.Shown, partition{one.Number, one.Lag, one.Committed, millis(one.Watermark), one.Idle})
	}
	return p
}

// worst returns all partitions where they are few, and else those that lag most and those whose watermarks are furthest
// behind, half and half.
func worst(all []vitals.Partition) []vitals.Partition {
	if len(all) <= mostLines {
		return all
	}
	byLag := slices.SortedStableFunc(slices.Values(all), func(a, b vitals.Partition) int { return cmp.Compare(b.Lag, a.Lag) })
	shown := slices.Clone(byLag[:mostLines/2])
	rest := slices.DeleteFunc(byLag[mostLines/2:], func(p vitals.Partition) bool { return p.Idle || p.Watermark.IsZero() })
	slices.SortStableFunc(rest, func(a, b vitals.Partition) int { return a.Watermark.Compare(b.Watermark) })
	return append(shown, rest[:min(mostLines-len(shown), len(rest))]...)
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
