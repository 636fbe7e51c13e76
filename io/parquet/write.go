package parquet

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/cespare/xxhash/v2"
	"github.com/parquet-go/parquet-go"
)

// Write writes to w a whole file with a row for each page of views, sorted by the page's bytes, in the window
// from p.Start to p.End, with p in its footer. Where p.Users is set, users says how many viewed each page, else it is
// nil. No views make a file of no rows. It returns p with the checksum
// and the number of rows, as ReadProvenance finds it.
//
// The views must sum up to p.Events less p.Duplicates or, where there are as many pages as p.Top keeps, to no more. Each
// must be at least one, and the pages be valid UTF-8: anything else is a fault of the program and an error, and nothing is
// written then. Other errors are those of w.
func Write(w io.Writer, views, users map[string]int64, p Provenance) (Provenance, error) {
	file := NewWriter(w, p.Users)
	if err := file.Add(views, users, p); err != nil {
		return Provenance{}, err
	}
	return file.Close()
}

// Writer writes a file of one or more windows of one shard.
type Writer struct {
	file    *parquet.GenericWriter[usersRow]
	users   bool // rows tell of them
	group   int  // rows of the row group that is being written
	windows []Provenance
}

// NewWriter returns a writer of a file to w, whose rows tell of users, or do not.
func NewWriter(w io.Writer, users bool) *Writer {
	return &Writer{file: newWriter(w, users), users: users}
}

// Add writes a window as Write does. Windows come in ascending order.
func (w *Writer) Add(views, users map[string]int64, p Provenance) error {
	if w.users != p.Users {
		return fmt.Errorf("the window of %s is counted with %s, unlike others of its file", p.Start.UTC().Format(time.RFC3339), p.Steps)
	}
	b := builders.Get().(*builder)
	defer b.done()
	if err := b.take(views, users, &p); err != nil {
		return err
	}
	if err := b.write(w, &p); err != nil {
		return err
	}
	w.windows = append(w.windows, p)
	return nil
}

// Close ends the file with its footer, and returns what that says of all windows in one: see Join.
func (w *Writer) Close() (Provenance, error) {
	p := Join(w.windows)
	for _, f := range fields {
		value, err := f.write(&p)
		if err != nil {
			return Provenance{}, fmt.Errorf("parquet footer: %s: %w", f.key, err)
		}
		if value != "" || !optional[f.key] {
			w.file.SetKeyValueMetadata(f.key, value)
		}
	}
	if len(w.windows) > 1 {
		value, err := writeWindows(w.windows)
		if err != nil {
			return Provenance{}, fmt.Errorf("parquet footer: %s: %w", windowsKey, err)
		}
		w.file.SetKeyValueMetadata(windowsKey, value)
	}
	return p, w.file.Close()
}

// Checksum returns a sum of the rows that any order of them gives. Two windows of equal events and equal
// checksum hold the same rows, but for one chance in 2⁶⁴.
func Checksum(views, users map[string]int64) uint64 {
	var sum uint64
	for page, n := range views {
		sum += rowSum(page, n, users[page])
	}
	return sum
}

