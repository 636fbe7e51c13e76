package count

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"clickstream/transforms/click"
)

// TestUsersInAnyPartsAreASet divides random clicks over bundles and batches, and merges them in any grouping, some of it
// encoded between: each page then tells of its users, whether or not an event counts once.
func TestUsersInAnyPartsAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		once := rapid.Bool().Draw(t, "once")
		views := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) view {
			return view{fmt.Sprint(rapid.IntRange(0, 20).Draw(t, "id")), rapid.SampledFrom([]string{"/", "/a", "/b"}).Draw(t, "page"), rapid.Int64Range(0, minute-1).Draw(t, "at")}
		}), 1, 60).Draw(t, "views")
		userOf := func(v view) string { // every seventh is unknown
			if n := len(v.id) + int(v.at%5); n%7 > 0 {
				return fmt.Sprint("user-", v.at%13)
			}
			return ""
		}
		var parts []Counts
		want := map[string]map[string]bool{}
		for _, bundle := range deal(t, views, "bundles") {
			p := NewPartial(minute, 1, once, true)
			for _, batch := range deal(t, bundle, "batches") {
				b := batchOfViews(batch)
				for i, v := range batch {
					b.Events[i].User = userOf(v)
					if want[v.page] == nil {
						want[v.page] = map[string]bool{}
					}
					if user := userOf(v); user != "" {
						want[v.page][user] = true
					}
				}
				p.Add(b)
			}
			p.Take(func(_ int64, _ int32, c Counts) { parts = append(parts, c) })
		}
		merged := new(MergeFn).ExtractOutput(mergeInAnyGrouping(t, parts))
		again, err := Decode(Encode(merged))
		require.NoError(t, err)
		for i, page := range merged.Pages {
			require.EqualValues(t, len(want[page]), merged.Users(i), page)
			require.Equal(t, merged.Users(i), again.Users(i))
		}
	})
}

func TestUsersAreNotAskedFor(t *testing.T) {
	p := NewPartial(minute, 1, false, false)
	p.Add(click.Batch{Pages: []string{"/"}, Times: []int64{0}, Next: 1})
	p.Take(func(_ int64, _ int32, c Counts) {
		assert.Zero(t, c.Users(0))
		assert.Nil(t, c.users)
	})
}

// BenchmarkUsers counts clicks of 50,000 users on 1,000 pages, and tells the bytes that each user of a page takes as it
// crosses the shuffle.
func BenchmarkUsers(b *testing.B) {
	const n = 200_000
	batch := click.Batch{Next: n}
	for i := range n {
		batch.Pages = append(batch.Pages, fmt.Sprint("https://shop.example/products/", i*7919%1000))
		batch.Times = append(batch.Times, 0)
		batch.Events = append(batch.Events, click.Event{User: fmt.Sprint("user-", i*104729%50_000)})
	}
	var users, bytes int64
	for b.Loop() {
		users, bytes = 0, 0
		p := NewPartial(minute, 1, false, true)
		p.Add(batch)
		p.Take(func(_ int64, _ int32, c Counts) {
			bytes += int64(len(Encode(c)))
			for i := range c.Pages {
				users += c.Users(i)
			}
			c.users = nil
			bytes -= int64(len(Encode(c)))
		})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/click")
	b.ReportMetric(float64(bytes)/float64(users), "B/user")
}
