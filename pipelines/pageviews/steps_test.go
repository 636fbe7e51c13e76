package pageviews_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/pipelines/pageviews"
	"clickstream/testing/kafkatest"
	"clickstream/testing/oracle"
)

// TestTopOverRestarts has the top of a window change with a run that goes on: clicks of pages that are not in the table
// count in it again.
func TestTopOverRestarts(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"delta", "parquet"} {
		t.Run(format, func(t *testing.T) {
			kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
				j := newJob(t, c, 2, "--format", "json", "--table-format", format, "--top", "1")
				j.produce(j.click(0, "/b", noon), j.click(0, "/b", noon), j.click(0, "/a", noon), j.click(1, "/c", noon))
				j.run()
				assert.Equal(t, map[oracle.Key]int64{j.row("/b", noon): 2}, j.rows())
				j.produce(j.click(1, "/a", noon))
				j.run()
				assert.Equal(t, map[oracle.Key]int64{j.row("/a", noon): 2}, j.rows(), "as many as /b")
				j.produce(j.click(0, "/c", noon.Add(time.Second)), j.click(1, "/c", noon.Add(time.Minute)))
				j.run()
				j.exact()

				j.settings.Top = 0
				_, err := pageviews.Prepare(t.Context(), &j.settings)
				require.ErrorContains(t, err, "the option --top 1, not 0: choose another folder, or go on with 1")
			})
		})
	}
}
