package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"clickstream/transforms/click"
)

// Err returns what differs, in a line, or nil when all is clean.
func (r *Report) Err() error {
	var faults []string
	if r.DifferentRows > 0 {
		faults = append(faults, fmt.Sprintf("%s in %s differ", several(r.DifferentRows, "row"), several(int64(r.Windows.Different), "window")))
	}
	if r.Offsets.Lost > 0 {
		faults = append(faults, several(r.Offsets.Lost, "click")+" in neither the table nor the dead letters")
	}
	if r.Rejected.Total > 0 {
		faults = append(faults, several(r.Rejected.Total, "record")+" rejected without a dead letter")
	}
	if len(faults) == 0 {
		return nil
	}
	return errors.New("table " + r.Table + " is not as topic " + r.Topic + " tells: " + strings.Join(faults, ", "))
}

func several(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// WriteJSON writes the report as one JSON object.
func (r *Report) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

func writeJSON(w io.Writer, what any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(what)
}

// WriteText writes the report for people.
func (r *Report) WriteText(out io.Writer) error {
	w := &printer{Writer: out}
	w.printf("table %s against topic %s%s\n\n", r.Table, r.Topic, r.span())
	r.writeOffsets(w)
	r.writeWindows(w)
	r.writeDifferences(w)
	if n := r.Rejected.Total; n > 0 {
		w.printf("\nrejected without a dead letter in %s:\n", r.DeadLetterTopic)
		for _, p := range r.Rejected.First {
			w.printf("  partition %d offset %d: %s\n", p.Partition, p.Offset, p.Reason)
		}
		if more := n - int64(len(r.Rejected.First)); more > 0 {
			w.printf("  and %d more\n", more)
		}
	}
	if r.Clean {
		w.printf("\nclean: every offset is accounted for, and every row is equal\n")
	} else {
		w.printf("\nNOT clean: see above\n")
	}
	return w.err
}

// span tells which windows were looked at, where not all were.
func (r *Report) span() string {
	s := ""
	if r.From != nil {
		s += " from " + r.From.Format(time.RFC3339)
	}
	if r.To != nil {
		s += " to " + r.To.Format(time.RFC3339)
	}
	if s == "" {
		return ""
	}
	return ", windows" + s
}

func (r *Report) writeOffsets(w *printer) {
	o := &r.Offsets
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(n int64, name, what string) { fmt.Fprintf(t, "%s\t%d\t  %s\n", name, n, what) }
	some := func(n int64, name, what string) {
		if n > 0 {
			line(n, name, what)
		}
	}
	counted := "clicks in rows of the table"
	if r.Despite > 0 {
		counted += fmt.Sprintf("; they show %s with a dead letter", several(r.Despite, "click"))
	}
	line(o.Counted, "counted", counted)
	some(o.Duplicates, "duplicates", "clicks of events that are counted already")
	var reasons []string
	rejected := int64(0)
	for _, reason := range click.Reasons {
		if n := o.Rejected[reason]; n > 0 {
			rejected += n
			reasons = append(reasons, fmt.Sprintf("%s %d", reason, n))
		}
	}
	line(rejected, "rejected", strings.Join(reasons, ", "))
	line(o.TooLate, "too late", "clicks whose windows were final, as dead letters say")
	some(o.Doubtful, "doubtful", "clicks that a run took for none, as dead letters say")
	some(o.Deferred, "deferred", "replayed clicks whose windows were final: take them in with clickstream dlq replay --rebuild")
	some(o.Again, "again", "replayed clicks that are counted where they stood before")
	line(o.Open+o.Unread, "pending", fmt.Sprintf("%d clicks of windows that are open, %d records that no run has come to", o.Open, o.Unread))
	some(o.Lost, "lost", "clicks in neither the table nor the dead letters")
	some(o.Elsewhere, "elsewhere", "clicks of windows that were not looked at")
	some(o.Markers, "markers", "ends of transactions")
	some(o.Gaps, "gaps", "offsets without a record: of aborted transactions, or compacted away")
	some(o.Gone, "gone", "offsets that the topic no longer has")
	perSecond := 0.0
	if r.Seconds > 0 {
		perSecond = float64(r.Records) / r.Seconds
	}
	line(o.Consumed, "consumed", fmt.Sprintf("offsets of %s in %.1f s, %.0f records/s", several(int64(r.Partitions), "partition"), r.Seconds, perSecond))
	w.keep(t.Flush())
}

func (r *Report) writeWindows(w *printer) {
	s := r.Windows
	w.printf("\nwindows: %d equal", s.Equal)
	some := func(n int, what string) {
		if n > 0 {
			w.printf(", %d %s", n, what)
		}
	}
	some(s.Different, "different")
	some(s.Missing, "of those missing")
	some(s.Changed, "replaced while they were looked at")
	some(s.Waiting, "with clicks that are not in the table yet")
	w.printf("; %s with %s compared\n", several(r.Rows, "row"), several(r.Views, "view"))
	if s.Incomplete > 0 {
		w.printf("of %s the topic no longer has every record; they show no less than what is left\n", several(int64(s.Incomplete), "window"))
	}
}

func (r *Report) writeDifferences(w *printer) {
	if len(r.Differences) == 0 {
		return
	}
	const line = "%-20s  %10s  %10s  %s\n"
	w.printf("\n"+line, "WINDOW START", "TOPIC", "TABLE", "PAGE")
	for _, d := range r.Differences {
		page := d.PageURL
		if strings.ContainsFunc(page, func(c rune) bool { return !unicode.IsPrint(c) }) {
			page = strconv.Quote(page)
		}
		if d.Note != "" {
			page += " (" + d.Note + ")"
		}
		w.printf(line, d.WindowStart.Format(time.RFC3339), strconv.FormatInt(d.Topic, 10), strconv.FormatInt(d.Table, 10), page)
	}
	if more := r.DifferentRows - int64(len(r.Differences)); more > 0 {
		w.printf("and %d more rows\n", more)
	}
}

// printer keeps the first error of what is written.
type printer struct {
	io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	_, err := fmt.Fprintf(p.Writer, format, args...)
	p.keep(err)
}

func (p *printer) keep(err error) {
	if p.err == nil {
		p.err = err
	}
}
