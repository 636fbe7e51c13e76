package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"clickstream/io/delta"
	"clickstream/io/objects"
	"clickstream/transforms/click"
)

// A Delta table's data files lie as those of a folder do, but for a random end of their names: each is written
// once, under its own name, and is the table's only when the log says so.
//
//	DIR/_delta_log/00000000000000000000.json
//	DIR/window_date=2026-11-23/20261123T033500Z-1m0s-00000-of-00001-5f0c1d2e.parquet

// deltaTable is a table whose log is Delta's.
type deltaTable struct {
	deltaView
	settings Settings

	mu            sync.Mutex
	newestWritten *name // the newest window that was written here
}

// deltaView reads a Delta table.
type deltaView struct {
	store objects.Store
	log   *delta.Log
	at    *delta.Snapshot // the version that is read; nil: the newest
}

// What the table is, in its metadata's configuration.
const (
	topicKey   = "clickstream.topic"
	clusterKey = "clickstream.cluster"
	topicIDKey = "clickstream.topic_id" // not there where the brokers gave none
	windowKey  = "clickstream.window"
	shardsKey  = "clickstream.shards"
	dedupeKey  = "clickstream.dedupe"       // not there where every click counts
	topKey     = "clickstream.top"          // not there where all pages are kept
	usersKey   = "clickstream.unique_users" // not there where rows do not tell of users
	begunKey   = "clickstream.begun"        // JSON, offsets by partition
	versionKey = "clickstream.version"
)

// dateColumn is the column that the table is partitioned by.
const dateColumn = "window_date"

// columns returns those of a table. The last is in the files' folders, and not in the files.
func columns(of click.Steps) []delta.Column {
	columns := []delta.Column{
		{Name: "window_start", Type: "timestamp"},
		{Name: "window_end", Type: "timestamp"},
		{Name: "page_url", Type: "string"},
		{Name: "view_count", Type: "long"},
	}
	if of.Users {
		columns = append(columns, delta.Column{Name: "unique_users", Type: "long"})
	}
	return append(columns, delta.Column{Name: dateColumn, Type: "date"})
}

func engine(version string) string { return "clickstream/" + version }

// openDelta opens the Delta table in a store, and makes it when there is none.
func openDelta(ctx context.Context, store objects.Store, s Settings) (*deltaTable, error) {
	t := &deltaTable{deltaView: deltaView{store: store}, settings: s}
	options := delta.Options{Engine: engine(s.Version), Writer: s.Writer, Others: t.other}
	log, err := delta.Open(ctx, store, options)
	if errors.Is(err, delta.ErrNoTable) && s.Existing {
		return nil, elsewhere(store.String())
	}
	if errors.Is(err, delta.ErrNoTable) {
		if err := checkEmpty(ctx, store); err != nil {
			return nil, err
		}
		log, err = delta.Create(ctx, store, newTable(s), options)
		if errors.Is(err, delta.ErrTableExists) { // somebody was faster
			log, err = delta.Open(ctx, store, options)
		}
	}
	if err != nil {
		return nil, withWayOut(store, err)
	}
	t.log = log
	_, err = t.fits(log.Snapshot())
	return t, err
}

// withWayOut returns an error of a store or a log with the table's name, and the way out where there is one.
func withWayOut(store objects.Store, err error) error {
	if err == nil {
		return nil
	}
	err = oneLine{err}
	if !strings.Contains(err.Error(), "table "+store.String()) { // a log names it, a store does not
		return fmt.Errorf("table %s: %w%s", store, err, wayOut(err))
	}
	return fmt.Errorf("%w%s", err, wayOut(err))
}

// oneLine is an error that may be several, told in one line.
type oneLine struct{ error }

func (e oneLine) Error() string { return strings.ReplaceAll(e.error.Error(), "\n", "; ") }
func (e oneLine) Unwrap() error { return e.error }

// checkEmpty fails if the store holds Parquet files that no log speaks of.
func checkEmpty(ctx context.Context, store objects.Store) error {
	for info, err := range store.List(ctx, datePrefix, "") {
		if err != nil {
			return fmt.Errorf("table %s: %w", store, err)
		}
		if strings.HasSuffix(info.Name, suffix) {
			return fmt.Errorf("table %s: %s is there, and no _delta_log: it is not a Delta table; choose another folder, or go on with --table-format parquet", store, info.Name)
		}
	}
	return nil
}

