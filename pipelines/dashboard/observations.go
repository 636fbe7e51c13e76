package dashboard

import (
	"math"
	"slices"
	"time"

	"clickstream/pipelines/vitals"
	"clickstream/transforms/click"
)

const (
	rateSpan    = 10 * time.Second // that rates are an average over: readers read in gulps,
	distantSpan = 30 * time.Second // and where they run elsewhere, are looked at now and then
	latencySpan = 5 * time.Minute  // that latencies and the share of dead letters are of
)

// observation is what had been counted at one moment.
type observation struct {
	at                      time.Time
	read, counted, rejected int64
	rejects                 [reasons]int64
	failures                int64 // of checkpoints
	latency, commit         click.Durations
}

// observations are those of the last minutes, which what is counted is compared with. They never grow.
type observations struct {
	of   []observation // ascending
	most int
}

func newObservations(interval time.Duration) observations {
	most := int(latencySpan/interval) + 2
	return observations{of: make([]observation, 0, most), most: most}
}

func (o *observations) add(v *vitals.Vitals) {
	now := observation{
		at: v.At, read: v.Counters.Read, counted: v.Counters.Counted + v.Counters.Forwarded, latency: v.Latency, commit: v.Commit,
	}
	for i, r := range click.Reasons {
		now.rejects[i] = v.Rejects[r]
		now.rejected += v.Rejects[r]
	}
	if v.Checkpoints != nil {
		now.failures = v.Checkpoints.Failed
	}
	if len(o.of) == o.most {
		o.of = slices.Delete(o.of, 0, 1)
	}
	o.of = append(o.of, now)
}

// before returns the newest observation that is at least so old, and else the oldest.
func (o *observations) before(age time.Duration) *observation {
	now := o.of[len(o.of)-1].at
	for i := len(o.of) - 1; i > 0; i-- {
		if now.Sub(o.of[i].at) >= age {
			return &o.of[i]
		}
	}
	return &o.of[0]
}

// rates is how fast the pipeline goes. A rate that cannot be told yet is NaN.
type rates struct {
	read, counted, rejected float64
	reasons                 [reasons]float64
	latency, commit         click.Durations // of the last five minutes
	failures                int64           // of checkpoints in the last five minutes
	reads                   bool            // something was read in the last two minutes
	rejectedShare           float64         // of what was read in the last five minutes; zero before a minute was seen
}

func (o *observations) rates(v *vitals.Vitals) *rates {
	now := &o.of[len(o.of)-1]
	then, long := o.before(rateSpan), o.before(latencySpan)
	counted := then
	if !inProcess(v) { // what is counted is learnt from the table, once a window
		then = o.before(distantSpan)
		counted = o.before(max(distantSpan, v.Window))
	}
	r := &rates{
		read:     perSecond(now.read-then.read, now.at.Sub(then.at)),
		counted:  perSecond(now.counted-counted.counted, now.at.Sub(counted.at)),
		rejected: perSecond(now.rejected-then.rejected, now.at.Sub(then.at)),
		latency:  now.latency.Minus(long.latency), commit: now.commit.Minus(long.commit),
		failures: max(0, now.failures-long.failures),
		reads:    now.read > o.before(2*time.Minute).read,
	}
	for i := range r.reasons {
		r.reasons[i] = perSecond(now.rejects[i]-then.rejects[i], now.at.Sub(then.at))
	}
	if read := now.read - long.read; read > 0 && now.at.Sub(long.at) >= time.Minute {
		r.rejectedShare = float64(max(0, now.rejected-long.rejected)) / float64(read)
	}
	return r
}

func inProcess(v *vitals.Vitals) bool {
	return slices.ContainsFunc(v.Parts, func(p vitals.Part) bool { return p.Name == "process" })
}

func perSecond(n int64, d time.Duration) float64 {
	if d <= 0 {
		return math.NaN()
	}
	return float64(max(0, n)) / d.Seconds()
}
