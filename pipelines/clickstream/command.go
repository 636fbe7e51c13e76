package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/alecthomas/kong"
	kongcompletion "github.com/jotaen/kong-completion"

	"clickstream/pipelines/launch"
	"clickstream/pipelines/settings"
)

// The exit codes of the command.
const (
	done   = 0
	failed = 1 // it did not work
	wrong  = 2 // the command line or the configuration is wrong
)

// commands is the command line. Each command has its own file.
type commands struct {
	Demo       demoCommand       `cmd:"" help:"Count page views with nothing installed: embedded broker, clicks, a live view."`
	Run        runCommand        `cmd:"" help:"Count page views, from a topic into the table."`
	Enrich     enrichCommand     `cmd:"" help:"Add to clicks what follows from them, from a topic to another one."`
	Worker     workerCommand     `cmd:"" help:"Run workers for a distributed runner."`
	Generate   generateCommand   `cmd:"" help:"Write synthetic clicks into a topic."`
	Topics     topicsCommand     `cmd:"" help:"Make or compare the topics of a YAML file."`
	Schemas    schemasCommand    `cmd:"" help:"Register, check and compare the schemas of clicks."`
	DLQ        dlqCommand        `cmd:"" name:"dlq" help:"Look at the records that could not be counted, and put them back."`
	Monitor    monitorCommand    `cmd:"" help:"Watch a pipeline: metrics for Prometheus, and a page that shows how it goes."`
	Table      tableCommand      `cmd:"" help:"Look at the table, hold it against its topic, count windows of it anew."`
	Config     configCommand     `cmd:"" name:"config" help:"Look at the settings."`
	Completion completionCommand `cmd:"" help:"Set up the completion of commands and flags in a shell."`
	Version    versionCommand    `cmd:"" help:"Show the version."`

	Common settings.Common `embed:""`
}

const description = `Counts page views per minute, from Kafka into Parquet, exactly.

Settings come from flags, then environment variables (CLICKSTREAM_ALLOWED_LATENESS for --allowed-lateness),
then a YAML file (--config), then defaults. What follows -- goes to Beam.`

// checked is a command whose settings are checked before it runs.
type checked interface{ settings() settings.Settings }

// execute parses the command line and runs its command.
func execute(ctx context.Context, args []string) error {
	var cli commands
	sources := settings.NewSources(os.Environ())
	k, err := settings.Parser(&cli, sources, kong.Name("clickstream"), kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}))
	if err != nil {
		return err
	}
	kongcompletion.Register(k) // answers the shell and exits, when it is the shell that asks
	settings.CheckChoicesHere(k)

	if len(args) == 0 {
		args = []string{"--help"}
	}
	kctx, err := k.Parse(args)
	if err != nil {
		return settings.Explain(k, err)
	}
	slog.SetDefault(slog.New(launch.Logs(cli.Common.Logger(os.Stderr).Handler())))
	if err := check(kctx, &cli, sources); err != nil {
		return err
	}
	kctx.BindTo(ctx, (*context.Context)(nil))
	kctx.BindTo(os.Stdout, (*io.Writer)(nil))
	return kctx.Run(sources, &cli, &cli.Common)
}

// check checks the settings of a command that wants them checked, and warns of variables that are none.
func check(kctx *kong.Context, cli *commands, sources *settings.Sources) error {
	c, ok := kctx.Selected().Target.Addr().Interface().(checked)
	if !ok {
		return nil
	}
	for _, w := range sources.Warnings() {
		slog.Warn(w)
	}
	faults := slices.Clone(sources.Faults())
	var invalid *settings.Error
	if errors.As(settings.Validate(&cli.Common, c.settings()), &invalid) {
		faults = append(faults, invalid.Faults...)
	}
	if len(faults) > 0 {
		return &settings.Error{Faults: faults}
	}
	return nil
}

// split parts the arguments at the first --.
func split(args []string) (ours, forBeam []string) {
	if i := slices.Index(args, "--"); i >= 0 {
		return args[:i], args[i+1:]
	}
	return args, nil
}

// parseBeam gives arguments to Beam's flags, which live in the flag package.
func parseBeam(args []string) error {
	flag.CommandLine.Init("beam", flag.ContinueOnError)
	flag.CommandLine.SetOutput(io.Discard) // it would print its usage, of dozens of lines
	if err := flag.CommandLine.Parse(args); err != nil {
		return &settings.Error{Faults: []string{fmt.Sprintf("after --, for Beam: %s", err)}}
	}
	return nil
}

// report writes an error to stderr, a line for each of its lines, and returns the exit code.
func report(err error) int {
	if err == nil {
		return done
	}
	lines, code := strings.Split(err.Error(), "\n"), failed
	if e := (*settings.Error)(nil); errors.As(err, &e) {
		lines, code = e.Faults, wrong
	}
	for _, line := range lines {
		_, _ = fmt.Fprintln(os.Stderr, "clickstream:", settings.Redact(line)) // there is nowhere else to tell it
	}
	return code
}

// withProgress runs f while stderr tells how it goes.
func withProgress(ctx context.Context, common *settings.Common, tell func(context.Context, io.Writer), f func() error) error {
	if common.Quiet {
		return f()
	}
	ctx, stop := context.WithCancel(ctx)
	var told sync.WaitGroup
	told.Go(func() { tell(ctx, common.Terminal(os.Stderr)) })
	err := f()
	stop()
	told.Wait()
	return err
}
