// Command clickstream counts page views per minute, from a Kafka topic into a table.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"clickstream/pipelines/launch"
	"clickstream/pipelines/template"
)

func main() { os.Exit(clickstream()) }

// clickstream runs the command line and returns the exit code.
func clickstream() int {
	args, forBeam := split(os.Args[1:])
	byRunner := launch.StartedByRunner(args)
	if template.StartedByLauncher(args) {
		args = fromLauncher(args)
	} else if len(args) > 0 && strings.HasPrefix(args[0], "--worker") { // started by Beam's own boot program, in its containers
		args, forBeam = nil, os.Args[1:]
	}
	if err := parseBeam(forBeam); err != nil {
		return report(err)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200) // most memory is fetched records, soon gone: a tenth faster, for some 80 MB
	}
	beam.Init() // does not return in a worker

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once. One that comes with the first is the same one: timeout(1) and
	// supervisors tell a process and then its group.
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	if byRunner {
		return report(launch.Work(ctx, args))
	}
	return report(execute(ctx, args))
}
