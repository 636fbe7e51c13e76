package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/flink"
	"clickstream/testing/kafkatest"
)

const runnersVar = "CLICKSTREAM_TEST_RUNNERS" // folder of scripts/components/runners

// TestFlinkCluster lets clicks come while something happens to the job that counts them, on the standalone cluster. In
// the end the table is the oracle's, and nothing was too late.
func TestFlinkCluster(t *testing.T) {
	rest := kafkatest.Named(t, flinkRESTVar, howToRunners)
	dir := kafkatest.Named(t, runnersVar, howToRunners)
	s := newSuite(t)
	flags := func(environment string, more ...string) runner {
		return runner{name: "flink", flag: "flink", endpoint: os.Getenv(flinkVar), rest: rest, environment: environment, more: more}
	}

	t.Run("side by side", func(t *testing.T) {
		t.Run("checkpoints", func(t *testing.T) {
			t.Parallel()
			c := newStream(t, s, flags("loopback", "--readers", "3", "--parallelism", "2"))
			run := c.follow()
			c.checkpointed(run, 3)
			c.finish(run)
		})
		t.Run("a savepoint and another parallelism", func(t *testing.T) {
			t.Parallel()
			c := newStream(t, s, flags("process", "--readers", "3"))
			run := c.follow("--parallelism", "1")
			for _, parallelism := range []string{"3", "2"} {
				c.grows(run)
				path := c.savepoint(run)
				run = c.follow("--parallelism", parallelism, "--runner-option", "savepoint_path="+path)
				c.restored(run, path)
			}
			c.checkpointed(run, 1)
			c.finish(run)
		})
		t.Run("a worker is lost", func(t *testing.T) {
			t.Parallel()
			port := kafkatest.FreePort(t)
			r := flags("external", "--readers", "2", "--parallelism", "2", "--environment-config", "localhost:"+port)
			c := newStream(t, s, r)
			workers := pool(c.ctx, t, s, port)
			run := c.follow()
			c.checkpointed(run, 1)
			workers.kill()
			pool(c.ctx, t, s, port)
			c.grows(run)
			c.finish(run)
		})
		t.Run("an upgrade without a savepoint", func(t *testing.T) {
			t.Parallel()
			c := newStream(t, s, flags("process", "--readers", "2"))
			for _, parallelism := range []string{"2", "1"} {
				run := c.follow("--parallelism", parallelism)
				c.grows(run)
				c.stop(run)
			}
			c.finish(c.follow("--parallelism", "2"))
		})
	})
	t.Run("a TaskManager is lost", func(t *testing.T) {
		c := newStream(t, s, flags("process", "--readers", "2", "--parallelism", "2"))
		run := c.follow()
		c.checkpointed(run, 1)
		c.loseTaskManager(run, dir)
		c.grows(run)
		c.finish(run)
	})
}

// stream is a topic that clicks come to, and a table that a job counts them into.
type stream struct {
	*testing.T
	*play
	ctx      context.Context
	stopping context.CancelFunc
	produced sync.WaitGroup
}

// newStream begins to write clicks of now, out of order by less than the watermark's delay.
func newStream(t *testing.T, s *suite, r runner) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	g := &golden{
		name: "stream", format: "json", window: time.Second, lateness: 20 * time.Second, delay: time.Second,
		idle: 5 * time.Second, skew: time.Minute, shards: 2, partitions: 4,
	}
	c := &stream{T: t, ctx: ctx, play: &play{suite: s, golden: g, runner: r, dir: t.TempDir()}}
	c.table = filepath.Join(c.play.dir, "table")
	var err error
	c.topic, err = s.newTopic(ctx, "clickstream-conform-stream-"+strconv.FormatInt(time.Now().UnixNano(), 10), g)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.topic.remove(context.WithoutCancel(ctx))) })
	producing, stop := context.WithCancel(ctx)
	c.stopping = stop
	c.produced.Go(func() {
		beat := time.NewTicker(50 * time.Millisecond)
		defer beat.Stop()
		for producing.Err() == nil {
			<-beat.C
			var records []record
			now := time.Now().Truncate(time.Millisecond)
			for i := range 100 {
				at := now.Add(-time.Duration(i*7) * time.Millisecond)
				records = append(records, record{partition: int32(i % 4), time: now, schema: 1, page: fmt.Sprintf("/%d", i%10), at: at})
			}
			if err := c.topic.write(context.WithoutCancel(ctx), records); err != nil {
				assert.NoError(t, err)
				return
			}
		}
	})
	t.Cleanup(func() {
		stop()
		c.produced.Wait()
	})
	return c
}

// follow starts a run that goes on.
func (c *stream) follow(more ...string) *process {
	c.Helper()
	run, err := c.start(c.ctx, true, nil, more...)
	require.NoError(c, err)
	c.Cleanup(func() {
		run.interrupt()
		<-run.ended
		if name, err := run.job(context.WithoutCancel(c.ctx)); err == nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), time.Minute)
			defer cancel()
			assert.NoError(c, c.runner.cancel(ctx, name))
		}
	})
	return run
}

// of returns Flink's job of a run.
func (c *stream) of(run *process) string {
	c.Helper()
	name, err := run.job(c.ctx)
	require.NoError(c, err)
	jobs, err := c.flink().Await(c.ctx, name, flink.Job.Known)
	require.NoError(c, err)
	return jobs[0].JID
}

// flink is where the job's own runner answers.
func (c *stream) flink() flink.REST { return flink.REST(c.runner.rest) }

// eventually waits until a condition holds, while the runs go on.
func (c *stream) eventually(what string, condition func() bool) {
	c.Helper()
	require.Eventually(c, condition, patience, 100*time.Millisecond, what)
}

