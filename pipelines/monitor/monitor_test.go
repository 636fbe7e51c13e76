package monitor

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"clickstream/io/kafka"
	"clickstream/io/table"
	"clickstream/pipelines/vitals"
	"clickstream/testing/kafkatest"
	"clickstream/transforms/click"
	"clickstream/transforms/progress"
)

// TestMain finds out what goes on after all was stopped.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// eventually waits until what the monitor tells fits.
func eventually(t *testing.T, m *Monitor, fits func(t require.TestingT, v vitals.Vitals)) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) { fits(c, m.Vitals()) }, time.Minute, 10*time.Millisecond)
}

// run runs a monitor until the test ends.
func run(t *testing.T, cfg Config) *Monitor {
	t.Helper()
	m, err := New(cfg)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return m
}

// TestMonitorWatchesAllOfIt begins before there is anything but the topic.
func TestMonitorWatchesAllOfIt(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		l := newLagging(t, c, 2)
		ctx := t.Context()
		require.NoError(t, l.read(ctx, 0, 0, "watermark=2026-03-01T12:00:00.000Z"))
		cfg := l.config()
		cfg.DeadLetterTopic, cfg.Table = c.Name(t), t.TempDir()+"/views"
		c.RemoveTopic(t, cfg.DeadLetterTopic)
		m := run(t, cfg)
		eventually(t, m, func(t require.TestingT, v vitals.Vitals) {
			require.Equal(t, []vitals.Part{{Name: "kafka", Up: true}, {Name: "dead_letters", Up: true}, {Name: "table", Up: true}}, v.Parts)
		})
		assert.Equal(t, []string{"group " + l.group + " has no offset of 1 of 2 partitions of topic " + l.topic + ", partition 1 among them: has a run begun to read them?"}, m.Ready())

		require.NoError(t, l.read(ctx, 1, 0, ""))
		require.NoError(t, l.write(ctx, 0, 40))
		start := time.Now().UTC().Truncate(time.Minute).Add(-time.Minute)
		store(t, views(t, cfg.Table), start, 25)
		require.NoError(t, l.read(ctx, 0, 25, "watermark="+start.Format("2006-01-02T15:04:05.000Z")))
		c.MakeTopic(t, cfg.DeadLetterTopic, 1)
		bad := letter(l.topic, click.JSON, 0)
		bad.Headers = append([]kgo.RecordHeader(nil), bad.Headers...)
		c.Produce(t, cfg.DeadLetterTopic, bad)
		eventually(t, m, func(t require.TestingT, v vitals.Vitals) {
			require.Equal(t, map[click.Reason]int64{click.JSON: 1}, v.Rejects)
			lag, _ := v.Lag()
			require.EqualValues(t, 15, lag)
			require.EqualValues(t, 25, v.Counters.Read)
			require.EqualValues(t, 25, v.Counters.Counted)
			require.EqualValues(t, 25, v.Latency.Count())
			require.Equal(t, start, v.Partitions[0].Watermark)
			require.Equal(t, time.Minute, v.Window)
			require.NotNil(t, v.State)
		})
		assert.Empty(t, m.Ready())
		assert.NoError(t, m.Alive())
	})
}

// TestASourceThatIsDownHoldsNoOtherUp takes the broker away, and gives another one in its place.
func TestASourceThatIsDownHoldsNoOtherUp(t *testing.T) {
	c := kafkatest.StartEmbedded(t)
	l := newLagging(t, c, 1)
	require.NoError(t, l.read(t.Context(), 0, 0, ""))
	require.NoError(t, l.write(t.Context(), 0, 5))
	cfg := l.config()
	cfg.DeadLetterTopic, cfg.Table = "letters", t.TempDir()+"/views"
	cfg.Connection.RetryTimeout = time.Second
	m := run(t, cfg)
	eventually(t, m, func(t require.TestingT, v vitals.Vitals) {
		lag, _ := v.Lag()
		require.EqualValues(t, 5, lag)
	})
	c.Fakes.Broker.Close()
	eventually(t, m, func(t require.TestingT, v vitals.Vitals) {
		require.False(t, v.Parts[0].Up)
		require.False(t, v.Parts[1].Up)
		require.Contains(t, v.Parts[0].Fault, "cannot reach Kafka at "+c.Brokers[0])
		require.NotContains(t, v.Parts[0].Fault, "\n")
		lag, known := v.Lag()
		require.True(t, known)
		require.EqualValues(t, 5, lag, "what was known stays")
	})
	store(t, views(t, cfg.Table), time.Now().UTC().Truncate(time.Minute), 3)
	eventually(t, m, func(t require.TestingT, v vitals.Vitals) {
		require.True(t, v.Parts[2].Up)
		require.EqualValues(t, 3, v.Counters.Counted)
	})
	assert.NotEmpty(t, m.Ready())
	assert.NoError(t, m.Alive(), "it lives, and says so")
}

