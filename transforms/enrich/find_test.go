package enrich

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/state"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/timers"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"clickstream/transforms/click"
	"clickstream/transforms/sessions"
)

const minute = int64(time.Minute / time.Millisecond)

// keyed is what a runner keeps for a key: its state and its timer.
type keyed struct {
	state.Provider // what FindFn does not ask for

	values map[string]any
	bags   map[string][]any
	due    int64 // 0: no timer is set
}

func newKeyed() *keyed { return &keyed{values: map[string]any{}, bags: map[string][]any{}} }

func (k *keyed) ReadValueState(id string) (any, []state.Transaction, error) {
	return k.values[id], nil, nil
}

func (k *keyed) WriteValueState(tx state.Transaction) error {
	k.values[tx.Key] = tx.Val
	return nil
}

func (k *keyed) ReadBagState(id string) ([]any, []state.Transaction, error) {
	return k.bags[id], nil, nil
}

func (k *keyed) WriteBagState(tx state.Transaction) error {
	k.bags[tx.Key] = append(k.bags[tx.Key], tx.Val)
	return nil
}

func (k *keyed) ClearBagState(tx state.Transaction) error {
	delete(k.bags, tx.Key)
	return nil
}

// Set is the timers' provider's.
func (k *keyed) Set(t timers.TimerMap) { k.due = int64(t.FireTimestamp) }

// parcels is what a runner carries from reading to the buckets.
type parcel struct {
	bucket  int64
	emitted int64
	Parcel
}

// world is a topic of clicks, and what runs of the pipeline have made of it.
type world struct {
	*rapid.T
	config   Config
	topic    [][]click.Visit // by partition
	enriched []click.Visit   // as they were written
	position Frontier        // of the group
	run      int

	// of the run
	next      []int64
	newest    []int64 // time, by partition
	watermark int64
	carried   []parcel
	find      *FindFn
	keys      map[int64]*keyed
	frontiers map[int64]Frontier
}

const (
	delay      = 10 * 60_000 // of the watermark, milliseconds
	skew       = 5 * 60_000
	partitions = 3
)

// newWorld draws clicks which are out of order by less than the watermark's delay within their partitions, and by hours among
// them.
func newWorld(t *rapid.T) *world {
	w := &world{T: t, config: Config{Gap: 30 * time.Minute, Buckets: 3, Source: "source"}, position: Frontier{Next: map[int32]int64{}}}
	for p := range partitions {
		at := rapid.Int64Range(1_700_000_000_000, 1_700_000_000_000+600*minute).Draw(t, "begin")
		var visits []click.Visit
		for i := range rapid.IntRange(0, 25).Draw(t, "clicks") {
			at += rapid.Int64Range(0, 25*minute).Draw(t, "step")
			v := click.Visit{Page: "/", Partition: int32(p), Time: at - rapid.Int64Range(0, delay-1).Draw(t, "late")}
			v.ID, v.Offset = fmt.Sprintf("%d-%d", p, i), int64(i)
			v.Timestamp = v.Time - rapid.Int64Range(-skew, skew).Draw(t, "recorded")
			v.User = rapid.SampledFrom([]string{"", "a", "b", "c", "d"}).Draw(t, "user")
			if rapid.IntRange(0, 9).Draw(t, "named") == 0 {
				v.Session = "named"
			}
			visits = append(visits, v)
		}
		w.topic = append(w.topic, visits)
		w.position.Next[int32(p)] = 0
	}
	w.begin()
	return w
}

// begin begins a run where the group is, with the sessions that the enriched topic tells of.
func (w *world) begin() {
	w.run++
	w.config.Pipeline = uuid.NewString()
	w.config.Begin = maps.Clone(w.position.Next)
	books := make([]*sessions.Book, w.config.Buckets)
	for i := range books {
		books[i] = sessions.NewBook(w.config.Gap)
	}
	if w.position.Time > 0 {
		since := w.position.Time - 2*w.config.Gap.Milliseconds() - skew
		first := slices.IndexFunc(w.enriched, func(v click.Visit) bool { return v.Timestamp >= since })
		for _, v := range w.enriched[max(first, 0):] {
			if id, err := uuid.Parse(v.Session); err == nil {
				books[w.config.bucket(v.User)].Note(v.User, v.Time, id)
			}
		}
	}
	seeds := &seeds{}
	for _, b := range books {
		seeds.books = append(seeds.books, b.Encode())
	}
	allSeeds.Store(w.config.Pipeline, seeds)
	w.next, w.newest, w.watermark = make([]int64, partitions), make([]int64, partitions), math.MinInt64
	for p := range partitions {
		w.next[p] = w.config.Begin[int32(p)]
	}
	w.carried, w.find, w.keys, w.frontiers = nil, newFindFn(w.config), map[int64]*keyed{}, map[int64]Frontier{}
	for bucket := range int64(w.config.Buckets) {
		w.keys[bucket] = newKeyed()
	}
}

