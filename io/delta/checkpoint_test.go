package delta_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"clickstream/io/delta"
	"clickstream/testing/storetest"
)

const (
	last       = "_delta_log/_last_checkpoint"
	checkpoint = "_delta_log/%020d.checkpoint.parquet"
)

// assertSame checks that two snapshots hold the same.
func assertSame(t require.TestingT, want, got *delta.Snapshot) {
	require.Equal(t, want.Version, got.Version)
	require.Equal(t, want.Time, got.Time)
	require.Equal(t, want.Protocol, got.Protocol)
	require.Equal(t, want.Metadata, got.Metadata)
	files := func(s *delta.Snapshot) (all map[string]delta.Add) {
		all = map[string]delta.Add{}
		for f := range s.Files() {
			all[f.Path] = *f
			if f.DataChange { // which a checkpoint does not keep
				f := *f
				f.DataChange = false
				all[f.Path] = f
			}
		}
		return all
	}
	removed := func(s *delta.Snapshot) (all map[string]delta.Remove) {
		all = map[string]delta.Remove{}
		for r := range s.Tombstones() {
			r := *r
			r.DataChange = false
			all[r.Path] = r
		}
		return all
	}
	require.Equal(t, files(want), files(got))
	require.Equal(t, removed(want), removed(got))
}

// TestCheckpointHoldsEverything reads random tables from their logs and from their checkpoints alone.
func TestCheckpointHoldsEverything(t *testing.T) {
	text := rapid.StringN(0, 8, -1)
	values := rapid.MapOfN(rapid.StringN(1, 5, -1), text, 0, 3)
	rapid.Check(t, func(r *rapid.T) {
		store := &storetest.Memory{}
		table := pages
		table.Description = text.Draw(r, "description")
		table.Configuration = values.Draw(r, "configuration")
		log, err := delta.Create(t.Context(), store, table, noCheckpoints)
		require.NoError(r, err)
		for i := range rapid.IntRange(0, 6).Draw(r, "commits") {
			tx := delta.Transaction{Read: log.Snapshot(), Operation: "WRITE"}
			for f := range log.Snapshot().Files() {
				if rapid.Bool().Draw(r, "remove") {
					tx.Remove = append(tx.Remove, f.Remove(time.Now(), true))
				}
			}
			for j := range rapid.IntRange(0, 3).Draw(r, "adds") {
				a := file(fmt.Sprintf("%d-%d %%é", i, j))
				a.PartitionValues, a.Stats = values.Draw(r, "values"), text.Draw(r, "stats")
				if tags := values.Draw(r, "tags"); len(tags) > 0 {
					a.Tags = tags
				}
				tx.Add = append(tx.Add, a)
			}
			if app := text.Draw(r, "app"); app != "" {
				tx.Txn = []delta.Txn{{AppID: app, Version: int64(i), LastUpdated: int64(i)}}
			}
			_, err := log.Commit(t.Context(), tx)
			require.NoError(r, err)
		}
		want := open(r, store).Snapshot()
		assertSame(r, want, log.Snapshot())
		require.NoError(r, log.Checkpoint(t.Context()))
		for i := range want.Version {
			require.NoError(r, store.Delete(t.Context(), fmt.Sprintf(entry, i)))
		}
		assertSame(r, want, open(r, store).Snapshot())
	})
}

func TestCheckpointsAreWrittenAsOftenAsWanted(t *testing.T) {
	for name, c := range map[string]struct {
		option   int64
		property string
		want     []int64 // at least these
		none     []int64
	}{
		"by default every ten": {0, "", []int64{10, 20}, []int64{1, 9, 11}},
		"as the table wants":   {0, "4", []int64{4, 8, 12}, []int64{5, 10}},
		"as the caller wants":  {3, "4", []int64{3, 6, 9}, []int64{4, 8}},
		"what is no number":    {0, "often", []int64{10}, []int64{1}},
		"never":                {-1, "", nil, []int64{10, 20}},
	} {
		store := &storetest.Memory{}
		table := pages
		if c.property != "" {
			table.Configuration = map[string]string{"delta.checkpointInterval": c.property}
		}
		log, err := delta.Create(t.Context(), store, table, delta.Options{CheckpointInterval: c.option})
		require.NoError(t, err)
		for i := range 25 {
			commit(t, log, nil, fmt.Sprint(i))
			require.NoError(t, log.Close()) // so that none is passed over as the one before is under way
		}
		all := everything(t, store)
		for _, v := range c.want {
			assert.NotEmpty(t, all[fmt.Sprintf(checkpoint, v)], "%s: version %d", name, v)
		}
		for _, v := range c.none {
			assert.Empty(t, all[fmt.Sprintf(checkpoint, v)], "%s: version %d", name, v)
		}
		if len(c.want) > 0 {
			var pointer struct{ Version, Size, NumOfAddFiles int64 }
			require.NoError(t, json.Unmarshal([]byte(all[last]), &pointer))
			assert.Equal(t, pointer.Version, pointer.NumOfAddFiles)
			assert.Equal(t, pointer.Version+2, pointer.Size)
		}
	}
}

