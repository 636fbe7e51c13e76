package monitor

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"clickstream/pipelines/vitals"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// well is a pipeline that does its work, at noon.
func well() vitals.Vitals {
	return vitals.Vitals{
		At: noon, Topic: "clicks", Group: "counter", Table: "./views", Window: time.Minute,
		Parts: []vitals.Part{{Name: "kafka", Up: true}, {Name: "dead_letters", Fault: "nobody waits for these"}, {Name: "table", Up: true}},
		Partitions: []vitals.Partition{
			{Number: 0, End: 100, Committed: 90, Lag: 10, Watermark: noon.Add(-15 * time.Second)},
			{Number: 1, End: 7, Committed: 7, Watermark: noon.Add(-time.Hour), Idle: true},
		},
		State: &vitals.TableState{LastCommit: noon.Add(-time.Minute)},
	}
}

func TestReady(t *testing.T) {
	const hour = time.Hour
	for name, c := range map[string]struct {
		change func(v *vitals.Vitals)
		stood  time.Duration // of the watermark
		behind time.Duration
		why    []string
	}{
		"all is well": {func(*vitals.Vitals) {}, time.Second, hour, nil},
		"Kafka is down": {func(v *vitals.Vitals) { v.Parts[0] = vitals.Part{Name: "kafka", Fault: "no answer in time"} }, 0, hour,
			[]string{"kafka: no answer in time"}},
		"nothing is known": {func(v *vitals.Vitals) { v.Partitions = nil }, 0, 0,
			[]string{"nothing is known of the partitions of topic clicks yet"}},
		"a partition is nobody's": {func(v *vitals.Vitals) { v.Partitions[1].Committed = -1 }, 0, hour,
			[]string{"group counter has no offset of 1 of 2 partitions of topic clicks, partition 1 among them: has a run begun to read them?"}},
		"the table is out of reach": {func(v *vitals.Vitals) { v.Parts[2] = vitals.Part{Name: "table", Fault: "access denied"} }, 0, hour,
			[]string{"table: access denied"}},
		"the watermark stands": {func(*vitals.Vitals) {}, 5 * time.Minute, hour,
			[]string{"the watermark has stood at 2026-03-01T11:59:45Z for 5m0s, and there are records to read"}},
		"the watermark stands, as nothing comes":          {func(*vitals.Vitals) {}, 5 * time.Minute, 0, nil},
		"the watermark stands, as nothing came until now": {func(*vitals.Vitals) {}, 5 * time.Minute, time.Minute, nil},
		"the run has ended when all was idle, and nobody goes on": {func(v *vitals.Vitals) { v.Partitions[0].Idle = true }, 5 * time.Minute, hour,
			[]string{"the watermark has stood at 2026-03-01T11:59:45Z for 5m0s, and there are records to read"}},
		"the watermark is somebody's secret": {func(v *vitals.Vitals) { v.Partitions[0].Watermark = time.Time{} }, 5 * time.Minute, hour,
			[]string{"nothing was read for 5m0s, and there are records to read"}},
		"the last commit is old": {func(v *vitals.Vitals) { v.State.LastCommit = noon.Add(-5 * time.Minute) }, 0, hour,
			[]string{"the last commit of table ./views was at 2026-03-01T11:55:00Z, more than 4m0s ago, and there are records to read"}},
		"the last commit is old, of windows of an hour": {func(v *vitals.Vitals) { v.State.LastCommit, v.Window = noon.Add(-2*time.Hour), time.Hour }, 0, 24 * hour, nil},
		"the last commit is old, as nothing comes":      {func(v *vitals.Vitals) { v.State.LastCommit = noon.Add(-time.Hour) }, 0, 0, nil},
		"there is no table yet":                         {func(v *vitals.Vitals) { v.State = nil }, 0, hour, []string{"nothing was committed to table ./views yet, and there are records to read"}},
		"there is none, and need not":                   {func(v *vitals.Vitals) { v.State, v.Table = nil, "" }, 0, hour, nil},
	} {
		t.Run(name, func(t *testing.T) {
			v := well()
			c.change(&v)
			m := march{moved: noon.Add(-c.stood)}
			if c.behind > 0 {
				m.behind = noon.Add(-c.behind)
			}
			assert.Equal(t, c.why, notReady(&v, m))
		})
	}
}

func TestTheWatermarkMoves(t *testing.T) {
	var m march
	v := well()
	m.take(&v)
	assert.Equal(t, noon, m.moved, "it is given time from the start")
	v.At = noon.Add(time.Minute)
	m.take(&v)
	assert.Equal(t, noon, m.moved)
	v.Partitions[0].Watermark = v.Partitions[0].Watermark.Add(time.Second)
	m.take(&v)
	assert.Equal(t, noon.Add(time.Minute), m.moved)
	v.At = noon.Add(2 * time.Minute)
	v.Partitions[0].Watermark = noon.Add(-time.Hour)
	m.take(&v)
	assert.Equal(t, noon.Add(time.Minute), m.moved, "back is no way forward")
}

func TestSinceWhenThereIsSomethingToRead(t *testing.T) {
	var m march
	v := well()
	m.take(&v)
	assert.Equal(t, noon, m.behind)
	v.At = noon.Add(time.Minute)
	m.take(&v)
	assert.Equal(t, noon, m.behind)
	v.Partitions[0].Lag = 0
	m.take(&v)
	assert.True(t, m.behind.IsZero())
	v.Partitions[0].Lag = 1
	m.take(&v)
	assert.Equal(t, noon.Add(time.Minute), m.behind)
}
