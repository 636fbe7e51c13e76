package pageviews_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/pipelines/pageviews"
	"clickstream/testing/kafkatest"
)

// TestWholeRuns runs as on Spark: each assignment is read in one bundle, and all windows of a shard become the table's
// at once. Were there a commit of the newest window alone, a run that is killed then would have made the others final.
func TestWholeRuns(t *testing.T) {
	t.Parallel()
	for name, flags := range formats {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newJob(t, kafkatest.StartEmbedded(t), 2, append([]string{"--format", "json", "--shards", "2"}, flags...)...)
			for round := range 2 {
				var records []*kgo.Record
				for i := range 40 {
					at := noon.Add(time.Duration(40*round+i) * 3 * time.Minute)
					records = append(records, j.click(int32(i%2), fmt.Sprintf("/%d", i%7), at), j.click(int32(i%2), "/", at))
				}
				j.produce(records...)
				plan := j.prepare()
				plan.Read.Whole, plan.Store.Whole = true, true
				require.NoError(t, pageviews.Run(t.Context(), plan))
				j.exact()
			}
			assert.Empty(t, j.letters())
			if name == "delta" {
				versions, err := filepath.Glob(filepath.Join(j.settings.Table, "_delta_log", "*.json"))
				require.NoError(t, err)
				assert.LessOrEqual(t, len(versions), 1+2*2, "the table's making, and a commit for each shard of each run at most")
			}
		})
	}
}
