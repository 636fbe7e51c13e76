package delta

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"
)

// readCheckpoint adds the actions of a checkpoint's file, or of one of its parts, to what is replayed. It reads
// the columns it knows by their names, whatever else there is and in whatever order: programs differ in which
// columns they write, and in which of them may be null.
func (r *replay) readCheckpoint(data []byte) (err error) {
	defer catch(&err)
	file, err := openCheckpoint(data)
	if err != nil {
		return err
	}
	if len(r.files) == 0 {
		r.files = make(map[string]*Add, file.NumRows()) // most rows are files
	}
	fields := fieldsOf(file.Root())
	groups := make([][]actionRow, len(file.RowGroups()))
	var reading errgroup.Group
	reading.SetLimit(runtime.GOMAXPROCS(0))
	for i, group := range file.RowGroups() {
		reading.Go(func() (err error) {
			groups[i], err = readGroup(group, fields, file.NumRows())
			return err
		})
	}
	if err := reading.Wait(); err != nil {
		return err
	}
	for _, rows := range groups {
		for i := range rows {
			if err := r.applyRow(&rows[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// openCheckpoint opens the file of a checkpoint, or of a part of one.
func openCheckpoint(data []byte) (*parquet.File, error) {
	if err := checkFooter(data); err != nil {
		return nil, err
	}
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, err
	}
	if rows := file.NumRows(); rows < 0 || rows > 64*int64(len(data)) {
		return nil, fmt.Errorf("the Parquet file is damaged: %d rows in %d bytes", rows, len(data))
	}
	return file, nil
}

// readGroup reads a row group of a file that has that many rows.
func readGroup(group parquet.RowGroup, fields map[string][]*parquet.Column, most int64) (_ []actionRow, err error) {
	defer catch(&err)
	if n := group.NumRows(); n < 0 || n > most {
		return nil, fmt.Errorf("the Parquet file is damaged: %d rows in a group, and %d in the file", n, most)
	}
	rows := make([]actionRow, group.NumRows())
	chunks := group.ColumnChunks()
	known := texts{}
	for key, leaves := range fields {
		if err := readField(key, leaves, chunks, rows, known); err != nil {
			return nil, fmt.Errorf("column %s: %w", key, err)
		}
	}
	return rows, nil
}

// catch makes an error of the library's panics, at some damages.
func catch(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the Parquet file is damaged: %v", p)
	}
}

// checkFooter returns an error when the file's end is none of a Parquet file. The library makes room for as long
// a footer as the last bytes tell, before it reads it.
func checkFooter(data []byte) error {
	if len(data) >= 12 && string(data[len(data)-4:]) == "PAR1" {
		if footer := binary.LittleEndian.Uint32(data[len(data)-8:]); int64(footer) <= int64(len(data)-12) {
			return nil
		}
	}
	return fmt.Errorf("%d bytes are no whole Parquet file", len(data))
}

// actionRow is a row of a checkpoint while its columns are read.
type actionRow struct {
	txn       *Txn
	add       *Add
	remove    *Remove
	metadata  *Metadata
	protocol  *Protocol
	elsewhere bool // part of the action is in a file of its own
}

// applyRow adds a row's action to what is replayed. Rows of other kinds hold nothing that is needed.
func (r *replay) applyRow(row *actionRow) error {
	if row.elsewhere {
		r.beyond = "its checkpoint has deletion vectors or sidecars: read it with a newer program"
	}
	switch {
	case row.add != nil:
		name, err := row.add.Name()
		if err != nil {
			return err
		}
		if row.add.PartitionValues == nil {
			row.add.PartitionValues = Values{}
		}
		r.files[name] = row.add
	case row.remove != nil:
		name, err := row.remove.Name()
		if err != nil {
			return err
		}
		if row.remove.ExtendedFileMetadata && row.remove.PartitionValues == nil {
			row.remove.PartitionValues = Values{}
		}
		r.removes[name] = row.remove
	case row.txn != nil:
		r.txns[row.txn.AppID] = *row.txn
	case row.metadata != nil:
		r.metadata = row.metadata
	case row.protocol != nil:
		r.protocol = row.protocol
	}
	return nil
}

// made returns what p points to, and makes it first if there is none.
func made[T any](p **T) *T {
	if *p == nil {
		*p = new(T)
	}
	return *p
}

// Where the columns of a checkpoint go, by the action's and the field's name.
var (
	textFields = map[string]func(*actionRow) *string{
		"txn.appId":                func(r *actionRow) *string { return &made(&r.txn).AppID },
		"add.path":                 func(r *actionRow) *string { return &made(&r.add).Path },
		"add.stats":                func(r *actionRow) *string { return &made(&r.add).Stats },
		"remove.path":              func(r *actionRow) *string { return &made(&r.remove).Path },
		"metaData.id":              func(r *actionRow) *string { return &made(&r.metadata).ID },
		"metaData.name":            func(r *actionRow) *string { return &made(&r.metadata).Name },
		"metaData.description":     func(r *actionRow) *string { return &made(&r.metadata).Description },
		"metaData.format.provider": func(r *actionRow) *string { return &made(&r.metadata).Format.Provider },
		"metaData.schemaString":    func(r *actionRow) *string { return &made(&r.metadata).SchemaString },
	}
	numberFields = map[string]func(*actionRow) *int64{
		"txn.version":              func(r *actionRow) *int64 { return &made(&r.txn).Version },
		"txn.lastUpdated":          func(r *actionRow) *int64 { return &made(&r.txn).LastUpdated },
		"add.size":                 func(r *actionRow) *int64 { return &made(&r.add).Size },
		"add.modificationTime":     func(r *actionRow) *int64 { return &made(&r.add).ModificationTime },
		"remove.deletionTimestamp": func(r *actionRow) *int64 { return &made(&r.remove).DeletionTimestamp },
		"remove.size":              func(r *actionRow) *int64 { return &made(&r.remove).Size },
		"metaData.createdTime":     func(r *actionRow) *int64 { return &made(&r.metadata).CreatedTime },
	}
	versionFields = map[string]func(*actionRow) *int32{
		"protocol.minReaderVersion": func(r *actionRow) *int32 { return &made(&r.protocol).MinReaderVersion },
		"protocol.minWriterVersion": func(r *actionRow) *int32 { return &made(&r.protocol).MinWriterVersion },
	}
	flagFields = map[string]func(*actionRow) *bool{
		"add.dataChange":              func(r *actionRow) *bool { return &made(&r.add).DataChange },
		"remove.dataChange":           func(r *actionRow) *bool { return &made(&r.remove).DataChange },
		"remove.extendedFileMetadata": func(r *actionRow) *bool { return &made(&r.remove).ExtendedFileMetadata },
	}
	mapFields = map[string]func(*actionRow) *map[string]string{
		"add.partitionValues": func(r *actionRow) *map[string]string {
			return (*map[string]string)(&made(&r.add).PartitionValues)
		},
		"add.tags": func(r *actionRow) *map[string]string { return &made(&r.add).Tags },
		"remove.partitionValues": func(r *actionRow) *map[string]string {
			return (*map[string]string)(&made(&r.remove).PartitionValues)
		},
		"remove.tags":             func(r *actionRow) *map[string]string { return &made(&r.remove).Tags },
		"metaData.format.options": func(r *actionRow) *map[string]string { return &made(&r.metadata).Format.Options },
		"metaData.configuration":  func(r *actionRow) *map[string]string { return &made(&r.metadata).Configuration },
	}
	listFields = map[string]func(*actionRow) *[]string{
		"metaData.partitionColumns": func(r *actionRow) *[]string { return &made(&r.metadata).PartitionColumns },
		"protocol.readerFeatures":   func(r *actionRow) *[]string { return &made(&r.protocol).ReaderFeatures },
		"protocol.writerFeatures":   func(r *actionRow) *[]string { return &made(&r.protocol).WriterFeatures },
	}
	elsewhereFields = map[string]bool{"add.deletionVector": true, "sidecar.path": true}
)

// fieldsOf returns the leaf columns of each field.
func fieldsOf(root *parquet.Column) map[string][]*parquet.Column {
	fields := map[string][]*parquet.Column{}
	for _, action := range root.Columns() {
		for _, field := range action.Columns() {
			key := action.Name() + "." + field.Name()
			if key != "metaData.format" {
				fields[key] = leavesOf(field, nil)
				continue
			}
			for _, part := range field.Columns() {
				fields[key+"."+part.Name()] = leavesOf(part, nil)
			}
		}
	}
	return fields
}

func leavesOf(c *parquet.Column, leaves []*parquet.Column) []*parquet.Column {
	if c.Leaf() {
		return append(leaves, c)
	}
	for _, child := range c.Columns() {
		leaves = leavesOf(child, leaves)
	}
	return leaves
}

// readField reads a field into the rows, if it is one of those that count.
func readField(key string, leaves []*parquet.Column, chunks []parquet.ColumnChunk, rows []actionRow, known texts) error {
	// one reads the values of a field that has one column, and hands on those that are not null.
	one := func(kind parquet.Kind, set func(*actionRow, parquet.Value)) error {
		if len(leaves) != 1 || leaves[0].Type().Kind() != kind {
			return fmt.Errorf("it is not a column of type %s", kind)
		}
		return eachValue(chunks[leaves[0].Index()], len(rows), func(row int, v parquet.Value) error {
			if !v.IsNull() {
				set(&rows[row], v)
			}
			return nil
		})
	}
	if field := textFields[key]; field != nil {
		return one(parquet.ByteArray, func(r *actionRow, v parquet.Value) { *field(r) = string(v.ByteArray()) })
	}
	if field := numberFields[key]; field != nil {
		return one(parquet.Int64, func(r *actionRow, v parquet.Value) { *field(r) = v.Int64() })
	}
	if field := versionFields[key]; field != nil {
		return one(parquet.Int32, func(r *actionRow, v parquet.Value) { *field(r) = v.Int32() })
	}
	if field := flagFields[key]; field != nil {
		return one(parquet.Boolean, func(r *actionRow, v parquet.Value) { *field(r) = v.Boolean() })
	}
	if field := listFields[key]; field != nil {
		return one(parquet.ByteArray, func(r *actionRow, v parquet.Value) { *field(r) = append(*field(r), string(v.ByteArray())) })
	}
	if field := mapFields[key]; field != nil {
		return readMaps(leaves, chunks, rows, field, known)
	}
	if elsewhereFields[key] {
		for i := range leaves {
			leaves := leaves[i : i+1]
			if err := readElsewhere(leaves[0], chunks, rows); err != nil {
				return err
			}
		}
	}
	return nil
}

func readElsewhere(leaf *parquet.Column, chunks []parquet.ColumnChunk, rows []actionRow) error {
	return eachValue(chunks[leaf.Index()], len(rows), func(row int, v parquet.Value) error {
		rows[row].elsewhere = rows[row].elsewhere || !v.IsNull()
		return nil
	})
}

// texts has one copy of each text that many rows hold: the names of columns and tags, and some dates.
type texts map[string]string

// maxTexts is how many texts are kept. Where there are more they are different ones, and looking is in vain.
const maxTexts = 1000

func (t texts) of(b []byte) string {
	if s, ok := t[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(t) < maxTexts {
		t[s] = s
	}
	return s
}

// readMaps reads a field of maps, of which the keys are one column and the values another.
func readMaps(leaves []*parquet.Column, chunks []parquet.ColumnChunk, rows []actionRow, field func(*actionRow) *map[string]string, known texts) error {
	if len(leaves) != 2 || leaves[0].Type().Kind() != parquet.ByteArray || leaves[1].Type().Kind() != parquet.ByteArray {
		return errors.New("it is no map of texts")
	}
	type entry struct {
		row int
		key string
	}
	keys := chunks[leaves[0].Index()]
	entries := make([]entry, 0, max(0, min(keys.NumValues(), 16*int64(len(rows)))))
	defined := leaves[0].MaxDefinitionLevel()
	err := eachValue(keys, len(rows), func(row int, v parquet.Value) error {
		if v.DefinitionLevel() >= defined {
			entries = append(entries, entry{row, known.of(v.ByteArray())})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return eachValue(chunks[leaves[1].Index()], len(rows), func(row int, v parquet.Value) error {
		if v.DefinitionLevel() < defined {
			return nil
		}
		if len(entries) == 0 || entries[0].row != row {
			return errors.New("keys and values do not match")
		}
		m := field(&rows[row])
		if *m == nil {
			*m = make(map[string]string, 1)
		}
		value := ""
		if !v.IsNull() {
			value = known.of(v.ByteArray())
		}
		(*m)[entries[0].key] = value
		entries = entries[1:]
		return nil
	})
}

// eachValue hands on the values of a column, with the row that each is of.
func eachValue(chunk parquet.ColumnChunk, rows int, do func(row int, v parquet.Value) error) (err error) {
	pages := chunk.Pages()
	defer func() {
		if closeErr := pages.Close(); err == nil {
			err = closeErr
		}
	}()
	var buf [256]parquet.Value
	row := -1
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		values := page.Values()
		for more := true; more; {
			n, err := values.ReadValues(buf[:])
			if more = !errors.Is(err, io.EOF); more && err != nil {
				return err
			}
			for _, v := range buf[:n] {
				if v.RepetitionLevel() == 0 {
					row++
				}
				if row < 0 || row >= rows {
					return fmt.Errorf("there are more values than %d rows", rows)
				}
				if err := do(row, v); err != nil {
					return err
				}
			}
		}
		parquet.Release(page)
	}
	if row+1 != rows {
		return fmt.Errorf("there are values for %d of %d rows", row+1, rows)
	}
	return nil
}