// checkpointed waits until a run's job has completed n more checkpoints.
func (c *stream) checkpointed(run *process, n int) {
	c.Helper()
	job := c.of(run)
	completed := func() int {
		var checkpoints struct{ Counts struct{ Completed int } }
		require.NoError(c, c.flink().Ask(c.ctx, http.MethodGet, "/jobs/"+job+"/checkpoints", nil, &checkpoints))
		return checkpoints.Counts.Completed
	}
	begin := completed()
	c.eventually("no checkpoint is completed", func() bool { return completed() >= begin+n })
}

// grows waits until the table holds clicks that were written after now.
func (c *stream) grows(run *process) {
	c.Helper()
	now := time.Now().UnixMilli()
	c.eventually("the table does not grow", func() bool {
		select {
		case <-run.ended:
			require.NoError(c, run.succeeds())
			require.Fail(c, "a run that goes on has ended")
		default:
		}
		rows, _ := c.rows(c.ctx) // the table may not be there yet
		for key := range rows {
			if key.WindowStart > now {
				return true
			}
		}
		return false
	})
}

// savepoint makes one of a run's job, which ends with it, and returns its path.
func (c *stream) savepoint(run *process) string {
	c.Helper()
	path := "/jobs/" + c.of(run) + "/savepoints"
	var trigger struct {
		ID string `json:"request-id"`
	}
	require.NoError(c, c.flink().Ask(c.ctx, http.MethodPost, path, map[string]any{"cancel-job": true}, &trigger))
	var state struct {
		Status    struct{ ID string }
		Operation struct {
			Location string
			Cause    any `json:"failure-cause"`
		}
	}
	c.eventually("there is no savepoint", func() bool {
		require.NoError(c, c.flink().Ask(c.ctx, http.MethodGet, path+"/"+trigger.ID, nil, &state))
		return state.Status.ID == "COMPLETED"
	})
	require.NotEmpty(c, state.Operation.Location, "the savepoint failed: %v", state.Operation.Cause)
	c.stop(run)
	return state.Operation.Location
}

// restored fails unless a run's job went on where a savepoint says.
func (c *stream) restored(run *process, path string) {
	c.Helper()
	var checkpoints struct {
		Latest struct {
			Restored struct {
				ExternalPath string `json:"external_path"`
			}
		}
	}
	require.NoError(c, c.flink().Ask(c.ctx, http.MethodGet, "/jobs/"+c.of(run)+"/checkpoints", nil, &checkpoints))
	assert.Equal(c, path, checkpoints.Latest.Restored.ExternalPath)
}

// stop ends a run as Ctrl-C does, and waits until its job has ended, too.
func (c *stream) stop(run *process) {
	c.Helper()
	run.interrupt()
	<-run.ended
	require.NoError(c, c.cancel(c.ctx, run))
}

// finish ends the clicks, waits until the table holds all of them, and judges it.
func (c *stream) finish(run *process) {
	c.Helper()
	c.stopping()
	c.produced.Wait()
	require.NoError(c, c.untilSame(c.ctx, run))
	c.stop(run)
	assert.NoError(c, c.judge(c.ctx))
}

// pool starts a pool of workers.
func pool(ctx context.Context, t *testing.T, s *suite, port string) *process {
	t.Helper()
	cmd := exec.CommandContext(ctx, s.clickstream, "worker", "--listen", "localhost:"+port)
	cmd.Dir = t.TempDir()
	pool, err := launch(cmd, nil)
	require.NoError(t, err)
	t.Cleanup(pool.kill)
	return pool
}

// loseTaskManager kills a TaskManager that a run's job has tasks on, as kill -9 does, and starts another one once the
// job goes on.
func (c *stream) loseTaskManager(run *process, dir string) {
	c.Helper()
	job := c.of(run)
	var before struct {
		Vertices []struct{ ID string }
	}
	require.NoError(c, c.flink().Ask(c.ctx, http.MethodGet, "/jobs/"+job, nil, &before))
	require.NotEmpty(c, before.Vertices)
	var tasks struct {
		Managers []struct {
			ID string `json:"taskmanager-id"`
		} `json:"taskmanagers"`
	}
	require.NoError(c, c.flink().Ask(c.ctx, http.MethodGet, "/jobs/"+job+"/vertices/"+before.Vertices[0].ID+"/taskmanagers", nil, &tasks))
	require.NotEmpty(c, tasks.Managers)
	pid := taskManager(c.T, dir, tasks.Managers[0].ID)
	require.NoError(c, syscall.Kill(pid, syscall.SIGKILL))
	c.Cleanup(func() {
		out, err := exec.CommandContext(context.WithoutCancel(c.ctx), "../../scripts/components/runners", "--dir", dir, "taskmanager").CombinedOutput()
		assert.NoError(c, err, "%s", out)
	})
	c.eventually("Flink does not notice", func() bool {
		var failures struct{ ExceptionHistory struct{ Entries []any } }
		require.NoError(c, c.flink().Ask(c.ctx, http.MethodGet, "/jobs/"+job+"/exceptions", nil, &failures))
		return len(failures.ExceptionHistory.Entries) > 0
	})
}

// taskManager returns the process of a TaskManager, by what Flink calls it, which its log names.
func taskManager(t *testing.T, dir, id string) int {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "taskmanager-*.log"))
	require.NoError(t, err)
	for _, path := range logs {
		log, err := os.ReadFile(path)
		require.NoError(t, err)
		if !strings.Contains(string(log), "ResourceID "+id) && !strings.Contains(string(log), "ResourceID: "+id) {
			continue
		}
		text, err := os.ReadFile(strings.TrimSuffix(path, ".log") + ".pid")
		require.NoError(t, err)
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		require.NoError(t, err)
		return pid
	}
	require.Fail(t, "no TaskManager's log names "+id)
	return 0
}
