package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	df "google.golang.org/api/dataflow/v1b3"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
)

const (
	pollDataflow = 10 * time.Second
	// silence is how long Dataflow may not answer before a job is no longer followed; it goes on.
	silence = 5 * time.Minute
)

// service connects to Dataflow's API by the application's default credentials, or to a stand-in without any.
func (d Dataflow) service(ctx context.Context) (*df.Service, error) {
	options := []option.ClientOption{option.WithScopes(df.CloudPlatformScope), option.WithUserAgent("clickstream")}
	if d.Endpoint != "" {
		options = append(options, option.WithEndpoint(strings.TrimRight(d.Endpoint, "/")+"/"))
	}
	if strings.HasPrefix(d.Endpoint, "http://") { // a token is never sent in the clear
		options = []option.ClientOption{options[2], options[1], option.WithoutAuthentication()}
	}
	service, err := df.NewService(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("dataflow: no credentials are found: set GOOGLE_APPLICATION_CREDENTIALS, or run gcloud auth application-default login (%s)", cause(err.Error()))
	}
	return service, nil
}

// follow takes the job's messages to the log until it ends, and returns why it failed, if it did. If ctx ends first,
// the job is told to end, which takes it minutes, and is not waited for.
func (d Dataflow) follow(ctx context.Context, service *df.Service, id string) error {
	jobs := service.Projects.Locations.Jobs
	tick := time.NewTicker(cmp.Or(d.Poll, pollDataflow))
	defer tick.Stop()
	told := &messages{seen: map[string]bool{}}
	for heard := time.Now(); ; {
		job, err := jobs.Get(d.Job.Project, d.Job.Region, id).Context(ctx).Do()
		if err == nil {
			err = d.tell(ctx, service, id, told)
		}
		switch {
		case ctx.Err() != nil:
		case err != nil && (time.Since(heard) > silence || !transient(err)):
			return fmt.Errorf("%w; the job %s goes on", d.explain("follow the job", err), id)
		case err != nil:
			slog.Debug("Dataflow does not answer", "job", id, "error", err)
		default:
			heard = time.Now()
			if ended, err := d.ended(job, told); ended {
				return err
			}
		}
		select {
		case <-ctx.Done():
			d.cancel(context.WithoutCancel(ctx), jobs, id)
			return ErrCancelled
		case <-tick.C:
		}
	}
}

// ended tells whether a job has, and why it failed, if it did.
func (d Dataflow) ended(job *df.Job, told *messages) (bool, error) {
	slog.Debug("the job is "+job.CurrentState, "job", job.Id)
	switch job.CurrentState {
	case "JOB_STATE_DONE":
		return true, nil
	case "JOB_STATE_CANCELLED", "JOB_STATE_DRAINED", "JOB_STATE_UPDATED":
		slog.Warn("the job was ended at Dataflow; what is not in the table yet will be read again", "job", job.Id, "state", job.CurrentState)
		return true, nil
	case "JOB_STATE_FAILED":
		return true, fmt.Errorf("the job %s failed at Dataflow: %s", job.Id, cmp.Or(told.why, "it does not say why; see its log there"))
	}
	return false, nil
}

// messages are those of a job that were told.
type messages struct {
	since string // time of the last one, as Dataflow writes it
	seen  map[string]bool
	why   string // the last error
}

// tell takes new messages to the log.
func (d Dataflow) tell(ctx context.Context, service *df.Service, id string, told *messages) error {
	list := service.Projects.Locations.Jobs.Messages.List(d.Job.Project, d.Job.Region, id).MinimumImportance("JOB_MESSAGE_BASIC")
	if told.since != "" {
		list = list.StartTime(told.since)
	}
	return list.Pages(ctx, func(page *df.ListJobMessagesResponse) error {
		for _, m := range page.JobMessages {
			if told.seen[m.Id] {
				continue
			}
			told.seen[m.Id] = true
			told.since = max(told.since, m.Time) // RFC 3339 in UTC
			level := slog.LevelInfo
			switch m.MessageImportance {
			case "JOB_MESSAGE_ERROR":
				level, told.why = slog.LevelDebug, cause(m.MessageText) // it is the error of the run, should that fail
			case "JOB_MESSAGE_WARNING":
				level = slog.LevelWarn
			}
			slog.Log(ctx, level, "dataflow: "+m.MessageText, "job", id)
		}
		return nil
	})
}

func (d Dataflow) cancel(ctx context.Context, jobs *df.ProjectsLocationsJobsService, id string) {
	ctx, done := context.WithTimeout(ctx, reachable)
	defer done()
	_, err := jobs.Update(d.Job.Project, d.Job.Region, id, &df.Job{RequestedState: "JOB_STATE_CANCELLED"}).Context(ctx).Do()
	if err != nil {
		slog.Warn("the job could not be cancelled, and goes on; cancel it by gcloud dataflow jobs cancel", "job", id, "error", d.explain("cancel the job", err))
		return
	}
	slog.Info("Dataflow cancels the job", "job", id)
}

// transient tells whether the same request may be answered later.
func transient(err error) bool {
	var answer *googleapi.Error
	return !errors.As(err, &answer) || answer.Code == http.StatusTooManyRequests || answer.Code >= http.StatusInternalServerError
}

// explain says in one line what Dataflow did not do, and the way out.
func (d Dataflow) explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	at := "Dataflow"
	if d.Endpoint != "" {
		at += " at " + d.Endpoint
	}
	var answer *googleapi.Error
	if !errors.As(err, &answer) {
		var request *url.Error
		if errors.As(err, &request) {
			err = request.Err
		}
		return fmt.Errorf("%s cannot be asked to %s: %w; check the network, the credentials, and --endpoint", at, doing, err)
	}
	remedy := "see what it says"
	switch answer.Code {
	case http.StatusUnauthorized:
		remedy = "run gcloud auth application-default login, or check GOOGLE_APPLICATION_CREDENTIALS"
	case http.StatusForbidden:
		remedy = "enable the Dataflow API in project " + d.Job.Project + ", and give the account the role Dataflow Developer"
	case http.StatusNotFound:
		remedy = "check --project " + d.Job.Project + " and --region " + d.Job.Region
	case http.StatusConflict:
		remedy = "a job of this name runs: wait for its end, or name another by --job-name"
	case http.StatusBadRequest:
		remedy = "correct what it names"
	default:
		if transient(err) {
			remedy = "try again later"
		}
	}
	said := strings.Join(strings.Fields(cmp.Or(answer.Message, http.StatusText(answer.Code))), " ")
	return fmt.Errorf("%s does not %s (%d %s); %s", at, doing, answer.Code, said, remedy)
}
