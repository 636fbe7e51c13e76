package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a run, in a process of its own.
type process struct {
	*exec.Cmd
	ended chan struct{}

	mu       sync.Mutex
	id       string // of its job, once it runs
	hasJob   chan struct{}
	gotJob   sync.Once
	complain []string // warnings and errors
}

// command returns the program with those words, and with where the topics are.
func (s *suite) command(ctx context.Context, words ...string) *exec.Cmd {
	words = append(words, "--brokers", strings.Join(s.connection.Brokers, ","))
	if s.registry != "" {
		words = append(words, "--registry", s.registry)
	}
	cmd := exec.CommandContext(ctx, s.clickstream, words...)
	cmd.Dir = s.dir
	return cmd
}

// start starts a run that reads to the topic's end, or goes on.
func (p *play) start(ctx context.Context, follow bool, env []string, more ...string) (*process, error) {
	g, until, idle := p.golden, "latest", p.golden.idle
	if follow {
		until = "never"
	}
	if p.runner.endless() {
		idle = time.Second // what a read closes at the topic's end, the clock closes here
	}
	words := append([]string{
		"run", "--log-format", "json", "--log-level", "debug", "--topic", p.topic.name, "--group", p.topic.name,
		"--dead-letter-topic", p.topic.letters(), "--format", g.format, "--start", "earliest", "--until", until,
		"--window", g.window.String(), "--watermark-delay", g.delay.String(), "--allowed-lateness", g.lateness.String(),
		"--clock-skew", g.skew.String(), "--idle-timeout", idle.String(), "--checkpoint-interval", "1s",
		"--table", p.table, "--shards", fmt.Sprint(g.shards),
	}, p.runner.flags()...)
	return launch(p.command(ctx, append(words, more...)...), env)
}

// launch starts cmd, and reads its log.
func launch(cmd *exec.Cmd, env []string) (*process, error) {
	run := &process{Cmd: cmd, ended: make(chan struct{}), hasJob: make(chan struct{})}
	run.Env = append(os.Environ(), env...)
	log, err := run.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := run.Start(); err != nil {
		return nil, fmt.Errorf("start the run: %w", err)
	}
	go func() {
		defer close(run.ended)
		run.read(log)
		_ = run.Wait() // the state says how it ended
	}()
	return run, nil
}

// read takes the log in until it ends.
func (p *process) read(log io.Reader) {
	scan := bufio.NewScanner(log)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		line := scan.Text()
		var entry struct{ Level, Msg, Error, Job string }
		known := json.Unmarshal([]byte(line), &entry) == nil
		p.mu.Lock()
		if !known || entry.Level == "WARN" || entry.Level == "ERROR" {
			p.complain = append(p.complain, line)
		}
		if p.id == "" {
			p.id = entry.Job
		}
		hasJob := p.id != ""
		p.mu.Unlock()
		if hasJob {
			p.gotJob.Do(func() { close(p.hasJob) })
		}
	}
	_, _ = io.Copy(io.Discard, log) // a line that was too long
}

// job waits until the runner has taken the run's job, and returns its name, with which the job's id at Beam's job service
// begins.
func (p *process) job(ctx context.Context) (string, error) {
	select {
	case <-p.hasJob:
	case <-p.ended:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.id == "" {
		return "", fmt.Errorf("the run ended without a job: %s", strings.Join(p.complain, "\n"))
	}
	name, _, _ := strings.Cut(p.id, "_")
	return name, nil
}

// succeeds waits for the end, which is to be a good one.
func (p *process) succeeds() error {
	<-p.ended
	if p.ProcessState.Success() {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Errorf("the run failed, %s: %s", p.ProcessState, strings.Join(p.complain, "\n"))
}

// interrupt asks the process to end, as by Ctrl-C.
func (p *process) interrupt() { _ = p.Process.Signal(os.Interrupt) }

// kill ends the process as kill -9 does, if it still runs.
func (p *process) kill() {
	_ = p.Process.Kill()
	<-p.ended
}

// killed tells whether the process, which has ended, was killed.
func (p *process) killed() bool {
	status, ok := p.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
