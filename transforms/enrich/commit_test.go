package enrich

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/kafka"
	"clickstream/testing/kafkatest"
	"clickstream/transforms/teardown"
)

// patience is how long what is done once a second may take, on a machine that is busy with other tests.
const patience = time.Minute

// position is what the group says.
func (d *desk) position() kafka.Position {
	at, err := kafka.FetchPosition(d.Context(), d.admin, d.config.Group, d.config.Source)
	require.NoError(d, err)
	return at
}

func mark(bucket, first, second, time int64) Mark {
	return Mark{bucket, Frontier{map[int32]int64{0: first, 1: second}, time}}
}

// TestCommit has the group come as far as the last of the buckets.
func TestCommit(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c)
		f := newCommitFn(d.config)
		comes := func(first, second, until int64) {
			t.Helper()
			want := map[int32]int64{0: first, 1: second}
			require.EventuallyWithT(t, func(t *assert.CollectT) {
				at := d.position()
				assert.Equal(t, want, at.Next)
				assert.Equal(t, Note{d.config.Pipeline, until}.String(), at.Note)
			}, patience, 20*time.Millisecond)
		}
		require.NoError(t, f.ProcessElement(nil, allBuckets, mark(1, 5, 6, 50)))
		f.committer.commit(t.Context())
		comes(0, 0, 5) // of bucket 0 nothing is known
		require.NoError(t, f.ProcessElement(nil, allBuckets, mark(0, 3, 9, 0)))
		comes(3, 6, 5)
		require.NoError(t, f.ProcessElement(nil, allBuckets, mark(0, 7, 9, 40)))
		comes(5, 6, 40)

		again := newCommitFn(d.config) // as the runner makes another one
		require.NoError(t, again.ProcessElement(nil, allBuckets, mark(1, 8, 8, 60)))
		require.NoError(t, teardown.End(d.config.Pipeline))
		comes(7, 8, 40) // at the latest by then
		require.ErrorIs(t, newCommitFn(d.config).ProcessElement(nil, allBuckets, mark(1, 9, 9, 60)), teardown.ErrEnded, "and it does not hang")
	})
}

// TestCommitTakenOver has another run take the group over, and give it back: a worker that is asked again looks again.
func TestCommitTakenOver(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c)
		old := d.config
		old.Buckets = 1
		d.takeOver()
		f := newCommitFn(old)
		fails := func() (err error) {
			require.Eventually(t, func() bool {
				err = f.ProcessElement(nil, allBuckets, mark(0, 5, 5, 50))
				return err != nil
			}, patience, 20*time.Millisecond)
			return err
		}
		require.ErrorIs(t, fails(), ErrTakenOver)
		require.ErrorIs(t, fails(), ErrTakenOver, "once it has failed it stays so")
		f = newCommitFn(old)
		require.ErrorIs(t, fails(), ErrTakenOver, "another one finds the same")
		at := d.position()
		assert.Equal(t, map[int32]int64{0: 0, 1: 0}, at.Next)
		assert.Equal(t, d.config.Pipeline, run(at.Note))

		at.Note = old.Pipeline
		require.NoError(t, kafka.CommitPosition(t.Context(), d.admin, at))
		f = newCommitFn(old)
		require.NoError(t, f.ProcessElement(nil, allBuckets, mark(0, 5, 5, 50)))
		require.Eventually(t, func() bool { return d.position().Next[0] == 5 }, patience, 20*time.Millisecond)
	})
}
