package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// flink is Flink's own interface, by its URL.
type flink string

// flinkJob is what Flink tells of a job.
type flinkJob struct{ JID, Name, State string }

// over tells whether the job has come to its end.
func (j flinkJob) over() bool {
	return j.State == "FINISHED" || j.State == "CANCELED" || j.State == "FAILED"
}

// ask sends a request with a body of JSON, if there is one, and reads the answer into into, if that is not nil.
func (f flink) ask(ctx context.Context, method, path string, body, into any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(string(f), "/")+path, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("ask Flink: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask Flink: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s", resp.Status, answer)
	}
	if err == nil && into != nil {
		err = json.Unmarshal(answer, into)
	}
	if err != nil {
		return fmt.Errorf("ask Flink for %s: %w", path, err)
	}
	return nil
}

// job waits until Flink has the job of a run, and returns it. id is what Beam's job service calls it: Flink's name of
// the job, and more.
func (f flink) job(ctx context.Context, id string) (flinkJob, error) {
	name, _, _ := strings.Cut(id, "_")
	for {
		j, err := f.find(ctx, name)
		if err != nil || j.Name != "" && j.State != "INITIALIZING" { // until then Flink answers no question about it
			return j, err
		}
		select {
		case <-ctx.Done():
			return j, fmt.Errorf("Flink gets no job %s: %w", id, ctx.Err()) //nolint:staticcheck // Flink is a name
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// find returns the job of a name, or one without a name where there is none.
func (f flink) find(ctx context.Context, name string) (flinkJob, error) {
	var all struct{ Jobs []flinkJob }
	if err := f.ask(ctx, http.MethodGet, "/jobs/overview", nil, &all); err != nil {
		return flinkJob{}, err
	}
	for _, j := range all.Jobs {
		if j.Name == name {
			return j, nil
		}
	}
	return flinkJob{}, nil
}

// cancel ends a job, if it has not ended, and waits until it has.
func (f flink) cancel(ctx context.Context, id string) error {
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for asked := false; ; {
		j, err := f.job(ctx, id)
		if err != nil || j.over() {
			return err
		}
		if !asked && j.State != "CANCELLING" {
			asked = true
			if err := f.ask(ctx, http.MethodPatch, "/jobs/"+j.JID+"?mode=cancel", nil, nil); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("job %s is not cancelled: %w", id, ctx.Err())
		case <-poll.C:
		}
	}
}
