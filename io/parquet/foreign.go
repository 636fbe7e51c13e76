package parquet

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"clickstream/transforms/click"
)

// maxForeignRows is the most rows of another program's file: they are sorted in memory.
const maxForeignRows = 1 << 28

// ReadForeign returns all rows of a file that another program may have written, in the order of a file of ours:
// by window, then page. Columns are found by their names, in any order, and timestamps may be of any unit that
// Parquet has. users says whether rows tell of them. A column that is not there, a row without a value, and a type that is not that of a page view are
// errors.
func ReadForeign(r io.ReaderAt, size int64, users bool) (views []click.PageView, err error) {
	defer catch(&err)
	f, err := openFile(r, size, parquet.SkipPageIndex(true))
	if err != nil {
		return nil, err
	}
	columns, err := foreignColumns(f, users)
	if err != nil {
		return nil, err
	}
	if n := f.NumRows(); n < 0 || n > maxForeignRows {
		return nil, fmt.Errorf("the parquet file is said to have %d rows, and %d can be read at once", n, maxForeignRows)
	}
	for _, group := range f.RowGroups() {
		if views, err = readGroup(group, columns, views); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(views, func(a, b click.PageView) int {
		return cmp.Or(a.WindowStart.Compare(b.WindowStart), cmp.Compare(a.PageURL, b.PageURL))
	})
	return views, nil
}

// foreignColumn is where a column of a row lies in a foreign file, and how its values become one.
type foreignColumn struct {
	name  string
	at    int
	place func(*click.PageView, parquet.Value) error
}

func foreignColumns(f *parquet.File, users bool) ([]foreignColumn, error) {
	start, err := instants(f, "window_start", func(v *click.PageView) *time.Time { return &v.WindowStart })
	if err != nil {
		return nil, err
	}
	end, err := instants(f, "window_end", func(v *click.PageView) *time.Time { return &v.WindowEnd })
	if err != nil {
		return nil, err
	}
	url, _, err := leaf(f, "page_url", parquet.ByteArray)
	if err != nil {
		return nil, err
	}
	url.place = func(v *click.PageView, value parquet.Value) error {
		if v.PageURL = string(value.ByteArray()); v.PageURL == "" || !utf8.ValidString(v.PageURL) {
			return fmt.Errorf("page_url %.80q is empty, or not valid UTF-8", v.PageURL)
		}
		return nil
	}
	count, _, err := leaf(f, "view_count", parquet.Int64)
	if err != nil {
		return nil, err
	}
	count.place = func(v *click.PageView, value parquet.Value) error {
		if v.ViewCount = value.Int64(); v.ViewCount < 1 {
			return fmt.Errorf("view_count %d is less than one", v.ViewCount)
		}
		return nil
	}
	columns := []foreignColumn{start, end, url, count}
	if users {
		unique, _, err := leaf(f, "unique_users", parquet.Int64)
		if err != nil {
			return nil, err
		}
		unique.place = func(v *click.PageView, value parquet.Value) error {
			if v.UniqueUsers = value.Int64(); v.UniqueUsers < 0 {
				return fmt.Errorf("unique_users %d is less than none", v.UniqueUsers)
			}
			return nil
		}
		columns = append(columns, unique)
	}
	return columns, nil
}

// leaf finds a column of one value in each row.
func leaf(f *parquet.File, name string, kinds ...parquet.Kind) (foreignColumn, parquet.Type, error) {
	column, ok := f.Schema().Lookup(name)
	if !ok {
		return foreignColumn{}, nil, fmt.Errorf("the parquet file has no column %s", name)
	}
	of := column.Node.Type()
	if column.MaxRepetitionLevel > 0 || !slices.Contains(kinds, of.Kind()) {
		return foreignColumn{}, nil, fmt.Errorf("the parquet file's column %s is of type %s, and must be %s", name, of, kinds[0])
	}
	for _, group := range f.Metadata().RowGroups {
		// The library's decoder of lz4 takes all memory there is for bytes that are not lz4.
		if c := group.Columns[column.ColumnIndex].MetaData.Codec; c == format.Lz4Raw || c == format.Lz4 {
			return foreignColumn{}, nil, fmt.Errorf("the parquet file's column %s is compressed with %s, which is not read: write it with zstd or snappy", name, c)
		}
	}
	return foreignColumn{name: name, at: column.ColumnIndex}, of, nil
}

// julianEpoch is 1970-01-01 as a Julian day, from which Spark's INT96 timestamps count.
const julianEpoch = 2_440_588

// instants finds a column of timestamps.
func instants(f *parquet.File, name string, field func(*click.PageView) *time.Time) (foreignColumn, error) {
	c, of, err := leaf(f, name, parquet.Int64, parquet.Int96)
	if err != nil {
		return c, err
	}
	if of.Kind() == parquet.Int96 {
		c.place = func(v *click.PageView, value parquet.Value) error {
			i := value.Int96()
			nanos := int64(i[1])<<32 | int64(i[0])
			*field(v) = time.Unix((int64(i[2])-julianEpoch)*86400, nanos).UTC()
			return nil
		}
		return c, nil
	}
	var stamp *format.TimestampType
	if logical := of.LogicalType(); logical != nil {
		stamp, _ = logical.Value.(*format.TimestampType)
	}
	if stamp == nil {
		return c, fmt.Errorf("the parquet file's column %s is of type %s, and must be a timestamp", name, of)
	}
	unit := time.Microsecond
	switch stamp.Unit.Value.(type) {
	case *format.MilliSeconds:
		unit = time.Millisecond
	case *format.NanoSeconds:
		unit = time.Nanosecond
	}
	c.place = func(v *click.PageView, value parquet.Value) error {
		n, perSecond := value.Int64(), int64(time.Second/unit)
		*field(v) = time.Unix(n/perSecond, n%perSecond*int64(unit)).UTC()
		return nil
	}
	return c, nil
}

// readGroup appends the rows of a row group to views.
func readGroup(group parquet.RowGroup, columns []foreignColumn, views []click.PageView) ([]click.PageView, error) {
	begin, n := len(views), int(group.NumRows())
	views = append(views, make([]click.PageView, n)...)
	for _, c := range columns {
		if err := c.read(group.ColumnChunks()[c.at], views[begin:]); err != nil {
			return nil, fmt.Errorf("column %s of the parquet file: %w", c.name, err)
		}
	}
	return views, nil
}

// read reads the column's chunk into views.
func (c *foreignColumn) read(chunk parquet.ColumnChunk, views []click.PageView) (err error) {
	pages := chunk.Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	for len(views) > 0 {
		page, err := pages.ReadPage()
		if err != nil {
			return fmt.Errorf("%d values are missing: %w", len(views), err)
		}
		values := make([]parquet.Value, page.NumValues())
		n, err := page.Values().ReadValues(values)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if n > len(views) {
			return fmt.Errorf("there are %d values more than rows", n-len(views))
		}
		for i, v := range values[:n] {
			if v.IsNull() {
				return errors.New("a row has no value")
			}
			if err := c.place(&views[i], v); err != nil {
				return err
			}
		}
		views = views[n:]
		parquet.Release(page)
	}
	return nil
}
