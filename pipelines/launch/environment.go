package launch

import (
	"fmt"
	"os"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/graphx"
	pipepb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/pipeline_v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// The environments: where a distributed runner has its workers.
const (
	Loopback = "loopback" // in this process
	External = "external" // in pools that are there already, see Pool
	Process  = "process"  // in processes that the runner starts: this binary, which finds out that it is to be a worker
	Docker   = "docker"   // in containers of an image whose entry point is this binary
)

// environment is how a runner finds the workers of a job.
type environment struct{ urn, config string }

// environmentOf returns the environment of a name. config is the pool's address, the worker's program, or the image.
func environmentOf(name, config string) (environment, error) {
	switch name {
	case External:
		if config == "" {
			config = DefaultPool
		}
		return environment{graphx.URNEnvExternal, config}, nil
	case Process:
		if config == "" {
			self, err := os.Executable()
			if err != nil {
				return environment{}, fmt.Errorf("find this program's own file, which is to be the worker: %w", err)
			}
			config = self
		}
		payload, err := protojson.Marshal(&pipepb.ProcessPayload{Command: config})
		return environment{graphx.URNEnvProcess, string(payload)}, err
	case Docker:
		return environment{graphx.URNEnvDocker, config}, nil
	}
	return environment{}, fmt.Errorf("environment %q is none of %s, %s, %s, %s", name, Loopback, External, Process, Docker)
}
