// Package readers has other programs read Delta tables, and write to them: delta-rs, DuckDB and Spark.
package readers

import (
	"bufio"
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/testing/kafkatest"
	"clickstream/transforms/click"
)

// The programs.
const (
	DeltaRS = "delta-rs"
	DuckDB  = "duckdb"
	Spark   = "spark"
)

//go:embed readers.py
var script []byte

// Reader is one of the programs, in a process of its own. Any number of goroutines may use it; it does one thing
// after another.
type Reader struct {
	Program string

	mu     sync.Mutex
	in     io.Writer
	out    *bufio.Reader
	stderr *bytes.Buffer // to be read when the process has ended
}

// Each runs f as a parallel subtest with each of the programs, by its name.
func Each(t *testing.T, f func(t *testing.T, r *Reader)) {
	t.Helper()
	for _, program := range []string{Spark, DeltaRS, DuckDB} { // the slowest first
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			f(t, Start(t, program))
		})
	}
}

// Start starts a program, which ends with the test. Where there is none the test is skipped; under CI=true it fails.
func Start(t *testing.T, program string) *Reader {
	t.Helper()
	python := kafkatest.Named(t, "CLICKSTREAM_TEST_PYTHON", "scripts/components/python makes such an interpreter")
	if program == Spark {
		kafkatest.Named(t, "CLICKSTREAM_TEST_SPARK_JARS", "scripts/components/fetch delta-spark fetches them into such a folder")
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "readers.py"), script, 0o600))
	command := exec.Command(python, "readers.py", program) // not ended by a context: its child would outlive it
	r := &Reader{Program: program, stderr: new(bytes.Buffer)}
	command.Dir, command.Stderr = dir, r.stderr
	in, err := command.StdinPipe()
	require.NoError(t, err)
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	r.in, r.out = in, bufio.NewReader(out)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		assert.NoError(t, in.Close())
		assert.NoError(t, command.Wait(), "%s: %s", program, r.stderr)
	})
	return r
}

// Query says what to read: of the newest version unless it is named, and every row that all of what is set speaks of.
type Query struct {
	Version  *int64
	From, To time.Time // window_start at or after, and before
	Date     string    // window_date
	Page     string    // page_url
	Least    int64     // view_count at least
	Users    bool      // unique_users as well, which the table has
}

// Of returns the rows that a query asks for, in their order.
func (q Query) Of(rows []click.PageView) []click.PageView {
	return slices.DeleteFunc(slices.Clone(rows), func(r click.PageView) bool {
		return r.WindowStart.Before(q.From) || !q.To.IsZero() && !r.WindowStart.Before(q.To) || r.ViewCount < q.Least ||
			q.Date != "" && q.Date != r.WindowStart.Format(time.DateOnly) || q.Page != "" && q.Page != r.PageURL
	})
}

// Read returns rows of the table in a folder, by window and page. An error is what the program said, or a row whose
// window_date is not its window_start's.
func (r *Reader) Read(table string, q Query) ([]click.PageView, error) {
	said := map[string]any{"table": table}
	if q.Version != nil {
		said["version"] = *q.Version
	}
	if !q.From.IsZero() {
		said["start"] = q.From.UnixMicro()
	}
	if !q.To.IsZero() {
		said["end"] = q.To.UnixMicro()
	}
	if q.Date != "" {
		said["date"] = q.Date
	}
	if q.Page != "" {
		said["page"] = q.Page
	}
	if q.Least != 0 {
		said["least"] = q.Least
	}
	if q.Users {
		said["users"] = true
	}
	var found []row
	if err := r.do("read", said, &found); err != nil {
		return nil, err
	}
	views := []click.PageView{}
	for _, f := range found {
		if date := f.view.WindowStart.Format(time.DateOnly); f.date != date {
			return nil, fmt.Errorf("%s: window_date is %s, and window_start %s", r.Program, f.date, f.view.WindowStart)
		}
		views = append(views, f.view)
	}
	Sort(views)
	return views, nil
}

// Sort sorts rows by window and page.
func Sort(rows []click.PageView) {
	slices.SortFunc(rows, func(a, b click.PageView) int {
		return cmp.Or(a.WindowStart.Compare(b.WindowStart), strings.Compare(a.PageURL, b.PageURL))
	})
}

// Append has the program add rows.
func (r *Reader) Append(table string, views ...click.PageView) error {
	rows := make([]row, len(views))
	for i, v := range views {
		rows[i] = row{view: v, date: v.WindowStart.UTC().Format(time.DateOnly)}
	}
	return r.do("append", map[string]any{"table": table, "rows": rows}, nil)
}

// Checkpoint has the program write a checkpoint of the newest version.
func (r *Reader) Checkpoint(table string) error {
	return r.do("checkpoint", map[string]any{"table": table}, nil)
}

// Optimize has the program merge the files of each date.
func (r *Reader) Optimize(table string) error {
	return r.do("optimize", map[string]any{"table": table}, nil)
}

// Vacuum returns the files that the program takes for garbage, sorted. It removes none.
func (r *Reader) Vacuum(table string) ([]string, error) {
	var names []string
	err := r.do("vacuum", map[string]any{"table": table}, &names)
	slices.Sort(names)
	return names, err
}

// About is what delta-rs says of a table.
type About struct {
	ID         string
	Version    int64
	Operations []string // newest first
}

// About returns what delta-rs says of a table.
func (r *Reader) About(table string) (a About, err error) {
	err = r.do("about", map[string]any{"table": table}, &a)
	return a, err
}

// do has the program do something, and takes its answer.
func (r *Reader) do(what string, arguments map[string]any, answer any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	arguments["do"] = what
	line, err := json.Marshal(arguments)
	if err != nil {
		return err
	}
	_, err = r.in.Write(append(line, '\n'))
	if err == nil {
		line, err = r.out.ReadBytes('\n')
	}
	if err != nil {
		return fmt.Errorf("%s has ended: %w", r.Program, err) // the test's cleanup tells why
	}
	var said struct {
		Answer json.RawMessage
		Error  string
	}
	if err := json.Unmarshal(line, &said); err != nil {
		return fmt.Errorf("%s answers %q: %w", r.Program, line, err)
	}
	if said.Error != "" {
		return fmt.Errorf("%s: %s", r.Program, said.Error)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(said.Answer, answer)
}

// row is a row as it goes between the processes.
type row struct {
	view click.PageView
	date string
}

func (r row) MarshalJSON() ([]byte, error) {
	v := r.view
	return json.Marshal([]any{v.WindowStart.UnixMicro(), v.WindowEnd.UnixMicro(), v.PageURL, v.ViewCount, r.date})
}

func (r *row) UnmarshalJSON(text []byte) error {
	var start, end int64
	columns := []any{&start, &end, &r.view.PageURL, &r.view.ViewCount, &r.date}
	n := len(columns)
	if err := json.Unmarshal(text, &columns); err != nil {
		return err
	}
	if len(columns) == n+1 {
		users, isNumber := columns[n].(float64)
		if !isNumber {
			return fmt.Errorf("unique_users is %v", columns[n])
		}
		r.view.UniqueUsers, columns = int64(users), columns[:n]
	}
	if len(columns) != n {
		return errors.New("a row of other columns")
	}
	r.view.WindowStart, r.view.WindowEnd = time.UnixMicro(start).UTC(), time.UnixMicro(end).UTC()
	return nil
}
