package main

import (
	"context"
	"fmt"
	"io"

	"clickstream/io/registry"
	"clickstream/pipelines/schemas"
	"clickstream/pipelines/settings"
)

type schemasCommand struct {
	Register schemasRegisterCommand `cmd:"" help:"Make a schema the next version of a subject."`
	Check    schemasCheckCommand    `cmd:"" help:"Tell whether a schema may be a subject's next version; exit code 1 when not."`
	Diff     schemasDiffCommand     `cmd:"" help:"Compare two schemas in words."`
}

// references tells how schemas are named.
const references = `A schema is named by its file, by its id in the registry, by its subject with @VERSION, or without for the
newest, or is click: the one that this program reads by, and writes with.
`

// connect returns a client of the registry, or nil where none is named.
func connect(s *settings.Schemas) (*registry.Registry, error) {
	if s.Registry == "" {
		return nil, nil
	}
	return registry.New(registry.Settings{URL: s.Registry, RetryTimeout: s.RetryTimeout})
}

// candidate is a schema that may become a subject's next version.
type candidate struct {
	Schema   string           `arg:"" help:"Schema: a file, or as described above." default:"click"`
	Settings settings.Schemas `embed:""`
}

func (c *candidate) settings() settings.Settings {
	c.Settings.Needed = true
	return &c.Settings
}

// load connects to the registry, and loads the schema.
func (c *candidate) load(ctx context.Context) (*registry.Registry, schemas.Schema, error) {
	r, err := connect(&c.Settings)
	if err != nil {
		return nil, schemas.Schema{}, err
	}
	s, err := schemas.Load(ctx, r, c.Schema)
	return r, s, err
}

type schemasRegisterCommand struct{ candidate }

func (*schemasRegisterCommand) Help() string {
	return `
Registers a schema, once it was found that the registry takes it and that its records are clicks.

` + references + `
Examples:

    clickstream schemas register --registry http://localhost:8081
    clickstream schemas register click-v2.avsc --registry http://localhost:8081 --topic events.clickstream.raw
`
}

// Run runs the command.
func (c *schemasRegisterCommand) Run(ctx context.Context, w io.Writer) error {
	r, s, err := c.load(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	id, verdict, err := schemas.Register(ctx, r, c.Settings.SubjectName(), s)
	if err != nil {
		return err
	}
	if err := verdict.WriteText(w); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "registered: id %d\n", id)
	return err
}

type schemasCheckCommand struct{ candidate }

func (*schemasCheckCommand) Help() string {
	return `
Compares a schema with its subject's newest version, and asks the registry whether it would take it. Exit code 1
when it would not, or when its records would be no clicks.

` + references + `
Examples:

    clickstream schemas check click-v2.avsc --registry http://localhost:8081
    clickstream schemas check 17 --registry http://localhost:8081 --subject clicks-value
`
}

// Run runs the command.
func (c *schemasCheckCommand) Run(ctx context.Context, w io.Writer) error {
	r, s, err := c.load(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	verdict, err := schemas.Check(ctx, r, c.Settings.SubjectName(), s)
	if err != nil {
		return err
	}
	if err := verdict.WriteText(w); err != nil {
		return err
	}
	return verdict.Err()
}

type schemasDiffCommand struct {
	Old string `arg:"" help:"The old schema."`
	New string `arg:"" help:"The new schema."`

	Settings settings.Schemas `embed:""`
}

func (*schemasDiffCommand) Help() string {
	return `
Tells what was changed from one schema to another, and whether readers of each can read records of the other.

` + references + `
Examples:

    clickstream schemas diff click click-v2.avsc
    clickstream schemas diff events.clickstream.raw-value@1 events.clickstream.raw-value --registry http://localhost:8081
`
}

func (c *schemasDiffCommand) settings() settings.Settings { return &c.Settings }

// Run runs the command.
func (c *schemasDiffCommand) Run(ctx context.Context, w io.Writer) error {
	r, err := connect(&c.Settings)
	if err != nil {
		return err
	}
	if r != nil {
		defer r.Close()
	}
	older, err := schemas.Load(ctx, r, c.Old)
	if err != nil {
		return err
	}
	newer, err := schemas.Load(ctx, r, c.New)
	if err != nil {
		return err
	}
	return schemas.WriteDifferences(w, older, newer)
}
