package vitals

import (
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"clickstream/io/version"
	"clickstream/transforms/click"
)

// Collector tells Prometheus the vitals of a source, as they are when it asks.
type Collector struct {
	source Source
	descs  map[*Metric]*prometheus.Desc
	build  []string // values of the build's labels
}

// NewCollector returns a collector of what source tells.
func NewCollector(source Source) *Collector {
	c := &Collector{source: source, descs: map[*Metric]*prometheus.Desc{}, build: []string{version.Own(), runtime.Version(), revision()}}
	for _, m := range Metrics {
		c.descs[m] = prometheus.NewDesc(m.Name, m.Help(), m.Labels, nil)
	}
	return c
}

// revision returns the commit that the program was built of, or nothing.
func revision() string {
	info, _ := debug.ReadBuildInfo()
	if info != nil {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return ""
}

// Describe is prometheus.Collector's.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	for _, m := range Metrics {
		to <- c.descs[m]
	}
}

// Collect is prometheus.Collector's.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	v := c.source.Vitals()
	s := sink{c, to}
	s.pipeline(&v)
	for i := range v.Partitions {
		s.partition(&v, &v.Partitions[i])
	}
	s.table(&v)
	for _, p := range v.Parts {
		s.gauge(sourceUp, zeroOrOne(p.Up), p.Name)
	}
	s.gauge(buildInfo, 1, c.build...)
}

// sink takes the values of one collection.
type sink struct {
	*Collector
	to chan<- prometheus.Metric
}

func (s sink) gauge(m *Metric, value float64, labels ...string) {
	s.to <- prometheus.MustNewConstMetric(s.descs[m], prometheus.GaugeValue, value, labels...)
}

func (s sink) counter(m *Metric, value int64, labels ...string) {
	s.to <- prometheus.MustNewConstMetric(s.descs[m], prometheus.CounterValue, float64(value), labels...)
}

// moment tells a time, if it is known.
func (s sink) moment(m *Metric, at time.Time, labels ...string) {
	if !at.IsZero() {
		s.gauge(m, float64(at.UnixMilli())/1000, labels...)
	}
}

func (s sink) histogram(m *Metric, h *click.Durations, labels ...string) {
	buckets := make(map[float64]uint64, len(click.DurationBounds))
	var below uint64
	for i, bound := range click.DurationBounds {
		below += uint64(h.Buckets[i])
		buckets[bound.Seconds()] = below
	}
	s.to <- prometheus.MustNewConstHistogram(s.descs[m], uint64(h.Count()), float64(h.Millis)/1000, buckets, labels...)
}

func zeroOrOne(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// pipeline tells what is of the pipeline as a whole.
func (s sink) pipeline(v *Vitals) {
	if lag, known := v.Lag(); known {
		s.gauge(groupLag, float64(lag), v.Topic, v.Group)
	}
	for m, n := range map[*Metric]int64{
		recordsRead: v.Counters.Read, clicksCounted: v.Counters.Counted, clicksSkipped: v.Counters.Skipped, clicksDeferred: v.Counters.Deferred,
		clicksDuplicate: v.Counters.Duplicates, clicksEnriched: v.Counters.Forwarded,
		commits: v.Counters.Commits, commitConflicts: v.Counters.Conflicts, filesWritten: v.Counters.Files, bytesWritten: v.Counters.Bytes,
	} {
		s.counter(m, n, v.Topic, v.Group)
	}
	for _, r := range click.Reasons {
		s.counter(deadLetters, v.Rejects[r], v.Topic, v.Group, string(r))
	}
	for m, h := range map[*Metric]*click.Durations{
		processingLatency: &v.Latency, publishLatency: &v.Publish, bundleDuration: &v.Bundle, commitDuration: &v.Commit,
	} {
		s.histogram(m, h, v.Topic, v.Group)
	}
	if v.Window > 0 {
		s.gauge(windowLength, v.Window.Seconds(), v.Topic, v.Group)
	}
	if c := v.Checkpoints; c != nil {
		s.counter(checkpoints, c.Completed, v.Topic, v.Group)
		s.counter(checkpointFailures, c.Failed, v.Topic, v.Group)
		if c.Last > 0 {
			s.gauge(checkpointDuration, c.Last.Seconds(), v.Topic, v.Group)
		}
	}
}

func (s sink) partition(v *Vitals, p *Partition) {
	number := strconv.Itoa(int(p.Number))
	s.gauge(consumerLag, float64(p.Lag), v.Topic, number, v.Group)
	s.gauge(endOffset, float64(p.End), v.Topic, number)
	if p.Committed >= 0 {
		s.gauge(committedOffset, float64(p.Committed), v.Topic, v.Group, number)
	}
	s.gauge(partitionIdle, zeroOrOne(p.Idle), v.Topic, v.Group, number)
	if !p.Watermark.IsZero() {
		s.moment(watermark, p.Watermark, v.Topic, v.Group, number)
		s.gauge(watermarkDelay, v.At.Sub(p.Watermark).Seconds(), v.Topic, v.Group, number)
	}
}

func (s sink) table(v *Vitals) {
	t := v.State
	if t == nil {
		return
	}
	if t.Version >= 0 {
		s.gauge(tableVersion, float64(t.Version), v.Topic, v.Group, v.Table)
	}
	s.gauge(tableFiles, float64(t.Files), v.Topic, v.Group, v.Table)
	s.gauge(smallFiles, float64(t.SmallFiles), v.Topic, v.Group, v.Table)
	s.gauge(tableBytes, float64(t.Bytes), v.Topic, v.Group, v.Table)
	s.moment(lastCommit, t.LastCommit, v.Topic, v.Group, v.Table)
	s.moment(newestWindow, t.NewestEnd, v.Topic, v.Group, v.Table)
}
