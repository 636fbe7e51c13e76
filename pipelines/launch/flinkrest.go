package launch

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// flinkREST is the address of Flink's own interface, as http://localhost:8081. Beam's job service cannot cancel a job
// of Flink's: it calls the job cancelled, which runs on (2.62, FlinkJobInvoker).
type flinkREST string

// cancel cancels the jobs of a name. Flink gets a job seconds after the job service has taken it: until then it is waited
// for, or it would go on, and whoever follows it as well.
func (r flinkREST) cancel(ctx context.Context, name string) error {
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		known, err := r.cancelKnown(ctx, name)
		if known || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("Flink at %s gets no job %s: %w", r, name, ctx.Err()) //nolint:staticcheck // Flink is a name
		case <-poll.C:
		}
	}
}

// finished returns when Flink says that all jobs of a name are done, or an error when ctx ends before. The job service
// looks every two seconds only.
func (r flinkREST) finished(ctx context.Context, name string) error {
	poll := time.NewTicker(200 * time.Millisecond)
	defer poll.Stop()
	for {
		jobs, err := r.jobs(ctx, name) // an answer that does not come is no matter: the job service is asked as well
		if err == nil && len(jobs) > 0 && !slices.ContainsFunc(jobs, func(j flinkJob) bool { return j.State != "FINISHED" }) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-poll.C:
		}
	}
}

// flinkJob is what Flink says of a job.
type flinkJob struct{ JID, Name, State string }

// jobs returns the jobs of a name that Flink knows.
func (r flinkREST) jobs(ctx context.Context, name string) ([]flinkJob, error) {
	var all struct{ Jobs []flinkJob }
	if err := r.ask(ctx, http.MethodGet, "/jobs/overview", &all); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all.Jobs, func(j flinkJob) bool { return j.Name != name }), nil
}

// cancelKnown cancels the jobs of a name that Flink knows, and tells whether there are any.
func (r flinkREST) cancelKnown(ctx context.Context, name string) (known bool, err error) {
	jobs, err := r.jobs(ctx, name)
	if err != nil {
		return false, err
	}
	for _, job := range jobs {
		switch job.State {
		case "FINISHED", "CANCELED", "FAILED", "CANCELLING":
			continue
		}
		if err := r.ask(ctx, http.MethodPatch, "/jobs/"+url.PathEscape(job.JID)+"?mode=cancel", nil); err != nil {
			return true, err
		}
	}
	return len(jobs) > 0, nil
}

// reach returns an error when Flink does not answer there.
func (r flinkREST) reach(ctx context.Context) error {
	var config struct {
		Version string `json:"flink-version"`
	}
	if err := r.ask(ctx, http.MethodGet, "/config", &config); err != nil {
		return fmt.Errorf("%w; start Flink, or correct --flink-rest", err)
	}
	if config.Version == "" {
		return fmt.Errorf("%s answers, and is not Flink's REST interface; correct --flink-rest", r)
	}
	return nil
}

// ask sends a request, and reads the answer into into, if that is not nil.
func (r flinkREST) ask(ctx context.Context, method, path string, into any) (err error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(string(r), "/")+path, nil)
	if err != nil {
		return fmt.Errorf("ask Flink at %s: %w", r, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask Flink: %w", err)
	}
	defer func() {
		if closed := resp.Body.Close(); err == nil {
			err = closed
		}
	}()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("ask Flink at %s: %w", r, err)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("Flink at %s answers %s with %s", r, path, resp.Status) //nolint:staticcheck // Flink is a name
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("Flink at %s answers %s with what is no JSON: %w; correct --flink-rest", r, path, err) //nolint:staticcheck // Flink is a name
	}
	return nil
}
