package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode"

	"clickstream/io/table"
	"clickstream/pipelines/settings"
	"clickstream/transforms/click"
)

type tableCommand struct {
	Show    tableShowCommand    `cmd:"" help:"Print rows of the table."`
	Verify  tableVerifyCommand  `cmd:"" help:"Hold the table against its topic, offset by offset and row by row."`
	Rebuild tableRebuildCommand `cmd:"" help:"Count windows anew from the topic, late clicks too, and replace them."`
	Compact tableCompactCommand `cmd:"" help:"Merge the files of a Delta table's closed windows."`
	Vacuum  tableVacuumCommand  `cmd:"" help:"Remove the files of a Delta table that no version needs any more."`
}

type tableShowCommand struct {
	Settings settings.TableShow `embed:""`
}

func (*tableShowCommand) Help() string {
	return `
Prints the rows of the table in the order of their windows and, within a window, of their pages.

Examples:

    clickstream table show
    clickstream table show --from 2026-01-31T08:00:00Z --to 2026-01-31T09:00:00Z --page /checkout
    clickstream table show --table ./demo/page_views_1min --output csv > views.csv
`
}

func (c *tableShowCommand) settings() settings.Settings { return &c.Settings }

// Run runs the command.
func (c *tableShowCommand) Run(ctx context.Context, w io.Writer) error {
	s := &c.Settings
	t, err := table.ViewAt(ctx, s.Table, table.Moment{Version: s.Version, Time: s.Timestamp.Time})
	if err != nil {
		return err
	}
	rows := t.Scan(ctx, table.Filter{Span: table.Span{From: s.From.Time, To: s.To.Time}, Page: s.Page, Limit: s.Limit})
	of, unknown := t.Metadata(ctx) // the rows may be there all the same, or tell themselves what is wrong
	out := bufio.NewWriter(w)
	if err := printers[s.Output](out, rows, of.Users); err != nil {
		return err
	}
	if unknown != nil && !errors.Is(unknown, table.ErrEmpty) {
		slog.Warn("rows are shown without their users, if they have any", "error", unknown)
	}
	return out.Flush()
}

// printers print rows in each format of --output. The last argument says whether rows tell of users.
var printers = map[string]func(io.Writer, iter.Seq2[click.PageView, error], bool) error{
	"table": printTable, "csv": printCSV, "json": printJSON,
}

// printTable prints rows for the eye: a page's control characters are escaped, as in Go.
func printTable(w io.Writer, rows iter.Seq2[click.PageView, error], users bool) error {
	line := func(start, end, views, unique, page string) error {
		if users {
			views += fmt.Sprintf("  %10s", unique)
		}
		_, err := fmt.Fprintf(w, "%-20s  %-20s  %10s  %s\n", start, end, views, page)
		return err
	}
	if err := line("WINDOW START", "WINDOW END", "VIEWS", "USERS", "PAGE"); err != nil {
		return err
	}
	for r, err := range rows {
		if err != nil {
			return err
		}
		page := r.PageURL
		if strings.ContainsFunc(page, func(c rune) bool { return !unicode.IsPrint(c) }) {
			page = strconv.Quote(page)
		}
		if err := line(r.WindowStart.UTC().Format(time.RFC3339), r.WindowEnd.UTC().Format(time.RFC3339), strconv.FormatInt(r.ViewCount, 10), strconv.FormatInt(r.UniqueUsers, 10), page); err != nil {
			return err
		}
	}
	return nil
}

// printCSV prints rows as RFC 4180 has it, with the columns' names first.
func printCSV(w io.Writer, rows iter.Seq2[click.PageView, error], users bool) error {
	out := csv.NewWriter(w)
	columns := 4
	if users {
		columns = 5
	}
	if err := out.Write([]string{"window_start", "window_end", "page_url", "view_count", "unique_users"}[:columns]); err != nil {
		return err
	}
	for r, err := range rows {
		if err != nil {
			return err
		}
		values := []string{r.WindowStart.UTC().Format(time.RFC3339), r.WindowEnd.UTC().Format(time.RFC3339), r.PageURL, strconv.FormatInt(r.ViewCount, 10), strconv.FormatInt(r.UniqueUsers, 10)}
		if err := out.Write(values[:columns]); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// printJSON prints an object a line.
func printJSON(w io.Writer, rows iter.Seq2[click.PageView, error], users bool) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for r, err := range rows {
		if err != nil {
			return err
		}
		var unique *int64
		if users {
			unique = &r.UniqueUsers
		}
		if err := out.Encode(struct {
			WindowStart time.Time `json:"window_start"`
			WindowEnd   time.Time `json:"window_end"`
			PageURL     string    `json:"page_url"`
			ViewCount   int64     `json:"view_count"`
			UniqueUsers *int64    `json:"unique_users,omitempty"`
		}{r.WindowStart.UTC(), r.WindowEnd.UTC(), r.PageURL, r.ViewCount, unique}); err != nil {
			return err
		}
	}
	return nil
}