func newTable(s Settings) delta.Table {
	begun, err := json.Marshal(s.Begin)
	if err != nil {
		panic(err) // integers by integers
	}
	table := delta.Table{
		Name: "page_views_1min", Schema: columns(s.Steps), PartitionColumns: []string{dateColumn},
		Configuration: map[string]string{
			topicKey: s.Topic, clusterKey: s.Cluster, windowKey: s.Window.String(),
			shardsKey: strconv.Itoa(s.Shards), begunKey: string(begun), versionKey: s.Version,
		},
	}
	if s.TopicID != "" {
		table.Configuration[topicIDKey] = s.TopicID
	}
	if s.Dedupe != "" {
		table.Configuration[dedupeKey] = s.Dedupe
	}
	if s.Users {
		table.Configuration[usersKey] = "true" // the schema says it, too, which others may change
	}
	if s.Top != 0 {
		table.Configuration[topKey] = strconv.Itoa(s.Top)
	}
	return table
}

// fits returns what the table is of, and an error when it was made for something else than the settings say, with both
// values, or needs a newer program to be written to.
func (t *deltaTable) fits(at *delta.Snapshot) (Metadata, error) {
	m, err := t.metadata(at)
	if err != nil {
		return m, err
	}
	if err := m.fits(t.store.String(), t.settings); err != nil {
		return m, err
	}
	if err := at.CheckWriter(); err != nil { // before a file is written that no commit will name
		return m, fmt.Errorf("table %s: %w", t.store, err)
	}
	return m, nil
}

// metadata returns what the table is of.
func (v *deltaView) metadata(at *delta.Snapshot) (Metadata, error) {
	c := at.Metadata.Configuration
	m := Metadata{Format: Delta, Steps: click.Steps{Dedupe: c[dedupeKey], Users: c[usersKey] == "true"}, Topic: c[topicKey], Cluster: c[clusterKey], TopicID: c[topicIDKey], Made: time.UnixMilli(at.Metadata.CreatedTime).UTC(), Version: c[versionKey]}
	if _, ok := c[topicKey]; !ok {
		return m, fmt.Errorf("table %s: this Delta table was not made by clickstream: it says nothing of a topic; choose another folder", v.store)
	}
	var err error
	m.Window, err = time.ParseDuration(c[windowKey])
	if err == nil {
		m.Shards, err = strconv.Atoi(c[shardsKey])
	}
	if err == nil && c[topKey] != "" {
		m.Top, err = strconv.Atoi(c[topKey])
	}
	if err == nil && c[begunKey] != "" {
		err = json.Unmarshal([]byte(c[begunKey]), &m.Begun)
	}
	if err != nil || m.Window <= 0 || m.Shards < 1 {
		return m, fmt.Errorf("table %s: the configuration in its metadata is damaged: window %q, shards %q, top %q, begun %q; restore _delta_log from a copy, or choose another folder", v.store, c[windowKey], c[shardsKey], c[topKey], c[begunKey])
	}
	return m, nil
}

// others is another program that commits to a table, as a writer sees it.
type others struct{ table, writer, program string }

// told holds those that a line was written of.
var told sync.Map

// other says once of each other program that it commits to this table as well.
func (t *deltaTable) other(e *delta.Entry) {
	by := "unknown"
	if e.Info != nil && e.Info.EngineInfo != "" {
		by = e.Info.EngineInfo
	}
	if _, was := told.LoadOrStore(others{t.store.String(), t.settings.Writer, by}, true); !was {
		slog.Warn("another program commits to this table at the same time; both stay exact", "table", t.store.String(), "program", by)
	}
}

// others takes note of versions of other programs.
func (t *deltaTable) others(between []*delta.Entry) {
	for _, e := range between {
		if !t.log.IsOwn(e) {
			t.other(e)
		}
	}
}

// Close is Table's.
func (t *deltaTable) Close() error { return t.log.Close() }
