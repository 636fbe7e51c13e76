package delta_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/delta"
	"clickstream/testing/storetest"
)

// TestCrashAtEveryStep kills a writer at each of its calls to the store in turn, before the call is done and
// after, and has another one go on. What the writer was told to be committed is there, and of what it was not
// told there is all or nothing.
func TestCrashAtEveryStep(t *testing.T) {
	for _, fault := range []storetest.Fault{storetest.Before, storetest.After} {
		for step := 0; ; step++ {
			memory := &storetest.Memory{}
			told, calls := crash(t, memory, step, fault)
			s := reopen(t, memory)
			n := value(s, "a-")
			require.Contains(t, []int{told, told + 1}, n, "step %d: %d were told, and there are %d", step, told, n)
			if calls < step {
				assert.Greater(t, step, 30, "there are more steps than that")
				break
			}
		}
	}
}

// crash counts to eight in a table that is new, with checkpoints, until the store is gone at a step. It returns
// how far it was told it is, and how many steps there were.
func crash(t *testing.T, memory *storetest.Memory, step int, fault storetest.Fault) (told, calls int) {
	t.Helper()
	var mu sync.Mutex // a log reads several objects at once
	var dead bool
	store := &storetest.Faulty{Store: memory, Decide: func(string, string) storetest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if dead {
			return storetest.Before
		}
		if calls++; calls <= step {
			return storetest.None
		}
		dead = true
		return fault
	}}
	log, err := delta.Create(context.Background(), store, pages, delta.Options{CheckpointInterval: -1})
	if err != nil {
		require.ErrorIs(t, err, storetest.ErrInjected)
		return 0, calls
	}
	for i := range 8 {
		_, err := log.Refresh(context.Background())
		if err == nil {
			err = increment(context.Background(), log, "a-", "")
		}
		if err != nil {
			require.ErrorIs(t, err, storetest.ErrInjected)
			break
		}
		told = i + 1
		if i%3 == 2 { // in its turn, for a step to be the same one in each run
			_ = log.Checkpoint(context.Background())
		}
	}
	return told, calls
}

// reopen opens what is left, makes it if there is nothing, and counts two more, to be sure that it goes on.
func reopen(t *testing.T, memory *storetest.Memory) *delta.Snapshot {
	t.Helper()
	log, err := delta.Open(t.Context(), memory, noCheckpoints)
	if errors.Is(err, delta.ErrNoTable) {
		log, err = delta.Create(t.Context(), memory, pages, noCheckpoints)
	}
	require.NoError(t, err)
	found := log.Snapshot()
	for range 2 {
		require.NoError(t, increment(t.Context(), log, "a-", fmt.Sprint("-", found.Version)))
	}
	require.Equal(t, value(found, "a-")+2, value(open(t, memory).Snapshot(), "a-"))
	return found
}
