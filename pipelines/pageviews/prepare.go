package pageviews

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/io/registry"
	"clickstream/io/table"
	"clickstream/io/version"
	"clickstream/pipelines/launch"
	"clickstream/pipelines/settings"
	"clickstream/transforms/count"
	"clickstream/transforms/deadletter"
	"clickstream/transforms/read"
	"clickstream/transforms/store"
)

// bundle is how long a reader gathers before its counts go on. Prism holds what is under way in memory, and
// looks at the watermark between bundles: a second keeps both small.
const bundle = time.Second

// settling is how long a topic may be unknown to some broker after another one has made it.
const settling = 2 * time.Second

// Prepare looks up what a run needs to know, and finds out early what is not there: the runner, the registry, the cluster,
// the topics, the table. It makes the dead letter topic and the table where they are missing; a dry run makes nothing, and
// begins where a new table would.
func Prepare(ctx context.Context, s *settings.Run) (Plan, error) {
	by := launch.For(&s.Job, &s.Input)
	if err := reach(ctx, s, by); err != nil {
		return Plan{}, err
	}
	schemas := registry.Settings{URL: s.Registry, RetryTimeout: s.Kafka.RetryTimeout}
	if s.Format == "avro" {
		if err := ping(ctx, schemas); err != nil {
			return Plan{}, err
		}
	}
	connection := s.Kafka.Connection()
	client, err := connection.Connect(ctx)
	if err != nil {
		return Plan{}, err
	}
	defer client.Close()
	source, err := lookUp(ctx, s, connection, client)
	for until := time.Now().Add(settling); errors.Is(err, kafka.ErrNoTopic) && time.Now().Before(until); {
		select {
		case <-ctx.Done():
			return Plan{}, err
		case <-time.After(200 * time.Millisecond):
		}
		client.PurgeTopicsFromClient(s.Topic) // which remembers that there was none
		source, err = lookUp(ctx, s, connection, client)
	}
	if err != nil {
		return Plan{}, err
	}
	pipeline := uuid.NewString()
	p := Plan{
		Pipeline:    pipeline,
		Extent:      source.extent,
		Readers:     s.Readers,
		Runner:      by,
		DeadLetters: deadletter.Config{Pipeline: pipeline, Connection: connection, Topic: s.DeadLetterTopic, MaxBytes: source.maxDeadLetter, Version: version.Own()},
		Count:       count.Config{Window: s.Window, AllowedLateness: s.AllowedLateness, Shards: s.Shards},
		Read: read.Config{
			Reader: kafka.ReaderSettings{
				Connection: connection, Group: s.Group, AllowDataLoss: s.OnDataLoss == "warn",
				WatermarkDelay: s.WatermarkDelay, IdleTimeout: s.IdleTimeout,
			},
			Decode: read.DecodeSettings{
				Format: s.Format, Registry: schemas,
				ClockSkew: s.ClockSkew, Window: s.Window, AllowedLateness: s.AllowedLateness,
			},
			Bundle: bundle, Pause: launch.Pause(&s.Job, &s.Input),
			Whole: launch.Whole(&s.Job, &s.Input),
		},
	}
	p.Store = store.Config{Pipeline: p.Pipeline, Whole: p.Read.Whole, Table: table.Settings{
		Path: s.Table, Format: s.TableFormat, Topic: s.Topic, Cluster: source.cluster, TopicID: source.extent.TopicID,
		Window: s.Window, Shards: s.Shards, Version: version.Own(), Writer: pipeline, Begin: source.extent.Begin(),
	}}
	if s.Dataflow.DryRun {
		return p, nil
	}
	t, err := table.Open(ctx, p.Store.Table)
	if err != nil {
		return Plan{}, err
	}
	if p.Store.Table, err = forWorkers(p.Store.Table); err != nil {
		return Plan{}, errors.Join(err, t.Close())
	}
	admin := kadm.NewClient(client)
	final, err := resume(ctx, s, admin, t, &p.Extent)
	if err != nil {
		return Plan{}, errors.Join(err, t.Close())
	}
	if !final.IsZero() {
		p.Read.Decode.Final = final.UnixMilli()
	}
	p.KafkaIO = kafkaIO(s, p)
	if err := p.startKafkaIO(ctx, admin); err != nil {
		return Plan{}, errors.Join(err, t.Close())
	}
	// From the start, so that tools that show lag never find the group missing.
	if err := kafka.CommitGroup(ctx, admin, s.Group, s.Topic, p.Extent.Partitions, p.Extent.Start); err != nil {
		return Plan{}, errors.Join(connection.Explain(err, kafka.Doing{Operation: "Read", Group: s.Group, Topic: s.Topic}), t.Close())
	}
	return p, t.Close()
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

func ping(ctx context.Context, s registry.Settings) error {
	r, err := registry.New(s)
	if err != nil {
		return err
	}
	defer r.Close()
	return r.Ping(ctx)
}

// source is what was looked up in Kafka.
type source struct {
	extent        kafka.Extent
	cluster       string
	maxDeadLetter int32
}

func lookUp(ctx context.Context, s *settings.Run, c kafka.Connection, client *kgo.Client) (source, error) {
	admin := kadm.NewClient(client)
	var found source
	// Before its offsets: should the topic be made again in between, the reader finds it to be another one.
	is, err := c.Identify(ctx, admin, s.Topic)
	if err != nil {
		return found, err
	}
	found.cluster = is.Cluster
	found.extent, err = kafka.Resolve(ctx, admin, s.Topic, kafka.Instant(s.Start), kafka.Instant(s.Until))
	if err != nil {
		return found, c.Explain(err, kafka.Doing{Operation: "Read", Topic: s.Topic})
	}
	found.extent.TopicID = is.Topic
	if s.Dataflow.DryRun {
		return found, nil
	}
	made, err := c.EnsureDeadLetter(ctx, client, s.Topic, s.DeadLetterTopic)
	if err != nil {
		return found, err
	}
	if made {
		slog.Info("the dead letter topic did not exist and was made", "topic", s.DeadLetterTopic, "partitions", len(found.extent.Partitions))
	}
	found.maxDeadLetter = c.MaxMessageBytes(ctx, client, s.DeadLetterTopic)
	// A run that is refused is to leave no table behind: the table says where it began, and the next run heeds it.
	if err := kafka.CheckGroup(ctx, admin, s.Group, s.Topic, found.extent.Partitions, found.extent.Start); err != nil {
		return found, c.Explain(err, kafka.Doing{Operation: "Read", Group: s.Group, Topic: s.Topic})
	}
	return found, nil
}
