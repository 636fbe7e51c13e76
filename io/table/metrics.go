package table

import (
	"strconv"

	"clickstream/transforms/click"
)

// What a commit's information tells beside the metrics that all Delta tables have: how the pipeline goes, for whoever
// watches the table alone. Numbers are of what is new in the commit, and left out where they are zero.
const (
	metricLatency    = "processingLatency" // click.Durations: of clicks, until their counts left the reader
	metricPublish    = "publishLatency"    // click.Durations: of windows that are new, from their end
	metricTook       = "commitMillis"      // from the commit's beginning until only the log's entry was missing
	metricConflicts  = "commitConflicts"
	metricCounted    = "countedClicks"
	metricSkipped    = "skippedClicks"
	metricDeferred   = "deferredClicks"
	metricDuplicates = "duplicateClicks"
)

// metricsOf returns what a commit of the windows in write tells. What the readers have to tell is of all uploads: it is of
// what they read, whether or not the table had the rows already.
func metricsOf(uploads, write []*upload, c *Commit) map[string]string {
	var t click.Tally
	for _, u := range uploads {
		t.Add(u.Tally)
	}
	var counted, duplicates int64
	for _, u := range write {
		counted, duplicates = counted+u.Events, duplicates+u.Duplicates
		for _, p := range u.held {
			counted, duplicates = counted-p.Events, duplicates-p.Duplicates
		}
	}
	metrics := map[string]string{metricTook: strconv.FormatInt(c.Took.Milliseconds(), 10)}
	for name, n := range map[string]int64{
		metricConflicts: int64(c.Conflicts), metricCounted: counted, metricDuplicates: duplicates,
		metricSkipped: t.Skipped, metricDeferred: t.Deferred,
	} {
		if n != 0 {
			metrics[name] = strconv.FormatInt(n, 10)
		}
	}
	for name, h := range map[string]click.Durations{metricLatency: t.Latency, metricPublish: c.Published} {
		if h.Count() > 0 {
			metrics[name] = h.String()
		}
	}
	return metrics
}
