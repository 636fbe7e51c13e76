package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"
	pipepb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/pipeline_v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// urn names the transform: KafkaIO's read, of rows with all that a record has.
const urn = "beam:transform:org.apache.beam:kafka_read_with_metadata:v1"

const bytesDeserializer = "org.apache.kafka.common.serialization.ByteArrayDeserializer"

// payload is what KafkaIO is told, by the names of KafkaIO.Read.External.Configuration.
type payload struct {
	ConsumerConfig         map[string]string
	Topics                 []string
	KeyDeserializer        string
	ValueDeserializer      string
	CommitOffsetInFinalize bool
	TimestampPolicy        string
}

// Beam takes down a type that it meets for the first time, and that nobody has registered, without a look at who reads
// what it has taken down (2.77, schema.Registry).
func init() { beam.RegisterType(reflect.TypeFor[payload]()) }

// payload returns what KafkaIO is told of a topic. It starts at the offsets of the group, and fails where there are
// none, or where they are gone.
func (cfg Config) payload(topic string) ([]byte, error) {
	consumer, err := cfg.Reader.Connection.JavaProperties()
	if err != nil {
		return nil, err
	}
	maps.Copy(consumer, map[string]string{
		"group.id": cfg.Group, "auto.offset.reset": "none", "enable.auto.commit": "false", "isolation.level": "read_committed",
	})
	return beam.CrossLanguagePayload(payload{
		ConsumerConfig: consumer, Topics: []string{topic}, KeyDeserializer: bytesDeserializer, ValueDeserializer: bytesDeserializer,
		TimestampPolicy: "ProcessingTime", // it never holds anything up
	}), nil
}

// reachable is how long an expansion service is waited for.
const reachable = 10 * time.Second

// splittable is required of a runner by what holds a splittable function.
const splittable = "beam:requirement:pardo:splittable_dofn:v1"

// Reach finds out whether the expansion service is there, knows KafkaIO, and makes of it what Flink can run on and on.
func (cfg Config) Reach(ctx context.Context, topic string) error {
	payload, err := cfg.payload(topic)
	if err != nil {
		return err
	}
	ctx, done := context.WithTimeout(ctx, reachable)
	defer done()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", cfg.Service)
	if err != nil {
		return fmt.Errorf("expansion service %s cannot be reached: %w; start one that knows Java's KafkaIO, or correct --expansion-service", cfg.Service, err)
	}
	_ = conn.Close() // it was only to see whether somebody listens
	cc, err := grpc.NewClient(cfg.Service, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("expansion service %s: %w; correct --expansion-service", cfg.Service, err)
	}
	defer func() { _ = cc.Close() }()
	expanded, err := jobpb.NewExpansionServiceClient(cc).Expand(ctx, &jobpb.ExpansionRequest{
		Components: &pipepb.Components{}, Namespace: "reach",
		Transform: &pipepb.PTransform{UniqueName: "External", Spec: &pipepb.FunctionSpec{Urn: urn, Payload: payload}, Outputs: map[string]string{"out": "out"}},
	})
	switch {
	case err != nil:
		return fmt.Errorf("%s is no expansion service of Beam's: %s; correct --expansion-service", cfg.Service, said(err))
	case expanded.GetError() != "":
		return cfg.failed(errors.New(expanded.GetError()))
	case slices.Contains(expanded.GetRequirements(), splittable):
		return fmt.Errorf("expansion service %s makes a splittable function of KafkaIO, which Flink cannot interrupt: while records come, no checkpoint would be complete; start it with --experiments=use_deprecated_read", cfg.Service)
	}
	return nil
}

// said returns what a service said, without the words of gRPC around it.
func said(err error) string {
	if s, ok := status.FromError(err); ok {
		return s.Message()
	}
	return err.Error()
}

// failed returns a failed expansion as an error of one line. Java says what is wrong in the first one, and where below;
// Beam says before what it was about.
func (cfg Config) failed(err error) error {
	text := err.Error()
	if at := strings.LastIndex(text, "\tcaused by:\n"); at >= 0 {
		text = text[at+len("\tcaused by:\n"):]
	}
	if strings.Contains(text, "Unknown urn") || strings.Contains(text, "UnsupportedOperationException") {
		return fmt.Errorf("expansion service %s does not know Java's KafkaIO; start one that has beam-sdks-java-io-kafka on its class path", cfg.Service)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return fmt.Errorf("expansion service %s: KafkaIO: %s", cfg.Service, line)
}
