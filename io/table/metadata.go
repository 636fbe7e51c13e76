package table

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"clickstream/transforms/click"
)

// ErrEmpty is returned by Metadata for a table that holds no window, and does not say what it is to hold.
var ErrEmpty = errors.New("nothing was written to it yet")

// Metadata is what a table is of. It stays the same for as long as there is the table.
type Metadata struct {
	Format  string
	Topic   string
	Cluster string // id of the Kafka cluster; empty where it is not known
	TopicID string // id of the topic; empty where it is not known
	Window  time.Duration
	Shards  int
	click.Steps
	Begun   map[int32]int64 // offset of each partition that the table began at; nil where it is not known
	Made    time.Time       // when the table was made; zero where it is not known
	Version string          // of the program that made the table, or its newest window
}

// Metadata is Reader's: what the table's record says or, where there is none, its newest file.
func (v *view) Metadata(ctx context.Context) (Metadata, error) {
	r, err := readRecord(v.root)
	if err == nil {
		return r.metadata(v.root)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return Metadata{}, err
	}
	names, err := list(ctx, v.root, Span{})
	if err != nil {
		return Metadata{}, err
	}
	if len(names) == 0 {
		return Metadata{}, fmt.Errorf("table %s: %w", v.root, ErrEmpty)
	}
	p, _, err := v.footer(names[len(names)-1])
	if err != nil {
		return Metadata{}, err
	}
	return Metadata{Format: Parquet, Topic: p.Topic, Cluster: p.Cluster, Window: p.Window, Shards: p.Shards, Steps: p.Steps, Version: p.Version}, nil
}

// metadata returns what the record of the table at root says.
func (r record) metadata(root string) (Metadata, error) {
	window, err := time.ParseDuration(r.Window)
	if err != nil || window <= 0 || r.Shards < 1 {
		return Metadata{}, fmt.Errorf("table %s: %s is damaged: its window is %q and its shards are %d; restore it from a copy, or remove it and say with --start where to begin", root, recordFile, r.Window, r.Shards)
	}
	return Metadata{
		Format: Parquet, Topic: r.Topic, Cluster: r.Cluster, TopicID: r.TopicID,
		Window: window, Shards: r.Shards, Steps: click.Steps{Dedupe: r.Dedupe, Users: r.Users, Top: r.Top}, Begun: r.Begun, Made: r.Made, Version: r.Version,
	}, nil
}

// fits returns an error when the table at path was made for something else than the settings say, with both values.
func (m Metadata) fits(path string, s Settings) error {
	unlike := func(have, want string) bool { return have != want && have != "" && want != "" }
	for _, v := range []struct {
		what       string
		have, want any
		differ     bool
	}{
		{"topic", m.Topic, s.Topic, m.Topic != s.Topic},
		{"Kafka cluster", m.Cluster, s.Cluster, unlike(m.Cluster, s.Cluster)},
		{"window", m.Window, s.Window, m.Window != s.Window},
		{"number of shards", m.Shards, s.Shards, m.Shards != s.Shards},
	} {
		if v.differ {
			return fmt.Errorf("table %s: it was made for the %s %v, not %v: choose another folder, or go on with %v", path, v.what, v.have, v.want, v.have)
		}
	}
	if m.Steps != s.Steps {
		return fmt.Errorf("table %s: it was made for counts with %s, not with %s: choose another folder, or name the same options", path, m.Steps, s.Steps)
	}
	if unlike(m.TopicID, s.TopicID) {
		return fmt.Errorf("table %s: it was counted from topic %s of id %s, which is of id %s now: the topic was deleted and made again, and the table's offsets mean other records in it; choose another folder",
			path, m.Topic, m.TopicID, s.TopicID)
	}
	return nil
}
