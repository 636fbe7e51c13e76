package launch

import (
	"context"
	"net"
	"os"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/artifact"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/util/protox"
	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"
	pipepb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/pipeline_v1"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
)

// shelf is the part of an expansion service that hands out what its steps need.
type shelf struct {
	jobpb.UnimplementedArtifactRetrievalServiceServer
}

func (shelf) ResolveArtifacts(_ context.Context, req *jobpb.ResolveArtifactsRequest) (*jobpb.ResolveArtifactsResponse, error) {
	return &jobpb.ResolveArtifactsResponse{Replacements: req.GetArtifacts()}, nil
}

func (shelf) GetArtifact(_ *jobpb.GetArtifactRequest, out jobpb.ArtifactRetrievalService_GetArtifactServer) error {
	return out.Send(&jobpb.GetArtifactResponse{Data: []byte("a jar")})
}

// needing returns an environment that needs a jar.
func needing(urn, name string) *pipepb.Environment {
	return &pipepb.Environment{Urn: urn, Dependencies: []*pipepb.ArtifactInformation{{
		TypeUrn: artifact.URNFileArtifact, TypePayload: protox.MustEncode(&pipepb.ArtifactFilePayload{Path: "/there/" + name}),
		RoleUrn: artifact.URNStagingTo, RolePayload: protox.MustEncode(&pipepb.ArtifactStagingToRolePayload{StagedName: name}),
	}}}
}

// TestForeignStepsBringWhatIsNotThere stages what a container needs, and nothing of what runs within the runner.
func TestForeignStepsBringWhatIsNotThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := grpc.NewServer()
	jobpb.RegisterArtifactRetrievalServiceServer(s, shelf{})
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)

	within, container := needing(embedded, "within.jar"), needing("beam:env:docker:v1", uuid.NewString()+".jar")
	edges := []*graph.MultiEdge{{Op: graph.ParDo}, {Op: graph.External, External: &graph.ExternalTransform{
		ExpansionAddr: l.Addr().String(),
		Expanded:      &graph.ExpandedTransform{Components: &pipepb.Components{Environments: map[string]*pipepb.Environment{"a": within, "b": container}}},
	}}}
	require.NoError(t, resolveForeign(t.Context(), edges))
	assert.Empty(t, within.GetDependencies())
	require.Len(t, container.GetDependencies(), 1)
	path, _ := artifact.MustExtractFilePayload(container.GetDependencies()[0])
	defer func() { assert.NoError(t, os.Remove(path)) }()
	jar, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "a jar", string(jar))
}
