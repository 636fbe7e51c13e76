// Package table holds what the pipeline's sink needs of a table, and what reads it back: replace these windows,
// list them, scan their rows. A table is the pipeline's only checkpoint, so what it says it holds, it holds.
//
// There are two formats, each with a Parquet file for each window and shard: a folder of such files, in which a
// window is replaced by renaming over its file, and a Delta table, in which a commit of its log replaces any number
// of windows at once.
package table

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
	"time"

	"clickstream/io/delta"
	"clickstream/io/objects"
	"clickstream/transforms/click"
)

// Window is the complete content of one window of one shard: it replaces what the table held of it.
type Window struct {
	Start, End time.Time
	Shard      int
	Views      map[string]int64 // by page, each at least one
	Users      map[string]int64 // who viewed each page of Views, nearly; nil unless the table's rows tell of them
	Events     int64            // all that were counted: the sum of Views and Duplicates, unless some pages are left out
	Duplicates int64            // of Events, those that Views leaves out as counted already

	Offsets map[int32]click.OffsetRange // what the events were read from, by partition
	Schemas []int32                     // ids of the schemas that they were written with

	// Tally is what the log is to tell of how the window came about, beyond what it has told. It is of no row.
	Tally click.Tally

	// Consumed is set where the window is rebuilt, beside the runs that read the topic: State.Consumed as it was
	// then. Offsets then go past what runs have dealt with, and State takes Consumed for them.
	Consumed map[int32]int64
}

// Table is a table that is written to. Any number of goroutines may use one, and any number of processes may
// have the same table open.
type Table interface {
	Reader

	// Replace makes ws the content of their windows, in ascending order of window and shard, whatever order
	// they come in. When it returns without an error, all of it survives a loss of power.
	//
	// A window never shrinks: one that the table holds with more events is left as it is, and named in
	// Commit.Refused. One that the table holds with the same rows is left as well. Another one with as many
	// events is replaced: the newest reading of Kafka is taken to be right.
	//
	// Each window of each shard is replaced whole: a reader, or a process that is killed, leaves the old
	// content or the new one. Where Replace ends early, by an error or because ctx is done, the windows
	// replaced are the first ones in that order, and the Commit counts them. Calling it again is safe.
	//
	// It returns an error when the table cannot be written to (full, not permitted, gone), when what it holds
	// is of another topic, cluster, window, number of shards or steps, and when a window's own numbers do not agree.
	// It looks at the table before it replaces a window, so what another process wrote meanwhile counts.
	Replace(ctx context.Context, ws []Window) (Commit, error)

	// Close removes what the table keeps on the side. Replace must not be called after it.
	Close() error
}

// Reader reads a table.
type Reader interface {
	// Windows lists what the table holds, by start and shard. An error ends the list.
	Windows(ctx context.Context, in Span) iter.Seq2[Info, error]
	// Scan returns rows by window and page, across shards, of which each page is in one. It holds few rows at a
	// time. An error ends it.
	Scan(ctx context.Context, f Filter) iter.Seq2[click.PageView, error]
	// State returns how far the table is, where windows are open for lateness after their end.
	State(ctx context.Context, lateness time.Duration) (State, error)
	// Metadata returns what the table is of. The error is ErrEmpty where it neither says so nor holds a window.
	Metadata(ctx context.Context) (Metadata, error)
}

// Commit is what one Replace did.
type Commit struct {
	Written   int         // windows of shards that were replaced or are new
	Windows   []time.Time // when those start, ascending; once for each shard
	Unchanged int         // that held the same rows already
	Refused   []Refusal   // that would have shrunk
	Files     int         // files written: what a log would add
	Rows      int64       // in those files
	Bytes     int64       // in those files

	Conflicts int             // times that it was planned anew, as somebody else's commit came first
	Took      time.Duration   // from its beginning until all that it wrote was there but the log's entry
	Published click.Durations // of windows that the table had nothing of, each from its end until then
}

// publish notes that a window is new in the table by now.
func (c *Commit) publish(w *Window, now time.Time) {
	if w.Consumed == nil { // a rebuild is of windows that are long over
		c.Published.Observe(now.Sub(w.End), 1)
	}
}

// Refusal is a window that was not replaced, as the table holds more of it.
type Refusal struct {
	Start, End    time.Time
	Shard         int
	Held, Offered int64 // events
}

// String says what was refused.
func (r Refusal) String() string {
	return fmt.Sprintf("window %s of shard %d holds %d events: a replacement with %d was refused",
		r.Start.UTC().Format(time.RFC3339), r.Shard, r.Held, r.Offered)
}

// Span is the windows that start at or after From and before To. The zero time leaves its side open.
type Span struct {
	From, To time.Time
}

// holds tells whether a window that starts then is one of them.
func (s Span) holds(start time.Time) bool {
	return !start.Before(s.From) && (s.To.IsZero() || start.Before(s.To))
}

