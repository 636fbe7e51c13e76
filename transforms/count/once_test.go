package count

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"clickstream/transforms/click"
)

// view is a click with its event's id.
type view struct {
	id, page string
	at       int64
}

// onceLoop counts each event of a window once, for the least of its pages.
func onceLoop(views []view) map[int64]map[string]int64 {
	pages := map[int64]map[string]string{}
	for _, v := range views {
		start := windowStart(v.at, minute)
		if pages[start] == nil {
			pages[start] = map[string]string{}
		}
		if had, ok := pages[start][v.id]; !ok || v.page < had {
			pages[start][v.id] = v.page
		}
	}
	counted := map[int64]map[string]int64{}
	for start, of := range pages {
		counted[start] = map[string]int64{}
		for _, page := range of {
			counted[start][page]++
		}
	}
	return counted
}

func batchOfViews(views []view) click.Batch {
	b := click.Batch{Next: int64(len(views))}
	for _, v := range views {
		b.Pages = append(b.Pages, v.page)
		b.Times = append(b.Times, v.at)
		b.Events = append(b.Events, click.Event{ID: v.id})
	}
	return b
}

// TestOnceInAnyPartsEqualsALoop divides random clicks, of which many are of one event, over bundles and batches, at random
// and in any order, and merges them in any grouping, some of it encoded between.
func TestOnceInAnyPartsEqualsALoop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		views := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) view {
			return view{
				fmt.Sprint(rapid.IntRange(0, 20).Draw(t, "id")),
				rapid.SampledFrom([]string{"/", "/a", "/b", "/a/é", "\x00"}).Draw(t, "page"),
				rapid.Int64Range(0, 2*minute).Draw(t, "at"),
			}
		}), 1, 60).Draw(t, "views")
		parts := map[int64][]Counts{}
		for _, bundle := range deal(t, views, "bundles") {
			p := NewPartial(minute, 1, true, false)
			for _, batch := range deal(t, bundle, "batches") {
				p.Add(batchOfViews(batch))
			}
			p.Take(func(start int64, _ int32, c Counts) { parts[start] = append(parts[start], c) })
		}
		got, clicks := map[int64]map[string]int64{}, int64(0)
		for start, counts := range parts {
			settled := new(MergeFn).ExtractOutput(mergeInAnyGrouping(t, counts))
			again, err := Decode(Encode(settled))
			require.NoError(t, err)
			require.Equal(t, settled, again)
			got[start] = map[string]int64{}
			for i, page := range settled.Pages {
				got[start][page] = settled.Views[i]
			}
			clicks += settled.Events
			require.Equal(t, settled.Events-sumOf(got[start]), settled.Duplicates())
		}
		require.Equal(t, onceLoop(views), got)
		require.EqualValues(t, len(views), clicks)
	})
}

func sumOf(views map[string]int64) (n int64) {
	for _, v := range views {
		n += v
	}
	return n
}

// deal deals s out into some parts, each in its order.
func deal[T any](t *rapid.T, s []T, label string) [][]T {
	parts := make([][]T, rapid.IntRange(1, 4).Draw(t, label))
	for _, e := range s {
		i := rapid.IntRange(0, len(parts)-1).Draw(t, label)
		parts[i] = append(parts[i], e)
	}
	return parts
}

// TestManyDuplicatesInABundle has more clicks in a bundle than are noted before it is looked for duplicates.
func TestManyDuplicatesInABundle(t *testing.T) {
	p := NewPartial(minute, 1, true, false)
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var views []view
		for range 10_000 {
			n := random.IntN(100_000)
			views = append(views, view{id: fmt.Sprint(n), page: fmt.Sprint("/", n%7+random.IntN(2))})
		}
		p.Add(batchOfViews(views))
		assert.LessOrEqual(t, len(p.windows[0].events), 200_000)
	}
	p.Take(func(_ int64, _ int32, c Counts) {
		require.EqualValues(t, 500_000, c.Events)
		c = c.Settle()
		assert.Greater(t, c.Duplicates(), int64(400_000))
		assert.LessOrEqual(t, 500_000-c.Duplicates(), int64(100_000))
	})
}

// parts returns n different events in so many encoded counts of one window, as as many bundles would leave them.
func encodedParts(n, parts int) (encoded [][]byte) {
	for part := range parts {
		p := NewPartial(minute, 1, true, false)
		var views []view
		for i := range n / parts {
			views = append(views, view{id: fmt.Sprintf("event-%d-%d", part, i), page: fmt.Sprint("https://shop.example/products/", i%1000)})
		}
		p.Add(batchOfViews(views))
		p.Take(func(_ int64, _ int32, c Counts) { encoded = append(encoded, Encode(c)) })
	}
	return encoded
}

func decodeAll(b *testing.B, encoded [][]byte) Counts {
	b.Helper()
	var merged Counts
	for _, e := range encoded {
		c, err := Decode(e)
		require.NoError(b, err)
		merged = new(MergeFn).MergeAccumulators(merged, c)
	}
	return merged
}

// BenchmarkOnce merges a window of 600,000 events from a bundle of each second, and tells the bytes that an event takes as
// the runner holds it, encoded, and while its window fires.
func BenchmarkOnce(b *testing.B) {
	const n = 600_000
	encoded := encodedParts(n, 60)
	size := 0
	for _, e := range encoded {
		size += len(e)
	}
	before := heap()
	merged := decodeAll(b, encoded)
	decoded := heap() - before
	runtime.KeepAlive(merged)
	b.ReportAllocs()
	for b.Loop() {
		c := decodeAll(b, encoded).Settle()
		require.EqualValues(b, n, c.Events)
		require.Zero(b, c.Duplicates())
	}
	b.ReportMetric(float64(size)/n, "encoded-B/event")
	b.ReportMetric(decoded/n, "decoded-B/event")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
}

// heap returns the bytes that live on the heap.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func TestEachIsAscending(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Counts{Pages: []string{"/"}, once: []run{}}
		want := map[event]bool{}
		for range rapid.IntRange(0, 5).Draw(t, "runs") {
			events := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event {
				return event{rapid.Uint64Range(0, 3).Draw(t, "hi"), rapid.Uint64Range(0, 9).Draw(t, "lo"), 0}
			}), 0, 9).Draw(t, "events")
			for _, e := range events {
				want[e] = true
			}
			c.once = append(c.once, newRun(unique(events, c.Pages)))
		}
		var got []event
		c.each(func(e event) { got = append(got, e) })
		require.True(t, slices.IsSortedFunc(got, event.compareKey))
		require.Len(t, got, len(want))
	})
}