func TestOnce(t *testing.T) {
	t.Run("all answers", func(t *testing.T) {
		kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
			l := newLagging(t, c, 1)
			require.NoError(t, l.read(t.Context(), 0, 0, ""))
			require.NoError(t, l.write(t.Context(), 0, 5))
			cfg := l.config()
			cfg.DeadLetterTopic, cfg.Table = c.Topic(t, 1), t.TempDir()
			m, err := New(cfg)
			require.NoError(t, err)
			require.NoError(t, m.Once(t.Context()))
			v := m.Vitals()
			lag, _ := v.Lag()
			assert.EqualValues(t, 5, lag)
		})
	})
	t.Run("nothing does", func(t *testing.T) {
		m, err := New(Config{
			Connection: kafka.Connection{Brokers: []string{"127.0.0.1:1"}, RetryTimeout: time.Second},
			Topic:      "clicks", Group: "counter", DeadLetterTopic: "letters", FlinkREST: "http://user:s3cret@127.0.0.1:1",
		})
		require.NoError(t, err)
		defer http.DefaultClient.CloseIdleConnections()
		err = m.Once(t.Context())
		require.ErrorContains(t, err, "cannot reach Kafka at 127.0.0.1:1")
		require.ErrorContains(t, err, "ask Flink")
		assert.NotContains(t, err.Error(), "s3cret")
	})
	t.Run("it is ended", func(t *testing.T) {
		m, err := New(Config{Connection: kafka.Connection{Brokers: []string{"127.0.0.1:1"}}, Topic: "clicks", Group: "counter"})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, m.Once(ctx), context.Canceled)
	})
}

// TestThePipelineItself takes what the steps tell that run in this process for what they leave behind.
func TestThePipelineItself(t *testing.T) {
	c := kafkatest.StartEmbedded(t)
	l := newLagging(t, c, 2)
	require.NoError(t, l.write(t.Context(), 0, 50))
	require.NoError(t, l.read(t.Context(), 0, 10, "watermark=2026-03-01T12:00:00.000Z"))
	cfg := l.config()
	cfg.DeadLetterTopic, cfg.Table, cfg.Window = "letters", t.TempDir()+"/views", 10*time.Second
	cfg.Process = progress.Of(t.Name())
	defer progress.Forget(t.Name())
	m := run(t, cfg)
	p := cfg.Process
	p.Read(40, &click.Batch{Pages: make([]string, 30), Skipped: 4, Deferred: 1})
	p.Rejected(click.TooLate)
	p.Bundle(300 * time.Millisecond)
	p.Wrote(table.Commit{Written: 1, Took: 2 * time.Second})
	p.Failed()
	var left click.Durations
	left.Observe(90*time.Millisecond, 30)
	p.Left(left)
	p.Partitions(map[int32]progress.At{0: {Watermark: noon}, 1: {Idle: true}, 7: {Watermark: noon}})
	eventually(t, m, func(t require.TestingT, v vitals.Vitals) {
		require.Equal(t, []vitals.Part{{Name: "kafka", Up: true}, {Name: "table", Up: true}, {Name: "process", Up: true}}, v.Parts)
		require.Len(t, v.Partitions, 2)
		require.EqualValues(t, 40, v.Partitions[0].Lag, "the group's")
		require.Equal(t, noon, v.Partitions[0].Watermark)
		require.True(t, v.Partitions[1].Idle)
	})
	v := m.Vitals()
	assert.Equal(t, vitals.Counters{Read: 40, Counted: 30, Skipped: 4, Deferred: 1, Commits: 1}, v.Counters)
	assert.Equal(t, &vitals.Checkpoints{Completed: 1, Failed: 1, Last: 2 * time.Second}, v.Checkpoints, "there is no Flink")
	assert.Equal(t, map[click.Reason]int64{click.TooLate: 1}, v.Rejects)
	assert.Equal(t, left, v.Latency)
	assert.EqualValues(t, 1, v.Bundle.Count())
	assert.Equal(t, 10*time.Second, v.Window, "there is no table that tells it yet")
}

func TestMonitorWantsToKnowWhatToWatch(t *testing.T) {
	_, err := New(Config{Connection: kafka.Connection{Brokers: []string{"127.0.0.1:1"}}, Topic: "clicks"})
	require.Error(t, err)
	_, err = New(Config{Topic: "clicks", Group: "counter"})
	require.ErrorContains(t, err, "no Kafka broker is named")
}
