package monitor

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/flink"
	"clickstream/pipelines/vitals"
)

// cluster is Flink's interface, as far as it is asked.
type cluster struct {
	mu     sync.Mutex
	jobs   []map[string]any
	counts map[string][3]int64 // by job: completed, failed, the last one's milliseconds
}

func (c *cluster) set(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var answer any
	switch r.URL.Path {
	case "/jobs/overview":
		answer = map[string]any{"jobs": c.jobs}
	case "/jobs/a/checkpoints", "/jobs/b/checkpoints":
		n := c.counts[r.URL.Path[len("/jobs/"):len("/jobs/")+1]]
		latest := map[string]any{"completed": nil}
		if n[0] > 0 {
			latest["completed"] = map[string]any{"end_to_end_duration": n[2], "state_size": 4096}
		}
		answer = map[string]any{"counts": map[string]any{"completed": n[0], "failed": n[1]}, "latest": latest}
	default:
		http.NotFound(w, r)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func job(id, name, state string, start int64) map[string]any {
	return map[string]any{"jid": id, "name": name, "state": state, "start-time": start}
}

func TestCheckpointsOfTheNewestJob(t *testing.T) {
	c := &cluster{counts: map[string][3]int64{"a": {20, 2, 800}}}
	server := httptest.NewServer(c)
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	s := &checkpoints{rest: flink.REST(server.URL), job: "clickstream-pageviews"}
	assert.Nil(t, vitalsOf(s).Checkpoints)
	c.set(func() {
		c.jobs = []map[string]any{job("a", "clickstream-pageviews-1", "RUNNING", 5), job("x", "another", "RUNNING", 9), job("y", "clickstream-pageviews-0", "FINISHED", 7)}
	})
	require.NoError(t, s.look(t.Context()))
	assert.Equal(t, &vitals.Checkpoints{Last: 800 * time.Millisecond, Bytes: 4096}, vitalsOf(s).Checkpoints, "those before are not counted")

	c.set(func() { c.counts["a"] = [3]int64{23, 3, 1500} })
	require.NoError(t, s.look(t.Context()))
	assert.Equal(t, &vitals.Checkpoints{Completed: 3, Failed: 1, Last: 1500 * time.Millisecond, Bytes: 4096}, vitalsOf(s).Checkpoints)

	c.set(func() { // it was started again
		c.jobs = []map[string]any{job("a", "clickstream-pageviews-1", "CANCELED", 5), job("b", "clickstream-pageviews-2", "RUNNING", 6)}
		c.counts["b"] = [3]int64{2, 1, 900}
	})
	require.NoError(t, s.look(t.Context()))
	assert.Equal(t, &vitals.Checkpoints{Completed: 5, Failed: 2, Last: 900 * time.Millisecond, Bytes: 4096}, vitalsOf(s).Checkpoints, "all of a job that began since")
}

func TestFlinkWithoutTheJob(t *testing.T) {
	c := &cluster{counts: map[string][3]int64{"a": {2, 0, 10}}}
	server := httptest.NewServer(c)
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	s := &checkpoints{rest: flink.REST(server.URL), job: "clickstream-pageviews"}
	require.ErrorContains(t, s.look(t.Context()), "has no job whose name begins with clickstream-pageviews; start it, or correct --flink-job")
	c.set(func() { c.jobs = []map[string]any{job("a", "clickstream-pageviews-1", "FAILED", 5)} })
	require.ErrorContains(t, s.look(t.Context()), "clickstream-pageviews-1 of Flink at "+server.URL+" has failed")
	c.set(func() { c.jobs[0]["state"] = "RUNNING" })
	require.NoError(t, s.look(t.Context()))
	assert.EqualValues(t, 2, vitalsOf(s).Checkpoints.Completed, "it began while it was watched")
	server.Close()
	require.Error(t, s.look(t.Context()))
	assert.EqualValues(t, 2, vitalsOf(s).Checkpoints.Completed, "what was known stays")
}
