package dashboard

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/pipelines/objectives"
	"clickstream/pipelines/vitals"
	"clickstream/transforms/click"
)

// titles returns what is wrong in a story's last sample, as «grade title».
func titles(d *Dashboard) []string {
	all := []string{}
	for _, p := range d.now.Problems {
		all = append(all, string(p.Grade)+" "+strings.ReplaceAll(p.Title, thin, " "))
	}
	return all
}

// grades returns those of the tiles.
func grades(d *Dashboard) map[string]grade {
	all := map[string]grade{}
	for i, tile := range d.now.Tiles {
		all[d.judge.targets[i].ID] = tile.Grade
	}
	return all
}

func TestAllIsWell(t *testing.T) {
	d := told(newStory(12), 60)
	assert.Empty(t, titles(d))
	assert.NotNil(t, d.now.Problems, "the page asks for its length")
	assert.Equal(t, map[string]grade{"lag": good, "latency": good, "throughput": good, "checkpoint": good}, grades(d))
}

func TestBoundsOfTargets(t *testing.T) {
	for _, c := range []struct {
		target int
		value  float64
		want   grade
	}{
		{0, 999, good}, {0, 1000, warn}, {0, 5000, warn}, {0, 5001, bad},
		{1, 29.9, good}, {1, 30, warn}, {1, 60, warn}, {1, 60.1, bad},
		{2, 10_001, good}, {2, 10_000, warn}, {2, 0, warn},
		{3, 9.9, good}, {3, 10, warn}, {3, 30, warn}, {3, 30.1, bad},
	} {
		target := objectives.Targets[c.target]
		assert.Equal(t, c.want, compare(target, c.value, "").Grade, "%s %g", target.ID, c.value)
	}
}

// TestThroughputOfIdlePipelines: what has read all there is cannot be faster.
func TestThroughputOfIdlePipelines(t *testing.T) {
	s := newStory(12)
	d := told(s, 60)
	move := func(n int) {
		for range n {
			s.pass(d.interval)
			d.sample()
		}
	}
	s.rate = 50
	move(10)
	assert.Equal(t, neutral, grades(d)["throughput"], "all that arrives is read")
	s.rate = 0
	move(10)
	assert.Equal(t, neutral, grades(d)["throughput"], "there is nothing to read")
	assert.Empty(t, titles(d))
	s.rate, s.stalled = 5000, true
	move(10)
	assert.Equal(t, warn, grades(d)["throughput"], "records wait")
	require.Len(t, titles(d), 2)
	assert.True(t, strings.HasPrefix(titles(d)[0], "bad Consumer lag: "))
	assert.Equal(t, "warn Throughput: 0 events/s", titles(d)[1])
}

func TestStalledPipeline(t *testing.T) {
	s := newStory(12)
	d := told(s, 60)
	s.stalled, s.rate = true, 10
	began := s.v.At
	for s.v.At.Sub(s.v.State.LastCommit) <= 3*time.Minute {
		assert.NotContains(t, strings.Join(titles(d), "\n"), "Nothing committed")
		s.pass(d.interval)
		d.sample()
	}
	assert.Contains(t, titles(d), "bad Nothing committed for 3 min 2 s")
	for _, p := range d.now.Problems {
		if p.ID == "target:throughput" {
			assert.WithinDuration(t, began, time.UnixMilli(p.Since), 4*time.Minute)
		}
	}
	s.stalled, s.rate = false, 14_000
	for range 60 {
		s.pass(d.interval)
		d.sample()
	}
	assert.Empty(t, titles(d), "it goes on")
}

// TestNothingToCommit: a topic without traffic makes no windows, and has its time when its clicks come back.
func TestNothingToCommit(t *testing.T) {
	s := newStory(12)
	d := told(s, 60)
	move := func(n int) {
		for range n {
			s.pass(d.interval)
			d.sample()
		}
	}
	s.rate, s.stalled = 0, true // nothing comes, nothing is committed
	for i := range s.v.Partitions {
		s.v.Partitions[i].Committed, s.v.Partitions[i].Lag = s.v.Partitions[i].End, 0
	}
	move(300)
	assert.Empty(t, titles(d))
	s.rate = 10
	move(80)
	assert.NotContains(t, strings.Join(titles(d), "\n"), "Nothing committed", "three windows are not over")
	move(20)
	assert.Contains(t, strings.Join(titles(d), "\n"), "Nothing committed for 14 min")
}

// TestStalledBeforeAnybodyLooked: it is known at the first look, by the table's age and the lag.
func TestStalledBeforeAnybodyLooked(t *testing.T) {
	s := newStory(12)
	s.stalled, s.rate = true, 600
	s.v.State.LastCommit = dawn.Add(-time.Hour)
	d := told(s, 1)
	assert.Contains(t, titles(d), "bad Nothing committed for 1 h")
}

