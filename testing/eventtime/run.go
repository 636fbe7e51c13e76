package eventtime

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/io/table"
	"clickstream/pipelines/launch"
	"clickstream/transforms/click"
	"clickstream/transforms/count"
	"clickstream/transforms/read"
	"clickstream/transforms/store"
)

const topic = "script"

// Run plays the script, and checks all that it says is to be seen.
//
// The reader's part, up to batches and watermarks, runs first, by the script's clock. Its bundles are then played
// to Beam, on Prism, by a splittable DoFn that ends a bundle and reports a watermark as the reader does.
func Run(t *testing.T, s *Script) {
	t.Helper()
	r := &reading{t: t, script: s, behind: map[int]bool{}, ended: map[int]bool{}, rejected: map[click.Reason]int{}}
	r.run()

	story := &story{bundles: r.bundles, window: s.Window}
	stories.Store(t.Name(), story)
	dir := t.TempDir()
	p, scope := beam.NewPipelineWithRoot()
	batches := beam.ParDo(scope, &playFn{Story: t.Name()}, beam.Impulse(scope))
	counts := count.PerPage(scope, count.Config{Window: s.Window, AllowedLateness: s.Lateness, Shards: s.Shards}, batches)
	beam.ParDo0(scope, &fireFn{Story: t.Name()}, counts)
	launch.Outlet(scope, launch.Prism{}, store.Windows(scope, store.Config{Pipeline: t.Name(), Table: table.Settings{
		Path: dir, Format: table.Parquet, Topic: topic, Window: s.Window, Shards: s.Shards, Version: "test",
	}}, counts))
	require.NoError(t, launch.Prism{}.Run(t.Context(), "event-time", p))

	for _, fault := range story.faults {
		assert.Fail(t, fault)
	}
	if r.final != nil {
		assert.Equal(t, rows(r.final), rows(story.table()), "the table when all has ended")
	}
	assert.Equal(t, rows(story.table()), rows(stored(t, dir)), "what fired last is what the files hold")
}

// reading plays the reader's part.
type reading struct {
	t         *testing.T
	script    *Script
	now       time.Time
	watermark *kafka.Watermark
	decoder   *read.Decoder
	offsets   []int64
	behind    map[int]bool
	ended     map[int]bool
	rejected  map[click.Reason]int

	pending []click.Batch
	bundles []bundle
	final   []Row
}

func (r *reading) run() {
	s := r.script
	decoder, err := read.NewDecoder(read.DecodeSettings{Format: "json", ClockSkew: s.Skew, Window: s.Window, AllowedLateness: s.Lateness})
	require.NoError(r.t, err)
	r.decoder, r.offsets = decoder, make([]int64, s.Partitions)
	for _, step := range s.Steps {
		r.step(step)
	}
	require.Empty(r.t, r.pending, "the script ends within a bundle: say which watermark it reports")
}

func (r *reading) step(step Step) {
	if r.watermark == nil && step.At == nil {
		require.Fail(r.t, "a script begins with the time", "line %d", step.Line)
	}
	switch {
	case step.At != nil:
		r.now = *step.At
		if r.watermark == nil {
			r.watermark = kafka.NewWatermark(r.script.Partitions, r.script.Delay, r.script.Idle, kafka.NoTime, r.now)
		}
	case step.Read != nil:
		r.read(*step.Read)
	case step.Behind != nil:
		r.behind[*step.Behind] = true
	case step.Reached != nil:
		delete(r.behind, *step.Reached)
	case step.End != nil:
		r.watermark.End(*step.End)
	case step.Watermark != nil:
		r.bundle(step)
	case step.Table != nil:
		last := &r.bundles[len(r.bundles)-1]
		last.line, last.table = step.Line, step.Table
	case step.Finally != nil:
		r.final = step.Finally
	case step.Rejected != nil:
		assert.Equal(r.t, step.Rejected.N, r.rejected[step.Rejected.Reason], "rejected as %s, line %d: in all %v", step.Rejected.Reason, step.Line, r.rejected)
	}
}

func (r *reading) read(what Read) {
	p := what.Partition
	c := kafka.Chunk{Index: p, Partition: int32(p), First: r.offsets[p]}
	for _, k := range what.Clicks {
		value, err := json.Marshal(map[string]any{"event_id": "e", "user_id": "u", "page_url": k.Page, "timestamp": k.Time.UnixMilli()})
		require.NoError(r.t, err)
		for range k.N {
			c.Records = append(c.Records, &kgo.Record{Partition: c.Partition, Offset: r.offsets[p], Timestamp: r.now, Value: value})
			r.offsets[p]++
		}
	}
	c.Next = r.offsets[p]
	b, err := r.decoder.Chunk(r.t.Context(), topic, c, r.now, r.watermark, func(x click.Reject) { r.rejected[x.Fault.Reason]++ })
	require.NoError(r.t, err)
	b.Pages, b.Times, b.Written = slices.Clone(b.Pages), slices.Clone(b.Times), slices.Clone(b.Written)
	b.Own()
	r.pending = append(r.pending, b)
}

// bundle ends a bundle as the reader does: it asks about silent partitions and moves the watermark.
func (r *reading) bundle(step Step) {
	for _, i := range r.watermark.Silent(r.now) {
		if !r.behind[i] {
			r.watermark.CaughtUp(i, r.now)
		}
	}
	got := r.watermark.Advance(r.now)
	want := kafka.NoTime
	if !step.Watermark.IsZero() {
		want = step.Watermark.UnixMilli()
	}
	assert.Equal(r.t, clock(want), clock(got), "watermark, line %d", step.Line)
	r.bundles = append(r.bundles, bundle{batches: r.pending, watermark: got})
	r.pending = nil
}

func clock(millis int64) string {
	if millis == kafka.NoTime {
		return "none"
	}
	return time.UnixMilli(millis).UTC().Format("2006-01-02T15:04:05.000")
}

// stored returns what the files hold.
func stored(t *testing.T, dir string) []Row {
	t.Helper()
	var held []Row
	view, err := table.View(t.Context(), dir)
	require.NoError(t, err)
	for v, err := range view.Scan(t.Context(), table.Filter{}) {
		require.NoError(t, err)
		held = append(held, Row{v.WindowStart, v.PageURL, v.ViewCount})
	}
	return held
}

// rows returns rows as text, in order, to be compared and shown.
func rows(all []Row) string {
	lines := make([]string, 0, len(all))
	for _, r := range all {
		lines = append(lines, fmt.Sprintf("%s %s %d\n", r.Window.UTC().Format("2006-01-02T15:04"), r.Page, r.Views))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
