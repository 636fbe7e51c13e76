package demo

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"clickstream/transforms/progress"
)

// outcome is what a demo did.
type outcome struct {
	Took     time.Duration
	Progress progress.Snapshot
	Table    contents
	Path     string // of the table, absolute
	Program  string // the words that run this program
	Page     string // where it could be seen; empty for nowhere
}

// closing returns what is said at the end.
func closing(o outcome) string {
	var b strings.Builder
	s := &snapshot{Progress: o.Progress}
	fmt.Fprintf(&b, "\nRead %s records in %.1f s: %s clicks were counted.\nDead letters: %s.\n",
		number(o.Progress.Read), o.Took.Seconds(), number(o.Progress.Counted), reasons(s))
	if o.Table.Windows == 0 {
		fmt.Fprintf(&b, "No minute was written yet, so the table is empty: %s\n", o.Path)
		return b.String()
	}
	from, to := o.Table.topSpan()
	fmt.Fprintf(&b, "\nTop pages of %s–%s UTC:\n\n", hour(from), hour(to))
	for _, p := range o.Table.Top[:min(5, len(o.Table.Top))] {
		fmt.Fprintf(&b, "  %s  %s\n", figure(number(p.Views)), printable(p.URL))
	}
	fmt.Fprintf(&b, "\nThe table has the minutes that had closed, up to %s UTC: %s, %s rows, %s views.\nIt is in %s\n",
		hour(o.Table.To), windows(o.Table.Windows), number(o.Table.Rows), number(o.Table.Views), o.Path)
	fmt.Fprint(&b, "\nQuery it with this program, DuckDB or pandas:\n\n")
	for _, query := range queries(o.Path, o.Program) {
		fmt.Fprintf(&b, "  %s\n", query)
	}
	if o.Page != "" {
		fmt.Fprintf(&b, "\nThe page at %s has ended with the demo; this serves it for a pipeline of yours:\n\n  %s monitor --help\n", o.Page, o.Program)
	}
	return b.String() + "\n"
}

// queries returns lines for a POSIX shell that show the table at path.
func queries(path, program string) []string {
	files := globLiteral(path) + "/**/*.parquet"
	duckdb := "select page_url, sum(view_count) as views from read_parquet('" + strings.ReplaceAll(files, "'", "''") +
		"', hive_partitioning=true) group by all order by views desc limit 10"
	return []string{
		program + " table show --limit 10 --table " + shellWord(path),
		"python3 -c " + shellText(`import duckdb; duckdb.sql("`+pythonText(duckdb, '"')+`").show()`),
		"python3 -c " + shellText(`import pandas as pd; print(pd.read_parquet('`+pythonText(path, '\'')+`').groupby('page_url').view_count.sum().nlargest(10))`),
	}
}

var globbing = regexp.MustCompile(`[*?[]`)

// globLiteral returns path for where * ? and [ are patterns, as in DuckDB.
func globLiteral(path string) string { return globbing.ReplaceAllString(path, "[$0]") }

// pythonText returns s for within the given quotes of a Python literal.
func pythonText(s string, quote rune) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\\' || r == quote:
			b.WriteRune('\\')
			b.WriteRune(r)
		case !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

var (
	shellSafe    = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)
	shellSpecial = regexp.MustCompile("[\\\\\"$`]")
)

// shellWord returns s as one word of a shell.
func shellWord(s string) string {
	if shellSafe.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// shellText returns s as one word of a shell, in double quotes where that can be.
func shellText(s string) string {
	if strings.Contains(s, "!") { // an interactive shell looks for its history there, escaped or not
		return shellWord(s)
	}
	return `"` + shellSpecial.ReplaceAllString(s, `\$0`) + `"`
}

// program returns the words that run this program again, from what it was started as: go run starts a binary that
// is gone later.
func program(started string) string {
	if strings.Contains(started, "go-build") {
		return "go run ./pipelines/clickstream"
	}
	return shellWord(started)
}
