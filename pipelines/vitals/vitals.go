// Package vitals is what is known of a pipeline at one moment: the words that the metrics, the dashboard and the
// alerts share, whoever gathers them.
package vitals

import (
	"time"

	"clickstream/transforms/click"
)

// Source tells how a pipeline goes. Any number of goroutines may ask.
type Source interface {
	// Vitals returns what is known now. It waits for nothing: where Kafka or the table cannot be asked, it returns
	// what was last known, and Parts says so. What it returns is the caller's to read, and nobody's to change.
	Vitals() Vitals
}

// Vitals is what is known of a pipeline at one moment. Counters grow for as long as the process does that gathers
// them, and begin at zero with it.
type Vitals struct {
	At       time.Time
	Topic    string
	Group    string
	Table    string        // empty where the pipeline has none
	Window   time.Duration // zero where it is not known
	Parts    []Part        // what the rest was gathered from
	Rejects  map[click.Reason]int64
	Counters Counters

	Partitions []Partition // ascending; empty until Kafka has answered once

	Latency click.Durations // from a record's broker timestamp to its count leaving the reader, a click each
	Publish click.Durations // from a window's end to its first rows in the table, a window each
	Commit  click.Durations // from the first file of a commit to its entry in the log, a commit each
	Bundle  click.Durations // length of a reader's bundle; empty where the readers run elsewhere

	State       *TableState  // nil until the table was read, and where there is none
	Checkpoints *Checkpoints // nil where the runner takes none, or is not asked
}

// Part is something that vitals are gathered from.
type Part struct {
	Name    string // kafka, table, dead_letters, flink, process
	Up      bool   // it answered when it was last asked
	Fault   string // in one line why not, without secrets; empty where it did
	Pending bool   // the first answer is still awaited: it is not up, and nothing is wrong yet
}

// Counters are what the pipeline has done since its vitals are gathered.
type Counters struct {
	Read       int64 // records read
	Counted    int64 // clicks that are in the table, or, where the pipeline runs in this process, handed to the count
	Skipped    int64 // clicks left out as counted by an earlier run
	Deferred   int64 // replayed clicks of closed windows, left to a rebuild
	Duplicates int64 // clicks of events that were counted already, with --dedupe
	Commits    int64 // of the table
	Conflicts  int64 // commits that were planned anew, as somebody else's came first
	Files      int64 // written into the table
	Bytes      int64 // in them
	Forwarded  int64 // enriched clicks written, by enrich
}

// Partition is how far one partition is.
type Partition struct {
	Number    int32
	End       int64     // offset after its last committed record
	Committed int64     // the group's offset; -1 where it has none
	Lag       int64     // records between the two, never negative; all that it holds where the group has none
	Watermark time.Time // of its clicks; zero while it is not known
	Idle      bool      // it is caught up and silent, and left out of the pipeline's watermark
}

// TableState is what the table is.
type TableState struct {
	Version    int64 // -1 for a table without a log
	Files      int64
	SmallFiles int64 // that table compact would merge
	Bytes      int64
	LastCommit time.Time // zero where it is not known
	NewestEnd  time.Time // end of the newest window; zero where it holds none
	Top        []Page    // of the newest windows, most viewed first
}

// Page is a page's views in the newest windows.
type Page struct {
	URL   string
	Views int64
}

// Checkpoints are the runner's.
type Checkpoints struct {
	Completed int64
	Failed    int64
	Last      time.Duration // how long the last completed one took
	Bytes     int64         // its size
}

// Lag returns the records that the group has not read yet, of all partitions, and false while it is not known.
func (v *Vitals) Lag() (int64, bool) {
	var lag int64
	for _, p := range v.Partitions {
		lag += p.Lag
	}
	return lag, len(v.Partitions) > 0
}

// Watermark returns the least of the partitions' that are not idle, and false where none is known: the pipeline's own,
// but for what it has not told yet. A partition that was idle, and has records to read since, holds it.
func (v *Vitals) Watermark() (time.Time, bool) {
	var low time.Time
	for _, p := range v.Partitions {
		if (!p.Idle || p.Lag > 0) && !p.Watermark.IsZero() && (low.IsZero() || p.Watermark.Before(low)) {
			low = p.Watermark
		}
	}
	return low, !low.IsZero()
}
