package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/table"
	"clickstream/pipelines/settings"
	"clickstream/transforms/click"
	"clickstream/transforms/decode"
)

// within10 is what a table tells of a window that was counted from offsets 10 to 19 of partition 3.
func within10() *table.Info {
	return &table.Info{Offsets: map[int32]click.OffsetRange{3: {First: 10, Next: 20}}}
}

func TestPlace(t *testing.T) {
	w := &window{shards: []*table.Info{within10()}}
	for offset, want := range map[int64]place{9: outside, 10: within, 19: within, 20: outside} {
		assert.Equal(t, want, w.place("/", 3, offset), offset)
	}
	assert.Equal(t, outside, w.place("/", 4, 15), "of another partition")
	w.shards[0].Consumed = map[int32]int64{3: 5}
	assert.Equal(t, rebuilt, w.place("/", 3, 15))
	w.shards[0] = &table.Info{}
	assert.Equal(t, unknown, w.place("/", 3, 15))
	w.shards[0] = nil
	assert.Equal(t, outside, w.place("/", 3, 15))
	assert.Equal(t, outside, new(window).place("/", 3, 15), "there is no such window")

	// "/" is of shard 2 of 4: see click.ShardOf.
	w.shards = []*table.Info{nil, nil, within10(), {}}
	assert.Equal(t, within, w.place("/", 3, 15))
}

func TestComplete(t *testing.T) {
	w := &window{shards: []*table.Info{within10(), nil}}
	assert.False(t, w.complete([]partition{{id: 3, next: 19, end: 50}}))
	assert.True(t, w.complete([]partition{{id: 3, next: 20, end: 50}, {id: 4, next: 0, end: 50}}))
	w.shards[1] = &table.Info{}
	assert.False(t, w.complete([]partition{{id: 3, next: 50, end: 50}}), "nobody knows")
}

func TestCompareRows(t *testing.T) {
	w := &window{start: 60_000}
	w.want.add("/b", 2)
	w.want.add("/a", 1)
	w.want.add("/d", 4)
	w.perhaps.add("/b", 2)
	row := func(page string, n int64) click.PageView { return click.PageView{PageURL: page, ViewCount: n} }
	diff := func(page string, topic, table int64, note string) Difference {
		return Difference{WindowStart: instant(60_000), PageURL: page, Topic: topic, Table: table, Note: note}
	}

	o := w.compare([]click.PageView{row("/a", 1), row("/b", 3), row("/d", 4)})
	assert.Equal(t, outcome{rows: 3, views: 8, perhaps: 1}, o)
	o = w.compare([]click.PageView{row("/b", 5), row("/c", 7), row("/d", 2), row("/d", 2)})
	assert.Equal(t, []Difference{diff("/a", 1, 0, ""), diff("/b", 2, 5, ""), diff("/c", 0, 7, ""), diff("/d", 4, 4, "the row is there twice")}, o.diffs)

	w.gone = true
	o = w.compare([]click.PageView{row("/a", 1), row("/b", 1), row("/c", 7), row("/d", 9)})
	assert.Equal(t, []Difference{diff("/b", 2, 1, "")}, o.diffs, "no less than what is left is wanted")
}

func TestCompareTop(t *testing.T) {
	w := &window{start: 60_000, steps: click.Steps{Top: 2}}
	for page, n := range map[string]int64{"/a": 2, "/b": 3, "/c": 2} {
		w.want.add(page, n)
	}
	row := func(page string, n int64) click.PageView { return click.PageView{PageURL: page, ViewCount: n} }
	differ := func(rows ...click.PageView) (pages []string) {
		for _, d := range w.compare(rows).diffs {
			pages = append(pages, d.PageURL)
		}
		return pages
	}
	assert.Empty(t, differ(row("/a", 2), row("/b", 3)))
	assert.Equal(t, []string{"/a"}, differ(row("/b", 3), row("/c", 2)), "it goes before /c")
	assert.Equal(t, []string{"/a", "/b"}, differ(row("/c", 2)), "there is room for it")
	assert.Equal(t, []string{"/c"}, differ(row("/a", 2), row("/b", 3), row("/c", 2)), "one too many")
	w.perhaps.add("/c", 1)
	assert.Empty(t, differ(row("/b", 3), row("/c", 3)), "one that has a dead letter may count")
}

// BenchmarkTake accounts for clicks of a thousand pages, in memory: what an audit costs beside fetching.
func BenchmarkTake(b *testing.B) {
	const n = 10_000
	for _, format := range []string{"avro", "json"} {
		b.Run(format, func(b *testing.B) {
			v := inMemory(format)
			chunk := make([]*kgo.Record, n)
			for i := range chunk {
				at := time.UnixMilli(1_790_000_000_000 + int64(i)*6)
				chunk[i] = &kgo.Record{Offset: int64(i), Timestamp: at, Value: value(b, format, fmt.Sprint("https://shop.example/products/", i*i%1000), at)}
			}
			info := &table.Info{Offsets: map[int32]click.OffsetRange{0: {First: 0, Next: math.MaxInt64}}}
			for at := chunk[0].Timestamp.UnixMilli() / 60_000 * 60_000; at <= chunk[n-1].Timestamp.UnixMilli(); at += 60_000 {
				v.window(at).shards = []*table.Info{info}
			}
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, v.take(b.Context(), 0, chunk))
			}
			require.Equal(b, v.report.Records, v.report.Offsets.Counted)
			b.ReportMetric(float64(v.report.Records)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// inMemory returns a verification of one partition, without a topic.
func inMemory(format string) *verification {
	s := &source{Audit: &settings.Audit{ClockSkew: time.Minute}, of: table.Metadata{Window: time.Minute, Shards: 1}, partitions: []partition{{end: math.MaxInt64}}}
	v := &verification{
		source: s, rules: s.rules(), windows: map[int64]*window{}, consumed: map[int32]int64{},
		letters: &letters{late: make([]offsets, 1), other: make([]offsets, 1)}, report: newReport(&settings.TableVerify{Audit: *s.Audit}, s, table.Span{}),
	}
	if format == "avro" {
		v.rules.decoder = decode.NewAvro(oneSchema{})
	}
	return v
}

// oneSchema is a registry of the click's schema alone.
type oneSchema struct{}

func (oneSchema) Schema(context.Context, int, time.Time) (string, error) { return click.Schema, nil }

func value(b *testing.B, format, page string, at time.Time) []byte {
	b.Helper()
	event := map[string]any{
		"event_id": "4f2c7f0e-5a1d-4a52-8f6e-0b9a3c7d1e2f", "user_id": "user-1234", "page_url": page, "timestamp": at.UnixMilli(), "session_id": nil,
	}
	if format == "json" {
		text, err := json.Marshal(event)
		require.NoError(b, err)
		return text
	}
	codec, err := goavro.NewCodec(click.Schema)
	require.NoError(b, err)
	avro, err := codec.BinaryFromNative([]byte{0, 0, 0, 0, 1}, event)
	require.NoError(b, err)
	return avro
}
