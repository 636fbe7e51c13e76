package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"clickstream/io/crashpoint"
	"clickstream/io/flink"
)

// play is a case that is played on a runner, in some way.
type play struct {
	*suite
	golden *golden
	runner runner
	way    way
	index  int // of the case, which chooses where it dies

	dir   string // of this play
	table string
	topic *topic
	runs  int
}

// patience is how long anything that is to come may take.
const patience = 3 * time.Minute

// play plays a case, and returns the first difference from what it is to come to.
func (s *suite) play(ctx context.Context, index int, g *golden, r runner, w way) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p := &play{suite: s, golden: g, runner: r, way: w, index: index}
	name := fmt.Sprintf("clickstream-conform-%s-%s-%s-%d", g.name, r.name, strings.ReplaceAll(string(w), " ", "-"), time.Now().UnixNano())
	var err error
	if p.dir, err = os.MkdirTemp(s.dir, name+"-"); err != nil {
		return err
	}
	p.table = s.tables + "/" + name
	if p.topic, err = s.newTopic(ctx, name, g); err != nil {
		return err
	}
	err = p.play(ctx)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("it took longer than %s: %w", patience, err)
	}
	if s.keep {
		p.topic.client.Close()
		return err
	}
	return errors.Join(err, p.topic.remove(context.WithoutCancel(ctx)), os.RemoveAll(p.dir), s.removeTable(p.table))
}

func (p *play) play(ctx context.Context) error {
	for i, step := range p.golden.steps {
		if err := p.topic.write(ctx, step.records); err != nil {
			return err
		}
		if err := p.run(ctx, (step.follow || p.runner.endless()) && !p.runner.bounded()); err != nil {
			return fmt.Errorf("run %d: %w", i+1, err)
		}
	}
	return p.judge(ctx)
}

// run reads what there is, in the way of this play.
func (p *play) run(ctx context.Context, follow bool) error {
	p.runs++
	switch {
	case p.way == runKilled && p.runner.apart():
		return p.leaveJob(ctx, follow)
	case p.way == runKilled:
		if err := p.die(ctx, follow); err != nil {
			return err
		}
		if p.runner.flag == "spark" {
			return p.completeOnSpark(ctx, follow)
		}
	case p.way == workerKilled:
		return p.killWorker(ctx, follow)
	}
	return p.complete(ctx, follow)
}

// complete runs until all is in the table.
func (p *play) complete(ctx context.Context, follow bool, more ...string) error {
	run, err := p.start(ctx, follow, nil, more...)
	if err != nil {
		return err
	}
	defer run.kill()
	if !follow {
		return run.succeeds()
	}
	if p.runner.rest != "" { // a run before may have left nothing to do: this one is not to end before it has begun
		if _, err := run.job(ctx); err != nil {
			return err
		}
	}
	if err := p.untilSame(ctx, run); err != nil {
		return err
	}
	run.interrupt()
	if err := run.succeeds(); err != nil {
		return err
	}
	return p.cancel(ctx, run) // it is cancelled, and may not have ended: what is written next is for the next run
}

// completeOnSpark is complete after a run was killed. Its job service notices late that the workers are gone, and until
// then refuses another job: it has to be tried again.
func (p *play) completeOnSpark(ctx context.Context, follow bool) error {
	for {
		err := p.complete(ctx, follow)
		if err == nil || !strings.Contains(err.Error(), "Only one SparkContext") {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// untilSame waits until the table holds all that there is to count.
func (p *play) untilSame(ctx context.Context, run *process) error {
	poll := time.NewTicker(200 * time.Millisecond)
	defer poll.Stop()
	for {
		differ := p.sameRows(ctx)
		if differ == nil && p.runner.endless() { // it has not read all that is to be rejected, for having read what is to be counted
			differ = p.sameLetters(ctx)
		}
		if differ == nil {
			return nil
		}
		select {
		case <-run.ended:
			return fmt.Errorf("a run that goes on ended: %w", errors.Join(run.succeeds(), differ))
		case <-ctx.Done():
			return fmt.Errorf("the table does not get there: %w", differ)
		case <-poll.C:
		}
	}
}

// point is where the case's runs die: before anything is there, with files that no version of the table names, or
// with a version that the run does not know of.
func (p *play) point() string {
	points := []string{crashpoint.AfterUpload, crashpoint.AfterLogEntry, crashpoint.BeforeUpload}
	return points[(p.index+p.runs)%len(points)]
}

// die runs until the run, which has the workers in it, kills itself at a point of its first commit.
func (p *play) die(ctx context.Context, follow bool) error {
	run, err := p.start(ctx, follow, []string{"CLICKSTREAM_TEST_DIE_AT=" + p.point()})
	if err != nil {
		return err
	}
	defer run.kill()
	select {
	case <-run.ended:
	case <-ctx.Done():
		return fmt.Errorf("it was to die at %s, and goes on: %w", p.point(), ctx.Err())
	}
	if !run.killed() {
		return fmt.Errorf("it was to die at %s, and ended: %w", p.point(), errors.Join(errors.New(run.ProcessState.String()), run.succeeds()))
	}
	return p.cancel(ctx, run) // Flink cannot know, and would start the job again and again, for workers that are gone
}

// cancel ends the job of a run in Flink, if it still goes on there, and waits until it has ended.
func (p *play) cancel(ctx context.Context, run *process) error {
	if p.runner.rest == "" {
		return nil
	}
	name, err := run.job(ctx)
	if err != nil {
		return err
	}
	return p.runner.cancel(ctx, name)
}

// leaveJob kills the run once its job runs, and starts it again beside the job, which nobody has told. Two runs on one
// table are exact.
func (p *play) leaveJob(ctx context.Context, follow bool) error {
	run, err := p.start(ctx, follow, nil)
	if err != nil {
		return err
	}
	defer run.kill()
	name, err := run.job(ctx)
	if err != nil {
		return err
	}
	if _, err := flink.REST(p.runner.rest).Await(ctx, name, flink.Job.Known); err != nil {
		return err
	}
	run.kill()
	if err := p.complete(ctx, follow); err != nil {
		return err
	}
	return p.cancel(ctx, run)
}

// killWorker runs with a worker that kills itself at a point of its first commit. The run is not to notice.
func (p *play) killWorker(ctx context.Context, follow bool) error {
	mark := filepath.Join(p.dir, "died-"+strconv.Itoa(p.runs))
	worker := filepath.Join(p.dir, "worker-"+strconv.Itoa(p.runs))
	script := fmt.Sprintf("#!/bin/sh\n[ -e '%s' ] && exec '%s' \"$@\"\nCLICKSTREAM_TEST_DIE_AT=%s '%s' \"$@\"\nstatus=$?\n[ $status = 137 ] && touch '%s'\nexit $status\n",
		mark, p.clickstream, p.point(), p.clickstream, mark)
	if err := os.WriteFile(worker, []byte(script), 0o700); err != nil { //nolint:gosec // it is a program
		return err
	}
	if err := p.complete(ctx, follow, "--environment-config", worker); err != nil {
		return err
	}
	if _, err := os.Stat(mark); err != nil {
		return fmt.Errorf("its worker was to die at %s, and did not: %w", p.point(), err)
	}
	return nil
}
