package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"clickstream/transforms/click"
)

// State is how far a table is, which is all that a run needs to know to go on with it.
type State struct {
	// Begun is the offset of each partition that the table began at. It is fixed when the table is made, before
	// anything is read.
	Begun map[int32]int64
	// Made is when the table was made; zero where it is not known.
	Made time.Time
	// Final is where windows are no longer open: those that end by then stay as they are. It lies the allowed
	// lateness before the end of the newest window that every shard holds. Zero: no window is final.
	Final time.Time
	// Consumed is the offset of each partition below which every record of a final window has been dealt with.
	Consumed map[int32]int64
	// First is the least offset of each partition that the windows held, and not final, were counted from.
	First map[int32]int64
}

// recordFile is a file of the table's folder, which readers leave out. It says what the table is.
const recordFile = "_table.json"

// record is what the file holds.
type record struct {
	Topic   string          `json:"topic"`
	Cluster string          `json:"cluster,omitempty"`
	TopicID string          `json:"topic_id,omitempty"`
	Window  string          `json:"window"`
	Shards  int             `json:"shards"`
	Dedupe  string          `json:"dedupe,omitempty"`
	Users   bool            `json:"unique_users,omitempty"`
	Top     int             `json:"top,omitempty"`
	Begun   map[int32]int64 `json:"begun"` // offsets by partition
	Made    time.Time       `json:"made"`
	Version string          `json:"version"`
}

// enroll writes the table's record if there is none and the table holds nothing, and checks it otherwise. Of two
// processes that make a table at once, the first one's record stands.
func (t *folder) enroll(isEmpty bool) error {
	err := t.checkRecord()
	if errors.Is(err, fs.ErrNotExist) && isEmpty && t.settings.Begin != nil {
		err = t.writeRecord(filepath.Join(t.root, recordFile))
		switch {
		case err == nil, errors.Is(err, fs.ErrExist):
			err = t.checkRecord()
		default:
			return fail(t.root, "writing "+recordFile, err)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing is known but what the files say
	}
	return err
}

// checkRecord returns an error when the table's record says something else than the settings, and fs.ErrNotExist when
// there is none.
func (t *folder) checkRecord() error {
	had, err := readRecord(t.root)
	if err != nil {
		return err
	}
	m, err := had.metadata(t.root)
	if err != nil {
		return err
	}
	return m.fits(t.root, t.settings)
}

// readRecord returns the record of the table at root. The error is fs.ErrNotExist when there is none.
func readRecord(root string) (record, error) {
	text, err := os.ReadFile(filepath.Join(root, recordFile))
	if err != nil {
		return record{}, fail(root, "reading "+recordFile, err)
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return record{}, fmt.Errorf("table %s: %s is damaged: %w; restore it from a copy, or remove it and say with --start where to begin", root, recordFile, err)
	}
	return r, nil
}

// writeRecord writes the record aside and links it to its place, which fails where one is there.
func (t *folder) writeRecord(path string) (err error) {
	s := t.settings
	text, err := json.MarshalIndent(record{
		Topic: s.Topic, Cluster: s.Cluster, TopicID: s.TopicID, Window: s.Window.String(), Shards: s.Shards, Dedupe: s.Dedupe, Users: s.Users, Top: s.Top,
		Begun: s.Begin, Made: time.Now().UTC().Truncate(time.Second), Version: s.Version,
	}, "", "  ")
	if err != nil {
		return err
	}
	aside := filepath.Join(t.stage.folder, recordFile)
	f, err := t.system.Create(aside)
	if err != nil {
		return err
	}
	defer func() { err = first(err, t.system.Remove(aside)) }()
	_, err = f.Write(append(text, '\n'))
	if err = first(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(aside, path); err != nil {
		return err
	}
	return t.system.Sync(t.root)
}

// consumedSpan is how far before the newest windows files are looked at for the offsets that were consumed.
const consumedSpan = 24 * time.Hour

// State is Table's.
func (t *folder) State(ctx context.Context, lateness time.Duration) (State, error) {
	return t.state(ctx, lateness, t.settings.Window, t.settings.Shards, func(n name) error { return t.fits(n, n.length, n.shards) })
}

// State is Reader's.
func (v *view) State(ctx context.Context, lateness time.Duration) (State, error) {
	m, err := v.Metadata(ctx)
	if errors.Is(err, ErrEmpty) {
		return State{Consumed: map[int32]int64{}, First: map[int32]int64{}}, nil
	}
	if err != nil {
		return State{}, err
	}
	return v.state(ctx, lateness, m.Window, m.Shards, func(n name) error {
		if n.length != m.Window || n.shards != m.Shards {
			return fmt.Errorf("table %s: %s is not of windows of %s in %d shards, as the table is: move the file away", v.root, n.path(), m.Window, m.Shards)
		}
		return nil
	})
}

// state reads the names of all files, which are to fit, and the footers of the newest.
func (v *view) state(ctx context.Context, lateness, window time.Duration, shards int, fits func(name) error) (State, error) {
	s := State{Consumed: map[int32]int64{}, First: map[int32]int64{}}
	r, err := readRecord(v.root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	s.Begun, s.Made = r.Begun, r.Made
	names, err := list(ctx, v.root, Span{})
	if err != nil {
		return s, err
	}
	newest := make([]time.Time, shards)
	for _, n := range names {
		if err := fits(n); err != nil {
			return s, err
		}
		if end := n.start.Add(n.length); n.shard < len(newest) && end.After(newest[n.shard]) {
			newest[n.shard] = end
		}
	}
	slowest := slices.MinFunc(newest, time.Time.Compare)
	if slowest.IsZero() {
		return s, nil
	}
	s.Final = floor(slowest.Add(-lateness), window)
	return s, v.offsets(ctx, names, &s)
}

// floor returns the last border of a window at or before t. Windows are aligned to the epoch.
func floor(t time.Time, window time.Duration) time.Time {
	size, at := window.Milliseconds(), t.UnixMilli()
	return time.UnixMilli(at - ((at%size)+size)%size).UTC()
}

// offsets fills in what the footers of the newest files say of offsets.
func (v *view) offsets(ctx context.Context, names []name, s *State) error {
	for _, n := range names {
		if n.start.Before(s.Final.Add(-consumedSpan)) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return fail(v.root, "looking at files", context.Cause(ctx))
		}
		p, _, err := v.footer(n)
		if err != nil {
			return err
		}
		s.learn(p.End, p.Offsets, p.Consumed)
	}
	return nil
}

// learn takes in what is known of a window that ends then: see Window.
func (s *State) learn(end time.Time, offsets map[int32]click.OffsetRange, consumed map[int32]int64) {
	for partition, r := range offsets {
		if consumed == nil {
			s.Consumed[partition] = max(s.Consumed[partition], r.Next)
		}
		if first, ok := s.First[partition]; end.After(s.Final) && (!ok || r.First < first) {
			s.First[partition] = r.First
		}
	}
	for partition, next := range consumed {
		s.Consumed[partition] = max(s.Consumed[partition], next)
	}
}
