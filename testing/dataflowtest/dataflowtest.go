// Package dataflowtest stands in for Dataflow's API, in this process, on 127.0.0.1. It records the jobs that it is
// asked to create and runs none: their states and messages are the test's to say.
package dataflowtest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	df "google.golang.org/api/dataflow/v1b3"
)

// Job is one that was created.
type Job struct {
	Path    string // of the request that created it
	Body    df.Job
	Raw     json.RawMessage // the body as it came
	Updates []df.Job        // what it was told since
}

// Service is the stand-in.
type Service struct {
	URL string

	t        testing.TB
	mu       sync.Mutex
	jobs     []*Job
	states   []string
	messages []*df.JobMessage
	refusal  *refusal
	bearers  []string
}

type refusal struct {
	method, message string
	code, times     int
}

// Start starts a service whose jobs go through states, one each time that they are asked for; the last one stays. All
// of it ends with the test.
func Start(t testing.TB, states ...string) *Service {
	t.Helper()
	s := &Service{t: t, states: states}
	mux := http.NewServeMux()
	const jobs = "/v1b3/projects/{project}/locations/{region}/jobs"
	mux.HandleFunc("GET "+jobs, func(w http.ResponseWriter, _ *http.Request) { s.answer(w, df.ListJobsResponse{}) })
	mux.HandleFunc("POST "+jobs, s.create)
	mux.HandleFunc("GET "+jobs+"/{id}", s.get)
	mux.HandleFunc("PUT "+jobs+"/{id}", s.update)
	mux.HandleFunc("GET "+jobs+"/{id}/messages", func(w http.ResponseWriter, _ *http.Request) {
		s.answer(w, df.ListJobMessagesResponse{JobMessages: s.messages})
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.bearers = append(s.bearers, r.Header.Get("Authorization"))
		if f := s.refusal; f != nil && f.method == r.Method && f.times > 0 {
			f.times--
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(f.code)
			s.answer(w, map[string]any{"error": map[string]any{"code": f.code, "message": f.message}})
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Says has every job say messages from now on, each by its text and importance, as JOB_MESSAGE_ERROR.
func (s *Service) Says(messages ...[2]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range messages {
		id := strconv.Itoa(len(s.messages))
		s.messages = append(s.messages, &df.JobMessage{Id: id, MessageText: m[0], MessageImportance: m[1], Time: "2026-03-01T12:00:0" + id + "Z"})
	}
}

// Refuse has the next requests of a method, so many of them, be answered by an error.
func (s *Service) Refuse(method string, times, code int, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = &refusal{method, message, code, times}
}

// Jobs returns the jobs that were created so far.
func (s *Service) Jobs() []Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	var jobs []Job
	for _, j := range s.jobs {
		jobs = append(jobs, *j)
	}
	return jobs
}

// Bearers returns what each request so far was authorized by.
func (s *Service) Bearers() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.bearers...)
}

func (s *Service) create(w http.ResponseWriter, r *http.Request) {
	job := &Job{Path: r.URL.Path}
	assert.NoError(s.t, json.NewDecoder(r.Body).Decode(&job.Raw))
	decoder := json.NewDecoder(strings.NewReader(string(job.Raw)))
	decoder.DisallowUnknownFields()
	assert.NoError(s.t, decoder.Decode(&job.Body))
	s.jobs = append(s.jobs, job)
	s.answer(w, df.Job{Id: "job-" + strconv.Itoa(len(s.jobs)), Name: job.Body.Name, CurrentState: "JOB_STATE_PENDING"})
}

// find returns the job of a request.
func (s *Service) find(w http.ResponseWriter, r *http.Request) *Job {
	n, err := strconv.Atoi(strings.TrimPrefix(r.PathValue("id"), "job-"))
	if err != nil || n < 1 || n > len(s.jobs) {
		w.WriteHeader(http.StatusNotFound)
		return nil
	}
	return s.jobs[n-1]
}

func (s *Service) get(w http.ResponseWriter, r *http.Request) {
	if s.find(w, r) == nil {
		return
	}
	state := s.states[0]
	if len(s.states) > 1 {
		s.states = s.states[1:]
	}
	s.answer(w, df.Job{Id: r.PathValue("id"), CurrentState: state})
}

func (s *Service) update(w http.ResponseWriter, r *http.Request) {
	job := s.find(w, r)
	if job == nil {
		return
	}
	var update df.Job
	assert.NoError(s.t, json.NewDecoder(r.Body).Decode(&update))
	job.Updates = append(job.Updates, update)
	s.answer(w, update)
}

func (s *Service) answer(w http.ResponseWriter, with any) {
	w.Header().Set("Content-Type", "application/json")
	assert.NoError(s.t, json.NewEncoder(w).Encode(with))
}