func (w *world) read() bool {
	open := slices.DeleteFunc([]int{0, 1, 2}, func(p int) bool { return w.next[p] == int64(len(w.topic[p])) })
	if len(open) == 0 {
		return false
	}
	spread := &SpreadFn{Config: w.config}
	spread.StartBundle(context.Background(), nil)
	for range rapid.IntRange(1, 3).Draw(w.T, "chunks") {
		p := rapid.SampledFrom(open).Draw(w.T, "partition")
		first := w.next[p]
		w.next[p] = min(first+rapid.Int64Range(0, 6).Draw(w.T, "records"), int64(len(w.topic[p])))
		b := click.Batch{Partition: int32(p), After: first, First: first, Next: w.next[p], Watermark: w.watermark}
		for _, v := range w.topic[p][first:w.next[p]] {
			b.Events, b.Pages, b.Times = append(b.Events, v.Event), append(b.Pages, v.Page), append(b.Times, v.Time)
			w.newest[p] = max(w.newest[p], v.Time)
		}
		require.NoError(w, spread.ProcessElement(context.Background(), b, nil))
	}
	spread.FinishBundle(context.Background(), func(at beam.EventTime, bucket int64, p Parcel) {
		decoded, err := decodeParcel(encodeParcel(p))
		require.NoError(w, err)
		w.carried = append(w.carried, parcel{bucket, int64(at), decoded})
	})
	w.watermark = w.reported()
	return true
}

// reported is the watermark after a bundle: the least of the partitions that are not at their end.
func (w *world) reported() int64 {
	least := int64(math.MaxInt64)
	for p := range partitions {
		switch {
		case w.next[p] == int64(len(w.topic[p])):
		case w.newest[p] == 0:
			return math.MinInt64
		default:
			least = min(least, w.newest[p]-delay)
		}
	}
	return least
}

// emit is what becomes of what FindFn has found: it is written, and then marked. Where a crash comes in between, only some of
// it is written, and nothing marked.
func (w *world) emit(crash bool) func(int64, Found) {
	return func(bucket int64, found Found) {
		found, err := decodeFound(encodeFound(found))
		require.NoError(w, err)
		for _, block := range [][]byte{found.Ready, found.Visits} {
			require.NoError(w, visits(block, func(v *click.Visit) error {
				if !crash || rapid.Bool().Draw(w.T, "arrived") {
					w.enriched = append(w.enriched, *v)
				}
				return nil
			}))
		}
		if crash {
			return
		}
		m, err := decodeMark(encodeMark(Mark{bucket, found.Frontier}))
		require.NoError(w, err)
		w.frontiers[m.Bucket] = m.Frontier
		w.checkFrontier(m)
	}
}

// checkFrontier has all of a bucket be written that lies before its frontier.
func (w *world) checkFrontier(m Mark) {
	written := map[string]bool{}
	for _, v := range w.enriched {
		written[v.ID] = true
	}
	for p, next := range m.Frontier.Next {
		for _, v := range w.topic[p][:next] {
			require.True(w, written[v.ID] || int64(w.config.bucket(v.User)) != m.Bucket, "%s is not written, and bucket %d is at %d", v.ID, m.Bucket, next)
		}
	}
}

func (w *world) deliver(crash bool) bool {
	if len(w.carried) == 0 {
		return false
	}
	i := rapid.IntRange(0, len(w.carried)-1).Draw(w.T, "parcel")
	p := w.carried[i]
	w.carried = slices.Delete(w.carried, i, i+1)
	require.NoError(w, w.find.ProcessElement(context.Background(), w.keys[p.bucket], w.keys[p.bucket], p.bucket, p.Parcel, w.emit(crash)))
	return true
}

// fire lets a timer go off that the watermark has passed. What is on its way holds that.
func (w *world) fire(crash bool) bool {
	passed := w.watermark
	for _, p := range w.carried {
		passed = min(passed, p.emitted)
	}
	due := slices.DeleteFunc([]int64{0, 1, 2}, func(bucket int64) bool { k := w.keys[bucket]; return k.due == 0 || k.due > passed })
	if len(due) == 0 {
		return false
	}
	bucket := rapid.SampledFrom(due).Draw(w.T, "timer")
	k := w.keys[bucket]
	k.due = 0
	require.NoError(w, w.find.OnTimer(context.Background(), 0, k, k, bucket, timers.Context{}, w.emit(crash)))
	return true
}

