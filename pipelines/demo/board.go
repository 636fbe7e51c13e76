package demo

import (
	"context"
	"sync"

	"clickstream/pipelines/dashboard"
	"clickstream/pipelines/monitor"
	"clickstream/pipelines/objectives"
	"clickstream/pipelines/settings"
	"clickstream/transforms/progress"
)

// board is the page that shows the demo in a browser, and what it knows of the demo. It is nil where none is wanted.
type board struct {
	monitor   *monitor.Monitor
	dashboard *dashboard.Dashboard
	server    *monitor.Server
}

// openBoard begins to listen at an address; nothing is served before it runs. The address that nobody has chosen may be
// taken, by another demo for one: then it is any port of this machine.
func openBoard(ctx context.Context, address string, run *settings.Run, pipeline string) (*board, error) {
	if address == "" {
		return nil, nil
	}
	m, err := monitor.New(monitor.Config{
		Connection: run.Kafka.Connection(), Topic: run.Topic, Group: run.Group, DeadLetterTopic: run.DeadLetterTopic,
		Table: run.Table, Window: run.Window, AllowedLateness: run.AllowedLateness, Process: progress.Of(pipeline),
		Interval: boardInterval,
	})
	if err != nil {
		return nil, err
	}
	b := &board{monitor: m, dashboard: dashboard.New(m, dashboard.Options{Interval: boardInterval, Runbook: "runbook"})}
	serving := monitor.Serving{Flag: "listen", Listen: address, Dashboard: b.dashboard, Runbook: objectives.Runbook()}
	b.server, err = monitor.Listen(m, serving)
	if err != nil && address == settings.DemoListen {
		serving.Listen = "127.0.0.1:0"
		b.server, err = monitor.Listen(m, serving)
	}
	if err != nil {
		over, end := context.WithCancel(ctx)
		end()
		m.Run(over) // gives back what it took
		return nil, err
	}
	return b, nil
}

// url returns where the page is, and nothing where there is none.
func (b *board) url() string {
	if b == nil {
		return ""
	}
	return b.server.URL()
}

// run looks at the demo and serves the page until ctx ends.
func (b *board) run(ctx context.Context) error {
	if b == nil {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var looking sync.WaitGroup
	looking.Go(func() { b.monitor.Run(ctx) })
	looking.Go(func() { b.dashboard.Run(ctx) })
	err := b.server.Serve(ctx)
	stop()
	looking.Wait()
	return err
}