// Filter chooses rows.
type Filter struct {
	Span
	Page  string // rows of this page alone; empty for every page
	Limit int    // the most rows; 0 for all
}

// Info is what a table says of one window of one shard.
type Info struct {
	Start, End     time.Time
	Shard, Shards  int
	Events, Rows   int64
	Duplicates     int64                       // of Events, those that rows leave out as counted already
	Bytes          int64                       // of its file, or its share of a file of several windows
	Offsets        map[int32]click.OffsetRange // nil where another program merged files and left only rows
	Schemas        []int32
	Consumed       map[int32]int64 // see Window; nil where a run counted the window
	Topic, Cluster string
	Version        string // of the program that wrote it
}

// The formats of a table.
const (
	Parquet = "parquet" // a folder of Parquet files, which are the table
	Delta   = "delta"   // a Delta table: Parquet files, and a log that says which of them are the table
)

// Settings is what Open needs to know.
type Settings struct {
	Path    string // a folder on this machine, made when it is not there, or of a Delta table a URL: see objects.Open
	Format  string // Parquet or Delta
	Topic   string
	Cluster string        // id of the Kafka cluster; empty where it is not known, and then not compared
	TopicID string        // id of the topic, which one made again under its name does not share; empty as Cluster's
	Window  time.Duration // length of a window, in whole milliseconds
	Shards  int           // number of shards, at least one
	click.Steps
	Version string // of this program
	Writer  string // who writes, of whom any number may have the table open; empty: whoever opens it

	Begin    map[int32]int64 // offset of each partition where reading begins, if the table is new
	Existing bool            // the table has been made: one that is not there is somewhere else
}

// Open opens a table to write to, and makes it when it is not there. It returns an error that names the path
// when the table cannot be written to, when the path is a file, when the folder holds Parquet files of
// another program, and when it holds windows of another topic, cluster, length, number of shards or steps.
func Open(ctx context.Context, s Settings) (Table, error) {
	if s.Format != Parquet && s.Format != Delta {
		return nil, fmt.Errorf("table %s: format %q is not known: choose %s or %s", s.Path, s.Format, Delta, Parquet)
	}
	if s.Window < time.Millisecond || s.Window%time.Millisecond != 0 {
		return nil, fmt.Errorf("table %s: a window of %s must be whole milliseconds, and at least one", s.Path, s.Window)
	}
	if s.Shards < 1 {
		return nil, fmt.Errorf("table %s: %d shards must be at least one", s.Path, s.Shards)
	}
	if s.Format == Delta {
		store, err := objects.Open(ctx, s.Path)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", s.Path, err)
		}
		return openDelta(ctx, store, s)
	}
	root, err := local(s.Path)
	if err != nil {
		return nil, err
	}
	return openFolder(ctx, root, s, disk{})
}

// Moment names a version of a Delta table: by its number, by a time at or after which it was made, or the newest.
type Moment struct {
	Version *int64
	Time    time.Time
}

// View opens the table at path to read from, as it is whenever it is read, and changes nothing there. Its windows
// may be of any topic, length and number of shards.
func View(ctx context.Context, path string) (Reader, error) { return ViewAt(ctx, path, Moment{}) }

// ViewAt opens the table at path to read from, as it was at a moment. A table of Parquet files has no past.
func ViewAt(ctx context.Context, path string, at Moment) (Reader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	store, err := objects.Open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", path, err)
	}
	root, notLocal := local(path)
	if notLocal == nil {
		if err := checkFolder(root); err != nil {
			return nil, err
		}
	}
	log, err := delta.Open(ctx, store, delta.Options{})
	switch {
	case err == nil:
		v := &deltaView{store: store, log: log}
		switch {
		case at.Version != nil:
			v.at, err = log.At(ctx, *at.Version)
		case !at.Time.IsZero():
			v.at, err = log.AsOf(ctx, at.Time)
		}
		return v, err
	case !errors.Is(err, delta.ErrNoTable), notLocal != nil:
		return nil, err
	case at != Moment{}:
		return nil, fmt.Errorf("table %s: it is no Delta table, and has no versions", root)
	}
	return &view{root}, nil
}

// elsewhere is the error of a table that has been made, and is not there.
func elsewhere(path string) error {
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	return fmt.Errorf("table %s: the run has made it, and it is not there on %s: if that is a worker's machine, name a path or a bucket that all of them share; otherwise somebody has removed it", path, host)
}

// local returns the folder that path names.
func local(path string) (string, error) {
	folder := strings.TrimPrefix(path, "file://")
	if scheme, _, ok := strings.Cut(folder, "://"); ok {
		return "", fmt.Errorf("table %s: a table of Parquet files is a folder of this machine, and %s:// is none; make it a Delta table", path, scheme)
	}
	if folder == "" {
		return "", fmt.Errorf("table %q: name a folder", path)
	}
	return folder, nil
}
