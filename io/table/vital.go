package table

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"clickstream/io/delta"
	"clickstream/io/objects"
	"clickstream/transforms/click"
)

// Follower tells whoever watches a table what becomes of it, at little cost: of each file it keeps the name, and it reads
// those of the newest window alone. It is to be used by one goroutine at a time.
type Follower struct {
	path     string
	lateness time.Duration

	view   *deltaView // nil until the table was opened
	log    *delta.Follower
	files  map[string]held // of a Delta table, by their names
	status *Status         // nil while there is no table
	stale  bool            // the status is to be made anew
	shown  []string        // files that the status' pages are of
	write  time.Time       // of the last commit of rows
	listed time.Time       // when the folder of a table without a log was last listed
}

// held is what is kept of a file.
type held struct {
	start, end int64 // of its windows, milliseconds since the epoch
	shard      int32
	size       int64
	modified   int64
}

// Status is what a table is at one moment.
type Status struct {
	Version    int64 // -1 where it has no log
	Window     time.Duration
	Files      int64
	SmallFiles int64 // that Compact would merge by the hour
	Bytes      int64
	LastCommit time.Time // of rows; zero where it is not known
	NewestEnd  time.Time // end of the newest window; zero where there is none
	Top        []Page    // of the newest window, most viewed first; none where its files are very large
}

// Page is a page's views in a window.
type Page struct {
	URL   string
	Views int64
}

// Told is what a commit of rows tells of the pipeline.
type Told struct {
	Version int64
	Before  bool // it was there before the table was followed
	Files   int64
	Bytes   int64

	Took                time.Duration // from the commit's beginning; 0 where it does not tell, as what is zero else
	Conflicts           int64
	Counted, Duplicates int64
	Published           click.Durations
	click.Tally
}

// News is what a look found.
type News struct {
	Status *Status // not to be changed; nil while there is no table
	Told   []Told  // by commits of rows since the look before
}

// folderPace is what passes between listings of a table without a log.
const folderPace = 30 * time.Second

// NewFollower returns a follower of the table at path, which need not be there yet. lateness is how long after its end a
// run may still replace a window.
func NewFollower(path string, lateness time.Duration) *Follower {
	return &Follower{path: path, lateness: lateness}
}

// Look reads what is new. That there is no table yet is no error; that there is none any more is. With an error, the news
// are those of before it.
func (f *Follower) Look(ctx context.Context) (News, error) {
	if f.view == nil {
		store, err := objects.Open(ctx, f.path)
		if err != nil {
			return News{}, fmt.Errorf("table %s: %w", f.path, err)
		}
		f.view, f.log = &deltaView{store: store}, delta.Follow(store)
		f.log.Stats = func(name string) bool { _, ours := parseDeltaName(name); return !ours }
	}
	told, err := f.lookAtLog(ctx)
	switch {
	case err == nil:
	case errors.Is(err, delta.ErrNoTable):
		err = f.lookAtFolder(ctx)
	default:
		err = withWayOut(f.view.store, err)
	}
	return News{f.status, told}, err
}

// lookAtLog reads the log on, and sums the table up where it has changed.
func (f *Follower) lookAtLog(ctx context.Context) ([]Told, error) {
	var told []Told
	err := f.log.Read(ctx, func(step delta.Step) error {
		f.stale = true
		if step.Anew {
			f.files, f.write = map[string]held{}, time.Time{}
		}
		if err := f.take(step.Entry); err != nil {
			return err
		}
		if t, ok := f.tell(step); ok {
			told = append(told, t)
		}
		return nil
	})
	if err != nil {
		return nil, err // all of it comes again
	}
	if !f.stale {
		return told, nil
	}
	return told, f.sumUp(ctx)
}

// take goes on by an entry.
func (f *Follower) take(e *delta.Entry) error {
	for i := range e.Removes {
		object, err := e.Removes[i].Name()
		if err != nil {
			return err
		}
		delete(f.files, object)
	}
	m, err := f.metadata()
	if len(e.Adds) > 0 && err != nil {
		return err
	}
	for i := range e.Adds {
		p, err := newPiece(&e.Adds[i], &m)
		if err != nil {
			return err
		}
		f.files[p.object] = held{p.start.UnixMilli(), p.end().UnixMilli(), int32(p.shard), p.add.Size, p.add.ModificationTime}
	}
	return nil
}

func (f *Follower) metadata() (Metadata, error) {
	return f.view.metadata(&delta.Snapshot{Metadata: f.log.Metadata()})
}

// writeOperation is what commits of rows are called, be they a run's or a rebuild's; merges are called otherwise.
const writeOperation = "WRITE"

