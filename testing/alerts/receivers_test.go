package alerts_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// received are the messages that a service in place of PagerDuty or Slack was sent, in their order.
type received[M any] struct {
	URL string
	mu  sync.Mutex
	all []M
}

// receive starts such a service. It answers as the real one does.
func receive[M any](t *testing.T, status int, answer string) *received[M] {
	t.Helper()
	r := &received[M]{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var m M
		if err := json.NewDecoder(req.Body).Decode(&m); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			t.Errorf("%s is no message: %v", req.URL, err)
			return
		}
		r.mu.Lock()
		r.all = append(r.all, m)
		r.mu.Unlock()
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

// that returns the messages that are so.
func (r *received[M]) that(are func(M) bool) []M {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.all), func(m M) bool { return !are(m) })
}

// await waits for a message that is so, and returns the first.
func (r *received[M]) await(t *testing.T, is func(M) bool, what string) M {
	t.Helper()
	begin := time.Now()
	require.Eventually(t, func() bool { return len(r.that(is)) > 0 }, patience, tick, "nobody was told of %s", what)
	t.Logf("told of %s after %s", what, time.Since(begin).Round(100*time.Millisecond))
	return r.that(is)[0]
}

// event is one of PagerDuty's Events API v2.
type event struct {
	RoutingKey string `json:"routing_key"`
	Action     string `json:"event_action"` // trigger or resolve
	Incident   string `json:"dedup_key"`
	Client     string
	Payload    struct {
		Summary, Severity, Class, Component string
		Details                             map[string]string `json:"custom_details"`
	}
	Links []struct{ Href, Text string }
}

// incident tells an event of that action and alert.
func incident(action, alert string) func(event) bool {
	return func(e event) bool { return e.Action == action && e.Payload.Class == alert }
}

// message is one of Slack's incoming webhooks.
type message struct {
	Channel     string
	Attachments []attachment
}

type attachment struct {
	Title, Text, Fallback, Color string
	Link                         string `json:"title_link"`
}

// titled tells a message of that title.
func titled(title string) func(message) bool {
	return func(m message) bool { return len(m.Attachments) == 1 && m.Attachments[0].Title == title }
}

// checkpointing is Flink's interface, of a job whose last checkpoint took some time, and of which some have failed.
type checkpointing struct {
	URL    string
	mu     sync.Mutex
	ms     int
	failed int
}

func startFlink(t *testing.T) *checkpointing {
	t.Helper()
	f := &checkpointing{ms: 100}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /jobs/overview", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"jobs": [{"jid": "1f", "name": "clickstream-pageviews", "state": "RUNNING", "start-time": 1}]}`))
	})
	mux.HandleFunc("GET /jobs/1f/checkpoints", func(w http.ResponseWriter, _ *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		assert.NoError(t, json.NewEncoder(w).Encode(map[string]any{
			"counts": map[string]int{"completed": 7, "failed": f.failed},
			"latest": map[string]any{"completed": map[string]int{"end_to_end_duration": f.ms, "state_size": 4096}},
		}))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	f.URL = server.URL
	return f
}

// take says how long the last checkpoint took.
func (f *checkpointing) take(ms int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ms = ms
}

// fail has that many checkpoints fail.
func (f *checkpointing) fail(times int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed += times
}
