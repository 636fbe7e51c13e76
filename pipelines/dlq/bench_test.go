package dlq_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/pipelines/dlq"
	"clickstream/pipelines/settings"
	"clickstream/transforms/click"
	"clickstream/transforms/deadletter"
)

// million is the dead letters that are listed and replayed: of a thousand pages, from 12 partitions, in 12 partitions.
const million = 1_000_000

// benchLetters makes a topic, and a dead letter topic with so many dead letters of it, on the broker that
// CLICKSTREAM_TEST_KAFKA names: a broker in this process would be measured with the program.
func benchLetters(b *testing.B, count int) (connection settings.Kafka, topic, letters string) {
	b.Helper()
	brokers := os.Getenv("CLICKSTREAM_TEST_KAFKA")
	require.NotEmpty(b, brokers, "CLICKSTREAM_TEST_KAFKA names no broker; scripts/components/up starts one")
	const partitions = 12
	topic = fmt.Sprintf("bench-replay-%d", time.Now().UnixNano())
	letters = topic + "-dlq"
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.ZstdCompression()), kgo.MaxBufferedRecords(100_000))
	require.NoError(b, err)
	b.Cleanup(client.Close)
	adm := kadm.NewClient(client)
	made, err := adm.CreateTopics(b.Context(), partitions, 1, nil, topic, letters)
	require.NoError(b, err)
	require.NoError(b, made.Error())
	b.Cleanup(func() {
		_, err := adm.DeleteTopics(context.Background(), topic, letters)
		require.NoError(b, err)
	})
	for i := range count {
		p, offset := int32(i%partitions), int64(i/partitions)
		value := fmt.Appendf(nil, `{"event_id":"%016x","user_id":"user-%d","page_url":"https://shop.example/product/%d","timestamp":1772366400000,"session_id":null}`, i*7919, i%5000, i%1000)
		client.Produce(b.Context(), &kgo.Record{Topic: topic, Partition: p, Value: value}, nil)
		rec := deadletter.Record(click.Reject{
			Fault: click.Fault{Reason: click.Reasons[i%3], Detail: "session_id is not what it was"}, Stage: "decode",
			Topic: topic, Partition: p, Offset: offset, Timestamp: 1772366400000, Key: fmt.Appendf(nil, "user-%d", i%5000), Value: value,
		}, "bench")
		rec.Topic, rec.Partition = letters, int32(i*31%partitions)
		client.Produce(b.Context(), rec, func(_ *kgo.Record, err error) { require.NoError(b, err) })
	}
	require.NoError(b, client.Flush(b.Context()))
	return settings.Kafka{Brokers: strings.Split(brokers, ","), RetryTimeout: 30 * time.Second}, topic, letters
}

// BenchmarkList lists a million dead letters by reason.
func BenchmarkList(b *testing.B) {
	connection, _, letters := benchLetters(b, million)
	for b.Loop() {
		listed, err := dlq.List(b.Context(), &settings.DLQList{Letters: settings.Letters{DeadLetterTopic: letters}, By: "reason", Kafka: connection}, nil)
		require.NoError(b, err)
		require.EqualValues(b, million, listed.Total.Records)
	}
	b.ReportMetric(million*float64(b.N)/b.Elapsed().Seconds(), "letters/s")
}

// BenchmarkReplay replays a million dead letters.
func BenchmarkReplay(b *testing.B) {
	var replaying time.Duration
	for range b.N {
		b.StopTimer()
		connection, topic, letters := benchLetters(b, million)
		b.StartTimer()
		begun := time.Now()
		done, err := dlq.Replay(b.Context(), &settings.DLQReplay{
			Audit: settings.Audit{Topic: topic, Kafka: connection}, Letters: settings.Letters{DeadLetterTopic: letters}, MaxAttempts: 3,
		}, nil)
		replaying += time.Since(begun)
		require.NoError(b, err)
		require.EqualValues(b, million, done.Replayed)
	}
	b.ReportMetric(million*float64(b.N)/replaying.Seconds(), "records/s")
}
