// Package flink asks Apache Flink about its jobs, by its REST interface. Beam's job service cannot cancel a job of Flink's,
// which it only calls cancelled (2.62, FlinkJobInvoker), and learns late that one has ended.
package flink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// REST is the address of Flink's interface, as http://localhost:8081.
type REST string

// Job is what Flink says of a job.
type Job struct {
	JID   string
	Name  string
	State string // RUNNING, FINISHED and so on
	Start int64  `json:"start-time"` // milliseconds since the epoch
}

// Over tells whether the job has come to its end.
func (j Job) Over() bool {
	return j.State == "FINISHED" || j.State == "CANCELED" || j.State == "FAILED"
}

// Known tells whether Flink answers questions about the job.
func (j Job) Known() bool { return j.State != "INITIALIZING" }

// Jobs returns the jobs whose names begin with name.
func (r REST) Jobs(ctx context.Context, name string) ([]Job, error) {
	var all struct{ Jobs []Job }
	if err := r.Ask(ctx, http.MethodGet, "/jobs/overview", nil, &all); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all.Jobs, func(j Job) bool { return !strings.HasPrefix(j.Name, name) }), nil
}

// between is what passes between two questions for the same.
const between = 200 * time.Millisecond

// Await returns the jobs whose names begin with name once there are some, and are is true of each. A job service that was told of a job
// tells Flink seconds later. When ctx ends before, it returns an error, with what Flink failed to answer.
func (r REST) Await(ctx context.Context, name string, are func(Job) bool) ([]Job, error) {
	poll := time.NewTicker(between)
	defer poll.Stop()
	for {
		jobs, err := r.Jobs(ctx, name)
		if err == nil && len(jobs) > 0 && !slices.ContainsFunc(jobs, func(j Job) bool { return !are(j) }) {
			return jobs, nil
		}
		select {
		case <-ctx.Done():
			if err != nil && !errors.Is(err, ctx.Err()) {
				return nil, err
			}
			return nil, fmt.Errorf("job %s at Flink %s: %w", name, r, ctx.Err())
		case <-poll.C:
		}
	}
}

// Cancel tells Flink to cancel the jobs of a name, once it has got one: until then there is nothing to be cancelled, and
// the job would go on.
func (r REST) Cancel(ctx context.Context, name string) error {
	jobs, err := r.Await(ctx, name, func(Job) bool { return true })
	if err != nil {
		return err
	}
	for _, job := range jobs {
		if job.Over() || job.State == "CANCELLING" {
			continue
		}
		if err := r.Ask(ctx, http.MethodPatch, "/jobs/"+url.PathEscape(job.JID)+"?mode=cancel", nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// Reach returns an error when Flink does not answer there.
func (r REST) Reach(ctx context.Context) error {
	var config struct {
		Version string `json:"flink-version"`
	}
	if err := r.Ask(ctx, http.MethodGet, "/config", nil, &config); err != nil {
		return fmt.Errorf("%w; start Flink, or correct --flink-rest", err)
	}
	if config.Version == "" {
		return fmt.Errorf("%s answers, and is not Flink's REST interface; correct --flink-rest", r)
	}
	return nil
}

// Checkpoint is one that a job has completed.
type Checkpoint struct {
	ID       int64 `json:"id"`
	Trigger  int64 `json:"trigger_timestamp"`   // when it began, milliseconds since the epoch
	Duration int64 `json:"end_to_end_duration"` // milliseconds
	Bytes    int64 `json:"state_size"`          // of all that it keeps
}

// Checkpoints returns the checkpoints of a job that Flink remembers, by its id: its last ones, the oldest first; and how
// many have failed since it began.
func (r REST) Checkpoints(ctx context.Context, jid string) (last []Checkpoint, failed int, err error) {
	var answer struct {
		Counts  struct{ Failed int }
		History []struct {
			Checkpoint
			Status string
		}
	}
	if err := r.Ask(ctx, http.MethodGet, "/jobs/"+url.PathEscape(jid)+"/checkpoints", nil, &answer); err != nil {
		return nil, 0, err
	}
	for _, c := range slices.Backward(answer.History) {
		if c.Status == "COMPLETED" {
			last = append(last, c.Checkpoint)
		}
	}
	return last, answer.Counts.Failed, nil
}

// Ask sends a request with a body of JSON, if there is one, and reads the answer into into, if that is not nil.
func (r REST) Ask(ctx context.Context, method, path string, body, into any) (err error) {
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return fmt.Errorf("ask Flink at %s: %w", r, err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(string(r), "/")+path, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("ask Flink at %s: %w", r, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask Flink: %w", err)
	}
	defer func() {
		if closed := resp.Body.Close(); err == nil {
			err = closed
		}
	}()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("ask Flink at %s: %w", r, err)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("Flink at %s answers %s with %s", r, path, resp.Status) //nolint:staticcheck // Flink is a name
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("Flink at %s answers %s with what is no JSON: %w; correct --flink-rest", r, path, err) //nolint:staticcheck // Flink is a name
	}
	return nil
}
