package delta_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/delta"
	"clickstream/testing/storetest"
)

// aged is a table of which a version was made each hour.
type aged struct {
	*storetest.Memory
	log   *delta.Log
	clock time.Time
}

// age makes a table of version 0 to 60, with a checkpoint for each ten, whose log is kept for a day.
func age(t *testing.T, configuration map[string]string) *aged {
	t.Helper()
	a := &aged{Memory: &storetest.Memory{}, clock: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	a.Now = func() time.Time { return a.clock }
	table := pages
	table.Configuration = configuration
	var err error
	a.log, err = delta.Create(t.Context(), a, table, delta.Options{Now: a.Now})
	require.NoError(t, err)
	for i := range 60 {
		a.clock = a.clock.Add(time.Hour)
		commit(t, a.log, nil, fmt.Sprint(i))
		require.NoError(t, a.log.Close())
	}
	return a
}

// entries returns the versions whose entries are there.
func (a *aged) entries(t *testing.T) (first, n int) {
	t.Helper()
	first = -1
	for name := range everything(t, a) {
		var v int
		if strings.HasSuffix(name, ".json") {
			_, err := fmt.Sscanf(name, entry, &v)
			require.NoError(t, err)
			n++
			if first < 0 || v < first {
				first = v
			}
		}
	}
	return first, n
}

func TestCleanUp(t *testing.T) {
	a := age(t, map[string]string{"delta.logRetentionDuration": "interval 1 day"})
	// At hour 60 what is of hour 35 and before is older than a day, and the checkpoint before that is of 30.
	first, n := a.entries(t)
	assert.Equal(t, 30, first)
	assert.Equal(t, 31, n, "and there is no hole")
	all := everything(t, a)
	assert.Empty(t, all[fmt.Sprintf(checkpoint, 20)])
	for _, v := range []int{30, 40, 50, 60} {
		assert.NotEmpty(t, all[fmt.Sprintf(checkpoint, v)])
	}
	assert.Equal(t, 60, open(t, a).Snapshot().Len())
	for _, v := range []int64{30, 35, 36, 59} {
		s, err := a.log.At(t.Context(), v)
		require.NoError(t, err)
		assert.EqualValues(t, v, s.Len())
	}
	_, err := a.log.At(t.Context(), 29)
	require.ErrorContains(t, err, "version 29 is no longer kept: the earliest is 30")
	_, err = a.log.AsOf(t.Context(), a.clock.Add(-40*time.Hour))
	require.ErrorContains(t, err, "before version 30, the earliest that is kept")
	s, err := a.log.AsOf(t.Context(), a.clock.Add(-24*time.Hour))
	require.NoError(t, err)
	assert.EqualValues(t, 36, s.Version, "a day back can be read")

	// Nothing more goes, however long nothing is committed, as there is no checkpoint of the last version.
	a.clock = a.clock.AddDate(1, 0, 0)
	commit(t, a.log, nil, "late")
	require.NoError(t, a.log.Checkpoint(t.Context()))
	first, _ = a.entries(t)
	assert.Equal(t, 60, first)
}

// TestCleanUpGoesByTheStoresClock has a writer whose clock is a year ahead of the store's.
func TestCleanUpGoesByTheStoresClock(t *testing.T) {
	a := age(t, map[string]string{"delta.logRetentionDuration": "interval 1 day"})
	ahead, err := delta.Open(t.Context(), a, delta.Options{CheckpointInterval: -1, Now: func() time.Time { return a.clock.AddDate(1, 0, 0) }})
	require.NoError(t, err)
	commit(t, ahead, nil, "ahead")
	require.NoError(t, ahead.Checkpoint(t.Context()))
	first, n := a.entries(t)
	assert.Equal(t, 30, first)
	assert.Equal(t, 32, n)
	s, err := a.log.Refresh(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 61, s.Version)
}

func TestCleanUpThatIsNotWanted(t *testing.T) {
	for _, configuration := range []map[string]string{
		nil, // 30 days
		{"delta.logRetentionDuration": "interval 1 day", "delta.enableExpiredLogCleanup": "false"},
		{"delta.logRetentionDuration": "interval 2 months"}, // cannot be read
	} {
		first, n := age(t, configuration).entries(t)
		assert.Equal(t, 0, first)
		assert.Equal(t, 61, n)
	}
}

// TestCleanUpKeepsWhatACheckpointCannotReplace damages the checkpoint that the rest would be deleted for.
func TestCleanUpKeepsWhatACheckpointCannotReplace(t *testing.T) {
	a := age(t, map[string]string{"delta.logRetentionDuration": "interval 1 day"})
	require.NoError(t, a.Put(t.Context(), fmt.Sprintf(checkpoint, 40), []byte("PAR1")))
	a.clock = a.clock.Add(10 * time.Hour)
	require.ErrorContains(t, a.log.Checkpoint(t.Context()), "the checkpoint of version 40, which earlier versions would be deleted for")
	first, _ := a.entries(t)
	assert.Equal(t, 30, first)
}
