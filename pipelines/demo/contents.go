package demo

import (
	"cmp"
	"context"
	"slices"
	"time"

	"clickstream/io/table"
)

// contents is what the table holds, read from its files.
type contents struct {
	Windows int
	Rows    int64
	Views   int64
	To      time.Time // end of the newest window; zero where there is none

	Minutes []minute // the newest windows, newest first
	Top     []page   // the pages of the newest topMinutes of them, most viewed first
}

type minute struct {
	Start time.Time
	Views int64
}

type page struct {
	URL   string
	Views int64
}

const (
	topMinutes = 5  // the windows that the top pages are of
	maxMinutes = 30 // the most windows that are shown
	maxPages   = 50 // the most pages that are shown
)

// readTable reads the table at path.
func readTable(ctx context.Context, path string) (contents, error) {
	var c contents
	t, err := table.View(ctx, path)
	if err != nil {
		return c, err
	}
	for w, err := range t.Windows(ctx, table.Span{}) {
		if err != nil {
			return c, err
		}
		c.Windows++
		c.Rows += w.Rows
		c.Views += w.Events
		c.To = w.End
		c.Minutes = append(c.Minutes, minute{w.Start, w.Events})
	}
	if c.Windows == 0 {
		return c, nil
	}
	slices.Reverse(c.Minutes)
	c.Minutes = slices.Clone(c.Minutes[:min(len(c.Minutes), maxMinutes)])

	views := map[string]int64{}
	recent := table.Span{From: c.Minutes[min(len(c.Minutes), topMinutes)-1].Start}
	for row, err := range t.Scan(ctx, table.Filter{Span: recent}) {
		if err != nil {
			return c, err
		}
		views[row.PageURL] += row.ViewCount
	}
	for url, n := range views {
		c.Top = append(c.Top, page{url, n})
	}
	slices.SortFunc(c.Top, func(a, b page) int { return cmp.Or(cmp.Compare(b.Views, a.Views), cmp.Compare(a.URL, b.URL)) })
	c.Top = slices.Clone(c.Top[:min(len(c.Top), maxPages)])
	return c, nil
}

// topSpan returns the time that the top pages are of.
func (c *contents) topSpan() (from, to time.Time) {
	return c.Minutes[min(len(c.Minutes), topMinutes)-1].Start, c.To
}
