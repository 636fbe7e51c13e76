package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// cell is a case on a runner, in a way, and what came of it.
type cell struct {
	index  int
	golden *golden
	runner runner
	way    way
	err    error
	took   time.Duration
}

func (c *cell) String() string {
	return fmt.Sprintf("%s, %s, %s", c.golden.name, c.runner.name, c.way)
}

// matrix is all cells: the cases by the runners.
type matrix struct {
	goldens []*golden
	runners []runner
	cells   []*cell
}

func newMatrix(goldens []*golden, runners []runner) *matrix {
	m := &matrix{goldens: goldens, runners: runners}
	for i, g := range goldens {
		for _, w := range []way{whole, runKilled, workerKilled} {
			for _, r := range runners {
				for _, of := range r.ways() {
					if of == w {
						m.cells = append(m.cells, &cell{index: i, golden: g, runner: r, way: w})
					}
				}
			}
		}
	}
	return m
}

// play plays all cells, some at once, and tells of each that is done. Those of Spark are played one after the other,
// beside the others: its job service runs one job at a time.
func (m *matrix) play(ctx context.Context, s *suite, atOnce int, tell func(*cell)) {
	var (
		working      sync.WaitGroup
		mu           sync.Mutex
		spark, other = make(chan *cell, len(m.cells)), make(chan *cell, len(m.cells))
	)
	work := func(cells <-chan *cell) {
		for c := range cells {
			begin := time.Now()
			c.err = s.play(ctx, c.index, c.golden, c.runner, c.way)
			c.took = time.Since(begin)
			mu.Lock()
			tell(c)
			mu.Unlock()
		}
	}
	for _, c := range m.cells {
		if c.runner.flag == "spark" {
			spark <- c
		} else {
			other <- c
		}
	}
	close(spark)
	close(other)
	working.Go(func() { work(spark) })
	for range atOnce {
		working.Go(func() { work(other) })
	}
	working.Wait()
}

// failed returns the cells that have.
func (m *matrix) failed() []*cell {
	var all []*cell
	for _, c := range m.cells {
		if c.err != nil {
			all = append(all, c)
		}
	}
	return all
}

// at returns the words of a cell: the first difference, where it has failed.
func (m *matrix) at(g *golden, r runner, w way) string {
	for _, c := range m.cells {
		if c.golden == g && c.runner.name == r.name && c.way == w {
			if c.err != nil {
				return oneLine(c.err)
			}
			return "pass"
		}
	}
	return "–"
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

// rows calls f with each line: the case in some way, and its cells.
func (m *matrix) rows(f func(g *golden, w way, cells []string)) {
	for _, g := range m.goldens {
		for _, w := range []way{whole, runKilled, workerKilled} {
			var cells []string
			there := false
			for _, r := range m.runners {
				text := m.at(g, r, w)
				cells = append(cells, text)
				there = there || text != "–"
			}
			if there {
				f(g, w, cells)
			}
		}
	}
}

// writeText writes the matrix for a terminal, and what differs below it.
func (m *matrix) writeText(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprint(out, "case\t")
	for _, r := range m.runners {
		fmt.Fprint(out, "\t", r.name)
	}
	fmt.Fprintln(out)
	m.rows(func(g *golden, how way, cells []string) {
		name := g.name
		if how != whole {
			name = ""
		}
		fmt.Fprint(out, name, "\t", how)
		for _, c := range cells {
			if c != "pass" && c != "–" {
				c = "FAIL"
			}
			fmt.Fprint(out, "\t", c)
		}
		fmt.Fprintln(out)
	})
	if err := out.Flush(); err != nil {
		return err
	}
	for _, c := range m.failed() {
		if _, err := fmt.Fprintf(w, "\n%s: %s\n", c, c.err); err != nil {
			return err
		}
	}
	return nil
}

// writeMarkdown writes the matrix as a table of Markdown: a row a case. A cell is pass where all ways of it are, or the
// first difference.
func (m *matrix) writeMarkdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| case |")
	for _, r := range m.runners {
		fmt.Fprintf(&b, " %s |", r.name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(m.runners)) + "\n")
	for _, g := range m.goldens {
		fmt.Fprintf(&b, "| %s |", g.name)
		for _, r := range m.runners {
			fmt.Fprintf(&b, " %s |", strings.ReplaceAll(m.summary(g, r), "|", `\|`))
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// summary returns what came of all ways in which a runner has played a case.
func (m *matrix) summary(g *golden, r runner) string {
	text := "–"
	for _, w := range r.ways() {
		switch is := m.at(g, r, w); is {
		case "–":
		case "pass":
			text = is
		default:
			return string(w) + ": " + is
		}
	}
	return text
}
