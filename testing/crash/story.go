package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"clickstream/io/crashpoint"
	"clickstream/io/kafka"
	"clickstream/io/registry"
	"clickstream/pipelines/generate"
	"clickstream/transforms/click"
)

// Windows of a second, so that there is a commit to die in every second.
const (
	window          = time.Second
	watermarkDelay  = time.Second
	allowedLateness = 4 * time.Second
	clockSkew       = 5 * time.Second
	jitter          = 800 * time.Millisecond
	partitions      = 4
	patience        = 2 * time.Minute
)

// story is one that is being told.
type story struct {
	*suite
	plot
	topic string
	table string
	runs  int
	result
}

// tell tells the story of a seed, and compares the table with the topic.
func (s *suite) tell(ctx context.Context, seed uint64) (result, error) {
	st := &story{suite: s, plot: s.plotOf(seed), topic: fmt.Sprintf("crash-%d-%d", seed, time.Now().UnixMilli())}
	dir, err := os.MkdirTemp("", "clickstream-crash-")
	if err != nil {
		return st.result, fmt.Errorf("make a folder for the table: %w", err)
	}
	st.table = filepath.Join(dir, "table")
	if !s.keep {
		defer func() { _ = os.RemoveAll(dir) }()
	}
	begin := time.Now()
	if err := st.play(ctx); err != nil {
		return st.result, fmt.Errorf("%w (%s, table %s)", err, st.plot, st.table)
	}
	fmt.Printf("%s: %d kills, %d failures, %d restarts, %d clicks, %d rows, %d files, %d vacuumed, %s\n",
		st.plot, st.killed, st.failures, st.restarts, st.clicks, st.rows, st.files, st.vacuumed, time.Since(begin).Round(100*time.Millisecond))
	return st.result, nil
}

func (st *story) play(ctx context.Context) error {
	src, writer, err := st.prepare(ctx)
	if err != nil {
		return err
	}
	defer writer.Close()
	producing, stop := context.WithCancel(ctx)
	var (
		produced sync.WaitGroup
		failed   error
	)
	produced.Go(func() {
		_, failed = generate.Run(producing, writer, src, generate.Schedule{Rate: st.rate}, nil)
	})
	defer produced.Wait()
	defer stop()
	if err := st.flowing(ctx); err != nil {
		return err
	}
	for st.kills > st.killed {
		if err := st.attempt(ctx); err != nil {
			return err
		}
	}
	stop()
	produced.Wait()
	if failed != nil {
		return fmt.Errorf("the producer: %w", failed)
	}
	if err := st.finish(ctx); err != nil {
		return err
	}
	return st.compare(ctx)
}

// flowing waits until every partition has clicks. Before, those of some may come seconds after the others', as the
// producer learns who leads them: later than the jitter, and too late then.
func (st *story) flowing(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client, err := st.connection.Connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		ends, err := kadm.NewClient(client).ListEndOffsets(ctx, st.topic)
		if err != nil {
			return fmt.Errorf("ends of topic %s: %w", st.topic, err)
		}
		filled := 0
		ends.Each(func(o kadm.ListedOffset) {
			if o.Offset > 0 {
				filled++
			}
		})
		if filled == partitions {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("topic %s has clicks in %d of %d partitions: %w", st.topic, filled, partitions, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// prepare makes the topic, and what writes to it.
func (st *story) prepare(ctx context.Context) (*generate.Source, *kafka.Writer, error) {
	client, err := st.connection.Connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, partitions, 1, nil, st.topic); err != nil {
		return nil, nil, fmt.Errorf("make topic %s: %w", st.topic, err)
	}
	schemas, err := registry.New(registry.Settings{URL: st.registry})
	if err != nil {
		return nil, nil, err
	}
	defer schemas.Close()
	id, err := schemas.Register(ctx, st.topic+"-value", click.Schema)
	if err != nil {
		return nil, nil, err
	}
	src, err := generate.New(generate.Settings{
		Format: st.records, SchemaID: id, Seed: st.seed, Pages: 200, Users: 1000, Zipf: 1.2, BadFraction: 0.001, Jitter: jitter,
	})
	if err != nil {
		return nil, nil, err
	}
	writer, err := kafka.OpenWriter(st.connection, st.topic, 0)
	return src, writer, err
}

// command returns the run as this story has it, until latest or never.
func (st *story) command(ctx context.Context, until string, env ...string) (*exec.Cmd, *strings.Builder) {
	st.runs++
	cmd := exec.CommandContext(ctx, st.clickstream, "run", "--quiet", "--brokers", st.connection.Brokers[0],
		"--registry", st.registry, "--topic", st.topic, "--group", st.topic, "--dead-letter-topic", st.topic+"-dlq",
		"--format", st.records, "--start", st.start, "--until", until,
		"--window", window.String(), "--watermark-delay", watermarkDelay.String(), "--allowed-lateness", allowedLateness.String(),
		"--clock-skew", clockSkew.String(), "--idle-timeout", "20s", "--retry-timeout", "1m",
		"--table", st.table, "--table-format", st.plot.format, "--shards", fmt.Sprint(st.shards))
	cmd.Env = append(os.Environ(), env...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	return cmd, &out
}

// attempt starts the run, and lets something happen to it.
func (st *story) attempt(ctx context.Context) error {
	until := "never"
	if st.bounded {
		until = "latest"
	}
	point := crashpoint.Points[st.random.IntN(len(crashpoint.Points))]
	at := fmt.Sprintf("%s:%d", point, 1+st.random.IntN(4))
	switch st.random.IntN(8) {
	case 0, 1, 2: // at a named point, or later if it does not come
		return st.die(ctx, until, 8*time.Second, "CLICKSTREAM_TEST_DIE_AT="+at)
	case 3: // the commit happened, and the client is told that it did not
		return st.die(ctx, until, 8*time.Second, "CLICKSTREAM_TEST_FAIL_AT="+at)
	case 4:
		if st.components != "" {
			return st.withRestart(ctx, until)
		}
	}
	return st.die(ctx, until, time.Duration(50+st.random.IntN(3000))*time.Millisecond)
}

// die runs until the run dies by itself or is killed after some time.
func (st *story) die(ctx context.Context, until string, after time.Duration, env ...string) error {
	cmd, out := st.command(ctx, until, env...)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the run: %w", err)
	}
	killer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer killer.Stop()
	return st.judge(cmd.Wait(), out.String())
}

// judge counts how a run ended. It may be killed, fail where it was made to, or, bounded, be done.
func (st *story) judge(err error, out string) error {
	var exit *exec.ExitError
	switch {
	case err == nil && st.bounded:
		st.killed++ // it was faster
		return nil
	case err == nil:
		return fmt.Errorf("a run that goes on ended: %s", out)
	case !errors.As(err, &exit):
		return fmt.Errorf("wait for the run: %w", err)
	}
	status, _ := exit.Sys().(syscall.WaitStatus)
	switch {
	case status.Signaled() && status.Signal() == syscall.SIGKILL:
		st.killed++
	case strings.Contains(out, "made to fail"):
		st.failures++
	default:
		return fmt.Errorf("the run failed: %w: %s", exit, out)
	}
	return nil
}

// finish lets the run read to the end.
func (st *story) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd, out := st.command(ctx, "latest")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the last run: %w: %s", err, out)
	}
	return nil
}
