package kafkaio

import (
	"context"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"clickstream/io/kafka"
)

// service is an expansion service that answers the same to all.
type service struct {
	jobpb.UnimplementedExpansionServiceServer
	answer *jobpb.ExpansionResponse
	asked  string
}

func (s *service) Expand(_ context.Context, req *jobpb.ExpansionRequest) (*jobpb.ExpansionResponse, error) {
	s.asked = string(req.GetTransform().GetSpec().GetPayload())
	return s.answer, nil
}

// serve starts a service on this machine, and returns where it is.
func serve(t *testing.T, register func(*grpc.Server)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := grpc.NewServer()
	register(s)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return l.Addr().String()
}

func at(address string) Config {
	return Config{Service: address, Group: "g-kafkaio-1", Reader: kafka.ReaderSettings{Connection: kafka.Connection{Brokers: []string{"kafka:9092"}}}}
}

func TestReachTellsKafkaIO(t *testing.T) {
	s := &service{answer: &jobpb.ExpansionResponse{}}
	address := serve(t, func(g *grpc.Server) { jobpb.RegisterExpansionServiceServer(g, s) })
	require.NoError(t, at(address).Reach(t.Context(), "clicks"))
	for _, told := range []string{"clicks", "kafka:9092", "group.id", "g-kafkaio-1", "auto.offset.reset", "none", "read_committed", "ProcessingTime"} {
		assert.Contains(t, s.asked, told)
	}
}

func TestReachFindsOutEarly(t *testing.T) {
	answering := func(answer *jobpb.ExpansionResponse) string {
		return serve(t, func(g *grpc.Server) { jobpb.RegisterExpansionServiceServer(g, &service{answer: answer}) })
	}
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, nobody.Close())
	web := httptest.NewServer(nil)
	defer web.Close()
	for want, address := range map[string]string{
		"cannot be reached: dial tcp " + nobody.Addr().String() + ": connect: connection refused; start one that knows Java's KafkaIO, or correct --expansion-service": nobody.Addr().String(),
		"is no expansion service of Beam's: ":                                                        web.Listener.Addr().String(),
		"is no expansion service of Beam's: unknown service":                                         serve(t, func(*grpc.Server) {}),
		"does not know Java's KafkaIO; start one that has beam-sdks-java-io-kafka on its class path": answering(&jobpb.ExpansionResponse{Error: "java.lang.UnsupportedOperationException: Unknown urn: " + urn + "\n\tat org.apache.beam"}),
		"KafkaIO: java.lang.IllegalStateException: something":                                        answering(&jobpb.ExpansionResponse{Error: "java.lang.IllegalStateException: something\n\tat org.apache.beam"}),
		"no checkpoint would be complete; start it with --experiments=use_deprecated_read":           answering(&jobpb.ExpansionResponse{Requirements: []string{splittable}}),
	} {
		err := at(address).Reach(t.Context(), "clicks")
		require.ErrorContains(t, err, want)
		assert.Contains(t, err.Error(), address)
		assert.NotContains(t, err.Error(), "\n")
	}
}

// TestClicksFailsInOneLine builds a graph with a service that has lost KafkaIO since it was looked for.
func TestClicksFailsInOneLine(t *testing.T) {
	address := serve(t, func(g *grpc.Server) {
		jobpb.RegisterExpansionServiceServer(g, &service{answer: &jobpb.ExpansionResponse{Error: "java.lang.IllegalStateException: something\n\tat org.apache.beam"}})
	})
	_, s := beam.NewPipelineWithRoot()
	assignments := []kafka.Assignment{{Topic: "clicks", Partitions: []int32{0}}}
	_, _, err := Clicks(s, at(address), assignments, beam.CreateList(s, assignments))
	require.ErrorContains(t, err, "java.lang.IllegalStateException: something")
	assert.Less(t, len(strings.Split(err.Error(), "\n")), 2)
}
