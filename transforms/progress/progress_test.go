package progress_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"clickstream/io/table"
	"clickstream/transforms/click"
	"clickstream/transforms/progress"
)

func TestSnapshotSumsUpTheReaders(t *testing.T) {
	p := progress.Of(t.Name())
	assert.Same(t, p, progress.Of(t.Name()))
	assert.Equal(t, progress.Snapshot{Rejected: map[click.Reason]int64{}, Partitions: map[int32]progress.At{}}, p.Snapshot())

	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p.Read(10, &click.Batch{Pages: make([]string, 7), Skipped: 1})
	p.Read(5, &click.Batch{Pages: make([]string, 5), Deferred: 4})
	p.Rejected(click.JSON)
	p.Rejected(click.JSON)
	p.Wrote(table.Commit{Written: 3, Files: 3, Bytes: 900, Conflicts: 2, Took: time.Second, Published: durations(20*time.Second, 2)})
	p.Wrote(table.Commit{Conflicts: 1, Took: time.Minute}) // nothing was new
	p.Failed()
	p.Left(durations(time.Second, 12))
	p.Bundle(time.Second)
	p.Partitions(map[int32]progress.At{0: {}, 1: {Watermark: noon}})
	p.Partitions(map[int32]progress.At{0: {Watermark: noon, Idle: true}})
	p.Duplicates(noon, 5)
	p.Duplicates(noon.Add(time.Minute), 1)
	p.Duplicates(noon, 7)
	p.At(0, 100, noon.UnixMilli())
	p.At(1, 20, noon.Add(-time.Minute).UnixMilli())
	p.At(0, 90, noon.UnixMilli())
	assert.Equal(t, progress.Snapshot{
		Read: 15, Counted: 12, Skipped: 1, Deferred: 4, Duplicates: 8, Windows: 3, Rejected: map[click.Reason]int64{click.JSON: 2},
		Lag: 110, Watermark: noon.Add(-time.Minute),
		Partitions: map[int32]progress.At{0: {Watermark: noon, Idle: true}, 1: {Watermark: noon}},
		Latency:    durations(time.Second, 12), Bundle: durations(time.Second, 1),
		Publish: durations(20*time.Second, 2), Commit: durations(time.Second, 1), Took: time.Second, Commits: 1, Failed: 1, Conflicts: 3, Files: 3, Bytes: 900,
	}, p.Snapshot(), "the slowest reader's watermark")

	progress.Forget(t.Name())
	assert.NotSame(t, p, progress.Of(t.Name()))
}

func durations(d time.Duration, n int64) (h click.Durations) {
	h.Observe(d, n)
	return h
}

// TestTallyIsToldOnce has a window's tally grow from firing to firing.
func TestTallyIsToldOnce(t *testing.T) {
	p := progress.Of(t.Name())
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	first := click.Tally{Latency: durations(time.Second, 3), Skipped: 2}
	assert.Equal(t, first, p.Untold(noon, 0, first))
	assert.Equal(t, first, p.Untold(noon, 0, first), "it was not told yet")
	p.Told(noon, 0, first)
	assert.Zero(t, p.Untold(noon, 0, first))
	assert.Equal(t, first, p.Untold(noon, 1, first), "of another shard")
	assert.Equal(t, first, p.Untold(noon.Add(time.Minute), 0, first))
	then := first
	then.Add(click.Tally{Latency: durations(time.Minute, 1), Deferred: 1})
	assert.Equal(t, click.Tally{Latency: durations(time.Minute, 1), Deferred: 1}, p.Untold(noon, 0, then))
}

func TestNoWatermarkIsNone(t *testing.T) {
	p := progress.Of(t.Name())
	p.At(0, 0, -1<<63)
	assert.True(t, p.Snapshot().Watermark.IsZero())
}
