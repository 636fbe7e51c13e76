// Package demo shows the main job at work on a machine where nothing is installed: a broker, a registry and a
// source of clicks in this process, the pipeline on Prism, a table on disk, and a view of what is counted.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"clickstream/pipelines/launch"
	"clickstream/pipelines/pageviews"
	"clickstream/pipelines/settings"
	"clickstream/transforms/progress"
)

// settling is how long the end waits for what the watermark has closed to be in the table. It takes a fraction
// of a second, on a machine that is not overloaded.
const settling = 3 * time.Second

// Run runs the demo until ctx ends or s.For has passed, and then prints to out where the table is and how to
// query it. Where out is a terminal it shows a live view meanwhile, elsewhere plain lines.
//
// It starts the table anew: what an earlier demo left in the folder is removed, and a folder with anything else
// in it is refused. The error says which part failed, and why.
func Run(ctx context.Context, s *settings.Demo, common *settings.Common, out io.Writer) (err error) {
	d := &demo{settings: s, common: common, out: out, begin: time.Now()}
	if s.For > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithDeadline(ctx, d.begin.Add(s.For))
		defer stop()
	}
	defer func() {
		if released := d.release(); err == nil {
			err = released
		}
	}()
	if err = d.prepare(ctx); err == nil {
		err = d.play(ctx)
	}
	if err = unlessOver(ctx, err); err != nil {
		return err
	}
	return d.conclude(context.WithoutCancel(ctx))
}

// unlessOver returns err, or nil where it only says that ctx has ended.
func unlessOver(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return nil
	}
	return err
}

// demo is a demo that runs.
type demo struct {
	settings *settings.Demo
	common   *settings.Common
	out      io.Writer
	begin    time.Time
	folder   *folder
	cluster  *cluster
	plan     pageviews.Plan
	board    *board
}

// prepare makes all that the demo needs: the folder, the cluster, the pipeline's plan.
func (d *demo) prepare(ctx context.Context) (err error) {
	// The folder is claimed however soon the demo ends, so that its last words can tell of it.
	if d.folder, err = claim(context.WithoutCancel(ctx), d.settings.Table); err != nil {
		return err
	}
	if d.cluster, err = startCluster(ctx); err != nil {
		return err
	}
	run, err := d.cluster.run(d.folder.path)
	if err != nil {
		return err
	}
	if d.plan, err = pageviews.Prepare(ctx, run); err != nil {
		return err
	}
	d.board, err = openBoard(ctx, d.settings.Listen, run, d.plan.Pipeline)
	return err
}

// release gives back what prepare took.
func (d *demo) release() error {
	progress.Forget(d.plan.Pipeline)
	var errs []error
	if d.cluster != nil {
		// A cancelled job's last bundle may still be on its way out: what its client says of a broker that is gone
		// is no news.
		before := slog.Default()
		slog.SetDefault(slog.New(slog.DiscardHandler))
		errs = append(errs, d.cluster.close())
		slog.SetDefault(before)
	}
	if d.folder != nil {
		errs = append(errs, d.folder.release())
	}
	return errors.Join(errs...)
}

// play runs the clicks, the pipeline, the display and the page until ctx ends or one of them fails. They end in this order:
// the display, so that the terminal is as it was; the page; the clicks; and the pipeline, once what has closed is written.
func (d *demo) play(ctx context.Context) error {
	flow, stopPipeline := context.WithCancel(context.WithoutCancel(ctx))
	defer stopPipeline()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)

	var failed failure
	part := func(name string, f func() error) *sync.WaitGroup {
		var part sync.WaitGroup
		part.Go(func() {
			if err := f(); err != nil {
				failed.note(fmt.Errorf("%s: %w", name, err))
				fail(err)
			}
		})
		return &part
	}
	written := make(chan struct{})
	pipeline := part("the pipeline", func() error {
		select {
		case <-written:
		case <-ctx.Done():
			return nil
		}
		err := pageviews.Run(flow, d.plan)
		switch {
		case errors.Is(err, launch.ErrCancelled) && flow.Err() != nil:
			return nil
		case err == nil:
			return errors.New("it ended by itself")
		}
		return err
	})
	clicks := part("the clicks", func() error { return d.write(ctx, written) })
	display := part("the view", func() error { return d.show(ctx) })
	page := part("the page", func() error { return d.board.run(ctx) })

	<-ctx.Done()
	display.Wait()
	page.Wait()
	clicks.Wait()
	if failed.first() == nil {
		d.settle(context.WithoutCancel(ctx))
	}
	stopPipeline()
	pipeline.Wait()
	return failed.first()
}

// settle waits until the windows that the watermark has closed are in the table.
func (d *demo) settle(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, settling)
	defer stop()
	for ctx.Err() == nil {
		at := d.plan.Progress().Watermark
		if at.IsZero() {
			return
		}
		held, err := readTable(ctx, d.folder.path)
		if err != nil || !held.To.Before(at.Truncate(d.plan.Count.Window)) {
			return // an error is told by whoever reads the table next
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// conclude prints what became of the demo.
func (d *demo) conclude(ctx context.Context) error {
	held, err := readTable(ctx, d.folder.path)
	if err != nil {
		return err
	}
	_, err = io.WriteString(d.out, closing(outcome{
		Took: time.Since(d.begin), Progress: d.plan.Progress(), Table: held, Path: d.folder.path,
		Program: program(os.Args[0]), Page: d.board.url(),
	}))
	return err
}

// failure is the first error of several parts.
type failure struct {
	mu  sync.Mutex
	err error
}

func (f *failure) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

func (f *failure) first() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}
