package pageviews_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/testing/kafkatest"
	"clickstream/testing/otlptest"
)

// TestBundlesAndCommitsAreTraced has a run send its spans to a collector: each record is of one bundle, and of the offsets
// that a commit names.
func TestBundlesAndCommitsAreTraced(t *testing.T) {
	t.Parallel()
	collector := otlptest.Start(t)
	j := newJob(t, kafkatest.StartEmbedded(t), 2, "--format", "json", "--otlp-endpoint", collector.URL)
	for i := range 30 {
		j.produce(j.click(int32(i%2), fmt.Sprint("/", i%7), noon.Add(time.Duration(i)*time.Second)))
	}
	j.run()
	read := map[int][2]int64{} // by partition: where its bundles begin and end
	for _, span := range collector.Named("read bundle") {
		assert.Equal(t, []string{j.settings.Topic}, otlptest.Attribute(span, "messaging.destination.name"))
		for _, text := range otlptest.Attribute(span, "clickstream.offsets") {
			var partition int
			var first, next int64
			_, err := fmt.Sscanf(text, "%d:%d-%d", &partition, &first, &next)
			require.NoError(t, err, text)
			assert.Equal(t, read[partition][1], first, "bundles follow each other")
			read[partition] = [2]int64{0, next}
		}
	}
	assert.Equal(t, map[int][2]int64{0: {0, 15}, 1: {0, 15}}, read)
	commits := collector.Named("commit windows")
	require.NotEmpty(t, commits)
	assert.Equal(t, []string{"0:0-15", "1:0-15"}, otlptest.Attribute(commits[0], "clickstream.offsets"))
	assert.Equal(t, []string{j.settings.Table}, otlptest.Attribute(commits[0], "clickstream.table"))
	assert.Equal(t, commits[0].GetTraceId(), collector.Named("read bundle")[0].GetTraceId())
}
