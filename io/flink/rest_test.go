package flink

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
	rest := REST(server.URL)
	require.NoError(t, rest.Cancel(t.Context(), "mine"))
	assert.Equal(t, "/jobs/2?mode=cancel", <-cancelled)
	require.NoError(t, rest.Cancel(t.Context(), "mine"), "it has ended by itself")
	assert.Empty(t, cancelled)

	ctx, done := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer done()
	err := rest.Cancel(ctx, "nobody's")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Empty(t, cancelled)
}

// TestAwait has a job go on, and its Flink not answer once.
func TestAwait(t *testing.T) {
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
	finished := func(j Job) bool { return j.State == "FINISHED" }
	jobs, err := REST(server.URL).Await(t.Context(), "mine", finished)
	require.NoError(t, err)
	assert.Equal(t, []Job{{JID: "2", Name: "mine", State: "FINISHED"}}, jobs)
	assert.EqualValues(t, 3, asked.Load())

	ctx, done := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer done()
	_, err = REST(server.URL).Await(ctx, "nobody's", finished)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// TestCheckpoints reads an answer of Flink's (1.19).
func TestCheckpoints(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/jobs/7/checkpoints", r.URL.Path)
		_, err := w.Write([]byte(`{"counts":{"restored":0,"total":4,"in_progress":1,"completed":2,"failed":1},"history":[
			{"id":4,"status":"IN_PROGRESS","trigger_timestamp":40,"end_to_end_duration":1,"state_size":5},
			{"id":3,"status":"FAILED","trigger_timestamp":30,"end_to_end_duration":1,"state_size":0},
			{"id":2,"status":"COMPLETED","trigger_timestamp":20,"end_to_end_duration":7,"state_size":200},
			{"id":1,"status":"COMPLETED","trigger_timestamp":10,"end_to_end_duration":5,"state_size":100}]}`))
		assert.NoError(t, err)
	}))
	defer server.Close()
	last, failed, err := REST(server.URL).Checkpoints(t.Context(), "7")
	require.NoError(t, err)
	assert.Equal(t, []Checkpoint{{ID: 1, Trigger: 10, Duration: 5, Bytes: 100}, {ID: 2, Trigger: 20, Duration: 7, Bytes: 200}}, last)
	assert.Equal(t, 1, failed)
}
