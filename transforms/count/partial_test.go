package count

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"clickstream/transforms/click"
)

const minute = int64(60_000)

type pageAt struct {
	page string
	at   int64
}

// total is what any way of counting must come to: views per window, shard and page.
type total map[int64]map[int32]map[string]int64

func (t total) add(start int64, shard int32, page string, n int64) {
	if t[start] == nil {
		t[start] = map[int32]map[string]int64{}
	}
	if t[start][shard] == nil {
		t[start][shard] = map[string]int64{}
	}
	t[start][shard][page] += n
}

func loop(events []pageAt, shards int) total {
	t := total{}
	for _, e := range events {
		t.add(windowStart(e.at, minute), click.ShardOf(e.page, shards), e.page, 1)
	}
	return t
}

// TestCountingInAnyPartsEqualsALoop divides random events over partitions and bundles, at random and in any
// order, sends the partial counts through their encoding, merges them in any grouping, and fires some windows
// again from all their parts.
func TestCountingInAnyPartsEqualsALoop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shards := rapid.IntRange(1, 4).Draw(t, "shards")
		events := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) pageAt {
			return pageAt{
				rapid.SampledFrom([]string{"/", "/a", "/b", "/a/é", "\x00", "/a=b\n"}).Draw(t, "page"),
				rapid.Int64Range(1_700_000_000_000, 1_700_000_000_000+5*minute).Draw(t, "at"),
			}
		}), 0, 60).Draw(t, "events")

		parts := map[int64]map[int32][]Counts{}
		for _, bundle := range split(t, events, "bundles") {
			p := NewPartial(minute, shards, false, false)
			for k, batch := range split(t, bundle, "batches") {
				p.Add(batchOf(int32(k), batch))
			}
			p.Take(func(start int64, shard int32, c Counts) {
				if parts[start] == nil {
					parts[start] = map[int32][]Counts{}
				}
				parts[start][shard] = append(parts[start][shard], c)
			})
		}

		want := loop(events, shards)
		for firing := range 2 { // an accumulating window fires with all its parts each time
			got := total{}
			for start, byShard := range parts {
				for shard, counts := range byShard {
					merged := mergeInAnyGrouping(t, counts)
					var n int64
					for i, page := range merged.Pages {
						got.add(start, shard, page, merged.Views[i])
						n += merged.Views[i]
					}
					require.Equal(t, n, merged.Events)
				}
			}
			require.Equal(t, want, got, "firing %d", firing)
		}
	})
}

// split deals s out into some parts, each in its order.
func split(t *rapid.T, s []pageAt, label string) [][]pageAt {
	parts := make([][]pageAt, rapid.IntRange(1, 4).Draw(t, label))
	for _, e := range s {
		i := rapid.IntRange(0, len(parts)-1).Draw(t, label)
		parts[i] = append(parts[i], e)
	}
	return parts
}

func batchOf(partition int32, events []pageAt) click.Batch {
	b := click.Batch{Partition: partition, First: 0, Next: int64(len(events))}
	for _, e := range events {
		b.Pages = append(b.Pages, e.page)
		b.Times = append(b.Times, e.at)
	}
	return b
}

func mergeInAnyGrouping(t *rapid.T, counts []Counts) Counts {
	left := make([]Counts, len(counts))
	for i, c := range counts {
		copied, err := Decode(Encode(c))
		require.NoError(t, err)
		left[i] = copied
	}
	var m MergeFn
	for len(left) > 1 {
		i := rapid.IntRange(0, len(left)-2).Draw(t, "merge")
		left[i] = m.MergeAccumulators(left[i], left[i+1])
		left = append(left[:i+1], left[i+2:]...)
	}
	return left[0]
}

func TestPartialIsEmptyAfterTake(t *testing.T) {
	p := NewPartial(minute, 1, false, false)
	p.Add(batchOf(0, []pageAt{{"/a", 0}, {"/b", minute}}))
	p.Take(func(int64, int32, Counts) {})
	p.Take(func(int64, int32, Counts) { t.Error("counts were taken twice") })

	p.Add(batchOf(0, []pageAt{{"/b", 2 * minute}}))
	p.Take(func(start int64, _ int32, c Counts) {
		assert.Equal(t, 2*minute, start)
		assert.Equal(t, []string{"/b"}, c.Pages)
		assert.Equal(t, []int64{1}, c.Views)
	})
}

func TestPartialForgetsALargeDictionary(t *testing.T) {
	p := NewPartial(minute, 1, false, false)
	for i := range maxDictionary + 1 {
		p.Add(batchOf(0, []pageAt{{fmt.Sprint("/", i), 0}}))
	}
	var pages int
	p.Take(func(_ int64, _ int32, c Counts) { pages = len(c.Pages) })
	assert.Equal(t, maxDictionary+1, pages)
	assert.Empty(t, p.dictionary)
}

func TestWindowStart(t *testing.T) {
	for at, want := range map[int64]int64{0: 0, 1: 0, minute - 1: 0, minute: minute, -1: -minute, -minute: -minute} {
		assert.Equal(t, want, windowStart(at, minute), "of %d", at)
	}
}

func TestOffsetsCoverTheBatches(t *testing.T) {
	p := NewPartial(minute, 1, false, false)
	for _, b := range []click.Batch{
		{Partition: 3, First: 10, Next: 20, Pages: []string{"/"}, Times: []int64{0}, Schemas: []int32{7}},
		{Partition: 3, First: 20, Next: 25, Pages: []string{"/"}, Times: []int64{0}, Schemas: []int32{2, 7}},
		{Partition: 4, First: 0, Next: 5, Pages: []string{"/"}, Times: []int64{minute}},
	} {
		p.Add(b)
	}
	p.Take(func(start int64, _ int32, c Counts) {
		switch start {
		case 0:
			assert.Equal(t, map[int32]click.OffsetRange{3: {First: 10, Next: 25}}, c.Offsets)
			assert.Equal(t, []int32{2, 7}, c.Schemas)
		case minute:
			assert.Equal(t, map[int32]click.OffsetRange{4: {First: 0, Next: 5}}, c.Offsets)
		}
	})
}

func BenchmarkPartial(b *testing.B) {
	for _, pages := range []int{1_000, 100_000} {
		b.Run(fmt.Sprint(pages, " pages"), func(b *testing.B) {
			const n = 10_000
			zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, uint64(pages-1))
			batch := click.Batch{}
			for i := range n {
				batch.Pages = append(batch.Pages, fmt.Sprintf("/products/%08d/reviews", zipf.Uint64()))
				batch.Times = append(batch.Times, int64(i)*5*minute/n)
			}
			p := NewPartial(minute, 1, false, false)
			b.ReportAllocs()
			for b.Loop() {
				p.Add(batch)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/click")
		})
	}
}
