package delta_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/delta"
	"clickstream/io/objects"
	"clickstream/testing/storetest"
)

// watcher keeps what a follower tells, as whoever watches a table would.
type watcher struct {
	*delta.Follower
	files map[string]int64 // sizes
	fresh []int64          // versions that were told to be new
	anew  int              // times that the table began
}

func watch(store objects.Store) *watcher { return &watcher{Follower: delta.Follow(store)} }

func (w *watcher) read() error {
	return w.Read(context.Background(), func(s delta.Step) error {
		if s.Anew {
			w.anew++
			w.files = map[string]int64{}
		}
		for i := range s.Entry.Removes {
			name, err := s.Entry.Removes[i].Name()
			if err != nil {
				return err
			}
			delete(w.files, name)
		}
		for i := range s.Entry.Adds {
			name, err := s.Entry.Adds[i].Name()
			if err != nil {
				return err
			}
			w.files[name] = s.Entry.Adds[i].Size
		}
		if s.New {
			w.fresh = append(w.fresh, s.Entry.Version)
		}
		return nil
	})
}

// assertSees holds what the watcher knows against what the log says.
func (w *watcher) assertSees(t *testing.T, store objects.Store) {
	t.Helper()
	require.NoError(t, w.read())
	s := open(t, store).Snapshot()
	want := map[string]int64{}
	for f := range s.Files() {
		name, err := f.Name()
		require.NoError(t, err)
		want[name] = f.Size
	}
	assert.Equal(t, want, w.files)
	assert.Equal(t, s.Version, w.Version())
	assert.Equal(t, s.Metadata.ID, w.Metadata().ID)
	assert.Len(t, w.Metadata().Configuration, len(s.Metadata.Configuration))
}

func TestFollowerSeesEachVersion(t *testing.T) {
	for _, interval := range []int64{-1, 3} {
		t.Run(fmt.Sprint(interval), func(t *testing.T) {
			store := &storetest.Memory{}
			options := delta.Options{Engine: "test", CheckpointInterval: interval}
			log := create(t, store, options)
			for v := range 7 {
				commit(t, log, nil, fmt.Sprintf("d/%d", v))
			}
			require.NoError(t, log.Close())
			w := watch(store)
			w.assertSees(t, store)
			assert.Empty(t, w.fresh, "all was there before")
			w.assertSees(t, store)
			for v := range 7 {
				commit(t, log, []string{fmt.Sprintf("d/%d", v)}, fmt.Sprintf("e/%d", v))
				w.assertSees(t, store)
			}
			require.NoError(t, log.Close())
			assert.Equal(t, []int64{8, 9, 10, 11, 12, 13, 14}, w.fresh)
			assert.Equal(t, 1, w.anew, "it goes on from version to version")
		})
	}
}

func TestFollowerAwaitsATable(t *testing.T) {
	store := &storetest.Memory{}
	w := watch(store)
	require.ErrorIs(t, w.read(), delta.ErrNoTable)
	assert.EqualValues(t, -1, w.Version())
	log := create(t, store, noCheckpoints)
	commit(t, log, nil, "d/1")
	w.assertSees(t, store)
	assert.Equal(t, []int64{0, 1}, w.fresh, "it came to be while it was awaited")
}

// TestFollowerAfterACleanUp has a follower sleep for longer than the log remembers.
func TestFollowerAfterACleanUp(t *testing.T) {
	store := &storetest.Memory{}
	log := create(t, store, noCheckpoints)
	commit(t, log, nil, "d/1")
	w := watch(store)
	w.assertSees(t, store)
	for v := range 5 {
		commit(t, log, nil, fmt.Sprintf("e/%d", v))
	}
	require.NoError(t, log.Checkpoint(t.Context()))
	commit(t, log, []string{"d/1"}, "f/1")
	for name := range everything(t, store) { // as cleaning up does: all before the checkpoint, its own entry stays
		if strings.HasSuffix(name, ".json") && name < "_delta_log/00000000000000000006" && !strings.Contains(name, "_last_") {
			require.NoError(t, store.Delete(t.Context(), name))
		}
	}
	w.CheckGround()
	w.assertSees(t, store)
	assert.Equal(t, 2, w.anew)
	assert.Equal(t, []int64{7}, w.fresh, "what was cleaned up is not told, what is there is")
}