func TestRunbookHasWhatIsLinked(t *testing.T) {
	known := map[string]bool{"": true}
	for _, a := range objectives.Alerts {
		known[a.ID] = true
	}
	d := wrong()
	require.Len(t, d.now.Problems, 5)
	for _, p := range d.now.Problems {
		assert.True(t, known[p.Runbook], "%s is not in the runbook", p.Runbook)
		assert.Equal(t, p.ID != "target:throughput", p.Runbook != "", p.ID)
	}
}

func TestTableWithoutCommits(t *testing.T) {
	s := newStory(1)
	s.v.State = &vitals.TableState{NewestEnd: dawn.AddDate(1, 0, 0)} // the story closes no window before
	s.v.Window = time.Hour
	d := told(s, 3*1800)
	assert.Empty(t, titles(d))
	s.pass(time.Minute)
	d.sample()
	assert.Equal(t, []string{"bad Nothing committed for 3 h"}, titles(d))
	assert.True(t, strings.HasPrefix(d.now.Problems[0].Detail, "There was none yet, "))
}

func TestPartsThatAreDown(t *testing.T) {
	s := newStory(12)
	s.v.Parts = []vitals.Part{
		{Name: "dead_letters", Fault: "not asked yet", Pending: true}, {Name: "flink", Fault: "connection refused"}, {Name: "kafka", Fault: "no broker answers at localhost:9092"}, {Name: "table", Up: true},
	}
	d := told(s, 2)
	assert.Equal(t, []string{"bad Kafka does not answer", "warn Flink does not answer"}, titles(d))
	assert.Equal(t, "no broker answers at localhost:9092", d.now.Problems[0].Detail)
	first := d.now.Problems[0].Since
	s.pass(time.Minute)
	d.sample()
	assert.Equal(t, first, d.now.Problems[0].Since, "it is the same trouble")
}

func TestDeadLettersAndCheckpoints(t *testing.T) {
	s := newStory(12)
	s.rejected = 30
	d := told(s, 40)
	s.v.Checkpoints = &vitals.Checkpoints{Completed: 5, Last: 42 * time.Second}
	s.pass(d.interval)
	d.sample()
	assert.Equal(t, []string{"bad Checkpoint duration: 42 s", "warn 3 % of the records are dead letters"}, titles(d))
	s.v.Checkpoints = &vitals.Checkpoints{Completed: 6, Failed: 2, Last: 12 * time.Second}
	s.pass(d.interval)
	d.sample()
	assert.Equal(t, []string{"warn Checkpoint duration: 12 s", "warn 3 % of the records are dead letters", "warn 2 checkpoints failed"}, titles(d))
	s.v.Checkpoints, s.v.State = &vitals.Checkpoints{}, nil
	s.pass(d.interval)
	d.sample()
	assert.Equal(t, unknown, grades(d)["checkpoint"])
	s.v.Commit.Observe(12*time.Second, 1) // of a table without a log
	s.pass(d.interval)
	d.sample()
	assert.Equal(t, warn, grades(d)["checkpoint"])
}

func TestNothingIsKnownYet(t *testing.T) {
	d := told(&story{v: vitals.Vitals{At: dawn, Rejects: map[click.Reason]int64{}}}, 1)
	assert.Empty(t, titles(d))
	assert.Equal(t, map[string]grade{"lag": unknown, "latency": unknown, "throughput": unknown, "checkpoint": unknown}, grades(d))
}

func TestFiguresThatGrowOld(t *testing.T) {
	s := newStory(12)
	d := told(s, 5)
	for range 14 {
		d.sample()
	}
	assert.Empty(t, titles(d))
	d.sample()
	assert.Equal(t, []string{"bad The figures are old"}, titles(d))
	s.pass(d.interval)
	d.sample()
	assert.Empty(t, titles(d))
}

func TestWorstPartitions(t *testing.T) {
	v := newStory(1000).v
	v.Partitions[500].Lag = 10
	v.Partitions[700].Watermark = dawn.Add(-time.Hour)
	v.Partitions[800].Watermark, v.Partitions[800].Idle = dawn.Add(-2*time.Hour), true
	p := newPartitions(&v)
	require.Len(t, p.Shown, mostLines)
	assert.Equal(t, 1000, p.Count)
	assert.Equal(t, 1, p.Idle)
	var numbers []int32
	for _, one := range p.Shown {
		numbers = append(numbers, one.Number)
	}
	assert.Contains(t, numbers, int32(500))
	assert.Contains(t, numbers, int32(700))
	assert.NotContains(t, numbers, int32(800), "it is idle")
}
