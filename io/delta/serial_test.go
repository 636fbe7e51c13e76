package delta_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"clickstream/io/delta"
	"clickstream/testing/storetest"
)

// TestInterleavingsAreSerializable has writers plan and commit in random interleavings: between reading and
// committing, and within a commit before each call to the store, others commit whole. Each counts in one of a
// few windows, whose file it replaces. Whatever happened, it must be as if one had counted after the other: each
// window has one file, which counts what commits said they counted, in every version.
func TestInterleavingsAreSerializable(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		memory := &storetest.Memory{}
		create(r, memory, noCheckpoints)
		p := &play{r: r, counted: map[string]int{}}
		for i := range rapid.IntRange(2, 3).Draw(r, "writers") {
			w := &writer{play: p, name: fmt.Sprint("w", i)}
			store := &storetest.Faulty{Store: memory, Decide: w.interrupt}
			w.log = open(r, store)
			p.writers = append(p.writers, w)
		}
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			rapid.SampledFrom(p.writers).Draw(r, "writer").step()
		}
		p.check(memory)
	})
}

type play struct {
	r       *rapid.T
	writers []*writer
	counted map[string]int // by window, what commits said they counted
	depth   int
}

type writer struct {
	*play
	name    string
	log     *delta.Log
	planned *delta.Transaction
	window  string
	busy    bool // it is within a call
	n       int
}

// step has a writer read, plan or commit.
func (w *writer) step() {
	if w.busy {
		return
	}
	w.busy = true
	defer func() { w.busy = false }()
	switch rapid.SampledFrom([]string{"refresh", "plan", "commit", "commit", "checkpoint"}).Draw(w.r, "step") {
	case "refresh":
		_, err := w.log.Refresh(context.Background())
		require.NoError(w.r, err)
	case "plan":
		w.plan()
	case "checkpoint":
		require.NoError(w.r, w.log.Checkpoint(context.Background()))
	case "commit":
		if w.planned == nil {
			w.plan()
		}
		_, err := w.log.Commit(context.Background(), *w.planned)
		w.planned = nil
		var conflict *delta.Conflict
		switch {
		case err == nil:
			w.counted[w.window]++
		case errors.As(err, &conflict):
			_, err := w.log.Refresh(context.Background())
			require.NoError(w.r, err)
		default:
			require.ErrorIs(w.r, err, storetest.ErrInjected)
		}
	}
}

func (w *writer) plan() {
	w.window = rapid.SampledFrom([]string{"a-", "b-"}).Draw(w.r, "window")
	w.n++
	tx := incremented(w.log, w.window, fmt.Sprintf("-%s-%d", w.name, w.n))
	w.planned = &tx
}

// interrupt has another writer step in before a call, and calls fail. An answer that is lost is no failure.
// Where a log reads what it knows already it does so at once with other calls, and nobody steps in.
func (w *writer) interrupt(op, name string) storetest.Fault {
	if !w.busy || op == "read" && name <= fmt.Sprintf(entry, w.log.Snapshot().Version) || name == last {
		return storetest.None
	}
	w.depth++
	defer func() { w.depth-- }()
	if w.depth < 3 && rapid.IntRange(0, 3).Draw(w.r, "interrupt") == 0 {
		rapid.SampledFrom(w.writers).Draw(w.r, "by").step()
	}
	if op == "put-if-absent" {
		return rapid.SampledFrom([]storetest.Fault{0, 0, 0, storetest.Before, storetest.After}).Draw(w.r, "fault")
	}
	return storetest.None
}

// check compares every version with the one before it, and the last one with what was counted.
func (p *play) check(memory *storetest.Memory) {
	log := open(p.r, memory)
	versions := log.Snapshot().Version
	for v := range versions + 1 {
		s, err := log.At(context.Background(), v)
		require.NoError(p.r, err)
		sum := 0
		for _, window := range []string{"a-", "b-"} {
			n := value(s, window)
			require.GreaterOrEqual(p.r, n, 0, "window %s has several files: %s", window, strings.Join(paths(s), " "))
			sum += n
			if v == versions {
				require.Equal(p.r, p.counted[window], n)
			}
		}
		require.EqualValues(p.r, v, sum, "each version counts one more")
	}
	for _, w := range p.writers {
		s, err := w.log.Refresh(context.Background())
		require.NoError(p.r, err)
		assertSame(p.r, log.Snapshot(), s)
	}
}
