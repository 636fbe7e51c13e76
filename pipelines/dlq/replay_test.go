package dlq_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"clickstream/io/kafka"
	"clickstream/pipelines/dlq"
	"clickstream/pipelines/settings"
	"clickstream/testing/kafkatest"
	"clickstream/transforms/click"
	"clickstream/transforms/replay"
)

func TestReplayPutsBackWhatWas(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c, 2)
		letters := d.rejected(1, 3, click.JSON)
		bare := &kgo.Record{Topic: d.topic, Partition: 0}
		c.Produce(t, d.topic, bare)
		c.Produce(t, d.letters, d.letter(bare, click.BadMagic),
			&kgo.Record{Partition: 1, Value: []byte("hello")}, &kgo.Record{Partition: 1, Headers: letters[0].Headers[:2]})

		done := d.replay()
		assert.Equal(t, dlq.Foreign{Count: 2, First: []string{"1:3", "1:4"}}, done.Foreign)
		assert.EqualValues(t, 4, done.Read)
		assert.EqualValues(t, 4, done.Replayed)
		assert.Equal(t, map[click.Reason]int64{click.JSON: 3, click.BadMagic: 1}, done.Reasons)
		all := d.replayed()
		require.Len(t, all, 4)
		for i, letter := range letters {
			rec := all[settings.Place{Partition: 1, Offset: int64(i)}]
			assert.EqualValues(t, 1, rec.Partition)
			assert.Equal(t, string(letter.Key), string(rec.Key))
			assert.Equal(t, string(letter.Value), string(rec.Value))
			assert.Equal(t, letter.Headers[0], rec.Headers[0], "its own header")
			for _, h := range rec.Headers {
				assert.False(t, strings.HasPrefix(h.Key, "dlq."), h.Key)
			}
			o, ok := replay.Of(rec.Headers)
			require.True(t, ok)
			assert.Equal(t, replay.Origin{Topic: d.letters, Partition: 1, Offset: letter.Offset, SourcePartition: 1, SourceOffset: int64(i), Timestamp: o.Timestamp, Attempt: 1, Reason: click.JSON}, o)
			assert.WithinDuration(t, time.Now(), rec.Timestamp, time.Hour)
		}
		rec := all[settings.Place{}]
		assert.Nil(t, rec.Key)
		assert.Nil(t, rec.Value, "a tombstone is none without its null")

		done = d.replay()
		assert.Zero(t, done.Replayed)
		assert.Equal(t, dlq.Skipped{Replayed: 4}, done.Skipped)
		assert.Len(t, d.replayed(), 4)
	})
}

// TestReplayPassesByWhatCannotBe replays beside dead letters of offsets and partitions that the topic never had: somebody
// else has written them, as the topic is surely the one that the others are of.
func TestReplayPassesByWhatCannotBe(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c, 2)
		d.rejected(0, 3, click.JSON)
		far := d.letter(&kgo.Record{Topic: d.topic, Partition: 0, Offset: 1 << 40}, click.JSON)
		none := d.letter(&kgo.Record{Topic: d.topic, Partition: 77, Offset: 0}, click.JSON)
		none.Partition = 0
		c.Produce(t, d.letters, far, none)
		for _, flags := range [][]string{{"--dry-run"}, nil} {
			done := d.replay(flags...)
			assert.EqualValues(t, 3, done.Read)
			assert.EqualValues(t, 3, done.Replayed)
			assert.Equal(t, dlq.Foreign{Count: 2, First: []string{"0:3", "0:4"}}, done.Foreign)
			var text strings.Builder
			require.NoError(t, done.WriteText(&text))
			assert.Contains(t, text.String(), "2 records are no dead letter, and passed by: 0:3, 0:4\n")
		}
		assert.Len(t, d.replayed(), 3)
	})
}

