// Package storetest tests stores of objects: one suite for every kind, a store in memory, and one that fails
// on demand.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"clickstream/io/objects"
)

// Run holds a kind of store to the contract of objects.Store. Open returns a store that is empty, and other,
// a second one on the same objects, as another process would have it.
func Run(t *testing.T, open func(t *testing.T) (store, other objects.Store)) {
	for name, test := range map[string]func(*testing.T, objects.Store, objects.Store){
		"reads what was written":           readsWhatWasWritten,
		"tells what is absent":             tellsWhatIsAbsent,
		"puts only if absent":              putsOnlyIfAbsent,
		"replaces whole":                   replacesWhole,
		"lists in order":                   listsInOrder,
		"lists by prefix and place":        listsByPrefixAndPlace,
		"ends a list early":                endsAListEarly,
		"refuses names":                    refusesNames,
		"heeds a context":                  heedsAContext,
		"has one winner of eight":          hasOneWinnerOfEight,
		"shows whole objects while racing": showsWholeObjects,
	} {
		t.Run(name, func(t *testing.T) {
			store, other := open(t)
			test(t, store, other)
		})
	}
}

func readsWhatWasWritten(t *testing.T, store, other objects.Store) {
	ctx := t.Context()
	big := []byte(strings.Repeat("0123456789abcdef", 100_000))
	for name, data := range map[string][]byte{
		"a": []byte("one"), "_log/b.json": []byte("{}\n"), "empty": {}, "x=1 2/é%20+#?.parquet": {0, 1, 255}, "big": big,
	} {
		require.NoError(t, store.PutIfAbsent(ctx, name, data), name)
		for _, s := range []objects.Store{store, other} {
			got, err := s.Read(ctx, name)
			require.NoError(t, err, name)
			assert.Equal(t, string(data), string(got), name)
		}
	}
	assert.NotEmpty(t, store.String())
}

func tellsWhatIsAbsent(t *testing.T, store, _ objects.Store) {
	ctx := t.Context()
	_, err := store.Read(ctx, "log/none")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, store.Delete(ctx, "log/none"), "nothing to delete is no error")
	assert.Empty(t, list(t, store, ""))
	assert.Empty(t, list(t, store, "log/"))

	require.NoError(t, store.Put(ctx, "log/none", []byte("x")))
	require.NoError(t, store.Delete(ctx, "log/none"))
	_, err = store.Read(ctx, "log/none")
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.Empty(t, list(t, store, ""))
	require.NoError(t, store.PutIfAbsent(ctx, "log/none", []byte("y")), "a deleted name is free again")
}

func putsOnlyIfAbsent(t *testing.T, store, other objects.Store) {
	ctx := t.Context()
	require.NoError(t, store.PutIfAbsent(ctx, "a/b", []byte("first")))
	require.ErrorIs(t, store.PutIfAbsent(ctx, "a/b", []byte("first")), fs.ErrExist, "the same bytes are no exception")
	require.ErrorIs(t, other.PutIfAbsent(ctx, "a/b", []byte("second")), fs.ErrExist)
	assertRead(t, other, "a/b", "first")

	require.NoError(t, store.Put(ctx, "put", []byte("first")))
	require.ErrorIs(t, other.PutIfAbsent(ctx, "put", []byte("second")), fs.ErrExist)
	assertRead(t, store, "put", "first")
}

func replacesWhole(t *testing.T, store, other objects.Store) {
	ctx := t.Context()
	require.NoError(t, store.Put(ctx, "p", []byte("a long one")))
	require.NoError(t, other.Put(ctx, "p", []byte("short")))
	assertRead(t, store, "p", "short")
	assert.Equal(t, []string{"p"}, list(t, store, ""), "nothing else is left of it")
}

func listsInOrder(t *testing.T, store, other objects.Store) {
	names := []string{"a-b", "a.json", "a/b", "a/c/d", "a/c-", "a0", "log/00.json", "log/_last", "log/sub/1", "log0", "é"}
	slices.Sort(names)
	before := time.Now()
	for _, name := range slices.Backward(names) {
		require.NoError(t, store.Put(t.Context(), name, []byte(name)))
	}
	assert.Equal(t, names, list(t, other, ""))
	for info, err := range other.List(t.Context(), "log/", "") {
		require.NoError(t, err)
		assert.EqualValues(t, len(info.Name), info.Size)
		assert.WithinDuration(t, before, info.Modified, time.Minute)
	}
}

// listsByPrefixAndPlace compares lists of random names with sorting and comparing them.
func listsByPrefixAndPlace(t *testing.T, store, _ objects.Store) {
	var names []string
	for _, folder := range []string{"", "a/", "a/b/", "a=1/", "a-/", "b/"} {
		for _, file := range []string{"0", "00", "x.json", "x-y", "_z"} {
			names = append(names, folder+file)
		}
	}
	for _, name := range names {
		require.NoError(t, store.Put(t.Context(), name, nil))
	}
	slices.Sort(names)
	text := rapid.OneOf(rapid.SampledFrom(append(names, "", "a", "a/", "a/b", "c", "0")), rapid.StringMatching(`[0ab/_x=.-]{0,4}`))
	rapid.Check(t, func(r *rapid.T) {
		prefix, after := text.Draw(r, "prefix"), text.Draw(r, "after")
		var want, got []string
		for _, name := range names {
			if strings.HasPrefix(name, prefix) && name > after {
				want = append(want, name)
			}
		}
		for info, err := range store.List(t.Context(), prefix, after) {
			require.NoError(r, err)
			got = append(got, info.Name)
		}
		require.Equal(r, want, got)
	})
}

