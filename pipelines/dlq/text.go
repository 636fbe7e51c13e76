package dlq

import (
	"cmp"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"clickstream/transforms/click"
)

func several[N int | int64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func writeJSON(w io.Writer, what any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(what)
}

// plain returns text that a terminal shows as it is: what is not to be printed is escaped, as in Go.
func plain(s string) string {
	if strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) || c == unicode.ReplacementChar }) {
		return strconv.Quote(s)
	}
	return s
}

// name returns what a line is for.
func (a *Line) name() string {
	switch {
	case a.Time != nil:
		return a.Time.Format(time.RFC3339)
	case a.Partition != nil:
		return fmt.Sprintf("%s:%d", a.Topic, *a.Partition)
	}
	return plain(a.Reason)
}

// WriteJSON writes the listing as one JSON object.
func (l *Listing) WriteJSON(w io.Writer) error { return writeJSON(w, l) }

// WriteCSV writes the lines as RFC 4180 has it, with the columns' names first.
func (l *Listing) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{l.By, "records", "share", "out", "replayed", "returned", "first", "last", "per_second"}); err != nil {
		return err
	}
	for _, a := range l.Lines {
		if err := out.Write([]string{
			a.name(), strconv.FormatInt(a.Records, 10), strconv.FormatFloat(a.Share, 'f', 6, 64),
			strconv.FormatInt(a.Out, 10), strconv.FormatInt(a.Replayed, 10), strconv.FormatInt(a.Returned, 10),
			a.First.Format(time.RFC3339Nano), a.Last.Format(time.RFC3339Nano), strconv.FormatFloat(a.PerSecond, 'f', 6, 64),
		}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// WriteText writes the listing for people.
func (l *Listing) WriteText(w io.Writer) error {
	var b strings.Builder
	if l.Total.Records > 0 {
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintf(t, "%s\tRECORDS\tSHARE\tOUT\tREPLAYED\tFIRST\tLAST\tRATE\n", map[string]string{"time": "TIME", "partition": "PARTITION"}[l.By]+map[bool]string{true: "REASON"}[l.By == "reason"])
		line := func(name string, a *Line) {
			fmt.Fprintf(t, "%s\t%d\t%.1f%%\t%d\t%d\t%s\t%s\t%s\n", name, a.Records, 100*a.Share, a.Out, a.Replayed,
				a.First.Format(time.RFC3339), a.Last.Format(time.RFC3339), rate(a.PerSecond))
		}
		for i := range l.Lines {
			line(l.Lines[i].name(), &l.Lines[i])
		}
		if len(l.Lines) > 1 {
			line("all", &l.Total)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	of := "topic " + l.DeadLetterTopic
	if l.Topic != "" {
		of += ", of topic " + l.Topic
	}
	fmt.Fprintf(&b, "%s in %s, %d of them not replayed; read in %.1f s\n", several(l.Total.Records, "rejected record"), of, l.Total.Out, l.Seconds)
	if l.every > 0 && l.Total.Records > 0 {
		fmt.Fprintf(&b, "each line is for %s\n", l.every)
	}
	if n := l.Total.Returned; n > 0 {
		fmt.Fprintf(&b, "%d of them had been replayed before, and failed again\n", n)
	}
	if l.Copies > 0 {
		fmt.Fprintf(&b, "%s of records that are counted already: a run that starts again rejects again what it reads again\n", several(l.Copies, "more dead letter"))
	}
	b.WriteString(l.Foreign.text())
	_, err := io.WriteString(w, b.String())
	return err
}

func (f Foreign) text() string {
	if f.Count == 0 {
		return ""
	}
	more := ""
	if n := f.Count - int64(len(f.First)); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%s no dead letter, and passed by: %s%s\n", map[bool]string{true: "1 record is", false: fmt.Sprintf("%d records are", f.Count)}[f.Count == 1], strings.Join(f.First, ", "), more)
}

// rate writes a rate by the unit that suits it.
func rate(perSecond float64) string {
	switch {
	case perSecond == 0:
		return "-"
	case perSecond >= 10:
		return fmt.Sprintf("%.0f/s", perSecond)
	case perSecond >= 1:
		return fmt.Sprintf("%.1f/s", perSecond)
	case perSecond*60 >= 1:
		return fmt.Sprintf("%.1f/min", perSecond*60)
	}
	return fmt.Sprintf("%.1f/h", perSecond*3600)
}

// WriteJSON writes what was done as one JSON object.
func (r *Replayed) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

// Err returns that windows could not be rebuilt, or nil.
func (r *Replayed) Err() error {
	if r.Rebuild == nil {
		return nil
	}
	return r.Rebuild.Err()
}

// WriteText writes what was done for people.
func (r *Replayed) WriteText(w io.Writer) error {
	var b strings.Builder
	did := "replayed"
	if r.DryRun {
		did = "would replay"
	}
	fmt.Fprintf(&b, "read %s of topic %s\n%s %s into topic %s", several(r.Read, "dead letter"), r.DeadLetterTopic, did, several(r.Replayed, "record"), r.Topic)
	if r.Replayed > 0 {
		fmt.Fprintf(&b, ": %s", byReason(r.Reasons))
	}
	if r.Transactions > 0 && r.Seconds > 0 {
		fmt.Fprintf(&b, "; in %s, %.1f s, %.0f a second", several(r.Transactions, "transaction"), r.Seconds, float64(r.Replayed)/r.Seconds)
	}
	b.WriteByte('\n')
	for _, s := range []struct {
		n   int64
		why string
	}{
		{r.Skipped.Replayed, "were replayed before"},
		{r.Skipped.Copies, "are of records that are replayed already"},
		{r.Skipped.MaxAttempts, "were replayed as often as --max-attempts allows"},
		{r.Skipped.Unchosen, "are not among those that were asked for"},
		{r.Skipped.OtherTopic, "are of other topics than --topic " + r.Topic},
		{r.Skipped.TooLarge, "are larger than topic " + r.Topic + " takes, with the headers of a replay: raise its max.message.bytes"},
	} {
		if s.n > 0 {
			fmt.Fprintf(&b, "skipped %d: they %s\n", s.n, s.why)
		}
	}
	b.WriteString(r.Foreign.text())
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	if r.Rebuild == nil {
		return nil
	}
	if r.DryRun && r.Replayed > 0 {
		if _, err := io.WriteString(w, "which windows those belong to is known once they are replayed; what follows is about earlier replays alone\n"); err != nil {
			return err
		}
	}
	return r.Rebuild.WriteText(w)
}

// byReason writes counts as «avro 10, json 2», the largest first.
func byReason(counts map[click.Reason]int64) string {
	var parts []string
	for _, reason := range slices.SortedFunc(maps.Keys(counts), func(a, b click.Reason) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	}) {
		parts = append(parts, fmt.Sprintf("%s %d", plain(string(reason)), counts[reason]))
	}
	return strings.Join(parts, ", ")
}

// WriteJSON writes the dead letter as one JSON object.
func (s *Shown) WriteJSON(w io.Writer) error { return writeJSON(w, s) }

// WriteText writes the dead letter for people.
func (s *Shown) WriteText(w io.Writer) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s  %s\n", name, fmt.Sprintf(format, args...))
	}
	place := func(at Where) string {
		return fmt.Sprintf("topic %s partition %d offset %d, %s", plain(at.Topic), at.Partition, at.Offset, at.Time.Format("2006-01-02T15:04:05.000Z07:00"))
	}
	line("dead letter", "%s", place(s.DeadLetter))
	line("record", "%s", place(s.Source))
	line("reason", "%s", plain(s.Reason))
	line("error", "%s", plain(s.Error))
	line("rejected by", "step %s of %s", plain(s.Stage), plain(s.Version))
	state := "out"
	if s.Replayed {
		state = "replayed since"
	}
	if s.Attempts > 0 {
		state += fmt.Sprintf("; it had been replayed %s before", several(s.Attempts, "time"))
	}
	line("state", "%s", state)
	if len(s.Copies) > 0 {
		line("also at", "%s, for the same record", strings.Join(s.Copies, ", "))
	}
	for _, h := range s.Headers {
		line("header", "%s: %s", plain(h.Key), plain(h.Value))
	}
	switch {
	case s.Schema == nil:
	case s.Schema.Note != "":
		line("schema", "%d: %s", s.Schema.ID, plain(s.Schema.Note))
	default:
		line("schema", "%d, which registry %s has", s.Schema.ID, s.Schema.Registry)
	}
	if s.Schema != nil && s.Schema.Text != "" {
		for _, c := range s.Schema.Changes {
			line("", "beside that of click: %s", plain(c))
		}
		if f := s.Schema.Fault; f != "" {
			line("", "%s", plain(f))
		}
		line("", "%s", plain(s.Schema.Text))
	}
	s.Key.write(&b, "key")
	s.Value.write(&b, "value")
	if d := s.Decoded; d != nil {
		fmt.Fprintf(&b, "\nas %s", d.As)
		if d.Fault != "" {
			fmt.Fprintf(&b, ", as far as it goes: %s", plain(d.Fault))
		}
		b.WriteString("\n")
		for l := range strings.Lines(d.Text) {
			text := strings.TrimSuffix(l, "\n")
			if strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }) {
				text = strings.Trim(strconv.Quote(text), `"`)
			}
			fmt.Fprintf(&b, "  %s\n", text)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// write writes bytes as they are looked at by machines and people.
func (x *Bytes) write(b *strings.Builder, name string) {
	switch {
	case x.Null:
		fmt.Fprintf(b, "\n%s: none\n", name)
		return
	case x.Size == 0:
		fmt.Fprintf(b, "\n%s: empty\n", name)
		return
	}
	fmt.Fprintf(b, "\n%s, %s\n", name, several(x.Size, "byte"))
	for l := range strings.Lines(hex.Dump(x.Shown)) {
		fmt.Fprintf(b, "  %s", l)
	}
	if x.Cut > 0 {
		fmt.Fprintf(b, "  and %s more; see all with --bytes 0\n", several(x.Cut, "byte"))
	}
}
