package dashboard

import (
	"cmp"
	"math"
	"slices"
	"time"

	"clickstream/pipelines/objectives"
	"clickstream/pipelines/vitals"
)

const (
	lateCommits   = 3    // windows without a commit, while there is something to commit
	rejectedLimit = 0.01 // of what is read
	staleAfter    = 30 * time.Second
)

// grade says how bad something is.
type grade string

const (
	good    grade = "good"
	neutral grade = "neutral" // neither good nor bad
	unknown grade = "unknown"
	warn    grade = "warn"
	bad     grade = "bad"
)

// tile is a target and how the pipeline stands to it.
type tile struct {
	Grade grade    `json:"grade"`
	Value *float64 `json:"value"` // nil while it is not known
	Note  string   `json:"note"`
}

// problem is something that is wrong.
type problem struct {
	ID      string `json:"id"`
	Grade   grade  `json:"grade"` // warn or bad
	Title   string `json:"title"`
	Detail  string `json:"detail"`
	Since   int64  `json:"since"`   // Unix milliseconds
	Runbook string `json:"runbook"` // the alert that speaks of it; empty where none does
}

// judge says what is wrong with a pipeline. It remembers since when.
type judge struct {
	targets []objectives.Target
	since   map[string]time.Time // by the problem's ID, of those that there were at the last look
	first   time.Time            // look
	quiet   time.Time            // when there was last nothing to commit
}

// look returns what is to be shown of v. Where v is stale, nothing newer could be had for long.
func (j *judge) look(v *vitals.Vitals, r *rates, stale bool) *now {
	n := newNow(v)
	if j.first.IsZero() {
		j.first = v.At
	}
	var found []problem
	for _, p := range v.Parts {
		if !p.Up && !p.Pending {
			found = append(found, down(p))
		}
	}
	if stale {
		found = append(found, problem{
			ID: "stale", Grade: bad, Title: "The figures are old",
			Detail: "Nothing newer than " + clock(v.At) + " could be gathered.",
		})
	}
	for _, t := range j.targets {
		shown := judged(t, v, r)
		n.Tiles = append(n.Tiles, shown)
		if shown.Grade == warn || shown.Grade == bad {
			found = append(found, missed(t, shown))
		}
	}
	found = append(found, j.uncommitted(v, r)...)
	found = append(found, troubles(r)...)
	slices.SortStableFunc(found, func(a, b problem) int { return cmp.Compare(a.Grade, b.Grade) }) // «bad» comes before «warn»
	n.Problems = j.dated(v.At, found)
	return n
}

// dated says of each problem since when there is one of its ID.
func (j *judge) dated(at time.Time, found []problem) []problem {
	since := make(map[string]time.Time, len(found))
	for i := range found {
		p := &found[i]
		began, ok := j.since[p.ID]
		if !ok {
			began = at
		}
		since[p.ID] = began
		p.Since = began.UnixMilli()
	}
	j.since = since
	if found == nil {
		return []problem{}
	}
	return found
}

func down(p vitals.Part) problem {
	what, ok := map[string]string{
		"kafka": "Kafka", "table": "The table", "dead_letters": "The dead letter topic", "flink": "Flink", "process": "The pipeline",
	}[p.Name]
	if !ok {
		what = p.Name
	}
	grade, runbook := bad, "source-down"
	if p.Name == "dead_letters" || p.Name == "flink" {
		grade, runbook = warn, "other-source-down"
	}
	return problem{ID: "part:" + p.Name, Grade: grade, Title: what + " does not answer", Detail: cut(p.Fault), Runbook: runbook}
}

// judged says how the pipeline stands to a target.
func judged(t objectives.Target, v *vitals.Vitals, r *rates) tile {
	switch t.ID {
	case objectives.Lag:
		if lag, ok := v.Lag(); ok {
			return compare(t, float64(lag), "")
		}
		return tile{Grade: unknown, Note: "Kafka has not answered yet"}
	case objectives.Latency:
		if d, ok := r.latency.Quantile(0.95); ok {
			return compare(t, d.Seconds(), "of the last 5 minutes")
		}
		return tile{Grade: unknown, Note: "no click in the last 5 minutes"}
	case objectives.Throughput:
		return throughput(t, v, r)
	case objectives.Checkpoint:
		if c := v.Checkpoints; c != nil && c.Last > 0 {
			return compare(t, c.Last.Seconds(), "the last one")
		}
		if d, ok := r.commit.Quantile(0.95); ok { // a table without a log tells of no last one
			return compare(t, d.Seconds(), "commits, p95 of 5 minutes")
		}
		return tile{Grade: unknown, Note: "none was measured yet"}
	}
	return tile{Grade: unknown}
}

