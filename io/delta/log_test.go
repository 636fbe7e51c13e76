package delta_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/delta"
	"clickstream/io/objects"
	"clickstream/testing/storetest"
)

// noCheckpoints keeps tests to what they are about.
var noCheckpoints = delta.Options{Engine: "test", CheckpointInterval: -1}

var pages = delta.Table{
	Name: "pages",
	Schema: []delta.Column{
		{Name: "page_url", Type: "string"}, {Name: "view_count", Type: "long"}, {Name: "window_date", Type: "date"},
	},
	PartitionColumns: []string{"window_date"},
	Configuration:    map[string]string{"clickstream.topic": "events"},
}

func create(t require.TestingT, store objects.Store, o delta.Options) *delta.Log {
	log, err := delta.Create(context.Background(), store, pages, o)
	require.NoError(t, err)
	return log
}

// file is a file of the table that nothing is kept of.
func file(name string) delta.Add {
	return delta.Add{
		Path: delta.EscapePath(name), PartitionValues: delta.Values{"window_date": "2026-11-23"}, Size: 100,
		ModificationTime: 1, DataChange: true, Stats: delta.NewStats(3).Integer("view_count", 1, 9, 0).String(),
	}
}

// replace plans a commit that removes files and adds others, on the newest version that log has seen.
func replace(log *delta.Log, removed []string, added ...string) delta.Transaction {
	tx := delta.Transaction{Read: log.Snapshot(), Operation: "WRITE"}
	for _, name := range removed {
		tx.Remove = append(tx.Remove, log.Snapshot().File(name).Remove(time.Now(), true))
	}
	for _, name := range added {
		tx.Add = append(tx.Add, file(name))
	}
	return tx
}

func commit(t require.TestingT, log *delta.Log, removed []string, added ...string) delta.Committed {
	done, err := log.Commit(context.Background(), replace(log, removed, added...))
	require.NoError(t, err)
	return done
}

func TestCreateAndGoOn(t *testing.T) {
	store := &storetest.Memory{}
	_, err := delta.Open(t.Context(), store, noCheckpoints)
	require.ErrorIs(t, err, delta.ErrNoTable)

	log := create(t, store, noCheckpoints)
	commit(t, log, nil, "a", "b c")
	done := commit(t, log, []string{"a"}, "d")
	assert.EqualValues(t, 2, done.Version)
	assert.Empty(t, done.Between)

	for _, l := range []*delta.Log{log, open(t, store)} {
		s := l.Snapshot()
		assert.EqualValues(t, 2, s.Version)
		assert.Equal(t, []string{"b%20c", "d"}, paths(s))
		assert.Equal(t, file("d"), *s.File("d"))
		assert.Nil(t, s.File("a"))
		assert.Equal(t, "a", s.Tombstone("a").Path)
		assert.EqualValues(t, 100, s.Tombstone("a").Size)
		assert.Equal(t, pages.Configuration, s.Metadata.Configuration)
		assert.Equal(t, delta.Protocol{MinReaderVersion: 1, MinWriterVersion: 2}, s.Protocol)
		columns, err := s.Metadata.Columns()
		require.NoError(t, err)
		assert.Equal(t, pages.Schema, columns)
	}
	_, err = delta.Create(t.Context(), store, pages, noCheckpoints)
	require.ErrorIs(t, err, delta.ErrTableExists)
}

func TestCreateWhereATableWas(t *testing.T) {
	store := &storetest.Memory{}
	require.NoError(t, store.Put(t.Context(), last, []byte(`{"version":99,"size":3}`)))
	log := create(t, store, noCheckpoints)
	commit(t, log, nil, "a")
	require.NoError(t, log.Checkpoint(t.Context()))
	assert.Contains(t, everything(t, store)[last], `"version":1,`)
}

func TestSnapshotsDoNotChange(t *testing.T) {
	log := create(t, &storetest.Memory{}, noCheckpoints)
	first := log.Snapshot()
	commit(t, log, nil, "a")
	second := log.Snapshot()
	commit(t, log, []string{"a"}, "b")
	assert.Zero(t, first.Len())
	assert.Equal(t, []string{"a"}, paths(second))
}

