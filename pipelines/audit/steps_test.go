package audit_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/table"
	"clickstream/pipelines/audit"
	"clickstream/testing/kafkatest"
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
