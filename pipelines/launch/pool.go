package launch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/apache/beam/sdks/v2/go/container/tools"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/universal/extworker"
)

// DefaultPool is where a pool of workers listens, as Beam's own pools do.
const DefaultPool = "localhost:50000"

// Pool runs workers in this process for whoever asks for them at a port of this machine's loopback interface, until
// ctx ends. It is what an External environment needs on each machine that has a runner's task manager.
func Pool(ctx context.Context, port int) error {
	root, underWay := count(context.WithoutCancel(ctx))
	pool, err := extworker.StartLoopback(root, port)
	if err != nil {
		return fmt.Errorf("worker pool: %w; choose another port with --listen", err)
	}
	slog.Info("workers can be had", "at", pool.EnvironmentConfig(ctx))
	<-ctx.Done()
	err = pool.Stop(context.WithoutCancel(ctx))
	underWay.wait()
	return err
}

// ByRunner tells whether a program's arguments are those that a runner starts a worker with, in a Process or Docker
// environment. The contract is https://s.apache.org/beam-fn-api-container-contract.
func ByRunner(args []string) bool {
	return len(args) > 0 && (strings.HasPrefix(args[0], "--id=") || strings.HasPrefix(args[0], "--worker"))
}

// Boot returns the arguments of a worker, for Beam's flags, that a runner has started with args: it asks the runner
// for the rest. It sets the environment variables that Beam's worker reads.
func Boot(ctx context.Context, args []string) ([]string, error) {
	given := map[string]string{}
	for _, arg := range args {
		if name, value, ok := strings.Cut(strings.TrimPrefix(arg, "--"), "="); ok {
			given[name] = value
		}
	}
	if given["worker"] != "" {
		return args, nil // somebody has asked already
	}
	if given["provision_endpoint"] == "" {
		return nil, errors.New("a worker was to be started without --provision_endpoint: only runners start this program with --id")
	}
	info, err := tools.ProvisionInfo(ctx, given["provision_endpoint"])
	if err != nil {
		return nil, fmt.Errorf("worker %s: ask the runner at %s: %w", given["id"], given["provision_endpoint"], err)
	}
	options, err := tools.ProtoToJSON(info.GetPipelineOptions())
	if err != nil {
		return nil, fmt.Errorf("worker %s: the pipeline's options: %w", given["id"], err)
	}
	file := filepath.Join(os.TempDir(), fmt.Sprintf("clickstream-worker-%d.json", os.Getpid()))
	if err := os.WriteFile(file, []byte(options), 0o600); err != nil {
		return nil, fmt.Errorf("worker %s: the pipeline's options: %w", given["id"], err)
	}
	logging, control := given["logging_endpoint"], given["control_endpoint"]
	if url := info.GetLoggingEndpoint().GetUrl(); url != "" {
		logging = url
	}
	if url := info.GetControlEndpoint().GetUrl(); url != "" {
		control = url
	}
	for name, value := range map[string]string{
		"PIPELINE_OPTIONS_FILE": file,
		"STATUS_ENDPOINT":       info.GetStatusEndpoint().GetUrl(), "RUNNER_CAPABILITIES": strings.Join(info.GetRunnerCapabilities(), " "),
	} {
		if value == "" {
			continue
		}
		if err := os.Setenv(name, value); err != nil {
			return nil, fmt.Errorf("worker %s: set %s: %w", given["id"], name, err)
		}
	}
	return []string{"--worker=true", "--id=" + given["id"], "--logging_endpoint=" + logging, "--control_endpoint=" + control}, nil
}