func endsAListEarly(t *testing.T, store, _ objects.Store) {
	for _, name := range []string{"1", "2/3", "4"} {
		require.NoError(t, store.Put(t.Context(), name, nil))
	}
	for stop := 1; stop <= 3; stop++ {
		seen := 0
		for _, err := range store.List(t.Context(), "", "") {
			require.NoError(t, err)
			if seen++; seen == stop {
				break
			}
		}
		assert.Equal(t, stop, seen)
	}
}

func refusesNames(t *testing.T, store, _ objects.Store) {
	for _, name := range []string{"", ".", "..", "../a", "/a", "a/", "a//b", "a/./b", "a/../b"} {
		_, err := store.Read(t.Context(), name)
		require.ErrorIs(t, err, fs.ErrInvalid, name)
		require.ErrorIs(t, store.Put(t.Context(), name, nil), fs.ErrInvalid, name)
		require.ErrorIs(t, store.PutIfAbsent(t.Context(), name, nil), fs.ErrInvalid, name)
		require.ErrorIs(t, store.Delete(t.Context(), name), fs.ErrInvalid, name)
	}
}

func heedsAContext(t *testing.T, store, _ objects.Store) {
	require.NoError(t, store.Put(t.Context(), "a", nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := store.Read(ctx, "a")
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, store.PutIfAbsent(ctx, "b", nil), context.Canceled)
	require.ErrorIs(t, store.Put(ctx, "b", nil), context.Canceled)
	require.ErrorIs(t, store.Delete(ctx, "a"), context.Canceled)
	var last error
	for _, err := range store.List(ctx, "", "") {
		last = err
	}
	require.ErrorIs(t, last, context.Canceled)
	assert.Equal(t, []string{"a"}, list(t, store, ""))
}

// hasOneWinnerOfEight has eight writers try to make the same object, again and again.
func hasOneWinnerOfEight(t *testing.T, store, other objects.Store) {
	const writers, rounds = 8, 40
	for round := range rounds {
		name := fmt.Sprintf("_log/%020d.json", round)
		outcome := make([]error, writers)
		start := make(chan struct{})
		var wg sync.WaitGroup
		for w := range writers {
			s := []objects.Store{store, other}[w%2]
			wg.Go(func() {
				<-start
				outcome[w] = s.PutIfAbsent(t.Context(), name, []byte(strings.Repeat(fmt.Sprint(w), 1000*(w+1))))
			})
		}
		close(start)
		wg.Wait()
		winner := -1
		for w, err := range outcome {
			if err == nil {
				require.Equal(t, -1, winner, "%s has two winners", name)
				winner = w
				continue
			}
			require.ErrorIs(t, err, fs.ErrExist)
		}
		require.NotEqual(t, -1, winner, "%s has no winner", name)
		assertRead(t, store, name, strings.Repeat(fmt.Sprint(winner), 1000*(winner+1)))
	}
	assert.Len(t, list(t, store, ""), rounds, "nothing is left of those who lost")
}

// showsWholeObjects reads an object while two writers replace it.
func showsWholeObjects(t *testing.T, store, other objects.Store) {
	const size = 200_000
	require.NoError(t, store.Put(t.Context(), "o", []byte(strings.Repeat("0", size))))
	var wg sync.WaitGroup
	done := make(chan struct{})
	for w, s := range []objects.Store{store, other} {
		wg.Go(func() {
			for i := range 30 {
				assert.NoError(t, s.Put(t.Context(), "o", []byte(strings.Repeat(fmt.Sprint((2*i+w)%10), size))))
			}
		})
	}
	go func() { wg.Wait(); close(done) }()
	for {
		got, err := store.Read(t.Context(), "o")
		require.NoError(t, err)
		require.Len(t, got, size)
		require.Equal(t, size, strings.Count(string(got), string(got[:1])), "parts of two objects")
		select {
		case <-done:
			return
		default:
		}
	}
}

func assertRead(t *testing.T, s objects.Store, name, want string) {
	t.Helper()
	got, err := s.Read(t.Context(), name)
	require.NoError(t, err)
	assert.Equal(t, want, string(got))
}

func list(t *testing.T, s objects.Store, prefix string) (names []string) {
	t.Helper()
	for info, err := range s.List(t.Context(), prefix, "") {
		require.NoError(t, err)
		names = append(names, info.Name)
	}
	return names
}

// ErrInjected is what a Faulty store fails with.
var ErrInjected = errors.New("the store failed on demand")
