// Package parquet writes the rows of windows of one shard to a Parquet file, with where they came from in its
// footer, and reads both back; and it reads the rows of other programs' files. The format is https://github.com/apache/parquet-format.
package parquet

import (
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

// row is a row as it lies in the file. The instants are in microseconds since the epoch, UTC. Columns stand in
// the order of the fields; window_date is none of them, as the folder's name says it.
//
// The window's columns hold one value each, which a dictionary makes nearly free. Sorted pages share their
// beginnings, which DELTA_BYTE_ARRAY leaves out: 0.38 MB for 100,000 of a shop's, 0.51 MB without. Few
// different counts make up most rows: 0.33 MB with a dictionary of them, 0.38 MB with deltas. DuckDB, Arrow
// and Spark read these encodings.
type row struct {
	WindowStart int64  `parquet:"window_start,timestamp(microsecond:utc),dict"`
	WindowEnd   int64  `parquet:"window_end,timestamp(microsecond:utc),dict"`
	PageURL     string `parquet:"page_url,delta"`
	ViewCount   int64  `parquet:"view_count,dict"`
}

// usersRow is a row of a table whose rows tell of users.
type usersRow struct {
	WindowStart int64  `parquet:"window_start,timestamp(microsecond:utc),dict"`
	WindowEnd   int64  `parquet:"window_end,timestamp(microsecond:utc),dict"`
	PageURL     string `parquet:"page_url,delta"`
	ViewCount   int64  `parquet:"view_count,dict"`
	UniqueUsers int64  `parquet:"unique_users,dict"`
}

// The columns, by their place in a row.
const (
	windowStart = iota
	windowEnd
	pageURL
	viewCount
	uniqueUsers // in a usersRow
)

const (
	// maxRowGroup is the most rows of a row group. A reader may hold a whole row group: a million rows of
	// usual pages are some 60 MB.
	maxRowGroup = 1 << 20
	// pageBuffer is the size in bytes of a data page before it is encoded: the step in which the page index
	// leads to a row, and what a writer holds for a column.
	pageBuffer = 128 << 10
	// maxDictionary is the size in bytes past which view_count gives up its dictionary: 32,768 different counts.
	maxDictionary = 256 << 10
)

var (
	schema      = parquet.NewSchema("page_views", parquet.SchemaOf(row{}))
	usersSchema = parquet.NewSchema("page_views", parquet.SchemaOf(usersRow{}))
	codec       = &zstd.Codec{Level: zstd.SpeedDefault}
)

// newWriter returns a writer of one file to w. A writer that is reset to a second file loses the columns'
// names in it (parquet-go issue 602), so each file has its own.
func newWriter(w io.Writer, users bool) *parquet.GenericWriter[usersRow] {
	of := schema
	if users {
		of = usersSchema
	}
	return parquet.NewGenericWriter[usersRow](w, of,
		parquet.Compression(codec),
		parquet.PageBufferSize(pageBuffer),
		// The page index holds each page's bounds already; those in page headers only cost bytes.
		parquet.DataPageStatistics(false),
		parquet.DictionaryMaxBytes(maxDictionary),
		parquet.SortingWriterConfig(parquet.SortingColumns(
			parquet.Ascending("window_start"), parquet.Ascending("page_url"))),
	)
}
