package audit_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/table"
	"clickstream/pipelines/audit"
	"clickstream/testing/kafkatest"
	"clickstream/testing/oracle"
)

// TestTableOfTheTop audits and rebuilds a table that keeps two pages of each window.
func TestTableOfTheTop(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster, format string) {
		s := newSubject(t, c, format, 2)
		s.kind = table.Parquet
		s.minutes(0, 5, 2) // of "/" and a page of its own, two clicks each
		s.produce(s.click(0, "/a", at(60)), s.click(0, "/rare", at(120)), s.click(0, "/rare", at(120)), s.click(1, "/rare", at(120)))
		s.run("--top", "2", "--watermark-delay", "1h")
		r := s.clean()
		assert.EqualValues(t, 26, r.Offsets.Counted, "clicks of pages that are not kept count too")
		assert.EqualValues(t, 2, s.views("/", 60))
		assert.EqualValues(t, 2, s.views("/1", 60))
		assert.Zero(t, s.views("/a", 60), "less than the others")
		assert.EqualValues(t, 3, s.views("/rare", 120))
		assert.Zero(t, s.views("/2", 120), "as many as /, which is less by its bytes")

		s.tamper(120, func(v map[string]int64) { delete(v, "/"); v["/2"] = 2 })
		s.tamper(180, func(v map[string]int64) { v["/3"] = 1 })
		r = s.verify()
		differs(t, r,
			audit.Difference{WindowStart: at(120), PageURL: "/", Topic: 2, Note: "it is one of the top 2"},
			audit.Difference{WindowStart: at(180), PageURL: "/3", Topic: 2, Table: 1})

		s.produce(s.click(1, "/a", at(60)), s.click(1, "/a", at(60)))
		done, err := s.rebuild(0, 240)
		require.NoError(t, err)
		assert.Equal(t, 3, done.Replaced)
		assert.Equal(t, 1, done.Unchanged)
		assert.EqualValues(t, 3, s.views("/a", 60), "late ones too")
		assert.Zero(t, s.views("/1", 60))
		s.clean()
	})
}

// TestTableOfEventsOnce audits and rebuilds a table in which each event counts once, over restarts, with clicks that came
// too late, and holds it against the oracle.
func TestTableOfEventsOnce(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster, format string) {
		s := newSubject(t, c, format, 2)
		s.kind = table.Parquet
		random := rand.New(rand.NewPCG(7, 8))
		clicks := func(n, from, seconds int) {
			for range n {
				s.produce(s.event(int32(random.IntN(2)), fmt.Sprint(random.IntN(n)), fmt.Sprint(random.IntN(9)), fmt.Sprint("/", random.IntN(5)), at(from+random.IntN(seconds))))
			}
		}
		clicks(100, 0, 120)
		s.run("--dedupe", "event_id", "--watermark-delay", "5m")
		clicks(100, 60, 120)
		s.run("--dedupe", "event_id", "--watermark-delay", "5m")
		s.produce(s.event(0, "end", "u", "/", at(900)), s.event(1, "end", "u", "/", at(900)))
		s.run("--dedupe", "event_id")
		clicks(20, 60, 60) // their window is final
		s.run("--dedupe", "event_id")

		rules := oracle.Rules{Format: format, Registry: c.Registry, Window: time.Minute, ClockSkew: 5 * time.Minute, Once: true}
		all, err := oracle.Count(t.Context(), s.topic, rules, kgo.SeedBrokers(c.Brokers...))
		require.NoError(t, err)
		r := s.clean()
		assert.EqualValues(t, 20, r.Offsets.TooLate)
		assert.EqualValues(t, 202, r.Offsets.Counted+r.Offsets.Duplicates)
		assert.Greater(t, r.Offsets.Duplicates, int64(20))
		var text strings.Builder
		require.NoError(t, r.WriteText(&text))
		assert.Contains(t, text.String(), fmt.Sprintf("%d  clicks of events that are counted already\n", r.Offsets.Duplicates))
		counted := s.rows()

		s.tamper(60, func(v map[string]int64) { v["/0"]++ })
		differs(t, s.verify(), audit.Difference{
			WindowStart: at(60), PageURL: "/0",
			Topic: counted[oracle.Key{WindowStart: at(60).UnixMilli(), Page: "/0"}], Table: counted[oracle.Key{WindowStart: at(60).UnixMilli(), Page: "/0"}] + 1,
		})
		_, err = s.rebuild(0, 180)
		require.NoError(t, err)
		assert.Empty(t, oracle.Diff(all.Views, s.rows()), "with those that came too late")
		r = s.clean()
		assert.EqualValues(t, 222, r.Offsets.Counted+r.Offsets.Duplicates)
		again, err := s.rebuild(0, 180)
		require.NoError(t, err)
		assert.Equal(t, 3, again.Unchanged)
		s.run("--dedupe", "event_id")
		assert.Empty(t, oracle.Diff(all.Views, s.rows()))
	})
}

// TestTableOfUsers audits and rebuilds a table whose rows tell of users.
func TestTableOfUsers(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster, format string) {
		s := newSubject(t, c, format, 2)
		s.kind = table.Parquet
		for i := range 60 {
			s.produce(s.event(int32(i%2), fmt.Sprint(i), fmt.Sprint("user-", i%7), fmt.Sprint("/", i%3), at(i)))
		}
		s.produce(s.event(0, "end", "", "/", at(900)), s.event(1, "end", "u", "/", at(900)))
		s.run("--unique-users")
		s.clean()
		told := func() (users []int64) {
			view, err := table.View(t.Context(), s.table)
			require.NoError(t, err)
			for row, err := range view.Scan(t.Context(), table.Filter{}) {
				require.NoError(t, err)
				users = append(users, row.UniqueUsers)
			}
			return users
		}
		require.Equal(t, []int64{7, 7, 7, 1}, told())

		s.tamperUsers(0, func(_, users map[string]int64) { users["/1"] = 5 })
		differs(t, s.verify(), audit.Difference{WindowStart: at(0), PageURL: "/1", Topic: 20, Table: 20, Note: "unique_users is 5, and 7 by the topic"})
		done, err := s.rebuild(0, 60, "--dry-run")
		require.NoError(t, err)
		assert.Equal(t, []int64{7, 5, 7, 1}, told())
		assert.Equal(t, 1, done.Replaced)
		_, err = s.rebuild(0, 60)
		require.NoError(t, err)
		assert.Equal(t, []int64{7, 7, 7, 1}, told())
		s.clean()
		again, err := s.rebuild(0, 60)
		require.NoError(t, err)
		assert.Equal(t, 1, again.Unchanged)
	})
}

// rows returns the table.
func (s *subject) rows() map[oracle.Key]int64 {
	s.Helper()
	view, err := table.View(s.Context(), s.table)
	require.NoError(s, err)
	rows := map[oracle.Key]int64{}
	for row, err := range view.Scan(s.Context(), table.Filter{}) {
		require.NoError(s, err)
		rows[oracle.Key{WindowStart: row.WindowStart.UnixMilli(), Page: row.PageURL}] = row.ViewCount
	}
	return rows
}
