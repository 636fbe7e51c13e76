package progress_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"clickstream/transforms/click"
	"clickstream/transforms/progress"
)

func TestSnapshotSumsUpTheReaders(t *testing.T) {
	p := progress.Of(t.Name())
	assert.Same(t, p, progress.Of(t.Name()))
	assert.Equal(t, progress.Snapshot{Rejected: map[click.Reason]int64{}}, p.Snapshot())

	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p.Read(10, 7, 1)
	p.Read(5, 5, 0)
	p.Rejected(click.JSON)
	p.Rejected(click.JSON)
	p.Deferred(4)
	p.Wrote(3)
	p.Duplicates(noon, 5)
	p.Duplicates(noon.Add(time.Minute), 1)
	p.Duplicates(noon, 7)
	p.At(0, 100, noon.UnixMilli())
	p.At(1, 20, noon.Add(-time.Minute).UnixMilli())
	p.At(0, 90, noon.UnixMilli())
	assert.Equal(t, progress.Snapshot{
		Read: 15, Counted: 12, Skipped: 1, Deferred: 4, Duplicates: 8, Windows: 3, Rejected: map[click.Reason]int64{click.JSON: 2},
		Lag: 110, Watermark: noon.Add(-time.Minute),
	}, p.Snapshot(), "the slowest reader's watermark")

	progress.Forget(t.Name())
	assert.NotSame(t, p, progress.Of(t.Name()))
}

func TestNoWatermarkIsNone(t *testing.T) {
	p := progress.Of(t.Name())
	p.At(0, 0, -1<<63)
	assert.True(t, p.Snapshot().Watermark.IsZero())
}