// TestReplayByParts replays by filters that overlap, with copies between: each record once.
func TestReplayByParts(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c, 2)
		first := d.rejected(0, 10, click.JSON, click.UnknownSchema)
		var copies []*kgo.Record
		for _, l := range first[:4] {
			copies = append(copies, copyOf(l, 1))
		}
		c.Produce(t, d.letters, copies...)
		other := d.letter(&kgo.Record{Topic: "elsewhere", Partition: 7, Offset: 99}, click.JSON)
		other.Partition = 0
		c.Produce(t, d.letters, other)

		assert.EqualValues(t, 5, d.replay("--dry-run", "--reason", "json").Replayed)
		assert.Empty(t, d.replayed(), "a dry run changes nothing")
		done := d.replay("--partition", "0", "--offsets", "2-5")
		assert.EqualValues(t, 4, done.Replayed)
		assert.EqualValues(t, 1, done.Skipped.OtherTopic)
		assert.EqualValues(t, 6, done.Skipped.Unchosen)
		assert.EqualValues(t, 2, d.replay("--partition", "0", "--offsets", "0-3", "--source").Replayed)
		done = d.replay("--reason", "json,unknown_schema")
		assert.EqualValues(t, 4, done.Replayed)
		assert.EqualValues(t, 10, done.Skipped.Replayed, "with the copies")
		assert.Len(t, d.replayed(), 10)
		assert.Zero(t, d.replay().Replayed)
	})
}

// TestReplayCountsAttempts has records fail again and again.
func TestReplayCountsAttempts(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c, 1)
		d.rejected(0, 2, click.JSON)
		var done *dlq.Replayed
		for attempt := 1; attempt <= 3; attempt++ {
			done = d.replay("--max-attempts", "2")
			var again []*kgo.Record
			for _, rec := range d.replayed() {
				if o, _ := replay.Of(rec.Headers); o.Attempt == attempt {
					again = append(again, d.letter(rec, click.JSON))
				}
			}
			if attempt <= 2 {
				assert.EqualValues(t, 2, done.Replayed)
				require.Len(t, again, 2)
				c.Produce(t, d.letters, again...)
			}
		}
		assert.Zero(t, done.Replayed)
		assert.EqualValues(t, 2, done.Skipped.MaxAttempts)
		assert.EqualValues(t, 4, d.list().Total.Returned)
		assert.EqualValues(t, 2, d.list().Total.Out)
	})
}

func TestReplayAtARate(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c, 1)
		d.rejected(0, 30, click.JSON)
		begun := time.Now()
		done := d.replay("--rate", "20")
		assert.GreaterOrEqual(t, time.Since(begun), 1400*time.Millisecond)
		assert.GreaterOrEqual(t, done.Transactions, int64(2), "none is open for long")
		assert.Len(t, d.replayed(), 30)
	})
}

// TestTwoReplaysAtOnce begins a second replay while the first one goes on: the first ends, and nothing is replayed twice.
func TestTwoReplaysAtOnce(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c, 2)
		d.rejected(0, 200, click.JSON)
		d.rejected(1, 200, click.JSON)
		ended := make(chan error, 1)
		slow := settle[settings.DLQReplay](d, "--rate", "30")
		go func() {
			_, err := dlq.Replay(t.Context(), slow, nil)
			ended <- err
		}()
		require.Eventually(t, func() bool { return len(d.replayed()) > 0 }, patience, 20*time.Millisecond)
		second := d.replay()
		select {
		case err := <-ended:
			require.ErrorIs(t, err, kafka.ErrFenced)
			refused(t, err, "another replay from "+d.letters+" into "+d.topic+" has begun, and this one ends")
		case <-time.After(patience):
			require.Fail(t, "the first one goes on")
		}
		assert.Len(t, d.replayed(), 400)
		assert.EqualValues(t, 400, second.Replayed+second.Skipped.Replayed)
	})
}

func TestReplayIsStopped(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c, 1)
		d.rejected(0, 100, click.JSON)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		slow := settle[settings.DLQReplay](d, "--rate", "50")
		go func() {
			_, err := dlq.Replay(ctx, slow, nil)
			ended <- err
		}()
		require.Eventually(t, func() bool { return len(d.replayed()) > 0 }, patience, 20*time.Millisecond)
		stop()
		refused(t, <-ended, "stopped after", "run it again")
		d.replay()
		assert.Len(t, d.replayed(), 100)
	})
}

