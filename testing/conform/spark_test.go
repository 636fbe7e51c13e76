package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/testing/kafkatest"
)

// TestSparkSumsUp counts a topic by many small runs on Spark, each after some more was written; by one large run; and by
// one that never ends. All come to the same table.
func TestSparkSumsUp(t *testing.T) {
	kafkatest.Named(t, sparkVar, howToRunners)
	s := newSuite(t)
	on, err := runnersOf([]string{"spark", "prism"}, runner{})
	require.NoError(t, err)
	spark, prism := on[0], on[1]
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	g := &golden{
		name: "sums", format: "json", window: time.Minute, lateness: 2 * time.Minute, delay: 10 * time.Second,
		idle: time.Second, skew: time.Minute, shards: 2, partitions: 3,
	}
	topic, err := s.newTopic(ctx, "clickstream-conform-sums-"+strconv.FormatInt(time.Now().UnixNano(), 10), g)
	require.NoError(t, err)
	defer func() { assert.NoError(t, topic.remove(context.WithoutCancel(ctx))) }()
	of := func(table string, r runner) *play {
		return &play{suite: s, golden: g, runner: r, dir: t.TempDir(), table: filepath.Join(t.TempDir(), table), topic: topic}
	}

	small := of("small", spark)
	at := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	for batch := range 5 {
		var records []record
		for i := range 300 {
			at = at.Add(700 * time.Millisecond)
			r := record{partition: int32(i % 3), time: at, schema: 1, page: fmt.Sprintf("/%d", i%7), at: at.Add(-time.Duration(i%9) * time.Second)}
			if i%50 == batch {
				r.kind, r.reason = "trailing_bytes", kinds["trailing_bytes"]
			}
			records = append(records, r)
		}
		require.NoError(t, topic.write(ctx, records))
		require.NoError(t, small.complete(ctx, false), "run %d", batch)
		require.NoError(t, small.judge(ctx), "run %d", batch)
	}
	large, stream := of("large", spark), of("stream", prism)
	require.NoError(t, large.complete(ctx, false))
	require.NoError(t, stream.complete(ctx, true))
	want, err := small.rows(ctx)
	require.NoError(t, err)
	require.NotEmpty(t, want)
	for _, p := range []*play{large, stream} {
		require.NoError(t, p.judge(ctx), p.table)
		got, err := p.rows(ctx)
		require.NoError(t, err)
		assert.Equal(t, want, got, p.table)
	}
}
