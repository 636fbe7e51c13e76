// Package monitor gathers the vitals of a pipeline from what it leaves behind: the group's offsets in Kafka, the dead
// letter topic, the table's log, and Flink's interface where there is one. So it works the same wherever the pipeline
// runs. Where that is this process, it asks the pipeline itself for what it can tell.
package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"clickstream/io/flink"
	"clickstream/io/kafka"
	"clickstream/pipelines/settings"
	"clickstream/pipelines/vitals"
	"clickstream/transforms/progress"
)

// Config says what is watched.
type Config struct {
	Connection      kafka.Connection
	Topic, Group    string
	DeadLetterTopic string // empty: not looked at
	Table           string // empty: the pipeline has none

	Window          time.Duration // of the pipeline, where it is known from elsewhere than the table
	AllowedLateness time.Duration // after which the table's windows are closed, and may be merged

	FlinkREST flink.REST // empty: there is no Flink
	FlinkJob  string     // how the name of the job begins

	Process  *progress.Progress // of the pipeline, where it runs in this process
	Interval time.Duration      // between two looks; DefaultInterval where it is zero
}

// DefaultInterval is what passes between two looks at Kafka and the table.
const DefaultInterval = 5 * time.Second

// Monitor watches one pipeline. Any number of goroutines may ask it.
type Monitor struct {
	cfg     Config
	sources []*watched

	mu    sync.Mutex
	march march
}

// source is what vitals are gathered from. Its look is called by one goroutine; add may be called at any time.
type source interface {
	name() string
	look(ctx context.Context) error // finds out what is new; its error is one line
	add(v *vitals.Vitals)           // adds what is known
	patience() time.Duration        // how long a look may take
	close()
}

// watched is a source that is looked at, and how that went.
type watched struct {
	source
	mu      sync.Mutex
	asked   bool
	up      bool
	fault   string
	started time.Time // when the look began that is under way, or was the last
}

// New returns a monitor that knows nothing yet: see Run. It reads the files that the connection names.
func New(cfg Config) (*Monitor, error) {
	if cfg.Interval <= 0 {
		cfg.Interval = DefaultInterval
	}
	if cfg.Topic == "" || cfg.Group == "" {
		return nil, errors.New("nobody says which topic and group to watch")
	}
	m := &Monitor{cfg: cfg}
	offsets, err := newOffsets(cfg)
	if err != nil {
		return nil, err
	}
	m.watch(offsets)
	if cfg.DeadLetterTopic != "" && cfg.Process == nil {
		m.watch(newDeadLetters(cfg))
	}
	if cfg.Table != "" {
		m.watch(newTable(cfg))
	}
	if cfg.FlinkREST != "" {
		m.watch(&checkpoints{rest: cfg.FlinkREST, job: cfg.FlinkJob})
	}
	if cfg.Process != nil { // the last, as it knows best
		m.watch(&process{of: cfg.Process, commits: cfg.FlinkREST == ""})
	}
	return m, nil
}

func (m *Monitor) watch(s source) { m.sources = append(m.sources, &watched{source: s}) }

// Run looks at everything now and then until ctx ends, each source by itself: one that is down or slow holds no other up.
func (m *Monitor) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, s := range m.sources {
		running.Go(func() {
			defer s.close()
			s.run(ctx, m.cfg.Interval)
		})
	}
	running.Go(func() { m.follow(ctx) })
	running.Wait()
}

// Once looks at everything once, and returns what could not be looked at, a line each.
func (m *Monitor) Once(ctx context.Context) error {
	var looking sync.WaitGroup
	for _, s := range m.sources {
		looking.Go(func() {
			defer s.close()
			s.lookOnce(ctx)
		})
	}
	looking.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	var faults []error
	for _, p := range m.Vitals().Parts {
		if !p.Up {
			faults = append(faults, errors.New(p.Fault))
		}
	}
	return errors.Join(faults...)
}

// Vitals is vitals.Source's.
func (m *Monitor) Vitals() vitals.Vitals {
	v := vitals.Vitals{At: time.Now(), Topic: m.cfg.Topic, Group: m.cfg.Group, Table: m.cfg.Table, Window: m.cfg.Window}
	for _, s := range m.sources {
		s.add(&v)
		v.Parts = append(v.Parts, s.part())
	}
	return v
}

// Alive returns an error when a source is not looked at any more, as its look does not come to an end.
func (m *Monitor) Alive() error {
	for _, s := range m.sources {
		if since := s.since(); since > 2*s.patience()+m.cfg.Interval {
			return fmt.Errorf("%s: a look at it has not ended for %s", s.name(), since.Round(time.Second))
		}
	}
	return nil
}

// run looks, and rests so that looks begin an interval apart. After one that failed it rests a whole interval.
func (w *watched) run(ctx context.Context, interval time.Duration) {
	for {
		begun := time.Now()
		rest := interval
		if w.lookOnce(ctx) {
			rest = max(0, interval-time.Since(begun))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(rest):
		}
	}
}

// lookOnce looks, and takes down how that went.
func (w *watched) lookOnce(ctx context.Context) bool {
	w.mu.Lock()
	w.started = time.Now()
	w.mu.Unlock()
	within, cancel := context.WithTimeout(ctx, w.patience())
	defer cancel()
	err := w.look(within)
	if ctx.Err() != nil { // it was ended, and says nothing of the source
		return false
	}
	fault := ""
	if err != nil {
		fault = strings.ReplaceAll(settings.Redact(err.Error()), "\n", "; ")
	}
	w.mu.Lock()
	was := w.fault
	w.asked, w.up, w.fault = true, err == nil, fault
	w.mu.Unlock()
	switch {
	case fault != "" && was == "":
		slog.Warn("what is known of the pipeline is not up to date", "source", w.name(), "error", fault)
	case fault == "" && was != "":
		slog.Info("answers again", "source", w.name())
	}
	return err == nil
}

// part says how the source is.
func (w *watched) part() vitals.Part {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := vitals.Part{Name: w.name(), Up: w.up, Fault: w.fault, Pending: !w.asked}
	if !w.asked {
		p.Fault = "not asked yet"
	}
	return p
}

// since returns for how long the look that is under way, or was the last, has begun.
func (w *watched) since() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.started.IsZero() {
		return 0
	}
	return time.Since(w.started)
}