func TestHistoryAndTimeTravel(t *testing.T) {
	store := &storetest.Memory{}
	clock := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	logger, told := logged()
	log := create(t, store, delta.Options{Engine: "test", CheckpointInterval: 4, Logger: logger, Now: func() time.Time { return clock }})
	var made []time.Time
	for i := range 20 {
		if i != 10 {
			clock = clock.Add(time.Minute)
		} else {
			clock = clock.Add(-time.Hour) // it was put back
		}
		made = append(made, commit(t, log, nil, fmt.Sprint(i)).Time)
		require.NoError(t, log.Close(), "checkpoints read the clock, too")
	}
	assert.Equal(t, 1, strings.Count(told.String(), "the clock is behind"), "it is told once: %s", told)
	for i, at := range made {
		if i > 0 {
			require.True(t, at.After(made[i-1]), "times ascend")
		}
		s, err := log.At(t.Context(), int64(i+1))
		require.NoError(t, err)
		assert.Equal(t, i+1, s.Len())
		assert.True(t, at.Equal(s.Time))
		for _, later := range []time.Duration{0, time.Millisecond - 1} {
			s, err := log.AsOf(t.Context(), at.Add(later))
			require.NoError(t, err)
			assert.EqualValues(t, i+1, s.Version, at)
		}
	}
	s, err := log.AsOf(t.Context(), clock.AddDate(1, 0, 0))
	require.NoError(t, err)
	assert.EqualValues(t, 20, s.Version)
	_, err = log.AsOf(t.Context(), clock.AddDate(-1, 0, 0))
	require.ErrorContains(t, err, "before version 0, the earliest")
	_, err = log.At(t.Context(), 21)
	require.ErrorContains(t, err, "version 21 is not there: the newest is 20")
	_, err = log.At(t.Context(), -1)
	require.ErrorContains(t, err, "versions begin at 0")

	var operations []string
	for e, err := range log.Entries(t.Context(), 0) {
		require.NoError(t, err)
		operations = append(operations, e.Info.Operation)
	}
	assert.Len(t, operations, 21)
	assert.Equal(t, []string{"CREATE TABLE", "WRITE"}, operations[:2])
}

func open(t require.TestingT, store objects.Store) *delta.Log {
	log, err := delta.Open(context.Background(), store, noCheckpoints)
	require.NoError(t, err)
	return log
}

const entry = "_delta_log/%020d.json"

// damaged makes a table of five versions and damages it.
func damaged(t *testing.T, damage map[string]string) *storetest.Memory {
	t.Helper()
	store := &storetest.Memory{}
	log := create(t, store, noCheckpoints)
	for i := range 4 {
		commit(t, log, nil, fmt.Sprint(i))
	}
	for name, text := range damage {
		if text == "" {
			require.NoError(t, store.Delete(t.Context(), name))
			continue
		}
		require.NoError(t, store.Put(t.Context(), name, []byte(text)))
	}
	return store
}

func TestOpenRefusesDamage(t *testing.T) {
	version := func(n int) string { return fmt.Sprintf(entry, n) }
	aMetadata := `{"metaData":{"id":"i","format":{"provider":"parquet","options":{}},"partitionColumns":[],"configuration":{}}}` + "\n"
	for name, c := range map[string]struct {
		damage map[string]string
		want   string
	}{
		"hole":             {map[string]string{version(2): ""}, "version 2 is missing, and 4 is there"},
		"no beginning":     {map[string]string{version(0): ""}, "begins at version 1, with no checkpoint"},
		"truncated":        {map[string]string{version(3): `{"add":{"path":"a","si`}, "version 3 is damaged: _delta_log/00000000000000000003.json: line 1"},
		"empty":            {map[string]string{version(3): "\n"}, "version 3 is damaged: _delta_log/00000000000000000003.json: it holds no action"},
		"not JSON":         {map[string]string{version(3): "PAR1"}, "version 3 is damaged"},
		"no metadata":      {map[string]string{version(0): aProtocol}, "version 4: the log has no metadata"},
		"no protocol":      {map[string]string{version(0): aMetadata}, "version 4: the log has no protocol"},
		"another format":   {map[string]string{version(0): aProtocol + "\n" + strings.Replace(aMetadata, "parquet", "orc", 1)}, `"orc"`},
		"added, removed":   {map[string]string{version(3): `{"add":{"path":"a"}}` + "\n" + `{"remove":{"path":"./a"}}`}, "file a is added and removed at once"},
		"reader 2":         {map[string]string{version(3): `{"protocol":{"minReaderVersion":2,"minWriterVersion":5}}`}, "column mapping"},
		"reader 4":         {map[string]string{version(3): `{"protocol":{"minReaderVersion":4,"minWriterVersion":7}}`}, "reader version 4"},
		"reader features":  {map[string]string{version(3): `{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["columnMapping","deletionVectors"],"writerFeatures":[]}}`}, "columnMapping, deletionVectors"},
		"a vector":         {map[string]string{version(3): `{"add":{"path":"0","deletionVector":{"storageType":"u"}}}`}, "file 0 has a deletion vector"},
		"only a checksum":  {map[string]string{version(0): "", version(1): "", version(2): "", version(3): "", version(4): "", "_delta_log/00000000000000000004.crc": "{}"}, "the log has no version"},
		"newer checkpoint": {map[string]string{version(0): "", "_delta_log/00000000000000000000.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json": "{}"}, "a checkpoint of version 2 of their format"},
	} {
		t.Run(name, func(t *testing.T) {
			store := damaged(t, c.damage)
			before := everything(t, store)
			_, err := delta.Open(t.Context(), store, noCheckpoints)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "table memory: ", "it names the table")
			assert.NotContains(t, err.Error(), "\n")
			_, err = delta.Create(t.Context(), store, pages, noCheckpoints)
			require.ErrorIs(t, err, delta.ErrTableExists, "it is not made anew")
			assert.Equal(t, before, everything(t, store))
		})
	}
}

