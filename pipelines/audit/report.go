package audit

import (
	"cmp"
	"slices"
	"time"

	"clickstream/io/table"
	"clickstream/pipelines/settings"
	"clickstream/transforms/click"
)

// Report is what Verify found.
type Report struct {
	Table           string     `json:"table"`
	Topic           string     `json:"topic"`
	DeadLetterTopic string     `json:"dead_letter_topic"`
	Partitions      int        `json:"partitions"`
	From            *time.Time `json:"from,omitempty"` // of the windows that were looked at
	To              *time.Time `json:"to,omitempty"`
	Final           *time.Time `json:"final,omitempty"` // windows that end by then take no more clicks

	Records  int64    `json:"records"` // read from the topic
	Offsets  Offsets  `json:"offsets"`
	Windows  Windows  `json:"windows"`
	Rows     int64    `json:"rows"`  // of the table that were compared
	Views    int64    `json:"views"` // in them
	Rejected Rejected `json:"without_dead_letter"`

	// Despite is how many clicks the table shows that have a dead letter: their windows were rebuilt, or a run
	// counted them that knew nothing of the one that rejected them.
	Despite int64 `json:"counted_despite_dead_letter"`

	DifferentRows int64        `json:"different_rows"`
	Differences   []Difference `json:"differences"` // the first ones, by window and page

	Clean   bool    `json:"clean"`
	Seconds float64 `json:"seconds"`
}

// Offsets is what became of each offset of the topic, from where the audit began to the topic's end. All of it sums up
// to Consumed.
type Offsets struct {
	Consumed   int64                  `json:"consumed"`
	Counted    int64                  `json:"counted"`    // clicks that rows of the table are to show
	Duplicates int64                  `json:"duplicates"` // clicks of events that are counted once, and by another click
	Rejected   map[click.Reason]int64 `json:"rejected"`   // records that are no clicks
	TooLate    int64                  `json:"too_late"`   // clicks whose windows were final, as dead letters say
	Doubtful   int64                  `json:"doubtful"`   // clicks that a run took for none, as dead letters say
	Deferred   int64                  `json:"deferred"`   // replayed clicks whose windows were final, and that the table does not hold
	Again      int64                  `json:"again"`      // replayed clicks that the table holds where they stood before
	Open       int64                  `json:"open"`       // clicks of windows that are open, and not in the table yet
	Unread     int64                  `json:"unread"`     // clicks and rejects that no run has come to yet
	Lost       int64                  `json:"lost"`       // clicks that neither the table nor a dead letter tells of
	Elsewhere  int64                  `json:"elsewhere"`  // clicks of windows that were not looked at
	Markers    int64                  `json:"markers"`    // ends of transactions
	Gaps       int64                  `json:"gaps"`       // without a record: of aborted transactions, or compacted away
	Gone       int64                  `json:"gone"`       // deleted, by the topic's retention most likely
}

// Windows counts windows by how they compared.
type Windows struct {
	Equal      int `json:"equal"`
	Different  int `json:"different"`
	Missing    int `json:"missing"`    // of those that differ: the table has none of their rows
	Changed    int `json:"changed"`    // replaced while they were looked at, and not compared
	Incomplete int `json:"incomplete"` // of those that are equal: some of their records are gone, and the table shows no less than the others
	Waiting    int `json:"waiting"`    // with clicks that are not in the table yet
}

// Rejected is records that are no clicks, and have no dead letter though a run has come past them.
type Rejected struct {
	Total int64   `json:"total"`
	First []Place `json:"first"`
}

// Place is where a record that was rejected stands.
type Place struct {
	Partition int32        `json:"partition"`
	Offset    int64        `json:"offset"`
	Reason    click.Reason `json:"reason"`
}

func newReport(s *settings.TableVerify, source *source, span table.Span) *Report {
	r := &Report{
		Table: s.Audit.Table, Topic: s.Audit.Topic, DeadLetterTopic: s.DeadLetterTopic,
		Offsets:  Offsets{Rejected: map[click.Reason]int64{}},
		Rejected: Rejected{First: []Place{}}, Differences: []Difference{},
	}
	for _, t := range []struct {
		at   time.Time
		into **time.Time
	}{{span.From, &r.From}, {span.To, &r.To}, {source.state.Final, &r.Final}} {
		if !t.at.IsZero() {
			at := t.at.UTC()
			*t.into = &at
		}
	}
	return r
}

// missing takes down a reject without a dead letter.
func (r *Report) missing(partition int32, offset int64, reason click.Reason, limit int) {
	r.Rejected.Total++
	if limit == 0 || len(r.Rejected.First) < limit {
		r.Rejected.First = append(r.Rejected.First, Place{partition, offset, reason})
	}
}

// differ takes down the differences of a window, and keeps the first ones of all.
func (r *Report) differ(diffs []Difference, limit int) {
	r.DifferentRows += int64(len(diffs))
	r.Differences = append(r.Differences, diffs...)
	if limit > 0 && len(r.Differences) > limit {
		slices.SortFunc(r.Differences, byRow)
		r.Differences = slices.Clone(r.Differences[:limit])
	}
}

func byRow(a, b Difference) int {
	return cmp.Or(a.WindowStart.Compare(b.WindowStart), cmp.Compare(a.PageURL, b.PageURL))
}

// conclude puts in what is known once all is read.
func (r *Report) conclude(s *source, took time.Duration) {
	slices.SortFunc(r.Differences, byRow)
	r.Partitions, r.Seconds = len(s.partitions), took.Seconds()
	o := &r.Offsets
	for _, p := range s.partitions {
		o.Consumed += p.end - p.begin
		o.Gone += p.start - p.begin
	}
	o.Gaps = o.Consumed - o.Gone - r.Records - o.Markers
	r.Clean = r.DifferentRows == 0 && r.Rejected.Total == 0 && o.Lost == 0
}
