package demo

import (
	"context"
	"time"

	"clickstream/transforms/progress"
)

// snapshot is all that is shown at one moment.
type snapshot struct {
	Now      time.Time
	Elapsed  time.Duration
	Left     time.Duration // until the demo ends by itself; negative if it does not
	Broker   string
	Registry string
	Page     string // URL of the page that shows the demo in a browser; empty where there is none
	Path     string // of the table
	Window   time.Duration
	Progress progress.Snapshot
	Rate     float64 // records read a second, lately
	Table    contents
	First    time.Duration // from the start until the table had rows; 0: it has none yet
	Warning  string        // what was last warned of
}

// behind returns how far the watermark is behind the clock.
func (s *snapshot) behind() time.Duration { return s.Now.Sub(s.Progress.Watermark) }

// observer takes snapshots of a demo.
type observer struct {
	demo    *demo
	path    string // of the table, as it is to be shown
	samples []sample
	seen    int64 // windows written when the table was last read
	table   contents
	first   time.Duration
}

type sample struct {
	at   time.Time
	read int64
}

// rateSpan is what the rate is an average over: the reader reads in gulps.
const rateSpan = 3 * time.Second

func (d *demo) observe() *observer {
	return &observer{demo: d, path: d.settings.Table, samples: []sample{{at: time.Now()}}}
}

// snapshot returns the state as it is now. It reads the table if windows were written since the last time.
func (o *observer) snapshot(ctx context.Context) (snapshot, error) {
	d, now := o.demo, time.Now()
	s := snapshot{
		Now: now, Elapsed: now.Sub(d.begin), Left: -1,
		Broker: d.cluster.broker.Addr(), Registry: d.cluster.registry.URL(), Page: d.board.url(), Path: o.path, Window: d.plan.Count.Window,
		Progress: d.plan.Progress(),
	}
	if d.settings.For > 0 {
		s.Left = max(0, d.settings.For-s.Elapsed)
	}
	if s.Progress.Windows != o.seen {
		held, err := readTable(ctx, d.folder.path)
		if err != nil {
			return s, err
		}
		o.seen, o.table = s.Progress.Windows, held
		if o.first == 0 && held.Rows > 0 {
			o.first = time.Since(d.begin)
		}
	}
	s.Table, s.First = o.table, o.first
	s.Rate = o.rate(sample{now, s.Progress.Read})
	return s, nil
}

func (o *observer) rate(now sample) float64 {
	o.samples = append(o.samples, now)
	for len(o.samples) > 2 && now.at.Sub(o.samples[1].at) >= rateSpan {
		o.samples = o.samples[1:]
	}
	then := o.samples[0]
	if passed := now.at.Sub(then.at).Seconds(); passed > 0 {
		return float64(now.read-then.read) / passed
	}
	return 0
}