// TestCommitsSurviveCheckpointsThatFail has every write of a checkpoint fail.
func TestCommitsSurviveCheckpointsThatFail(t *testing.T) {
	logger, told := logged()
	store := &storetest.Faulty{Store: &storetest.Memory{}, Decide: func(op, _ string) storetest.Fault {
		if op == "put" {
			return storetest.Before
		}
		return storetest.None
	}}
	log := create(t, store, delta.Options{CheckpointInterval: 2, Logger: logger})
	for i := range 6 {
		commit(t, log, nil, fmt.Sprint(i))
		require.NoError(t, log.Close())
	}
	assert.Contains(t, told.String(), "a checkpoint of the table's log was not written")
	assert.Equal(t, 6, open(t, store).Snapshot().Len())
	require.ErrorIs(t, log.Checkpoint(t.Context()), storetest.ErrInjected)
}

// TestCheckpointsThatAreNoGood damages what a log is opened by. As long as there is another way it is taken.
func TestCheckpointsThatAreNoGood(t *testing.T) {
	ten, twenty := fmt.Sprintf(checkpoint, 10), fmt.Sprintf(checkpoint, 20)
	for name, c := range map[string]struct {
		damage map[string]string
		warned bool
		want   string // the error, if there is no way
	}{
		"no pointer":                      {damage: map[string]string{last: ""}},
		"a pointer that is no JSON":       {damage: map[string]string{last: "{"}},
		"a pointer without a version":     {damage: map[string]string{last: `{"size":3}`}},
		"a negative pointer":              {damage: map[string]string{last: `{"version":-1,"size":3}`}},
		"a pointer to the future":         {damage: map[string]string{last: `{"version":99,"size":3}`}},
		"a pointer to what is gone":       {damage: map[string]string{twenty: ""}},
		"a pointer to parts":              {damage: map[string]string{last: `{"version":15,"size":3,"parts":2}`}},
		"a part that lacks the other":     {damage: map[string]string{"_delta_log/00000000000000000022.checkpoint.0000000001.0000000002.parquet": "PAR1"}},
		"no checkpoint":                   {damage: map[string]string{last: "", ten: "", twenty: ""}},
		"a damaged checkpoint":            {damage: map[string]string{twenty: "PAR1....PAR1"}, warned: true},
		"two damaged checkpoints":         {damage: map[string]string{ten: "P", twenty: "PAR1"}, warned: true},
		"a footer longer than the file":   {damage: map[string]string{twenty: "PAR1\x00\x00\x00\x7fPAR1"}, warned: true},
		"entries before are gone":         {damage: map[string]string{fmt.Sprintf(entry, 3): "", fmt.Sprintf(entry, 20): ""}},
		"a damaged one, and entries gone": {damage: map[string]string{twenty: "P", ten: "P", fmt.Sprintf(entry, 3): ""}, want: "version 20 cannot be read"},
		"a hole behind it":                {damage: map[string]string{fmt.Sprintf(entry, 22): ""}, want: "version 22 is missing, and 24 is there"},
	} {
		t.Run(name, func(t *testing.T) {
			store := &storetest.Memory{}
			log := create(t, store, delta.Options{})
			for i := range 24 {
				commit(t, log, nil, fmt.Sprint(i))
				require.NoError(t, log.Close())
			}
			for name, text := range c.damage {
				if text == "" {
					require.NoError(t, store.Delete(t.Context(), name))
					continue
				}
				require.NoError(t, store.Put(t.Context(), name, []byte(text)))
			}
			logger, told := logged()
			again, err := delta.Open(t.Context(), store, delta.Options{Logger: logger})
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				return
			}
			require.NoError(t, err)
			assertSame(t, log.Snapshot(), again.Snapshot())
			assert.Equal(t, c.warned, strings.Contains(told.String(), "checkpoint"), told.String())
			s, err := again.Refresh(t.Context())
			require.NoError(t, err)
			assert.Equal(t, 24, s.Len())
			commit(t, again, nil, "on")
			require.NoError(t, again.Close())
		})
	}
}

// TestTombstonesExpire has removed files forgotten after the time that the table says.
func TestTombstonesExpire(t *testing.T) {
	clock := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	o := delta.Options{CheckpointInterval: -1, Now: func() time.Time { return clock }}
	store := &storetest.Memory{}
	table := pages
	table.Configuration = map[string]string{"delta.deletedFileRetentionDuration": "interval 2 days"}
	log, err := delta.Create(t.Context(), store, table, o)
	require.NoError(t, err)
	commit(t, log, nil, "a", "b")
	remove := func(name string) {
		tx := delta.Transaction{Read: log.Snapshot(), Operation: "WRITE", Remove: []delta.Remove{log.Snapshot().File(name).Remove(clock, true)}}
		_, err := log.Commit(t.Context(), tx)
		require.NoError(t, err)
	}
	remove("a")
	clock = clock.Add(24 * time.Hour)
	remove("b")
	assert.NotNil(t, log.Snapshot().Tombstone("a"))
	assert.Equal(t, 48*time.Hour, log.Snapshot().TombstoneRetention())

	clock = clock.Add(24 * time.Hour)
	again, err := delta.Open(t.Context(), store, o)
	require.NoError(t, err)
	commit(t, log, nil, "c")
	for _, s := range []*delta.Snapshot{log.Snapshot(), again.Snapshot()} {
		assert.Nil(t, s.Tombstone("a"), "two days are over")
		assert.NotNil(t, s.Tombstone("b"))
	}
	require.NoError(t, log.Checkpoint(t.Context()))
	clock = clock.Add(-24 * time.Hour)
	again, err = delta.Open(t.Context(), store, o)
	require.NoError(t, err)
	assert.Nil(t, again.Snapshot().Tombstone("a"), "the checkpoint has forgotten it")
	assert.NotNil(t, again.Snapshot().Tombstone("b"))
}
