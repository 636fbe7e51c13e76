package kafka_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"clickstream/io/kafka"
)

// TestRecordThatComesWhileATimeIsLookedUp has the first record of a partition come just when it was said that there
// is none: whoever starts from that time must read it.
func TestRecordThatComesWhileATimeIsLookedUp(t *testing.T) {
	b := broker(t)
	producer, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.DefaultProduceTopic("clicks")) // with its own connections
	require.NoError(t, err)
	defer producer.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
	require.NoError(t, err)
	defer client.Close()
	admin := kadm.NewClient(client)
	_, err = admin.CreateTopic(t.Context(), 1, 1, nil, "clicks")
	require.NoError(t, err)

	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var asked, came atomic.Bool
	b.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		switch of := req.(*kmsg.ListOffsetsRequest).Topics[0].Partitions[0].Timestamp; {
		case of >= 0:
			asked.Store(true)
		case asked.Load() && came.CompareAndSwap(false, true): // there was none of that time: so where is the end?
			b.SleepControl(func() {
				assert.NoError(t, producer.ProduceSync(t.Context(), &kgo.Record{Value: []byte("x"), Timestamp: noon.Add(time.Second)}).FirstErr())
			})
		}
		return nil, nil, false
	})
	e, err := kafka.Resolve(t.Context(), admin, "clicks", kafka.Instant{Time: noon}, kafka.Instant{Word: "never"})
	require.NoError(t, err)
	require.True(t, came.Load(), "the record came in between")
	assert.Equal(t, []int64{0}, e.Start)
}
