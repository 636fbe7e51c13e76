// Package preflight finds out on each worker that is to read, before it reads anything, whether it can do what the job
// wants: workers of a distributed runner may be older programs, and on machines that see other files.
package preflight

import (
	"context"
	"fmt"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"clickstream/io/kafka"
	"clickstream/io/table"
	"clickstream/io/version"
)

// Config is what the job wants. It is serialized into the graph.
type Config struct {
	Version string         // of the program that has made the graph
	Table   table.Settings // which is there
}

func init() {
	register.DoFn2x2[context.Context, kafka.Assignment, kafka.Assignment, error](&CheckFn{})
}

// Check passes a PCollection<kafka.Assignment> on, once the worker that has them was found fit.
func Check(s beam.Scope, cfg Config, assignments beam.PCollection) beam.PCollection {
	return beam.ParDo(s.Scope("preflight.Check"), &CheckFn{Config: cfg}, assignments)
}

// CheckFn lets no assignment pass on a worker that is not fit.
type CheckFn struct{ Config Config }

// ProcessElement returns a. It fails if this program is another one than the job's, or does not see the table.
func (f *CheckFn) ProcessElement(ctx context.Context, a kafka.Assignment) (kafka.Assignment, error) {
	if own := version.Own(); own != f.Config.Version {
		return a, fmt.Errorf("the worker is clickstream %s, and the job was submitted by clickstream %s; start the workers with the program that submits it", own, f.Config.Version)
	}
	t, err := table.Open(ctx, f.Config.Table)
	if err != nil {
		return a, err
	}
	return a, t.Close()
}