func TestFollowerOfATableThatWasMadeAnew(t *testing.T) {
	for name, commits := range map[string]int{"a shorter one": 1, "a longer one": 9} {
		for _, seen := range []bool{true, false} { // that there was none in between
			t.Run(fmt.Sprint(name, " ", seen), func(t *testing.T) {
				store := &storetest.Memory{}
				log := create(t, store, noCheckpoints)
				for v := range 4 {
					commit(t, log, nil, fmt.Sprintf("d/%d", v))
				}
				w := watch(store)
				w.assertSees(t, store)
				for name := range everything(t, store) {
					require.NoError(t, store.Delete(t.Context(), name))
				}
				if w.CheckGround(); seen {
					require.ErrorIs(t, w.read(), delta.ErrNoTable)
				}
				log = create(t, store, noCheckpoints)
				var fresh []int64
				for v := range commits {
					commit(t, log, nil, fmt.Sprintf("e/%d", v))
				}
				for v := range commits + 1 {
					fresh = append(fresh, int64(v))
				}
				w.assertSees(t, store)
				assert.Equal(t, 2, w.anew)
				assert.Equal(t, fresh, w.fresh, "all of it is new")
			})
		}
	}
}

func TestFollowerGoesAroundADamagedCheckpoint(t *testing.T) {
	store := &storetest.Memory{}
	log := create(t, store, noCheckpoints)
	commit(t, log, nil, "d/1")
	require.NoError(t, log.Checkpoint(t.Context()))
	commit(t, log, nil, "d/2")
	require.NoError(t, store.Put(t.Context(), "_delta_log/00000000000000000001.checkpoint.parquet", []byte("PAR1 is not enough")))
	w := watch(store)
	require.NoError(t, w.read())
	assert.Len(t, w.files, 2)
}

func TestFollowerReadsStatisticsThatAreWanted(t *testing.T) {
	store := &storetest.Memory{}
	log := create(t, store, noCheckpoints)
	commit(t, log, nil, "d/ours", "d/theirs")
	require.NoError(t, log.Checkpoint(t.Context()))
	f := delta.Follow(store)
	f.Stats = func(name string) bool { return name == "d/theirs" }
	var with []string
	require.NoError(t, f.Read(t.Context(), func(s delta.Step) error {
		for i := range s.Entry.Adds {
			assert.Equal(t, delta.Values{"window_date": "2026-11-23"}, s.Entry.Adds[i].PartitionValues)
			assert.EqualValues(t, 100, s.Entry.Adds[i].Size)
			if s.Entry.Adds[i].Stats != "" {
				with = append(with, s.Entry.Adds[i].Path)
			}
		}
		return nil
	}))
	assert.Equal(t, []string{"d/theirs"}, with)
}

func TestFollowerBeginsAnewAfterAnError(t *testing.T) {
	store := &storetest.Memory{}
	log := create(t, store, noCheckpoints)
	commit(t, log, nil, "d/1")
	w := watch(store)
	w.assertSees(t, store)
	commit(t, log, nil, "d/2")
	refused := errors.New("refused")
	require.ErrorIs(t, w.Read(t.Context(), func(delta.Step) error { return refused }), refused)
	commit(t, log, nil, "d/3")
	w.assertSees(t, store)
	assert.Equal(t, 2, w.anew)
	assert.Equal(t, []int64{2, 3}, w.fresh, "what was refused is new still")

	first := watch(store)
	require.ErrorIs(t, first.Read(t.Context(), func(s delta.Step) error {
		if s.Entry.Version == 2 {
			return refused
		}
		return nil
	}), refused)
	first.assertSees(t, store)
	assert.Empty(t, first.fresh, "all was there before the table was followed")
}

// TestFollowerOfGoldenTables follows what other programs wrote.
func TestFollowerOfGoldenTables(t *testing.T) {
	for name := range goldenTables(t) {
		if beyond[name].err != "" {
			continue // nobody reads it
		}
		t.Run(name, func(t *testing.T) {
			store := objects.NewFolder(filepath.Join(goldenFolder, name))
			watch(store).assertSees(t, store)
		})
	}
}
