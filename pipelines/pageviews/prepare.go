package pageviews

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"clickstream/io/kafka"
	"clickstream/io/table"
	"clickstream/io/version"
	"clickstream/pipelines/launch"
	"clickstream/pipelines/settings"
	"clickstream/pipelines/source"
	"clickstream/transforms/click"
	"clickstream/transforms/count"
	"clickstream/transforms/read"
	"clickstream/transforms/store"
	"clickstream/transforms/tracing"
)

// bundle is how long a reader gathers before its counts go on. Prism holds what is under way in memory, and
// looks at the watermark between bundles: a second keeps both small.
const bundle = time.Second

// Prepare looks up what a run needs to know, and finds out early what is not there: the runner, the registry, the cluster,
// the topics, the table. It makes the dead letter topic and the table where they are missing; a dry run makes nothing, and
// begins where a new table would.
func Prepare(ctx context.Context, s *settings.Run) (Plan, error) {
	by := launch.For(&s.Job, &s.Input)
	if err := reach(ctx, s, by); err != nil {
		return Plan{}, err
	}
	from, err := source.Open(ctx, &s.Input, s.Start, s.Dataflow.DryRun)
	if err != nil {
		return Plan{}, err
	}
	defer from.Close()
	pipeline := uuid.NewString()
	p := Plan{
		Pipeline:    pipeline,
		Extent:      from.Extent,
		Readers:     s.Readers,
		Runner:      by,
		DeadLetters: from.DeadLetters(pipeline),
		Count:       count.Config{Pipeline: pipeline, Window: s.Window, AllowedLateness: s.AllowedLateness, Shards: s.Shards, Once: s.Dedupe != "", Users: s.UniqueUsers},
		Read: read.Config{
			Reader: kafka.ReaderSettings{
				Connection: from.Connection, Group: s.Group, AllowDataLoss: s.OnDataLoss == "warn",
				WatermarkDelay: s.WatermarkDelay, IdleTimeout: s.IdleTimeout,
			},
			Decode: read.DecodeSettings{
				Format: s.Format, Registry: from.Registry,
				ClockSkew: s.ClockSkew, Window: s.Window, AllowedLateness: s.AllowedLateness, Events: s.Dedupe != "" || s.UniqueUsers,
			},
			Bundle: bundle, Pause: launch.Pause(&s.Job, &s.Input),
			Whole: launch.Whole(&s.Job, &s.Input), Tracing: tracing.Config{Endpoint: s.OTLPEndpoint, Pipeline: pipeline},
		},
	}
	p.Store = store.Config{Pipeline: p.Pipeline, Whole: p.Read.Whole, Tracing: p.Read.Tracing, Table: table.Settings{
		Path: s.Table, Format: s.TableFormat, Topic: s.Topic, Cluster: from.Cluster, TopicID: from.Extent.TopicID,
		Window: s.Window, Shards: s.Shards, Steps: click.Steps{Dedupe: s.Dedupe, Users: s.UniqueUsers, Top: s.Top}, Version: version.Own(), Writer: pipeline, Begin: from.Extent.Begin(),
	}}
	if s.Dataflow.DryRun {
		return p, nil
	}
	// A run that is refused is to leave no table behind: the table says where it began, and the next run heeds it.
	if err := from.CheckGroup(ctx, s.Group); err != nil {
		return Plan{}, err
	}
	warnIfCompacted(ctx, s, from)
	t, err := table.Open(ctx, p.Store.Table)
	if err != nil {
		return Plan{}, err
	}
	if p.Store.Table, err = forWorkers(p.Store.Table); err != nil {
		return Plan{}, errors.Join(err, t.Close())
	}
	final, err := resume(ctx, s, from.Admin, t, &p.Extent)
	if err != nil {
		return Plan{}, errors.Join(err, t.Close())
	}
	if !final.IsZero() {
		p.Read.Decode.Final = final.UnixMilli()
	}
	p.KafkaIO = kafkaIO(s, p)
	if err := p.startKafkaIO(ctx, from.Admin); err != nil {
		return Plan{}, errors.Join(err, t.Close())
	}
	// From the start, so that tools that show lag never find the group missing.
	if err := kafka.CommitGroup(ctx, from.Admin, s.Group, s.Topic, p.Extent.Partitions, p.Extent.Start); err != nil {
		return Plan{}, errors.Join(from.Connection.Explain(err, kafka.Doing{Operation: "Read", Group: s.Group, Topic: s.Topic}), t.Close())
	}
	return p, t.Close()
}

// warnIfCompacted warns of counting records that Kafka is to take away: those of a key but for its last. Clicks that were
// written twice count twice until then, and a window that is counted anew after it, or audited, has fewer.
func warnIfCompacted(ctx context.Context, s *settings.Run, from *source.Source) {
	if s.Dedupe == "" && from.Connection.Compacted(ctx, from.Client, s.Topic) {
		slog.Warn("the topic is compacted: clicks that stand in it twice count twice, until one of them is gone; table verify would then find fewer",
			"topic", s.Topic, "way_out", "count each event once, into a new table, with --dedupe event_id")
	}
}

// forWorkers returns the settings of a table that is there, as workers need them that may be other processes, in
// other folders and on other machines.
func forWorkers(s table.Settings) (table.Settings, error) {
	s.Existing = true
	if strings.Contains(s.Path, "://") {
		return s, nil
	}
	var err error
	s.Path, err = filepath.Abs(s.Path)
	return s, err
}

// reach finds out whether those are there who are to run the pipeline.
func reach(ctx context.Context, s *settings.Run, by launch.Runner) error {
	if err := reachKafkaIO(ctx, s); err != nil {
		return err
	}
	return by.Reach(ctx)
}
