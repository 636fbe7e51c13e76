package dashboard

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"clickstream/pipelines/vitals"
	"clickstream/transforms/click"
)

// story is a pipeline that does what it is told, by a clock that a test moves.
type story struct {
	mu sync.Mutex
	v  vitals.Vitals

	rate     int64         // records that arrive, and are read, a second
	stalled  bool          // nothing is read any more
	latency  time.Duration // of each click
	rejected int64         // records in a thousand
	wave     float64
}

var dawn = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newStory(partitions int) *story {
	s := &story{rate: 14_000, latency: 800 * time.Millisecond, rejected: 2}
	s.v = vitals.Vitals{
		At: dawn, Topic: "events.clickstream.raw", Group: "clickstream-aggregator", Table: "silver/page_views_1min", Window: time.Minute,
		Parts:   []vitals.Part{{Name: "kafka", Up: true}, {Name: "table", Up: true}, {Name: "process", Up: true}},
		Rejects: map[click.Reason]int64{},
		State:   &vitals.TableState{Version: 41, Files: 120, SmallFiles: 7, Bytes: 84_300_000, LastCommit: dawn.Add(-22 * time.Second), NewestEnd: dawn.Add(-time.Minute)},
	}
	for i := range partitions {
		s.v.Partitions = append(s.v.Partitions, vitals.Partition{
			Number: int32(i), End: 1_000_000, Committed: 1_000_000, Watermark: dawn.Add(-10 * time.Second),
		})
	}
	for i := range 10 {
		s.v.State.Top = append(s.v.State.Top, vitals.Page{URL: "https://shop.example/products/" + strconv.Itoa(i*i), Views: int64(26_000 / (i + 1))})
	}
	return s
}

func (s *story) Vitals() vitals.Vitals {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.v
	v.Rejects = maps.Clone(v.Rejects)
	v.Partitions = slices.Clone(v.Partitions)
	v.Parts = slices.Clone(v.Parts)
	if v.State != nil {
		state := *v.State
		state.Top = slices.Clone(state.Top)
		v.State = &state
	}
	return v
}

// change changes what the story tells next.
func (s *story) change(f func(*story)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// pass lets time pass.
func (s *story) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.v.At = s.v.At.Add(d)
	s.wave += d.Seconds() / 40
	arrived := int64(float64(s.rate) * d.Seconds() * (1 + 0.15*math.Sin(s.wave) + 0.03*math.Sin(7*s.wave)))
	for i := range s.v.Partitions {
		p := &s.v.Partitions[i]
		p.End += arrived / int64(len(s.v.Partitions))
		if s.stalled || p.Idle {
			p.Lag = p.End - p.Committed
			continue
		}
		p.Lag = int64(150*(1.2+math.Sin(s.wave+float64(i)))) / int64(len(s.v.Partitions))
		p.Committed = p.End - p.Lag
		p.Watermark = s.v.At.Add(-10*time.Second - time.Duration(float64(time.Second)*(2+2*math.Sin(s.wave*3+float64(i)))))
	}
	if s.stalled || arrived == 0 {
		return
	}
	rejected := arrived * s.rejected / 1000
	s.v.Counters.Read += arrived
	s.v.Counters.Counted += arrived - rejected
	s.v.Rejects[click.Avro] += rejected * 2 / 3
	s.v.Rejects[click.TooLate] += rejected - rejected*2/3
	clicks := arrived - rejected
	s.v.Latency.Observe(s.latency/2, clicks/2)
	s.v.Latency.Observe(s.latency, clicks*45/100)
	s.v.Latency.Observe(s.latency*3, clicks*5/100)
	if closed := s.v.At.Add(-10 * time.Second).Truncate(time.Minute); s.v.State != nil && closed.After(s.v.State.NewestEnd) {
		s.v.State.NewestEnd, s.v.State.LastCommit = closed, s.v.At
		s.v.State.Version++
		s.v.State.Files++
		s.v.State.Bytes += 700_000
		s.v.Counters.Commits++
		s.v.Checkpoints = &vitals.Checkpoints{Completed: s.v.Counters.Commits, Last: 340 * time.Millisecond}
	}
}

// told is a dashboard that was told a story, n samples of it.
func told(s *story, n int) *Dashboard {
	d := New(s, Options{})
	for range n {
		s.pass(d.interval)
		d.sample()
	}
	return d
}
