package enrich

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/state"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/transforms/teardown"
)

// CommitFn commits the offsets before which all buckets have written all, for the group. What it knows of the buckets is kept
// in memory alone: they tell it again, all the time.
type CommitFn struct {
	Config Config
	Keyed  state.Value[[]byte] // is never written: that there is one brings all marks to one worker

	committer *committer
}

func newCommitFn(cfg Config) *CommitFn {
	return &CommitFn{Config: cfg, Keyed: state.MakeValueState[[]byte]("keyed")}
}

// ProcessElement takes note of a mark.
func (f *CommitFn) ProcessElement(_ state.Provider, _ int64, m Mark) error {
	if f.committer == nil {
		c, err := f.Config.committer()
		if err != nil {
			return err
		}
		f.committer = c
	}
	return f.committer.take(m)
}

// least returns how far all buckets are. Its time is that of those of which it is known; all tells whether it is of each.
func least(frontiers map[int64]Frontier) (at Frontier, all bool) {
	at.Next, all = map[int32]int64{}, true
	for _, f := range frontiers {
		for p, next := range f.Next {
			if had, ok := at.Next[p]; !ok || next < had {
				at.Next[p] = next
			}
		}
		switch {
		case f.Time == 0:
			all = false
		case at.Time == 0 || f.Time < at.Time:
			at.Time = f.Time
		}
	}
	return at, all
}

// committers are those of this process, by their pipelines.
var committers = struct {
	sync.Mutex
	of map[string]*committer
}{of: map[string]*committer{}}

// committer returns the committer of the pipeline. One that has failed, which has ended a bundle, is replaced: the runner
// tries again.
func (c Config) committer() (*committer, error) {
	committers.Lock()
	had := committers.of[c.Pipeline]
	committers.Unlock()
	if had != nil {
		if had.failure() == nil {
			return had, nil
		}
		if err := had.close(); err != nil {
			return nil, err
		}
	}
	opened, err := openCommitter(c)
	if err != nil {
		return nil, err
	}
	committers.Lock()
	committers.of[c.Pipeline] = opened
	committers.Unlock()
	return opened, teardown.Later(c.Pipeline, opened.close) // which may close it at once
}

// committer commits once a second how far all buckets are, once each has been heard of and if that has moved: beside the
// bundles, which are short, and may be long apart.
type committer struct {
	config Config
	client *kgo.Client
	stop   context.CancelFunc
	done   chan struct{}

	mu        sync.Mutex
	frontiers map[int64]Frontier // by bucket
	moved     bool
	failed    error
	closed    bool
}

func openCommitter(cfg Config) (*committer, error) {
	client, err := cfg.Connection.Client()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &committer{config: cfg, client: client, stop: stop, done: make(chan struct{}), frontiers: map[int64]Frontier{}}
	go c.run(ctx)
	return c, nil
}

// take takes note of how far a bucket is, and returns why an earlier note could not be committed.
func (c *committer) take(m Mark) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frontiers[m.Bucket], c.moved = m.Frontier, true
	return c.failed
}

func (c *committer) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

func (c *committer) run(ctx context.Context) {
	defer close(c.done)
	tick := time.NewTicker(commitInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.commit(ctx)
		}
	}
}

// commit commits the frontier if it has moved. Once that has failed, it is not tried again.
func (c *committer) commit(ctx context.Context) {
	c.mu.Lock()
	at, all := least(c.frontiers)
	due := c.moved && c.failed == nil && len(c.frontiers) == c.config.Buckets
	c.moved = false
	c.mu.Unlock()
	if !due {
		return
	}
	if err := c.put(ctx, at, all); err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if ctx.Err() != nil { // it was cut off by the end: the last commit is to tell it
			c.moved = true
			return
		}
		c.failed = err
	}
}

func (c *committer) put(ctx context.Context, at Frontier, all bool) error {
	explain := func(err error) error {
		return c.config.Connection.Explain(err, kafka.Doing{Operation: "Read", Group: c.config.Group, Topic: c.config.Source})
	}
	admin := kadm.NewClient(c.client)
	p, err := kafka.FetchPosition(ctx, admin, c.config.Group, c.config.Source)
	if err != nil {
		return explain(err)
	}
	note := ParseNote(p.Note)
	if note.Run != c.config.Pipeline {
		return c.config.takenOver()
	}
	from := p.Next
	p.Next, p.Note = at.Next, note.reach(at.Time, all).String()
	span := c.config.Tracing.Begin(ctx, "commit clicks")
	err = kafka.CommitPosition(ctx, admin, p)
	c.config.trace(span, from, p.Next, err)
	if err != nil {
		return fmt.Errorf("how far all is written cannot be committed: %w", explain(err))
	}
	return nil
}

// close commits what is not committed, and ends the connections. It may be called again.
func (c *committer) close() error {
	c.stop()
	<-c.done
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	c.mu.Unlock()
	if closed {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c.commit(ctx)
	c.client.Close()
	committers.Lock()
	defer committers.Unlock()
	if committers.of[c.config.Pipeline] == c {
		delete(committers.of, c.config.Pipeline)
	}
	return nil
}
