package dashboard

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"clickstream/pipelines/vitals"
	"clickstream/transforms/click"
)

func TestRates(t *testing.T) {
	v := vitals.Vitals{At: dawn, Window: time.Minute, Rejects: map[click.Reason]int64{}, Parts: []vitals.Part{{Name: "process", Up: true}}}
	o := newObservations(time.Second)
	o.add(&v)
	r := o.rates(&v)
	assert.True(t, math.IsNaN(r.read), "one look says nothing of a rate")

	for range 600 {
		v.At = v.At.Add(time.Second)
		v.Counters.Read += 100
		v.Counters.Counted += 98
		v.Rejects[click.Avro] += 2
		v.Latency.Observe(time.Second, 98)
		o.add(&v)
		r = o.rates(&v)
	}
	assert.InDelta(t, 100, r.read, 1e-9)
	assert.InDelta(t, 98, r.counted, 1e-9)
	assert.InDelta(t, 2, r.rejected, 1e-9)
	assert.InDelta(t, 2, r.reasons[2], 1e-9)
	assert.InDelta(t, 0.02, r.rejectedShare, 1e-9)
	assert.Equal(t, int64(300*98), r.latency.Count(), "of five minutes")
	assert.LessOrEqual(t, len(o.of), o.most)

	for range 20 {
		v.At = v.At.Add(time.Second)
		o.add(&v)
		r = o.rates(&v)
	}
	assert.Zero(t, r.read, "it has stopped")
	assert.Positive(t, r.latency.Count(), "of five minutes still")
}

// TestCountedByTheTable is of a pipeline elsewhere, whose table says once a minute what was counted, and whose offsets
// are asked for every five seconds.
func TestCountedByTheTable(t *testing.T) {
	v := vitals.Vitals{At: dawn, Window: time.Minute}
	o := newObservations(time.Second)
	for i := range 300 {
		v.At = v.At.Add(time.Second)
		if i%60 == 10 {
			v.Counters.Counted += 6000
		}
		if i%5 == 0 {
			v.Counters.Read += 500
		}
		o.add(&v)
		if r := o.rates(&v); i > 100 {
			assert.InDelta(t, 100, r.counted, 1e-9)
			assert.InDelta(t, 100, r.read, 1e-9)
		}
	}
}

func TestCountersThatBeginAnew(t *testing.T) {
	v := vitals.Vitals{At: dawn, Counters: vitals.Counters{Read: 1000}}
	o := newObservations(time.Second)
	o.add(&v)
	v.At, v.Counters.Read = v.At.Add(time.Second), 10
	o.add(&v)
	assert.Zero(t, o.rates(&v).read)
}
