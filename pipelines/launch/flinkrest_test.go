package launch

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCancelWaitsForTheJob has Flink get a job only after it is to be cancelled.
func TestCancelWaitsForTheJob(t *testing.T) {
	var asked atomic.Int32
	cancelled := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := `{"jobs":[{"jid":"1","name":"other","state":"RUNNING"},{"jid":"2","name":"mine","state":"FAILED"}]}`
		switch {
		case r.Method == http.MethodPatch:
			cancelled <- r.URL.String()
			w.WriteHeader(http.StatusAccepted)
			return
		case asked.Add(1) == 1:
			answer = `{"jobs":[{"jid":"1","name":"other","state":"RUNNING"}]}`
		case asked.Load() == 2:
			answer = `{"jobs":[{"jid":"1","name":"other","state":"RUNNING"},{"jid":"2","name":"mine","state":"INITIALIZING"}]}`
		}
		_, err := w.Write([]byte(answer))
		assert.NoError(t, err)
	}))
	defer server.Close()
	flink := flinkREST(server.URL)
	require.NoError(t, flink.cancel(t.Context(), "mine"))
	assert.Equal(t, "/jobs/2?mode=cancel", <-cancelled)
	require.NoError(t, flink.cancel(t.Context(), "mine"), "it has ended by itself")
	assert.Empty(t, cancelled)

	ctx, done := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer done()
	err := flink.cancel(ctx, "nobody's")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Empty(t, cancelled)
}

// TestFinishedWaitsForTheJob has a job go on, and its Flink not answer once.
func TestFinishedWaitsForTheJob(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		state := "RUNNING"
		switch asked.Add(1) {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case 3:
			state = "FINISHED"
		}
		_, err := fmt.Fprintf(w, `{"jobs":[{"jid":"1","name":"other","state":"FINISHED"},{"jid":"2","name":"mine","state":"%s"}]}`, state)
		assert.NoError(t, err)
	}))
	defer server.Close()
	require.NoError(t, flinkREST(server.URL).finished(t.Context(), "mine"))
	assert.EqualValues(t, 3, asked.Load())

	ctx, done := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer done()
	require.ErrorIs(t, flinkREST(server.URL).finished(ctx, "nobody's"), context.DeadlineExceeded)
}
