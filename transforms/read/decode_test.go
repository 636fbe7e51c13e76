package read

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/transforms/click"
	"clickstream/transforms/replay"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func record(offset int64, at time.Time) *kgo.Record {
	value := fmt.Appendf(nil, `{"event_id":"e","user_id":"u","page_url":"/%d","timestamp":%d}`, offset, at.UnixMilli())
	return &kgo.Record{Partition: 2, Offset: offset, Timestamp: noon, Key: []byte("k"), Value: value}
}

// chunk decodes records and returns the pages that count, how many were skipped, and the rejects.
func chunk(t *testing.T, s DecodeSettings, c kafka.Chunk, w *kafka.Watermark) (pages []string, skipped int64, rejects []click.Reject) {
	t.Helper()
	s.Format, s.Window, s.ClockSkew = "json", time.Minute, time.Minute
	d, err := NewDecoder(s)
	require.NoError(t, err)
	b, err := d.Chunk(t.Context(), "clicks", c, noon, w, func(x click.Reject) { rejects = append(rejects, x) })
	require.NoError(t, err)
	assert.Len(t, b.Times, len(b.Pages))
	return b.Pages, b.Skipped, rejects
}

func watermark(reported int64) *kafka.Watermark {
	return kafka.NewWatermark(1, 10*time.Second, time.Minute, reported, noon)
}

func TestChunkRejectsWithCoordinates(t *testing.T) {
	bad := record(5, noon)
	bad.Value, bad.Headers = []byte("nonsense"), []kgo.RecordHeader{{Key: "h", Value: []byte("1")}}
	w := watermark(kafka.NoTime)
	pages, skipped, rejects := chunk(t, DecodeSettings{}, kafka.Chunk{Records: []*kgo.Record{record(4, noon), bad, record(6, noon.Add(2*time.Minute))}}, w)
	assert.Equal(t, []string{"/4"}, pages)
	assert.Zero(t, skipped)
	require.Len(t, rejects, 2)
	assert.Equal(t, click.JSON, rejects[0].Fault.Reason)
	assert.Equal(t, "decode", rejects[0].Stage)
	assert.Equal(t, click.FutureTimestamp, rejects[1].Fault.Reason)
	assert.Equal(t, "validate", rejects[1].Stage)
	rejects[0].Fault = click.Fault{}
	assert.Equal(t, click.Reject{
		Topic: "clicks", Partition: 2, Offset: 5, Timestamp: noon.UnixMilli(), Key: []byte("k"), Value: []byte("nonsense"),
		Headers: []click.Header{{Key: "h", Value: []byte("1")}}, Stage: "decode",
	}, rejects[0])
	assert.Equal(t, noon.Add(-10*time.Second).UnixMilli(), w.Advance(noon), "a click of the future does not carry the watermark with it")
}

// TestChunkAfterAResume reads again what an earlier run has dealt with.
func TestChunkAfterAResume(t *testing.T) {
	s := DecodeSettings{AllowedLateness: time.Minute, Final: noon.Add(-10 * time.Minute).UnixMilli()}
	c := kafka.Chunk{Consumed: 3, Rejected: kafka.Offsets{1, 5}, Records: []*kgo.Record{
		record(0, noon),                        // its window is open: counted anew
		record(1, noon),                        // was too late for the earlier run
		record(2, noon.Add(-11*time.Minute)),   // counted into a final window
		record(3, noon.Add(-11*time.Minute)),   // new, and too late
		record(4, noon.Add(-10*time.Minute)),   // of the first window that is open
		record(5, noon.Add(-11*time.Minute)),   // is a dead letter already
		record(6, noon.Add(-12*time.Minute-1)), // new, and too late
	}}
	pages, skipped, rejects := chunk(t, s, c, watermark(kafka.NoTime))
	assert.Equal(t, []string{"/0", "/4"}, pages)
	assert.EqualValues(t, 3, skipped)
	require.Len(t, rejects, 2)
	assert.EqualValues(t, 3, rejects[0].Offset)
	assert.EqualValues(t, 6, rejects[1].Offset)
	assert.Equal(t, click.TooLate, rejects[0].Fault.Reason)
	assert.Equal(t, "window", rejects[0].Stage)
}

func TestChunkKnowsTheBorderOfTooLate(t *testing.T) {
	s := DecodeSettings{AllowedLateness: 5 * time.Minute}
	// The watermark stands at 12:00: the window that ends at 11:55 is final, to the millisecond.
	for reported, want := range map[int64]int{noon.UnixMilli(): 1, noon.UnixMilli() - 1: 0} {
		_, _, rejects := chunk(t, s, kafka.Chunk{Records: []*kgo.Record{
			record(0, noon.Add(-5*time.Minute-time.Millisecond)), record(1, noon.Add(-5*time.Minute)),
		}}, watermark(reported))
		assert.Len(t, rejects, want)
	}
}