// commit is the committer's.
func (w *world) commit() {
	if len(w.frontiers) < w.config.Buckets {
		return
	}
	at, all := least(w.frontiers)
	w.position = Frontier{at.Next, Note{Until: w.position.Time}.reach(at.Time, all).Until}
}

func (w *world) crash() {
	if rapid.Bool().Draw(w.T, "in a timer") {
		w.fire(true)
	} else {
		w.deliver(true)
	}
	w.begin()
}

// TestFind runs the steps that find sessions as a runner may: parcels overtake one another, and runs crash at any moment, in
// the middle of writing too. All is written, each click by all runs as the same record; sessions are what comes of looking at
// the gaps; and nothing that is not written lies before the group's offsets.
func TestFind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1, 2:
				w.read()
			case 3, 4, 5:
				w.deliver(false)
			case 6, 7:
				w.fire(false)
			case 8:
				w.commit()
			case 9:
				if w.run < 4 {
					w.crash()
				}
			}
		}
		for w.deliver(false) || w.fire(false) || w.read() {
			w.commit()
		}
		w.commit()
		want := gaps(slices.Concat(w.topic...), w.config.Gap)
		told := map[string]string{}
		for _, v := range w.enriched {
			if had, ok := told[v.ID]; ok {
				require.Equal(t, had, v.Session, "%s", v.ID)
			}
			told[v.ID] = v.Session
		}
		first := map[string]string{} // session by its first click
		for p := range w.topic {
			assert.EqualValues(t, len(w.topic[p]), w.position.Next[int32(p)])
			for _, v := range w.topic[p] {
				session, ok := told[v.ID]
				require.True(t, ok, "%s is not written", v.ID)
				if v.User == "" || v.Session != "" {
					require.Equal(t, v.Session, session)
					continue
				}
				if had, ok := first[want[v.ID]]; ok {
					require.Equal(t, had, session, "%s is of the session that begins with %s", v.ID, want[v.ID])
				}
				first[want[v.ID]] = session
			}
		}
		distinct := map[string]bool{}
		for _, session := range first {
			distinct[session] = true
		}
		assert.Len(t, distinct, len(first))
	})
}

// gaps returns the first click of each click's session, both by their ids.
func gaps(all []click.Visit, gap time.Duration) map[string]string {
	slices.SortFunc(all, func(a, b click.Visit) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.ID, b.ID))
	})
	first, last, of := map[string]string{}, map[string]int64{}, map[string]string{}
	for _, v := range all {
		if v.User == "" || v.Session != "" {
			continue
		}
		if before, ok := last[v.User]; !ok || v.Time-before >= gap.Milliseconds() {
			first[v.User] = v.ID
		}
		last[v.User], of[v.ID] = v.Time, first[v.User]
	}
	return of
}

// TestFindLooksAgain has a timer go off for which nothing waits, as a runner's may: nothing changes, and nothing is told.
func TestFindLooksAgain(t *testing.T) {
	cfg := Config{Pipeline: t.Name(), Gap: 30 * time.Minute, Buckets: 1, Begin: map[int32]int64{0: 0}}
	f, k := newFindFn(cfg), newKeyed()
	var found []Found
	emit := func(_ int64, x Found) { found = append(found, x) }
	v := click.Visit{Event: click.Event{ID: "e", User: "u"}, Page: "/", Time: 100 * minute}
	p := Parcel{
		Reach: map[int32]click.OffsetRange{0: {First: 0, Next: 1}}, Time: 90 * minute, Waiting: appendVisit(nil, &v), Low: map[int32]int64{0: 0}, Due: v.Time, Count: 1,
	}
	require.NoError(t, f.ProcessElement(t.Context(), k, k, 0, p, emit))
	assert.Empty(t, found)
	assert.Equal(t, v.Time, k.due)
	for range 2 {
		require.NoError(t, f.OnTimer(t.Context(), 0, k, k, 0, timers.Context{}, emit))
	}
	require.Len(t, found, 1)
	assert.Equal(t, Frontier{map[int32]int64{0: 1}, v.Time}, found[0].Frontier)
	rejects := Parcel{Reach: map[int32]click.OffsetRange{0: {First: 1, Next: 9}}}
	require.NoError(t, f.ProcessElement(t.Context(), k, k, 0, rejects, emit))
	assert.Equal(t, Frontier{map[int32]int64{0: 9}, v.Time}, found[1].Frontier, "what holds no clicks says nothing of their times")

	again := newFindFn(cfg) // a bundle that is tried again, with nothing kept of the first attempt
	require.NoError(t, again.ProcessElement(t.Context(), newKeyed(), k, 0, p, emit))
	book, err := cfg.seed(t.Context(), 0)
	require.NoError(t, err)
	assert.Zero(t, book.Len(), "it begins with what the first one began with")
}
