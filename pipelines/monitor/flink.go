package monitor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"clickstream/io/flink"
	"clickstream/pipelines/vitals"
)

// checkpoints asks Flink about the checkpoints of the newest job whose name begins so.
type checkpoints struct {
	rest flink.REST
	job  string

	begun bool // it was looked at
	jid   string
	had   counts // of that job, when it was last looked at

	mu   sync.Mutex
	last *vitals.Checkpoints
}

// counts is what counts of Flink's answer about a job's checkpoints.
type counts struct {
	Counts struct{ Completed, Failed int64 }
	Latest struct {
		Completed *struct {
			Duration int64 `json:"end_to_end_duration"` // milliseconds
			Bytes    int64 `json:"state_size"`
		}
	}
}

func (*checkpoints) name() string            { return "flink" }
func (*checkpoints) patience() time.Duration { return 10 * time.Second }
func (*checkpoints) close()                  {}

func (c *checkpoints) add(v *vitals.Vitals) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != nil {
		last := *c.last
		v.Checkpoints = &last
	}
}

// look asks. Of a job that began while it was watched all checkpoints count; of one that was there before, those that
// are new.
func (c *checkpoints) look(ctx context.Context) error {
	job, err := c.newest(ctx)
	if err != nil {
		return err
	}
	var now counts
	if err := c.rest.Ask(ctx, http.MethodGet, "/jobs/"+url.PathEscape(job.JID)+"/checkpoints", nil, &now); err != nil {
		return err
	}
	switch {
	case c.jid == job.JID:
	case !c.begun:
		c.had.Counts = now.Counts
	default:
		c.had = counts{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		c.last = &vitals.Checkpoints{}
	}
	c.last.Completed += max(0, now.Counts.Completed-c.had.Counts.Completed)
	c.last.Failed += max(0, now.Counts.Failed-c.had.Counts.Failed)
	if done := now.Latest.Completed; done != nil {
		c.last.Last, c.last.Bytes = time.Duration(done.Duration)*time.Millisecond, done.Bytes
	}
	c.begun, c.jid, c.had = true, job.JID, now
	return nil
}

// newest returns the job that was started last, one that has not ended if there is one.
func (c *checkpoints) newest(ctx context.Context) (flink.Job, error) {
	jobs, err := c.rest.Jobs(ctx, c.job)
	if err != nil {
		return flink.Job{}, err
	}
	var newest *flink.Job
	for i := range jobs {
		j := &jobs[i]
		if j.Known() && (newest == nil || newest.Over() && !j.Over() || newest.Over() == j.Over() && j.Start > newest.Start) {
			newest = j
		}
	}
	switch {
	case newest == nil:
		c.begun = true                                                                                                                      // whatever comes is new
		return flink.Job{}, fmt.Errorf("Flink at %s has no job whose name begins with %s; start it, or correct --flink-job", c.rest, c.job) //nolint:staticcheck // Flink is a name
	case newest.State == "FAILED":
		return flink.Job{}, fmt.Errorf("job %s of Flink at %s has failed; see Flink's log, and start it again", newest.Name, c.rest)
	}
	return *newest, nil
}
