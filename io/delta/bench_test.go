package delta_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"clickstream/io/delta"
	"clickstream/io/objects"
	"clickstream/io/parquet"
	"clickstream/transforms/click"
)

// history is how many versions the benchmarks' table has, each of which added a window's file. A tenth of the
// files was replaced since.
const history = 10_000

// longLog makes the log of that table in a folder. It is written without syncing, which takes minutes.
func longLog(b *testing.B) string {
	b.Helper()
	root := b.TempDir()
	log := create(b, objects.NewFolder(root), noCheckpoints)
	require.NoError(b, log.Close())
	at := time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC)
	for v := int64(1); v <= history; v++ {
		at = at.Add(time.Minute)
		e := &delta.Entry{Version: v, Info: &delta.CommitInfo{Timestamp: time.Now().UnixMilli(), Operation: "WRITE", TxnID: fmt.Sprint(v)}}
		e.Adds = []delta.Add{windowFile(at, v)}
		if v%10 == 0 {
			e.Removes = []delta.Remove{new(windowFile(at.Add(-5*time.Minute), v-5)).Remove(time.Now(), true)}
		}
		data, err := e.Format()
		require.NoError(b, err)
		require.NoError(b, os.WriteFile(filepath.Join(root, fmt.Sprintf(entry, v)), data, 0o666))
	}
	// What a running job leaves: a checkpoint, and fewer entries behind it than make the next.
	log, err := delta.Open(b.Context(), objects.NewFolder(root), delta.Options{})
	require.NoError(b, err)
	require.NoError(b, log.Checkpoint(b.Context()))
	for i := range 9 {
		commit(b, log, nil, fmt.Sprint("behind-", i))
	}
	require.NoError(b, log.Close())
	return root
}

// windowFile is a file as the table has it, with full statistics.
func windowFile(at time.Time, v int64) delta.Add {
	date := at.Format(time.DateOnly)
	from := parquet.Provenance{
		Topic: "events.clickstream.raw", Cluster: "4L6g3nShT-eMCtK--X86sw", Window: time.Minute, Start: at, End: at.Add(time.Minute),
		Shards: 1, Events: 7 * v, Rows: 1000, Checksum: uint64(v) * 0x9e3779b97f4a7c15, Schemas: []int32{1}, Version: "1.0.0",
		Offsets: map[int32]click.OffsetRange{},
	}
	for partition := range int32(12) {
		from.Offsets[partition] = click.OffsetRange{First: 20_000 * v, Next: 20_000*v + 20_000}
	}
	tags, _ := from.Tags()
	return delta.Add{
		Path:            delta.EscapePath(fmt.Sprintf("window_date=%s/%s-00000-of-00001-6a0f61ab-3f8e-4a4c-9c42-%012d.parquet", date, at.Format("20060102T150405Z"), v)),
		PartitionValues: delta.Values{"window_date": date}, Size: 12_345, ModificationTime: at.UnixMilli(), DataChange: true,
		Stats: delta.NewStats(1000).Time("window_start", at, at, 0).Time("window_end", at.Add(time.Minute), at.Add(time.Minute), 0).
			Text("page_url", "/products/0001", "/search?q=0999", 0).Integer("view_count", 1, 4711, 0).String(),
		Tags: tags,
	}
}

// BenchmarkCommit replaces a window's file in a table with a long history, as the pipeline does: it reads on,
// and commits. Checkpoints are written beside it.
func BenchmarkCommit(b *testing.B) {
	root := longLog(b)
	log, err := delta.Open(b.Context(), objects.NewFolder(root), delta.Options{})
	require.NoError(b, err)
	var took []time.Duration
	n := int64(history)
	at := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for b.Loop() {
		start := time.Now()
		s, err := log.Refresh(b.Context())
		require.NoError(b, err)
		n++
		tx := delta.Transaction{Read: s, Operation: "WRITE", Add: []delta.Add{windowFile(at.Add(time.Duration(n)*time.Minute), n)}}
		if name, err := new(windowFile(at.Add(time.Duration(n-1)*time.Minute), n-1)).Name(); err == nil && s.File(name) != nil {
			tx.Remove = []delta.Remove{s.File(name).Remove(start, true)}
		}
		_, err = log.Commit(b.Context(), tx)
		require.NoError(b, err)
		took = append(took, time.Since(start))
	}
	reportPercentiles(b, took)
	require.NoError(b, log.Close())
}

// BenchmarkOpen opens a table with a long history.
func BenchmarkOpen(b *testing.B) {
	root := longLog(b)
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		log, err := delta.Open(b.Context(), objects.NewFolder(root), delta.Options{})
		require.NoError(b, err)
		took = append(took, time.Since(start))
		require.Greater(b, log.Snapshot().Len(), history*8/10)
	}
	reportPercentiles(b, took)
}

func reportPercentiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	for _, p := range []int{50, 95, 99} {
		b.ReportMetric(float64(took[len(took)*p/100].Microseconds())/1000, fmt.Sprintf("ms-p%d", p))
	}
}
