package dashboard

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/pipelines/vitals"
	"clickstream/transforms/click"
)

func TestReasonsAreAll(t *testing.T) { assert.Len(t, click.Reasons, reasons) }

// parsed returns the columns as a page would take them.
func parsed(t *testing.T, h *history, from int) [][]*float64 {
	t.Helper()
	var columns [][]*float64
	require.NoError(t, json.Unmarshal(h.columns(from), &columns))
	return columns
}

func TestHistoryForgets(t *testing.T) {
	h := newHistory(5)
	assert.Zero(t, h.len())
	assert.Equal(t, "at", h.names()[0])
	for i := range 12 {
		h.add(row{at: int64(i)})
		require.LessOrEqual(t, h.len(), 5)
	}
	at := parsed(t, &h, 0)[0]
	require.Len(t, at, 5)
	for i, ms := range at {
		assert.InDelta(t, 7+i, *ms, 0)
	}
	assert.Len(t, parsed(t, &h, 3)[0], 2)
	assert.Empty(t, parsed(t, &h, 5)[0])
}

func TestHistoryTakesTheSameForever(t *testing.T) {
	s := newStory(20)
	d := New(s, Options{Interval: time.Second})
	for range 3 * mostSamples {
		s.v.At = s.v.At.Add(time.Second)
		d.sample()
	}
	assert.Len(t, d.history.rows, mostSamples)
	assert.Equal(t, mostSamples, d.history.len())
	assert.Equal(t, d.observed.most, cap(d.observed.of))
}

func TestRowsSayWhatIsUnknown(t *testing.T) {
	v := vitals.Vitals{At: dawn}
	o := newObservations(time.Second)
	o.add(&v)
	h := newHistory(3)
	h.add(newRow(&v, o.rates(&v)))
	columns := parsed(t, &h, 0)
	require.Len(t, columns, 1+colDelays)
	for i, name := range h.names()[1:] {
		assert.Nil(t, columns[i+1][0], name)
	}
	var newest []*float64
	require.NoError(t, json.Unmarshal(h.newest(), &newest))
	assert.Len(t, newest, len(h.names()))
}

func TestFewPartitionsAreLines(t *testing.T) {
	v := newStory(3).v
	v.Partitions[1].Idle = true
	v.Partitions[2].Watermark = dawn.Add(-time.Minute)
	w := newRow(&v, &rates{})
	assert.Equal(t, []int32{0, 1, 2}, w.lines)
	assert.InDelta(t, 10, w.values[colDelays], 0)
	assert.True(t, math.IsNaN(float64(w.values[colDelays+1])), "it is idle")
	assert.InDelta(t, 60, w.values[colDelays+2], 0)
	assert.InDelta(t, 60, w.values[colWorst], 0)

	many := newStory(mostLines + 1).v
	w = newRow(&many, &rates{})
	assert.Empty(t, w.lines)
	assert.InDelta(t, 10, w.values[colWorst], 0)
	assert.InDelta(t, 10, w.values[colMedian], 0)
}

func TestLinesOfOtherPartitions(t *testing.T) {
	of := func(partitions ...int32) row {
		w := row{lines: partitions}
		for i, p := range partitions {
			w.values[colDelays+i] = float32(p)
		}
		return w
	}
	h := newHistory(10)
	assert.False(t, h.add(of(0, 1)))
	assert.True(t, h.add(of(0, 1)))
	assert.False(t, h.add(of(0, 1, 2)), "one has come")
	assert.Equal(t, []string{"delay:0", "delay:1", "delay:2"}, h.names()[1+colDelays:])
	assert.InDelta(t, 1, h.at(0).values[colDelays+1], 0, "the others are who they were")
	assert.False(t, h.add(of(1, 2)), "one has gone")
	assert.True(t, math.IsNaN(float64(h.at(0).values[colDelays])), "the column is another's now")
	assert.InDelta(t, 1, h.at(3).values[colDelays], 0)
}
