package audit

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"clickstream/io/table"
	"clickstream/transforms/click"
)

// Rebuilt is what Rebuild did, or would do.
type Rebuilt struct {
	Table  string    `json:"table"`
	Topic  string    `json:"topic"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	DryRun bool      `json:"dry_run"`

	Records  int64                  `json:"records"`  // read from the topic, clicks of other windows among them
	Rejected map[click.Reason]int64 `json:"rejected"` // of those, records that are no clicks; their dead letters are there already

	Replaced  int       `json:"replaced"`  // windows
	Unchanged int       `json:"unchanged"` // windows that held the same rows already
	Refused   int       `json:"refused"`   // windows that would have shrunk, or that cannot be counted any more
	Before    int64     `json:"before"`    // events of all windows
	After     int64     `json:"after"`     // of the windows as the topic tells
	Rows      int64     `json:"rows"`      // that are new, changed or gone
	Windows   []Recount `json:"windows"`   // those that were replaced, or refused

	Seconds float64 `json:"seconds"`
}

// Recount is one window.
type Recount struct {
	WindowStart time.Time       `json:"window_start"`
	Before      int64           `json:"before"` // events that the table held
	After       int64           `json:"after"`  // events that the topic has
	Rebuilt     bool            `json:"replaced"`
	Refused     []table.Refusal `json:"refused,omitempty"` // shards that would have shrunk, and were left
	Gone        string          `json:"gone,omitempty"`    // why it cannot be counted any more, and was left
}

func (r *Rebuilt) add(w Recount) {
	r.Before += w.Before
	r.After += w.After
	switch {
	case len(w.Refused) > 0, w.Gone != "":
		r.Refused++
	case w.Rebuilt:
		r.Replaced++
	default:
		r.Unchanged++
		return
	}
	r.Windows = append(r.Windows, w)
}

// Err returns that windows were refused, or nil when none was.
func (r *Rebuilt) Err() error {
	var shrunk, gone int64
	var first, firstGone Recount
	for _, w := range r.Windows {
		switch {
		case len(w.Refused) > 0:
			if shrunk++; shrunk == 1 {
				first = w
			}
		case w.Gone != "":
			if gone++; gone == 1 {
				firstGone = w
			}
		}
	}
	var faults []string
	if shrunk > 0 {
		faults = append(faults, several(shrunk, "window")+" would have shrunk and were left as they are; the first: "+first.Refused[0].String()+"; has the topic lost records?")
	}
	if gone > 0 {
		faults = append(faults, several(gone, "window")+" cannot be counted any more and stayed as before; the first: that of "+firstGone.WindowStart.Format(time.RFC3339)+
			", "+firstGone.Gone+"; what was replayed of it stands in the topic, and table verify tells it as deferred; raise the topic's retention for the others")
	}
	if len(faults) == 0 {
		return nil
	}
	return errors.New("table " + r.Table + ": " + strings.Join(faults, "; and "))
}

// WriteJSON writes what was done as one JSON object.
func (r *Rebuilt) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

// shownWindows is how many windows WriteText shows.
const shownWindows = 50

// WriteText writes what was done for people.
func (r *Rebuilt) WriteText(out io.Writer) error {
	w := &printer{Writer: out}
	const line = "%-20s  %10s  %10s  %s\n"
	if len(r.Windows) > 0 {
		w.printf(line, "WINDOW START", "BEFORE", "AFTER", "")
	}
	for i, win := range r.Windows {
		if i == shownWindows {
			w.printf("and %d more windows\n", len(r.Windows)-i)
			break
		}
		what := "rebuilt"
		switch {
		case len(win.Refused) > 0:
			what = "left as it is: " + win.Refused[0].String()
		case win.Gone != "":
			what = "left as it is: " + win.Gone
		case r.DryRun:
			what = "would be rebuilt"
		}
		w.printf(line, win.WindowStart.Format(time.RFC3339), strconv.FormatInt(win.Before, 10), strconv.FormatInt(win.After, 10), what)
	}
	done := "rebuilt"
	if r.DryRun {
		done = "would rebuild"
	}
	rejected := int64(0)
	for _, n := range r.Rejected {
		rejected += n
	}
	w.printf("%s %d of %s of table %s, from %s to %s: %d events before, %d after, %s changed; %d unchanged, %d refused\n", done, r.Replaced,
		several(int64(r.Replaced+r.Unchanged+r.Refused), "window"), r.Table, r.From.Format(time.RFC3339), r.To.Format(time.RFC3339), r.Before, r.After, several(r.Rows, "row"), r.Unchanged, r.Refused)
	w.printf("read %s of topic %s in %.1f s, %d of them no clicks, whose dead letters were left as they are\n", several(r.Records, "record"), r.Topic, r.Seconds, rejected)
	return w.err
}
