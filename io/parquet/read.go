package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/parquet-go/parquet-go"

	"clickstream/transforms/click"
)

// readAhead is how many rows a Reader decodes at a time.
const readAhead = 256

// Reader reads a file's rows in their order. It holds a data page of each column, never the whole file.
type Reader struct {
	Provenance Provenance

	rows *parquet.GenericReader[usersRow]
	buf  [readAhead]usersRow
	have []usersRow
	end  bool
}

// NewReader opens the file in r, size bytes long. Errors are those of ReadProvenance, and of a file whose
// columns are not those that Write makes.
func NewReader(r io.ReaderAt, size int64) (_ *Reader, err error) {
	defer catch(&err)
	f, err := openFile(r, size, parquet.SkipPageIndex(true))
	if err != nil {
		return nil, err
	}
	p, err := provenanceOf(f)
	if err != nil {
		return nil, err
	}
	of := schema
	if p.Users {
		of = usersSchema
	}
	if !parquet.EqualNodes(f.Schema(), of) {
		return nil, fmt.Errorf("the parquet file's columns are %s, and must be %s", f.Schema(), of)
	}
	for _, group := range f.Metadata().RowGroups {
		for _, column := range group.Columns {
			// The library's decoder of lz4 takes all memory there is for bytes that are not lz4.
			if column.MetaData.Codec != codec.CompressionCodec() {
				return nil, fmt.Errorf("the parquet file's columns are compressed with %s, and must be with %s", column.MetaData.Codec, codec)
			}
		}
	}
	return &Reader{Provenance: p, rows: parquet.NewGenericReader[usersRow](f, of)}, nil
}

// Next returns the next row, or io.EOF after the last one.
func (r *Reader) Next() (click.PageView, error) {
	if len(r.have) == 0 {
		if err := r.fill(); err != nil {
			return click.PageView{}, err
		}
	}
	next := r.have[0]
	r.have = r.have[1:]
	return click.PageView{
		WindowStart: time.UnixMicro(next.WindowStart).UTC(),
		WindowEnd:   time.UnixMicro(next.WindowEnd).UTC(),
		PageURL:     next.PageURL,
		ViewCount:   next.ViewCount,
		UniqueUsers: next.UniqueUsers,
	}, nil
}

func (r *Reader) fill() (err error) {
	if r.end {
		return io.EOF
	}
	defer catch(&err)
	n, err := r.rows.Read(r.buf[:])
	r.have = r.buf[:n]
	if errors.Is(err, io.EOF) {
		r.end = true
		err = nil
		if n == 0 {
			return io.EOF
		}
	}
	if err != nil {
		return fmt.Errorf("reading parquet rows: %w", err)
	}
	return nil
}

// Close lets go of the reader's buffers. The file stays open.
func (r *Reader) Close() error { return r.rows.Close() }

// Read returns all rows of the file in r, size bytes long.
func Read(r io.ReaderAt, size int64) (rows []click.PageView, p Provenance, err error) {
	reader, err := NewReader(r, size)
	if err != nil {
		return nil, Provenance{}, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	for {
		view, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return rows, reader.Provenance, nil
		}
		if err != nil {
			return nil, Provenance{}, err
		}
		rows = append(rows, view)
	}
}

// catch makes an error of a panic: the library panics at some damaged files.
func catch(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the parquet file is damaged: %v", p)
	}
}

// openFile reads a file's footer.
func openFile(r io.ReaderAt, size int64, options ...parquet.FileOption) (f *parquet.File, err error) {
	defer catch(&err)
	// The library makes room for as long a footer as the last bytes tell, up to 4 GB, before it reads it.
	var end [8]byte
	if size < 12 {
		return nil, fmt.Errorf("%d bytes are no parquet file", size)
	}
	if _, err := r.ReadAt(end[:], size-8); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the parquet footer: %w", err)
	}
	if footer := int64(binary.LittleEndian.Uint32(end[:])); string(end[4:]) != "PAR1" || footer > size-12 {
		return nil, fmt.Errorf("%d bytes that end with %q are no whole parquet file", size, end[:])
	}
	return parquet.OpenFile(r, size, append(options, parquet.SkipBloomFilters(true))...)
}
