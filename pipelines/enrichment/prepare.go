package enrichment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"clickstream/io/kafka"
	"clickstream/io/registry"
	"clickstream/pipelines/launch"
	"clickstream/pipelines/schemas"
	"clickstream/pipelines/settings"
	"clickstream/pipelines/source"
	"clickstream/transforms/enrich"
	"clickstream/transforms/read"
	"clickstream/transforms/tracing"
)

// bundle is how long a reader gathers before what it has read is committed.
const bundle = time.Second

// sessionsBundle is how long it gathers where sessions are found: then all that it reads goes on, and Prism has it in memory
// for as long as the bundle lasts.
const sessionsBundle = 200 * time.Millisecond

// buckets is how many parts users are spread over, which is the most workers that can find sessions at once.
const buckets = 32

// Prepare looks up what a run needs to know, and finds out early what is not there. It makes the dead letter topic where
// it is missing, registers the schema of the enriched topic, and takes over from the run of the group that goes on, if
// there is one. A dry run does none of this.
func Prepare(ctx context.Context, s *settings.Enrich) (Plan, error) {
	by := launch.For(&s.Job, &s.Input)
	if err := by.Reach(ctx); err != nil {
		return Plan{}, err
	}
	from, err := source.Open(ctx, &s.Input, s.Start, s.Dataflow.DryRun)
	if err != nil {
		return Plan{}, err
	}
	defer from.Close()
	p := plan(s, from, by)
	if s.Dataflow.DryRun {
		return p, nil
	}
	if _, err := from.Connection.Identify(ctx, from.Admin, kafka.Doing{Operation: "Write", Topic: s.EnrichedTopic}); err != nil {
		return Plan{}, err
	}
	if p.Enrich.Schema, err = register(ctx, from.Registry, s.EnrichedTopic); err != nil {
		return Plan{}, err
	}
	p.Enrich.MaxBytes = from.Connection.MaxMessageBytes(ctx, from.Client, s.EnrichedTopic)
	p.Read.Decode.MaxBytes = int(p.Enrich.MaxBytes) - room
	return p, p.takeOver(ctx, s, from)
}

// room is what a record takes besides its text.
const room = 4 << 10

func plan(s *settings.Enrich, from *source.Source, by launch.Runner) Plan {
	pipeline, length := uuid.NewString(), bundle
	if s.Sessions {
		length = sessionsBundle
	}
	return Plan{
		Pipeline: pipeline,
		Extent:   from.Extent,
		Readers:  s.Readers,
		Runner:   by,
		Sessions: s.Sessions,
		Read: read.Config{
			// Its group is left alone: the offsets are committed with what is written.
			Reader: kafka.ReaderSettings{
				Connection: from.Connection, AllowDataLoss: s.OnDataLoss == "warn",
				WatermarkDelay: s.WatermarkDelay, IdleTimeout: s.IdleTimeout,
			},
			Decode: read.DecodeSettings{
				Format: s.Format, Registry: from.Registry, ClockSkew: s.ClockSkew, Window: time.Minute,
				Events: true, Rejects: !s.Sessions, AnyTime: true,
			},
			Bundle: length, Pause: launch.Pause(&s.Job, &s.Input), Whole: launch.Whole(&s.Job, &s.Input),
			Tracing: tracing.Config{Endpoint: s.OTLPEndpoint, Pipeline: pipeline},
		},
		Enrich: enrich.Config{
			Pipeline: pipeline, Connection: from.Connection, Group: s.Group,
			Source: s.Topic, SourceID: from.Extent.TopicID, Topic: s.EnrichedTopic, DeadLetters: from.DeadLetters(pipeline),
			Gap: s.SessionGap, Buckets: buckets, Local: by.IsHere(),
			Tracing: tracing.Config{Endpoint: s.OTLPEndpoint, Pipeline: pipeline},
		},
	}
}

func register(ctx context.Context, at registry.Settings, topic string) (int32, error) {
	r, err := registry.New(at)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	id, err := schemas.Ensure(ctx, r, topic+"-value", schemas.Schema{Name: "the schema that enrich writes with", Text: enrich.Schema})
	if id > math.MaxInt32 {
		err = fmt.Errorf("schema %d of subject %s-value has an id of more than 32 bits", id, topic)
	}
	return int32(id), err //nolint:gosec // it has no more bits
}