// TestCommitRefusesWhatItDoesNotUnderstand writes to tables that can be read, and not written to.
func TestCommitRefusesWhatItDoesNotUnderstand(t *testing.T) {
	metadata := func(configuration, schema string) string {
		return `{"metaData":{"id":"i","format":{"provider":"parquet","options":{}},"schemaString":"` + schema + `","partitionColumns":[],"configuration":{` + configuration + `}}}`
	}
	for name, c := range map[string]struct{ entry, want string }{
		"unknown action":  {`{"invented":{"a":1}}`, `version 5 has an action "invented"`},
		"writer 4":        {`{"protocol":{"minReaderVersion":1,"minWriterVersion":4}}`, "writer version 4"},
		"writer features": {`{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":[],"writerFeatures":["appendOnly","rowTracking"]}}`, "rowTracking"},
		"append only":     {metadata(`"delta.appendOnly":"true"`, ""), "delta.appendOnly is true"},
		"invariants":      {metadata("", `{\"delta.invariants\":1}`), "invariants"},
	} {
		t.Run(name, func(t *testing.T) {
			store := damaged(t, map[string]string{fmt.Sprintf(entry, 5): c.entry})
			log := open(t, store)
			assert.EqualValues(t, 5, log.Snapshot().Version)
			assert.Equal(t, []string{"0", "1", "2", "3"}, paths(log.Snapshot()))
			before := everything(t, store)
			_, err := log.Commit(t.Context(), replace(log, []string{"0"}, "a"))
			require.ErrorContains(t, err, c.want)
			assert.Equal(t, before, everything(t, store))
		})
	}
}

// TestCommitLearnsOfANewerProtocol has the table become one that cannot be written to while it is open.
func TestCommitLearnsOfANewerProtocol(t *testing.T) {
	for name, c := range map[string]struct{ entry, want string }{
		"protocol":       {`{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]}}`, "deletionVectors"},
		"unknown action": {`{"invented":{"a":1}}`, "invented"},
		"damage":         {`{"ad`, "version 1 is damaged"},
	} {
		store := &storetest.Memory{}
		log := create(t, store, noCheckpoints)
		require.NoError(t, store.Put(t.Context(), fmt.Sprintf(entry, 1), []byte(c.entry)))
		before := everything(t, store)
		for range 2 {
			_, err := log.Commit(t.Context(), replace(log, nil, "a"))
			require.ErrorContains(t, err, c.want, name)
		}
		assert.Equal(t, before, everything(t, store), name)
	}
}

func TestRefreshSeesThatTheTableWasReplaced(t *testing.T) {
	for name, commits := range map[string]int{"by a shorter one": 0, "by a longer one": 5} {
		store := &storetest.Memory{}
		log := create(t, store, noCheckpoints)
		commit(t, log, nil, "a")
		for info := range everything(t, store) {
			require.NoError(t, store.Delete(t.Context(), info))
		}
		_, err := log.Refresh(t.Context())
		require.ErrorIs(t, err, delta.ErrNoTable, name)

		other := create(t, store, noCheckpoints)
		for i := range commits {
			commit(t, other, nil, fmt.Sprint(i))
		}
		_, err = log.Refresh(t.Context())
		require.ErrorContains(t, err, "another table was put in its place", name)
	}
}

// everything returns all that a store holds.
func everything(t require.TestingT, store objects.Store) map[string]string {
	all := map[string]string{}
	for info, err := range store.List(context.Background(), "", "") {
		require.NoError(t, err)
		data, err := store.Read(context.Background(), info.Name)
		require.NoError(t, err)
		all[info.Name] = string(data)
	}
	return all
}

// logged returns a logger, and what it was told.
func logged() (*slog.Logger, *bytes.Buffer) {
	var text bytes.Buffer
	return slog.New(slog.NewTextHandler(&text, nil)), &text
}