// replayer is the environment variable that makes the test program a replay, with those flags.
const replayer = "DLQ_TEST_REPLAY"

func replayAndReport(flags []string) int {
	set, err := parse[settings.DLQReplay](flags)
	if err == nil {
		_, err = dlq.Replay(context.Background(), set, nil)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// killed kills replays, after a least time and up to so many steps more, which grow, until one comes to its end, and returns
// how many it were.
func (d *desk) killed(least, step time.Duration, flags ...string) (kills int) {
	d.Helper()
	flags = append([]string{"--brokers", strings.Join(d.cluster.Brokers, ","), "--topic", d.topic, "--dead-letter-topic", d.letters}, flags...)
	for {
		require.Less(d, kills, 200, "the replays do not come on")
		var said bytes.Buffer
		cmd := exec.CommandContext(d.Context(), os.Args[0])
		cmd.Env, cmd.Stderr = append(os.Environ(), replayer+"="+strings.Join(flags, "\n")), &said
		require.NoError(d, cmd.Start())
		longest := time.Duration(float64(12*step) * math.Pow(1.05, float64(kills))) // however slow the machine is, one comes to its end
		wait := time.AfterFunc(least+rand.N(longest), func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		wait.Stop()
		var killed *exec.ExitError
		switch {
		case err == nil:
			return kills
		case errors.As(err, &killed) && killed.ExitCode() == -1:
			kills++
		default:
			require.NoError(d, err, said.String())
		}
	}
}

// TestReplayIsKilled kills replays at any moment until one comes to its end: all is replayed, once.
func TestReplayIsKilled(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		const count = 400
		d := newDesk(t, c, 3)
		for p := range int32(3) {
			d.rejected(p, count, click.JSON, click.Avro)
		}
		assert.NotZero(t, d.killed(200*time.Millisecond, 100*time.Millisecond, "--rate", "700"))
		assert.Len(t, d.replayed(), 3*count)
		assert.Zero(t, d.replay().Replayed)
	})
}

// TestTransactionsFail has a broker refuse, cut the connection, or do as it is told and say that it could not, at each
// request of a transaction. Whatever becomes of that replay, with the next one all is replayed, once.
func TestTransactionsFail(t *testing.T) {
	t.Parallel()
	for _, key := range []kmsg.Key{kmsg.InitProducerID, kmsg.AddPartitionsToTxn, kmsg.Produce, kmsg.EndTxn} {
		for _, fault := range []*kerr.Error{
			kerr.UnknownServerError, kerr.TransactionAbortable, kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend,
			kerr.ConcurrentTransactions, kerr.InvalidTxnState, nil,
		} {
			name := "connection cut"
			if fault != nil {
				name = fault.Message
			}
			t.Run(key.Name()+" "+name, func(t *testing.T) {
				t.Parallel()
				c := kafkatest.StartEmbedded(t)
				d := newDesk(t, c, 1)
				d.rejected(0, 50, click.JSON)
				faults := c.Fakes.Broker.Fault()
				if fault == nil {
					c.Fakes.Broker.ControlKey(key.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
						return nil, errors.New("the connection is cut"), true
					})
				} else {
					faults = c.Fakes.Broker.Fault(
						kfake.Fault{Keys: []kmsg.Key{key}, Err: fault},
						kfake.Fault{Keys: []kmsg.Key{key}, Err: fault, TopLevel: true})
				}
				if _, err := d.tryReplay(t.Context(), "--retry-timeout", "5s"); err != nil {
					assert.NotContains(t, err.Error(), "\n")
				}
				faults.Remove()
				d.replay()
				assert.Len(t, d.replayed(), 50)
				assert.EqualValues(t, 50, d.list().Total.Replayed)
			})
		}
	}
}
