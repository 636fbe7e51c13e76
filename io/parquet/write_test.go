package parquet_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"clickstream/io/parquet"
	"clickstream/transforms/click"
)

var start = time.Date(2026, 11, 23, 3, 35, 0, 0, time.UTC)

// provenance returns that of a window with these views.
func provenance(views map[string]int64) parquet.Provenance {
	p := parquet.Provenance{
		Topic: "events.clickstream.raw", Cluster: "c1", Window: time.Minute, Start: start, End: start.Add(time.Minute),
		Shards: 1, Offsets: map[int32]click.OffsetRange{}, Schemas: []int32{1, 7}, Version: "v1",
	}
	for i := range int32(12) {
		p.Offsets[i] = click.OffsetRange{First: int64(i) * 1000, Next: int64(i)*1000 + 40_000}
	}
	for _, n := range views {
		p.Events += n
	}
	return p
}

// shop returns views of n pages as a shop would have them: a few kinds, ids without order, counts by Zipf.
func shop(n int) map[string]int64 {
	r := rand.New(rand.NewPCG(1, 2))
	kinds := []string{"products", "products", "products", "category", "blog/2026", "users/profile"}
	views := make(map[string]int64, n)
	for len(views) < n {
		page := fmt.Sprintf("https://shop.example.com/%s/%d", kinds[r.IntN(len(kinds))], r.IntN(10_000_000))
		views[page] = 1 + int64(float64(n)/math.Pow(float64(len(views)+1), 1.1))
	}
	return views
}

func BenchmarkWrite(b *testing.B) {
	for _, n := range []int{0, 1000, 100_000} {
		views := shop(n)
		p := provenance(views)
		b.Run(fmt.Sprintf("rows=%d", n), func(b *testing.B) {
			var size bytes.Buffer
			_, err := parquet.Write(&size, views, p)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				_, err := parquet.Write(io.Discard, views, p)
				require.NoError(b, err)
			}
			b.ReportMetric(float64(size.Len()), "file-B")
		})
	}
}
