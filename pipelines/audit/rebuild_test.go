package audit_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/kafka"
	"clickstream/io/table"
	"clickstream/pipelines/audit"
	"clickstream/pipelines/settings"
	"clickstream/testing/kafkatest"
	"clickstream/transforms/click"
)

// TestRebuildCountsLateClicks rebuilds windows of which clicks came too late: some that a run rejected, and one that
// no run has come to yet.
func TestRebuildCountsLateClicks(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster, format string) {
		for _, shards := range []int{1, 3} {
			s := newSubject(t, c, format, 2)
			s.shards = shards
			s.minutes(0, 10, 2)
			s.run()
			s.produce(s.click(0, "/late", at(60)), s.click(1, "/1", at(60)), s.click(0, "/", at(600)))
			s.run()
			r := s.clean()
			assert.EqualValues(t, 2, r.Offsets.TooLate)
			s.produce(s.click(1, "/late", at(180)), s.click(1, "/later", at(100)))

			dry, err := s.rebuild(0, 120, "--dry-run")
			require.NoError(t, err)
			assert.Zero(t, s.views("/late", 60))
			done, err := s.rebuild(0, 120)
			require.NoError(t, err)
			want := []audit.Recount{{WindowStart: at(60), Before: 4, After: 7, Rebuilt: true}}
			assert.Equal(t, want, done.Windows)
			assert.Equal(t, want, dry.Windows, "it tells what would change")
			assert.Equal(t, 1, done.Replaced)
			assert.Equal(t, 1, done.Unchanged)
			assert.EqualValues(t, 8, done.Before)
			assert.EqualValues(t, 11, done.After)
			require.NoError(t, done.Err())
			var text strings.Builder
			require.NoError(t, done.WriteText(&text))
			assert.Contains(t, text.String(), "rebuilt 1 of 2 windows")
			assert.EqualValues(t, 1, s.views("/late", 60))
			assert.EqualValues(t, 3, s.views("/1", 60))
			assert.EqualValues(t, 1, s.views("/later", 60))

			r = s.clean()
			assert.EqualValues(t, 2, r.Despite)
			assert.Zero(t, r.Offsets.TooLate)
			assert.EqualValues(t, 1, r.Offsets.Unread, "the late click of a window that was not rebuilt")

			again, err := s.rebuild(0, 120)
			require.NoError(t, err)
			assert.Zero(t, again.Replaced)
			assert.Equal(t, 2, again.Unchanged)

			// The next run comes to what the rebuild has counted already, and to what it has not.
			s.run()
			r = s.clean()
			assert.EqualValues(t, 3, r.Despite)
			assert.EqualValues(t, 1, r.Offsets.TooLate)
			assert.Zero(t, r.Offsets.Unread)
			assert.EqualValues(t, 7, s.views("/", 60)+s.views("/1", 60)+s.views("/late", 60)+s.views("/later", 60))
		}
	})
}

// TestRebuildHeals rebuilds what was changed by hand, and a window that is gone, in several passes.
func TestRebuildHeals(t *testing.T) {
	t.Cleanup(audit.SetMaxRows(3))
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		s := newSubject(t, c, "json", 2)
		s.kind = table.Parquet
		s.minutes(0, 8, 2)
		s.run()
		require.NoError(t, os.Remove(s.file(60)))
		s.tamper(180, func(v map[string]int64) { v["/"]--; v["/3"]++ })
		s.tamper(300, func(v map[string]int64) { v["/"]-- })
		require.Equal(t, 3, s.verify().Windows.Different)
		done, err := s.rebuild(0, 420)
		require.NoError(t, err)
		assert.Equal(t, []audit.Recount{
			{WindowStart: at(60), After: 4, Rebuilt: true}, {WindowStart: at(180), Before: 4, After: 4, Rebuilt: true}, {WindowStart: at(300), Before: 3, After: 4, Rebuilt: true},
		}, done.Windows)
		assert.Equal(t, 4, done.Unchanged)
		assert.EqualValues(t, 36, done.Records)
		assert.EqualValues(t, 2, done.Rejected[click.JSON])
		s.clean()
	})
}

// TestRebuildHealsADeltaTable rebuilds windows whose files are not what the log tells, one of which is still open.
func TestRebuildHealsADeltaTable(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		s := newSubject(t, c, "json", 2)
		s.minutes(0, 8, 2)
		s.run()
		s.tamper(60, func(v map[string]int64) { v["/"]--; v["/1"]++ })
		require.NoError(t, os.Remove(s.file(180)))
		require.NoError(t, os.Truncate(s.file(480), 100))
		_, err := s.tryVerify()
		require.ErrorContains(t, err, "the log names ")
		done, err := s.rebuild(0, 540, "--allowed-lateness", "0s")
		require.NoError(t, err)
		assert.Equal(t, 3, done.Replaced)
		s.clean()
		s.run()
		s.clean()
	})
}

// TestRebuildRefuses wants windows left as they are, and told why.
func TestRebuildRefuses(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		s := newSubject(t, c, "json", 1)
		s.kind = table.Parquet
		s.minutes(0, 5, 1)
		s.prepare()
		_, err := s.rebuild(0, 60)
		require.ErrorContains(t, err, "no window of table "+s.table+" is closed yet")
		s.run() // the newest window ends at 12:06, and the one before it is open still

		_, err = s.rebuild(0, 301)
		var wrong *settings.Error
		require.ErrorAs(t, err, &wrong)
		require.ErrorContains(t, err, "--to 2026-03-01T12:05:01Z is no border of a window of 1m0s: the nearest are 2026-03-01T12:05:00Z and 2026-03-01T12:06:00Z")
		_, err = s.rebuild(0, 360)
		require.ErrorContains(t, err, "closed up to 2026-03-01T12:05:00Z, and --to is 2026-03-01T12:06:00Z")

		s.tamper(120, func(v map[string]int64) { v["/2"] += 5 })
		done, err := s.rebuild(60, 300)
		require.NoError(t, err)
		assert.Equal(t, 1, done.Refused)
		assert.Equal(t, 3, done.Unchanged)
		require.ErrorContains(t, done.Err(), "window 2026-03-01T12:02:00Z of shard 0 holds 7 events: a replacement with 2 was refused")
		assert.EqualValues(t, 6, s.views("/2", 120))

		s.deleteRecords(0, 3)
		_, err = s.rebuild(60, 300)
		require.ErrorIs(t, err, kafka.ErrDataLoss)
		require.ErrorContains(t, err, "begins at 3 by now")
	})
}
