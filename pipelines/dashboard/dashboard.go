// Package dashboard is the page on which people see a pipeline run: what is wrong with it first, then its targets, and
// an hour of history. It is one page in this program, that asks nothing of any network but this server.
package dashboard

import (
	"context"
	"crypto/rand"
	"net/http"
	"sync"
	"time"

	"clickstream/pipelines/objectives"
	"clickstream/pipelines/vitals"
)

const (
	defaultInterval = 2 * time.Second
	historySpan     = time.Hour
	mostSamples     = 3600 // however short the interval is
)

// Options are what a dashboard needs to know beside its source.
type Options struct {
	Targets  []objectives.Target // of the tiles; objectives.Targets where there are none
	Interval time.Duration       // between two samples; 2 s where it is zero, and a second at least
	Runbook  string              // path of the runbook, seen from the page; empty where it is not served
}

// Dashboard serves the page, and what it shows, from a source. What it takes is bounded, however long it runs and
// however many look.
type Dashboard struct {
	src      vitals.Source
	interval time.Duration
	runbook  string
	mux      *http.ServeMux
	run      string // names this server's run
	clients  clients

	mu       sync.Mutex // guards what follows, which sampling writes and connecting reads
	judge    judge
	observed observations
	history  history
	now      *now   // nil before the first sample
	whole    []byte // the message to who connects; nil until somebody does
	seq      int    // samples so far
	changed  int    // the sample since which the columns are what they are
	repeats  int    // times on end that the source said nothing new
}

// New returns a dashboard of src. It shows nothing before Run runs.
func New(src vitals.Source, o Options) *Dashboard {
	if len(o.Targets) == 0 {
		o.Targets = objectives.Targets
	}
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	o.Interval = max(time.Second, o.Interval)
	d := &Dashboard{
		src: src, interval: o.Interval, runbook: o.Runbook, run: rand.Text(), clients: clients{all: map[*client]struct{}{}},
		judge:    judge{targets: o.Targets},
		observed: newObservations(o.Interval),
		history:  newHistory(min(mostSamples, int(historySpan/o.Interval))),
	}
	d.mux = d.routes()
	return d
}

// ServeHTTP serves the page at /, its assets beside it, and its stream of events at /events.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	d.mux.ServeHTTP(w, r)
}

// Run takes samples until ctx ends, and then lets those go that look. It is to be called once.
func (d *Dashboard) Run(ctx context.Context) {
	defer d.clients.close()
	tick := time.NewTicker(d.interval)
	defer tick.Stop()
	for {
		d.sample()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sample asks the source, and tells everybody what is new.
func (d *Dashboard) sample() {
	v := d.src.Vitals() // asked outside the lock: it is not ours
	d.mu.Lock()
	defer d.mu.Unlock()
	if last, ok := d.history.last(); ok && v.At.UnixMilli() <= last.at {
		d.repeat(&v)
		return
	}
	d.repeats = 0
	d.observed.add(&v)
	rates := d.observed.rates(&v)
	d.now = d.judge.look(&v, rates, false)
	d.seq++
	d.whole = nil
	if !d.history.add(newRow(&v, rates)) {
		d.changed = d.seq
		d.clients.tell(d.hello(""))
		return
	}
	d.clients.tell(encode(d.id(), "sample", sampleMessage{Row: d.history.newest(), Now: d.now}))
}

// repeat tells that there is nothing new. Where that has been so for long, it is news in itself.
func (d *Dashboard) repeat(v *vitals.Vitals) {
	d.repeats++
	if time.Duration(d.repeats)*d.interval < staleAfter {
		d.clients.tell(beat)
		return
	}
	d.now = d.judge.look(v, d.observed.rates(v), true)
	d.whole = nil
	d.clients.tell(encode(d.id(), "sample", sampleMessage{Now: d.now}))
}