// takeOver ends the producers of an earlier run of the group, and goes on where they have committed.
func (p *Plan) takeOver(ctx context.Context, s *settings.Enrich, from *source.Source) error {
	var ids []string
	for _, partition := range p.Extent.Partitions {
		ids = append(ids, p.Enrich.TransactionalID(partition))
	}
	if err := kafka.Fence(ctx, from.Connection, from.Client, ids...); err != nil {
		return err
	}
	explain := func(err error) error {
		return from.Connection.Explain(err, kafka.Doing{Operation: "Read", Group: s.Group, Topic: s.Topic})
	}
	at, err := kafka.FetchPosition(ctx, from.Admin, s.Group, s.Topic)
	if err != nil {
		return explain(err)
	}
	if err := p.goOn(ctx, s, from, at); err != nil {
		return err
	}
	if err := p.takeUp(ctx, s, from, enrich.ParseNote(at.Note)); err != nil {
		return err
	}
	note := enrich.Note{Run: p.Pipeline, Until: enrich.ParseNote(at.Note).Until}
	at.Note, at.TopicID = note.String(), p.Extent.TopicID
	p.Enrich.Begin = p.Extent.Begin()
	for i, partition := range p.Extent.Partitions {
		at.Next[partition] = p.Extent.Start[i]
	}
	return explain(kafka.CommitPosition(ctx, from.Admin, at))
}

// takeUp finds where the enriched topic may hold sessions that go on: those of the clicks that an earlier run had written, and
// of which some may be written again.
func (p *Plan) takeUp(ctx context.Context, s *settings.Enrich, from *source.Source, before enrich.Note) error {
	if !s.Sessions || before.Until == 0 {
		return nil
	}
	since := time.UnixMilli(before.Until).Add(-2*s.SessionGap - s.ClockSkew)
	var err error
	p.Enrich.Seeds, err = kafka.Resolve(ctx, from.Admin, s.EnrichedTopic, kafka.Instant{Time: since}, kafka.Instant{Word: settings.Latest})
	return from.Connection.Explain(err, kafka.Doing{Operation: "Read", Topic: s.EnrichedTopic, Flag: "--enriched-topic"})
}

// goOn moves the extent to where the group is. A partition that it does not know is younger than the group, and is read
// from its beginning.
func (p *Plan) goOn(ctx context.Context, s *settings.Enrich, from *source.Source, at kafka.Position) error {
	if len(at.Next) == 0 {
		return nil
	}
	begins, err := from.Admin.ListStartOffsets(ctx, s.Topic)
	if err == nil {
		err = begins.Error()
	}
	if err != nil {
		return from.Connection.Explain(err, kafka.Doing{Operation: "Read", Topic: s.Topic})
	}
	ends, err := from.Admin.ListEndOffsets(ctx, s.Topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return from.Connection.Explain(err, kafka.Doing{Operation: "Read", Topic: s.Topic})
	}
	for i, partition := range p.Extent.Partitions {
		next, known := at.Next[partition]
		first := begins[s.Topic][partition].Offset
		switch end := ends[s.Topic][partition].Offset; {
		case !known:
			next = first
		case next > end:
			return fmt.Errorf("%w: topic %s partition %d ends at offset %d, and group %s has come to %d: its log was cut, or the topic was deleted and made again; choose another --group",
				kafka.ErrDataLoss, s.Topic, partition, end, s.Group, next)
		case next < first && s.OnDataLoss != "warn":
			return fmt.Errorf("%w: topic %s partition %d begins at offset %d, and group %s has come to %d; raise the topic's retention, and go on without what is gone by --on-data-loss warn",
				kafka.ErrDataLoss, s.Topic, partition, first, s.Group, next)
		case next < first:
			slog.Warn("records are gone before they were read", "topic", s.Topic, "partition", partition, "from", next, "to", first)
			next = first
		}
		p.Extent.Start[i] = next
	}
	unknown := slices.DeleteFunc(slices.Collect(maps.Keys(at.Next)), func(partition int32) bool {
		return slices.Contains(p.Extent.Partitions, partition)
	})
	if len(unknown) > 0 {
		return errors.Join(fmt.Errorf("%w: group %s has read partition %d of topic %s, which has none: the topic was deleted and made again; choose another --group", kafka.ErrDataLoss, s.Group, unknown[0], s.Topic))
	}
	slog.Info("going on where the group is", "group", s.Group)
	return nil
}