// tell returns what an entry tells, if it is a commit of rows.
func (f *Follower) tell(step delta.Step) (Told, bool) {
	info := step.Entry.Info
	if info == nil || info.Operation != writeOperation {
		return Told{}, false
	}
	f.write = time.UnixMilli(info.Timestamp).UTC()
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(info.OperationMetrics[name], 10, 64) // what is not told is zero
		return max(0, n)
	}
	durations := func(name string) click.Durations {
		h, _ := click.ParseDurations(info.OperationMetrics[name]) // likewise
		return h
	}
	t := Told{
		Version: step.Entry.Version, Before: !step.New,
		Took: time.Duration(number(metricTook)) * time.Millisecond, Conflicts: number(metricConflicts),
		Counted: number(metricCounted), Duplicates: number(metricDuplicates), Published: durations(metricPublish),
		Tally: click.Tally{Latency: durations(metricLatency), Skipped: number(metricSkipped), Deferred: number(metricDeferred)},
	}
	for i := range step.Entry.Adds {
		t.Files++
		t.Bytes += step.Entry.Adds[i].Size
	}
	return t, true
}

// sumUp makes the status of a Delta table anew.
func (f *Follower) sumUp(ctx context.Context) error {
	m, err := f.metadata()
	if err != nil {
		return err
	}
	s := &Status{Version: f.log.Version(), Window: m.Window, Files: int64(len(f.files)), LastCommit: f.write}
	var newest, modified int64
	shards := make([]int64, m.Shards) // the newest window of each
	for _, h := range f.files {
		s.Bytes += h.size
		newest = max(newest, h.end)
		if h.end-h.start == m.Window.Milliseconds() { // it is not merged
			modified = max(modified, h.modified)
		}
		if h.shard >= 0 && int(h.shard) < len(shards) {
			shards[h.shard] = max(shards[h.shard], h.end)
		}
	}
	if s.LastCommit.IsZero() && modified > 0 {
		s.LastCommit = time.UnixMilli(modified).UTC() // what was seen since are merges: it is when its file was written
	}
	if newest > 0 {
		s.NewestEnd = time.UnixMilli(newest).UTC()
	}
	s.SmallFiles = f.mergeable(floor(time.UnixMilli(slices.Min(shards)).Add(-f.lateness), m.Window), &m)
	if err := f.showTop(ctx, s, &m); err != nil {
		return err
	}
	f.status, f.stale = s, false
	return nil
}

// mergeable counts the files that Compact would merge by the hour, where windows that end by final are closed.
func (f *Follower) mergeable(final time.Time, m *Metadata) int64 {
	type slot struct {
		files  int64
		shards map[int32]bool
	}
	const hour = int64(time.Hour / time.Millisecond)
	window, closed := m.Window.Milliseconds(), final.UnixMilli()
	slots := map[int64]*slot{}
	for _, h := range f.files {
		start := h.start - h.start%hour
		if h.end-window >= start+hour || start+hour > closed || h.end > closed {
			continue
		}
		s := slots[start]
		if s == nil {
			s = &slot{shards: map[int32]bool{}}
			slots[start] = s
		}
		s.files++
		s.shards[h.shard] = true
	}
	var n int64
	for _, s := range slots {
		if s.files != int64(len(s.shards)) || s.shards[noShard] {
			n += s.files
		}
	}
	return n
}

// lookAtFolder lists a table without a log, if that is due and there is one.
func (f *Follower) lookAtFolder(ctx context.Context) error {
	root, err := local(f.path)
	if err != nil { // nor can there be one
		return f.none()
	}
	if f.status != nil && f.status.Version < 0 && time.Since(f.listed) < folderPace {
		return nil
	}
	err = checkFolder(root)
	if errors.Is(err, fs.ErrNotExist) {
		return f.none()
	}
	if err != nil {
		return err
	}
	names, err := list(ctx, root, Span{})
	if err != nil {
		return err
	}
	if len(names) == 0 {
		if _, err := readRecord(root); errors.Is(err, fs.ErrNotExist) {
			return f.none()
		}
	}
	v := view{root}
	m, err := v.Metadata(ctx)
	if err != nil {
		return err
	}
	s := &Status{Version: -1, Window: m.Window}
	for _, n := range names {
		info, err := os.Stat(filepath.Join(root, n.path()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // somebody has removed it
		}
		if err != nil {
			return fail(root, "looking at "+n.path(), err)
		}
		s.Files++
		s.Bytes += info.Size()
		s.LastCommit = later(s.LastCommit, info.ModTime().UTC())
		s.NewestEnd = later(s.NewestEnd, n.end().UTC())
	}
	if err := topOfFolder(&v, names, s); err != nil {
		return err
	}
	f.status, f.listed = s, time.Now()
	return nil
}

// none is there being no table: an error, if there was one.
func (f *Follower) none() error {
	if f.status == nil {
		return nil
	}
	return fmt.Errorf("table %s: it was there, and is there no more; restore it from a copy", f.path)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