// TestChunkDefersWhatWasReplayed leaves replayed clicks of final windows to a rebuild, in place of rejecting them again.
func TestChunkDefersWhatWasReplayed(t *testing.T) {
	replayed := func(rec *kgo.Record) *kgo.Record {
		rec.Headers = replay.Origin{Topic: "letters", Attempt: 1}.Headers(nil)
		return rec
	}
	nonsense := replayed(record(3, noon))
	nonsense.Value = []byte("nonsense")
	d, err := NewDecoder(DecodeSettings{Format: "json", ClockSkew: time.Minute, Window: time.Minute, AllowedLateness: time.Minute})
	require.NoError(t, err)
	var rejects []click.Reject
	b, err := d.Chunk(t.Context(), "clicks", kafka.Chunk{Records: []*kgo.Record{
		replayed(record(0, noon)),                      // its window is open
		replayed(record(1, noon.Add(-10*time.Minute))), // and not any more
		record(2, noon.Add(-10*time.Minute)),           // never replayed
		nonsense,
	}}, noon, watermark(noon.UnixMilli()), func(x click.Reject) { rejects = append(rejects, x) })
	require.NoError(t, err)
	assert.Equal(t, []string{"/0"}, b.Pages)
	assert.Zero(t, b.Skipped)
	assert.EqualValues(t, 1, b.Deferred)
	require.Len(t, rejects, 2)
	assert.EqualValues(t, 2, rejects[0].Offset)
	assert.Len(t, rejects[1].Headers, 7, "what fails again says how often it was tried")

	b, err = d.Chunk(t.Context(), "clicks", kafka.Chunk{}, noon, watermark(kafka.NoTime), nil)
	require.NoError(t, err)
	assert.Zero(t, b.Deferred, "of the last chunk alone")
}

// TestChunkTellsAllOfAClick is for steps that want more than pages and times.
func TestChunkTellsAllOfAClick(t *testing.T) {
	late := record(7, noon.Add(-time.Hour))
	d, err := NewDecoder(DecodeSettings{Format: "json", ClockSkew: time.Minute, Window: time.Minute, Events: true, AnyTime: true})
	require.NoError(t, err)
	for range 2 { // the columns of one chunk are not the next one's
		b, err := d.Chunk(t.Context(), "clicks", kafka.Chunk{Records: []*kgo.Record{late}}, noon, watermark(noon.UnixMilli()), nil)
		require.NoError(t, err)
		assert.Equal(t, []string{"/7"}, b.Pages, "it is never too late")
		assert.Equal(t, []click.Event{{ID: "e", User: "u", Offset: 7, Timestamp: noon.UnixMilli()}}, b.Events)
	}
}

func TestNewDecoderRefusesAFormat(t *testing.T) {
	_, err := NewDecoder(DecodeSettings{Format: "xml"})
	assert.ErrorContains(t, err, `format "xml"`)
}

// TestChunkTellsWhenItsClicksWereWritten leaves out what an earlier run has consumed, and what is no click.
func TestChunkTellsWhenItsClicksWereWritten(t *testing.T) {
	d, err := NewDecoder(DecodeSettings{Format: "json", ClockSkew: time.Minute, Window: time.Minute, AnyTime: true})
	require.NoError(t, err)
	written := func(offset int64, after time.Duration) *kgo.Record {
		rec := record(offset, noon)
		rec.Timestamp = noon.Add(after)
		return rec
	}
	nonsense := written(4, 0)
	nonsense.Value = []byte("nonsense")
	fetched := noon.Add(time.Hour)
	at := func(after time.Duration) int64 {
		return click.WrittenAt(noon.Add(after).UnixMilli(), fetched.UnixMilli())
	}
	require.NotEqual(t, at(0), click.WrittenAt(noon.UnixMilli(), noon.UnixMilli()), "it is told less exactly by now")
	for range 2 {
		b, err := d.Chunk(t.Context(), "clicks", kafka.Chunk{Consumed: 1, Written: noon.Add(time.Minute), Records: []*kgo.Record{
			written(0, 0), written(1, 0), written(2, 0), written(3, 30*time.Second), nonsense, written(5, 0),
		}}, fetched, watermark(kafka.NoTime), func(click.Reject) {})
		require.NoError(t, err)
		assert.Len(t, b.Pages, 5)
		assert.Equal(t, []click.Written{{Millis: at(0), Clicks: 2}, {Millis: at(30 * time.Second), Clicks: 1}, {Millis: at(0), Clicks: 1}}, b.Written)
	}
}
