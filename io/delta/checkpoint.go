package delta

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/parquet-go/parquet-go"
)

// A checkpoint is a snapshot in a Parquet file, an action in each row, one column for each kind of action: the
// protocol's V1 checkpoint, with statistics as JSON. The columns are those that delta-rs writes.
type checkpointRow struct {
	Txn      *checkpointTxn      `parquet:"txn,optional"`
	Add      *checkpointAdd      `parquet:"add,optional"`
	Remove   *checkpointRemove   `parquet:"remove,optional"`
	Metadata *checkpointMetadata `parquet:"metaData,optional"`
	Protocol *checkpointProtocol `parquet:"protocol,optional"`
}

type checkpointTxn struct {
	AppID       string `parquet:"appId"`
	Version     int64  `parquet:"version"`
	LastUpdated *int64 `parquet:"lastUpdated,optional"`
}

type checkpointAdd struct {
	Path             string             `parquet:"path"`
	PartitionValues  map[string]*string `parquet:"partitionValues"`
	Size             int64              `parquet:"size"`
	ModificationTime int64              `parquet:"modificationTime"`
	DataChange       bool               `parquet:"dataChange"`
	Stats            *string            `parquet:"stats,optional"`
	Tags             map[string]*string `parquet:"tags,optional"`
}

type checkpointRemove struct {
	Path                 string             `parquet:"path"`
	DeletionTimestamp    *int64             `parquet:"deletionTimestamp,optional"`
	DataChange           bool               `parquet:"dataChange"`
	ExtendedFileMetadata *bool              `parquet:"extendedFileMetadata,optional"`
	PartitionValues      map[string]*string `parquet:"partitionValues,optional"`
	Size                 *int64             `parquet:"size,optional"`
	Tags                 map[string]*string `parquet:"tags,optional"`
}

type checkpointMetadata struct {
	ID               string            `parquet:"id"`
	Name             *string           `parquet:"name,optional"`
	Description      *string           `parquet:"description,optional"`
	Format           checkpointFormat  `parquet:"format"`
	SchemaString     *string           `parquet:"schemaString,optional"`
	PartitionColumns []string          `parquet:"partitionColumns,list"`
	Configuration    map[string]string `parquet:"configuration"`
	CreatedTime      *int64            `parquet:"createdTime,optional"`
}

type checkpointFormat struct {
	Provider string            `parquet:"provider"`
	Options  map[string]string `parquet:"options"`
}

type checkpointProtocol struct {
	MinReaderVersion int32    `parquet:"minReaderVersion"`
	MinWriterVersion int32    `parquet:"minWriterVersion"`
	ReaderFeatures   []string `parquet:"readerFeatures,list,optional"`
	WriterFeatures   []string `parquet:"writerFeatures,list,optional"`
}

// groupRows is how many rows a checkpoint's row group has: each is read by a processor of its own. It is 3 MB of
// files with their statistics.
const groupRows = 4096

// lastCheckpoint is the file that tells where to begin reading.
type lastCheckpoint struct {
	Version       int64  `json:"version"`
	Size          int64  `json:"size"`           // number of actions
	Parts         *int64 `json:"parts,omitzero"` // of a checkpoint of several files
	SizeInBytes   int64  `json:"sizeInBytes,omitzero"`
	NumOfAddFiles int64  `json:"numOfAddFiles,omitzero"`
}

// parseLastCheckpoint reads the file, of which a program may not depend on more than the version.
func parseLastCheckpoint(data []byte) (lastCheckpoint, error) {
	var last lastCheckpoint
	if err := json.Unmarshal(data, &last); err != nil {
		return last, err
	}
	if last.Version < 0 || last.Size <= 0 || last.Parts != nil && *last.Parts < 1 {
		return last, fmt.Errorf("version %d of %d actions is no checkpoint", last.Version, last.Size)
	}
	return last, nil
}

// checkpoint returns the snapshot as a checkpoint's file, without the tombstones that have expired by then, and
// what is to be said of it.
func (s *Snapshot) checkpoint(now time.Time) ([]byte, lastCheckpoint, error) {
	rows := s.rows(now)
	var file bytes.Buffer
	w := parquet.NewGenericWriter[checkpointRow](&file,
		parquet.Compression(&parquet.Snappy),
		parquet.MaxRowsPerRowGroup(groupRows),
		parquet.CreatedBy("clickstream", "", ""))
	if _, err := w.Write(rows); err != nil {
		return nil, lastCheckpoint{}, err
	}
	if err := w.Close(); err != nil {
		return nil, lastCheckpoint{}, err
	}
	return file.Bytes(), lastCheckpoint{
		Version: s.Version, Size: int64(len(rows)), SizeInBytes: int64(file.Len()), NumOfAddFiles: int64(len(s.files)),
	}, nil
}

// rows returns the actions that make up the snapshot, sorted, for the same snapshot to be the same file.
func (s *Snapshot) rows(now time.Time) []checkpointRow {
	m := &s.Metadata
	rows := make([]checkpointRow, 0, 2+len(s.txns)+len(s.files)+len(s.tombstones))
	rows = append(rows,
		checkpointRow{Protocol: (*checkpointProtocol)(&s.Protocol)},
		checkpointRow{Metadata: &checkpointMetadata{
			ID: m.ID, Name: orNil(m.Name), Description: orNil(m.Description), Format: checkpointFormat(m.Format),
			SchemaString: orNil(m.SchemaString), PartitionColumns: m.PartitionColumns,
			Configuration: m.Configuration, CreatedTime: orNil(m.CreatedTime),
		}})
	for _, app := range sortedKeys(s.txns) {
		t := s.txns[app]
		rows = append(rows, checkpointRow{Txn: &checkpointTxn{t.AppID, t.Version, orNil(t.LastUpdated)}})
	}
	first := len(rows)
	for _, a := range s.files {
		rows = append(rows, checkpointRow{Add: &checkpointAdd{
			Path: a.Path, PartitionValues: nullable(a.PartitionValues), Size: a.Size,
			ModificationTime: a.ModificationTime, Stats: orNil(a.Stats), Tags: nullable(a.Tags),
		}})
	}
	slices.SortFunc(rows[first:], func(a, b checkpointRow) int { return strings.Compare(a.Add.Path, b.Add.Path) })
	first = len(rows)
	expired := now.Add(-m.tombstoneRetention()).UnixMilli()
	for _, r := range s.tombstones {
		if r.DeletionTimestamp <= expired {
			continue
		}
		rows = append(rows, checkpointRow{Remove: &checkpointRemove{
			Path: r.Path, DeletionTimestamp: orNil(r.DeletionTimestamp), ExtendedFileMetadata: orNil(r.ExtendedFileMetadata),
			PartitionValues: nullable(r.PartitionValues), Size: orNil(r.Size), Tags: nullable(r.Tags),
		}})
	}
	slices.SortFunc(rows[first:], func(a, b checkpointRow) int { return strings.Compare(a.Remove.Path, b.Remove.Path) })
	return rows
}

// orNil returns nil for the zero value.
func orNil[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// nullable returns a map whose empty texts are null.
func nullable(m map[string]string) map[string]*string {
	if m == nil {
		return nil
	}
	n := make(map[string]*string, len(m))
	for key, value := range m {
		n[key] = orNil(value)
	}
	return n
}
