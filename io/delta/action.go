// Package delta reads and writes the log of a Delta table: the versions of a table, each a set of files and what
// there is to know of them. It keeps to https://github.com/delta-io/delta/blob/master/PROTOCOL.md, reader version 1
// and writer version 2, and refuses tables that need more. It knows nothing of what the files hold, and does not
// touch them.
package delta

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Protocol says what a program must know to read or write the table.
type Protocol struct {
	MinReaderVersion int32    `json:"minReaderVersion"`
	MinWriterVersion int32    `json:"minWriterVersion"`
	ReaderFeatures   []string `json:"readerFeatures,omitempty"` // of reader version 3
	WriterFeatures   []string `json:"writerFeatures,omitempty"` // of writer version 7
}

// Metadata is what the table is. A later one replaces an earlier one whole.
type Metadata struct {
	ID               string            `json:"id"` // a UUID, the table's for life
	Name             string            `json:"name,omitzero"`
	Description      string            `json:"description,omitzero"`
	Format           Format            `json:"format"`
	SchemaString     string            `json:"schemaString,omitzero"` // JSON, see SchemaString; old tables may lack it
	PartitionColumns []string          `json:"partitionColumns"`
	Configuration    map[string]string `json:"configuration"`
	CreatedTime      int64             `json:"createdTime,omitzero"` // milliseconds since 1970
}

// Format is how the files are encoded.
type Format struct {
	Provider string            `json:"provider"` // "parquet"
	Options  map[string]string `json:"options"`
}

// Values is the value of each partition column in a file, as text. The empty text is null, for every type.
type Values map[string]string

// Add is a file of the table.
type Add struct {
	Path             string            `json:"path"` // escaped, as the log has it: see EscapePath and Name
	PartitionValues  Values            `json:"partitionValues"`
	Size             int64             `json:"size"`             // in bytes
	ModificationTime int64             `json:"modificationTime"` // milliseconds since 1970
	DataChange       bool              `json:"dataChange"`       // false where rows were only arranged anew
	Stats            string            `json:"stats,omitzero"`   // JSON, see Stats
	Tags             map[string]string `json:"tags,omitempty"`

	DeletionVector jsontext.Value `json:"deletionVector,omitzero"` // a table that has one cannot be read
}

// Name returns the file's name: a path below the table with slashes, or an absolute one, or a URI.
func (a *Add) Name() (string, error) { return UnescapePath(a.Path) }

// Remove returns the action that takes the file out of the table.
func (a *Add) Remove(at time.Time, dataChange bool) Remove {
	values := a.PartitionValues
	if values == nil {
		values = Values{}
	}
	return Remove{
		Path: a.Path, DeletionTimestamp: at.UnixMilli(), DataChange: dataChange,
		ExtendedFileMetadata: true, PartitionValues: values, Size: a.Size, Tags: a.Tags,
	}
}

// Remove is a file that is no longer of the table. It is remembered for a while, as a tombstone, since readers
// of earlier versions may still need the file.
type Remove struct {
	Path                 string            `json:"path"`                       // as in the Add
	DeletionTimestamp    int64             `json:"deletionTimestamp,omitzero"` // milliseconds since 1970
	DataChange           bool              `json:"dataChange"`
	ExtendedFileMetadata bool              `json:"extendedFileMetadata,omitzero"` // the fields below are known
	PartitionValues      Values            `json:"partitionValues,omitzero"`
	Size                 int64             `json:"size,omitzero"`
	Tags                 map[string]string `json:"tags,omitempty"`

	DeletionVector jsontext.Value `json:"deletionVector,omitzero"` // a table that has one cannot be read
}

// Name returns the file's name, as Add's does.
func (r *Remove) Name() (string, error) { return UnescapePath(r.Path) }

// Txn is how far an application is, by a number of its own that grows.
type Txn struct {
	AppID       string `json:"appId"`
	Version     int64  `json:"version"`
	LastUpdated int64  `json:"lastUpdated,omitzero"` // milliseconds since 1970
}

// CommitInfo says where a version comes from. Nothing depends on it but who asks, and the fields of another
// program's may be missing.
type CommitInfo struct {
	Timestamp           int64             `json:"timestamp"`                  // milliseconds since 1970
	InCommitTimestamp   int64             `json:"inCommitTimestamp,omitzero"` // of tables with that feature
	Operation           string            `json:"operation"`
	OperationParameters map[string]string `json:"operationParameters"`
	ReadVersion         *int64            `json:"readVersion,omitzero"` // the version it was planned on
	IsolationLevel      string            `json:"isolationLevel,omitzero"`
	IsBlindAppend       bool              `json:"isBlindAppend"`
	OperationMetrics    map[string]string `json:"operationMetrics,omitempty"`
	EngineInfo          string            `json:"engineInfo,omitzero"` // program and version
	TxnID               string            `json:"txnId,omitzero"`      // of this commit alone
}

// time returns when the version was made, by the program that made it, in milliseconds since 1970; 0 when it
// does not say.
func (c *CommitInfo) time() int64 {
	if c == nil {
		return 0
	}
	if c.InCommitTimestamp != 0 {
		return c.InCommitTimestamp
	}
	return c.Timestamp
}
