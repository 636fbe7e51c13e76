package delta

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Snapshot is a version of a table. It never changes.
type Snapshot struct {
	Version  int64
	Time     time.Time // when the version was made, as its commit says; the zero time when nothing says so
	Protocol Protocol
	Metadata Metadata

	files      map[string]*Add    // by name
	tombstones map[string]*Remove // by name, those not expired
	txns       map[string]Txn     // by application
	unknown    string             // which action this package does not know, if there is one
}

// Len returns the number of files.
func (s *Snapshot) Len() int { return len(s.files) }

// Files yields the files, in no order. They must not be changed.
func (s *Snapshot) Files() iter.Seq[*Add] { return maps.Values(s.files) }

// File returns the file of a name, as Add.Name returns it, or nil when the table has none of that name. It must
// not be changed.
func (s *Snapshot) File(name string) *Add { return s.files[name] }

// Tombstones yields the files that were removed, as long as readers of earlier versions may need them, in no
// order. They must not be changed.
func (s *Snapshot) Tombstones() iter.Seq[*Remove] { return maps.Values(s.tombstones) }

// Tombstone returns the removal of the file of a name, or nil when there is none that has not expired.
func (s *Snapshot) Tombstone(name string) *Remove { return s.tombstones[name] }

// Txn returns how far an application is, and whether it ever said so.
func (s *Snapshot) Txn(appID string) (int64, bool) {
	t, ok := s.txns[appID]
	return t.Version, ok
}

// Txns yields how far every application is, in no order.
func (s *Snapshot) Txns() iter.Seq[Txn] { return maps.Values(s.txns) }

// replay is a snapshot in the making.
type replay struct {
	version  int64
	time     int64 // milliseconds since 1970
	protocol *Protocol
	metadata *Metadata
	files    map[string]*Add
	removes  map[string]*Remove
	txns     map[string]Txn
	unknown  string
	beyond   string // what of it needs a newer protocol, whatever the protocol says
}

func newReplay() *replay {
	return &replay{version: -1, files: map[string]*Add{}, removes: map[string]*Remove{}, txns: map[string]Txn{}}
}

// replay returns what goes on from the snapshot.
func (s *Snapshot) replay() *replay {
	r := &replay{
		version: s.Version, protocol: &s.Protocol, metadata: &s.Metadata, unknown: s.unknown,
		files: maps.Clone(s.files), removes: maps.Clone(s.tombstones), txns: maps.Clone(s.txns),
	}
	if !s.Time.IsZero() {
		r.time = s.Time.UnixMilli()
	}
	return r
}

// apply goes on by a version. Its files must not be changed afterwards.
func (r *replay) apply(e *Entry) error {
	if e.Protocol != nil {
		r.protocol = e.Protocol
	}
	if e.Metadata != nil {
		r.metadata = e.Metadata
	}
	for _, t := range e.Txns {
		r.txns[t.AppID] = t
	}
	added := make(map[string]bool, len(e.Adds))
	for i := range e.Adds {
		name, err := e.Adds[i].Name()
		if err != nil {
			return err
		}
		added[name] = true
		r.checkVector(name, e.Adds[i].DeletionVector)
		r.files[name] = &e.Adds[i]
		delete(r.removes, name)
	}
	for i := range e.Removes {
		name, err := e.Removes[i].Name()
		if err != nil {
			return err
		}
		r.checkVector(name, e.Removes[i].DeletionVector)
		if added[name] && r.beyond == "" {
			// Programs differ in which one counts: the later, or the add.
			return fmt.Errorf("file %s is added and removed at once", name)
		}
		delete(r.files, name)
		r.removes[name] = &e.Removes[i]
	}
	if len(e.Unknown) != 0 {
		r.unknown = fmt.Sprintf("version %d has an action %q", e.Version, e.Unknown[0])
	}
	r.version = e.Version
	r.time = e.Info.time()
	return nil
}

func (r *replay) checkVector(name string, vector jsontext.Value) {
	if vector != nil && vector.Kind() != 'n' {
		r.beyond = fmt.Sprintf("file %s has a deletion vector: read it with a newer program", name)
	}
}

// snapshot returns what was replayed, which must not go on, without the tombstones that have expired by then. It
// returns an error when that is no table, or one that cannot be read.
func (r *replay) snapshot(now time.Time) (*Snapshot, error) {
	switch {
	case r.protocol == nil:
		return nil, errors.New("the log has no protocol up to here: it is damaged, restore it from a copy")
	case r.metadata == nil:
		return nil, errors.New("the log has no metadata up to here: it is damaged, restore it from a copy")
	case r.metadata.Format.Provider != "parquet":
		return nil, fmt.Errorf("its files are %q, and this program reads parquet", r.metadata.Format.Provider)
	}
	if err := r.protocol.checkReader(); err != nil {
		return nil, err
	}
	if r.beyond != "" {
		return nil, fmt.Errorf("%w: %s", ErrProtocol, r.beyond)
	}
	expired := now.Add(-r.metadata.tombstoneRetention()).UnixMilli()
	maps.DeleteFunc(r.removes, func(_ string, remove *Remove) bool { return remove.DeletionTimestamp <= expired })
	s := &Snapshot{
		Version: r.version, Protocol: *r.protocol, Metadata: *r.metadata,
		files: r.files, tombstones: r.removes, txns: r.txns, unknown: r.unknown,
	}
	for _, m := range []*map[string]string{&s.Metadata.Configuration, &s.Metadata.Format.Options} {
		if *m == nil {
			*m = map[string]string{}
		}
	}
	if r.time != 0 {
		s.Time = time.UnixMilli(r.time).UTC()
	}
	return s, nil
}

// with returns the snapshot that the entries make of it.
func (s *Snapshot) with(now time.Time, entries ...*Entry) (*Snapshot, error) {
	r := s.replay()
	for _, e := range entries {
		if err := r.apply(e); err != nil {
			return nil, fmt.Errorf("version %d is damaged: %w", e.Version, err)
		}
	}
	next, err := r.snapshot(now)
	if err != nil {
		return nil, fmt.Errorf("version %d: %w", r.version, err)
	}
	return next, nil
}