// rowSum hashes a row such that sums of it tell rows apart: the finalizer of MurmurHash3 keeps views and page
// from cancelling out between rows.
func rowSum(page string, views, users int64) uint64 {
	h := xxhash.Sum64String(page) + uint64(views)*0x9e3779b97f4a7c15 + uint64(users)*0xd1342543de82ef95
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// chunk is how many rows go to a column at a time. A column looks at its page's size after each chunk, so it
// bounds by how much a data page outgrows pageBuffer.
const chunk = 512

// chunkBytes ends a chunk early when its pages are long.
const chunkBytes = pageBuffer / 2

// builder is what writing a file needs and the next file can use again.
type builder struct {
	rows   []pageViews
	sorter sorter
	values [chunk]parquet.Value
}

var builders = sync.Pool{New: func() any { return new(builder) }}

// maxPooledRows is the most rows whose space a pooled builder keeps: 100 bytes a row.
const maxPooledRows = 1 << 18

// take checks views and users, puts them into b.rows in order, and completes p.
func (b *builder) take(views, users map[string]int64, p *Provenance) error {
	b.rows = slices.Grow(b.rows[:0], len(views))
	var events int64
	p.Checksum, p.Rows = 0, int64(len(views))
	for page, n := range views {
		if n <= 0 {
			return fmt.Errorf("page %.80q has %d views in the window of %s; a row counts at least one", page, n, p.Start.UTC().Format(time.RFC3339))
		}
		if !utf8.ValidString(page) {
			return fmt.Errorf("page %.80q in the window of %s is not valid UTF-8", page, p.Start.UTC().Format(time.RFC3339))
		}
		u, told := users[page]
		if told != p.Users || u < 0 {
			return fmt.Errorf("page %.80q has %d users in the window of %s, which is counted with %s", page, u, p.Start.UTC().Format(time.RFC3339), p.Steps)
		}
		events += n
		p.Checksum += rowSum(page, n, u)
		b.rows = append(b.rows, pageViews{page, n, u})
	}
	isWhole := p.Top == 0 || len(views) < p.Top
	if counted := p.Events - p.Duplicates; p.Duplicates < 0 || events > counted || isWhole && events < counted {
		return fmt.Errorf("the views of the window of %s sum up to %d, its events are %d, %d of them duplicates", p.Start.UTC().Format(time.RFC3339), events, p.Events, p.Duplicates)
	}
	b.sorter.sort(b.rows)
	return nil
}

// done gives b back, without the pages: it may be all that keeps a large map's strings alive.
func (b *builder) done() {
	clear(b.rows)
	if cap(b.rows) > maxPooledRows {
		b.rows, b.sorter = nil, sorter{}
	}
	clear(b.values[:])
	builders.Put(b)
}

// write writes b.rows, and ends row groups that are full.
func (b *builder) write(w *Writer, p *Provenance) error {
	for rows := b.rows; len(rows) > 0; {
		n := min(len(rows), maxRowGroup-w.group)
		if err := b.writeGroup(w.file.ColumnWriters(), rows[:n], p); err != nil {
			return err
		}
		rows = rows[n:]
		if w.group += n; w.group < maxRowGroup {
			continue
		}
		if err := w.file.Flush(); err != nil {
			return err
		}
		w.group = 0
	}
	return nil
}

// writeGroup writes rows column by column, which costs a fifth of writing them as structs.
func (b *builder) writeGroup(columns []*parquet.ColumnWriter, rows []pageViews, p *Provenance) error {
	if err := b.fill(columns[windowStart], len(rows), p.Start.UnixMicro()); err != nil {
		return err
	}
	if err := b.fill(columns[windowEnd], len(rows), p.End.UnixMicro()); err != nil {
		return err
	}
	for len(rows) > 0 {
		n, bytes := 0, 0
		for n < len(rows) && n < chunk && bytes < chunkBytes {
			page := rows[n].page
			b.values[n] = parquet.ByteArrayValue(unsafe.Slice(unsafe.StringData(page), len(page)))
			bytes += len(page)
			n++
		}
		if _, err := columns[pageURL].WriteRowValues(b.values[:n]); err != nil {
			return err
		}
		for i, r := range rows[:n] {
			b.values[i] = parquet.Int64Value(r.views)
		}
		if _, err := columns[viewCount].WriteRowValues(b.values[:n]); err != nil {
			return err
		}
		if p.Users {
			for i, r := range rows[:n] {
				b.values[i] = parquet.Int64Value(r.users)
			}
			if _, err := columns[uniqueUsers].WriteRowValues(b.values[:n]); err != nil {
				return err
			}
		}
		rows = rows[n:]
	}
	return nil
}

// fill writes value n times.
func (b *builder) fill(column *parquet.ColumnWriter, n int, value int64) error {
	for i := range min(n, chunk) {
		b.values[i] = parquet.Int64Value(value)
	}
	for ; n > 0; n -= chunk {
		if _, err := column.WriteRowValues(b.values[:min(n, chunk)]); err != nil {
			return err
		}
	}
	return nil
}
