package pageviews

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"clickstream/io/kafka"
	"clickstream/pipelines/settings"
	"clickstream/transforms/kafkaio"
)

// kafkaIO returns how Java's KafkaIO is to read for a pipeline, whose other settings are known, or nil if our own
// reader is to. KafkaIO starts where a consumer group stands. That is a group of its own: the settings' group moves on
// for tools that show lag, and a job that Flink starts again before its first checkpoint has to begin where it began.
func kafkaIO(s *settings.Run, p Plan) *kafkaio.Config {
	if s.Source != "kafkaio" {
		return nil
	}
	return &kafkaio.Config{Service: s.ExpansionService, Group: s.Group + "-kafkaio-" + p.Pipeline[:8], Reader: p.Read.Reader, Decode: p.Read.Decode}
}

// reachKafkaIO finds out early whether KafkaIO can be had.
func reachKafkaIO(ctx context.Context, s *settings.Run) error {
	if s.Source != "kafkaio" {
		return nil
	}
	return kafkaio.Config{Service: s.ExpansionService, Group: s.Group, Reader: kafka.ReaderSettings{Connection: s.Kafka.Connection()}}.Reach(ctx, s.Topic)
}

// startKafkaIO commits the start of p for KafkaIO's group. Where records that come first are gone, and that is allowed,
// it is where records begin: KafkaIO would fail, then and whenever it finds some gone.
func (p Plan) startKafkaIO(ctx context.Context, admin *kadm.Client) error {
	if p.KafkaIO == nil {
		return nil
	}
	start := slices.Clone(p.Extent.Start)
	var err error
	if p.KafkaIO.Reader.AllowDataLoss {
		var begins kadm.ListedOffsets
		begins, err = listed(admin.ListStartOffsets(ctx, p.Extent.Topic))
		for i, partition := range p.Extent.Partitions {
			start[i] = max(start[i], begins[p.Extent.Topic][partition].Offset)
		}
	}
	if err == nil {
		err = kafka.CommitGroup(ctx, admin, p.KafkaIO.Group, p.Extent.Topic, p.Extent.Partitions, start)
	}
	return p.KafkaIO.Reader.Connection.Explain(err, kafka.Doing{Operation: "Read", Group: p.KafkaIO.Group, Topic: p.Extent.Topic})
}

// endKafkaIO deletes KafkaIO's group, once nobody starts from it any more. The group of a run that was killed goes when
// the broker finds it unused (offsets.retention.minutes), and so does one that may not be deleted, which is told.
func (p Plan) endKafkaIO(ctx context.Context) {
	if p.KafkaIO == nil {
		return
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	connection := p.KafkaIO.Reader.Connection
	client, err := connection.Client()
	if err == nil {
		defer client.Close()
		_, err = kadm.NewClient(client).DeleteGroup(ctx, p.KafkaIO.Group)
	}
	if err != nil {
		slog.Warn("a consumer group of this run alone is left; the broker forgets it in time (offsets.retention.minutes)",
			"group", p.KafkaIO.Group, "error", connection.Explain(err, kafka.Doing{Operation: "Delete", Group: p.KafkaIO.Group}))
	}
}
