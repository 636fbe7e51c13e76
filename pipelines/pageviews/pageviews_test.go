package pageviews_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/testing/kafkatest"
)

// noon is where the event times of these tests start.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// TestCountsAreExact holds the table and the dead letters of random topics against the oracle.
func TestCountsAreExact(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"avro", "json"} {
		t.Run(format, func(t *testing.T) {
			kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
				for seed := range uint64(5) {
					t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
						t.Parallel()
						random := &random{Rand: rand.New(rand.NewPCG(seed, uint64(len(format))))}
						j := random.job(t, c, format)
						random.fill(j)
						p := j.run()
						j.exact()
						assert.Equal(t, j.produced, p.Progress().Read)
						assert.Zero(t, p.Progress().Lag)
						assert.Zero(t, p.Progress().Rejected["too_late"], "no event was later than the watermark delay")
						assert.Less(t, j.produced/2, p.Progress().Counted)
					})
				}
			})
		})
	}
}

// random makes topics, the same for the same seed.
type random struct{ *rand.Rand }

func oneOf[T any](r *random, of ...T) T { return of[r.IntN(len(of))] }

func (r *random) job(t *testing.T, c *kafkatest.Cluster, format string) *job {
	shards, top, dedupe := oneOf(r, "1", "2", "7"), "0", ""
	if shards == "1" {
		top, dedupe = oneOf(r, "0", "1", "10"), oneOf(r, "", "event_id")
	}
	j := newJob(t, c, oneOf[int32](r, 1, 2, 5, 12), "--format", format, "--table-format", oneOf(r, "delta", "parquet"),
		"--shards", shards, "--top", top, "--dedupe", dedupe, "--window", oneOf(r, "1m", "10s", "1h"),
		"--allowed-lateness", oneOf(r, "0s", "5m"), "--watermark-delay", oneOf(r, "1s", "10s", "2m"))
	j.bundle = oneOf(r, 0, 2*time.Millisecond, 20*time.Millisecond)
	return j
}

// fill fills the job's topic: events of a partition ascend but for the watermark delay; some partitions are
// behind others, or empty; some records are no click; some were written in transactions, which were aborted
// or not.
func (r *random) fill(j *job) {
	partitions := len(j.prepare().Extent.Partitions)
	used := 1 + r.IntN(partitions)
	pages := oneOf(r, 1, 20, 3000)
	padding := oneOf(r, 0, 0, 8<<10) // so that a fetch does not bring all
	n := 500 + r.IntN(2000)
	span := j.settings.Window * time.Duration(1+r.IntN(1+20/j.settings.Shards))
	heads := make([]time.Time, used)
	for i := range heads {
		heads[i] = noon.Add(time.Duration(r.Int64N(int64(span))))
	}
	step := max(time.Millisecond, span*time.Duration(used)/time.Duration(n))
	id := func() string { return r.text(8) }
	if j.settings.Dedupe != "" {
		ids := n / oneOf(r, 1, 10)
		id = func() string { return fmt.Sprint(r.IntN(ids)) }
	}
	record := func() *kgo.Record {
		p := r.IntN(used)
		heads[p] = heads[p].Add(time.Duration(r.Int64N(int64(2 * step))))
		at := heads[p].Add(-time.Duration(r.Int64N(int64(j.settings.WatermarkDelay))))
		rec := &kgo.Record{
			Partition: int32(p), Timestamp: heads[p].Truncate(time.Millisecond), Key: fmt.Append(nil, r.IntN(100)),
			Value: j.value(event{id(), r.text(8 + padding), r.page(pages), at, r.text(r.IntN(20))}),
		}
		if r.IntN(20) == 0 {
			r.spoil(rec)
		}
		return rec
	}
	writer := j.cluster.Client(j.T, kgo.TransactionalID(j.settings.Topic), kgo.DefaultProduceTopic(j.settings.Topic))
	for n > 0 {
		batch := make([]*kgo.Record, 0, 400)
		for range 1 + r.IntN(min(n, 400)) {
			batch = append(batch, record())
		}
		n -= len(batch)
		switch r.IntN(5) {
		case 0:
			transact(j, writer, kgo.TryAbort, batch)
		case 1:
			transact(j, writer, kgo.TryCommit, batch)
			j.produced += int64(len(batch))
		default:
			j.produce(batch...)
		}
	}
}

func transact(j *job, writer *kgo.Client, end kgo.TransactionEndTry, records []*kgo.Record) {
	j.Helper()
	require.NoError(j, writer.BeginTransaction())
	require.NoError(j, writer.ProduceSync(j.Context(), records...).FirstErr())
	j.cluster.EndTransaction(j.T, writer, j.settings.Topic, end)
}

// spoil makes the record no click.
func (r *random) spoil(rec *kgo.Record) {
	switch r.IntN(5) {
	case 0:
		rec.Value = nil
	case 1:
		rec.Value = rec.Value[:r.IntN(len(rec.Value))]
	case 2:
		rec.Value = append(rec.Value, byte('a'+r.IntN(26)))
	case 3:
		rec.Timestamp = rec.Timestamp.Add(-time.Hour) // its event lies in its future
	case 4:
		rec.Value = []byte(r.text(r.IntN(40)))
	}
}

// noise is text that does not compress.
var noise = func() string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	b, random := make([]byte, 1<<20), rand.New(rand.NewPCG(1, 1))
	for i := range b {
		b[i] = letters[random.IntN(len(letters))]
	}
	return string(b)
}()

// text returns n characters, or one.
func (r *random) text(n int) string {
	at := r.IntN(len(noise) - n)
	return noise[at : at+max(n, 1)]
}

// page returns one of n pages, the first ones more often.
func (r *random) page(n int) string {
	i := int(float64(n) * r.Float64() * r.Float64())
	return fmt.Sprintf("/%d%s", i, strings.Repeat("/ü=%\n", i%3))
}