func compare(t objectives.Target, value float64, note string) tile {
	grades := map[objectives.State]grade{objectives.Met: good, objectives.Missed: warn, objectives.Alarming: bad}
	return tile{Grade: grades[t.Judge(value)], Value: &value, Note: note}
}

// throughput is only wrong where records wait: a pipeline that has read all there is cannot be faster.
func throughput(t objectives.Target, v *vitals.Vitals, r *rates) tile {
	if math.IsNaN(r.read) {
		return tile{Grade: unknown, Note: "not measured yet"}
	}
	shown := compare(t, r.read, "")
	if shown.Grade == good {
		return shown
	}
	lag, known := v.Lag()
	switch {
	case !known || float64(lag) > max(1000, 2*r.read):
		shown.Note = "records wait"
	case r.read == 0:
		shown.Grade, shown.Note = neutral, "idle: nothing to read"
	default:
		shown.Grade, shown.Note = neutral, "all that arrives is read"
	}
	return shown
}

// missed is the problem that a tile tells of.
func missed(t objectives.Target, shown tile) problem {
	side, beyond := "below ", "above "
	if t.More {
		side, beyond = "above ", "below "
	}
	p := problem{
		ID: "target:" + t.ID, Grade: shown.Grade, Title: t.Title + ": " + measure(*shown.Value, t.Unit),
		Detail: "It is to be " + side + measure(t.Goal, t.Unit),
		Runbook: map[string]string{
			objectives.Lag: "consumer-lag", objectives.Latency: "processing-latency", objectives.Checkpoint: "checkpoint-duration",
		}[t.ID],
	}
	if t.Limit > 0 {
		p.Detail += "; " + beyond + measure(t.Limit, t.Unit) + " somebody is called"
	}
	if t.More && shown.Note != "" {
		p.Detail += ", and " + shown.Note
	}
	p.Detail += "."
	return p
}

// uncommitted is the problem that the table had no commit for three windows, and that there was something to commit all
// the while: a topic whose clicks come back after an idle night has its three windows for a first one.
func (j *judge) uncommitted(v *vitals.Vitals, r *rates) []problem {
	if v.State == nil || v.Window <= 0 {
		return nil
	}
	lag, known := v.Lag()
	if known && lag == 0 && !r.reads {
		j.quiet = v.At
	}
	last, since := "There was none yet", j.first
	if commit := v.State.LastCommit; !commit.IsZero() {
		last, since = "The last was at "+clock(commit), commit
	}
	age, limit := v.At.Sub(since), lateCommits*v.Window
	if age <= limit || v.At.Sub(j.quiet) <= limit || lag == 0 && !r.reads {
		return nil
	}
	return []problem{{
		ID: "commit", Grade: bad, Title: "Nothing committed for " + span(age.Truncate(time.Second)), Runbook: "no-commit",
		Detail: last + ", windows are " + span(v.Window) + " long, and there are records to count.",
	}}
}

// troubles are those that no target speaks of.
func troubles(r *rates) []problem {
	var found []problem
	if r.rejectedShare > rejectedLimit {
		found = append(found, problem{
			ID: "rejected", Grade: warn, Runbook: "dead-letters",
			Title:  percent(r.rejectedShare) + " of the records are dead letters",
			Detail: "Of those read in the last 5 minutes; above " + percent(rejectedLimit) + " something is wrong with who writes them, or with the schema.",
		})
	}
	if r.failures > 0 {
		found = append(found, problem{
			ID: "checkpoints", Grade: warn, Title: number(r.failures) + " checkpoints failed",
			Detail: "In the last 5 minutes; the runner's log says why.",
		})
	}
	return found
}
