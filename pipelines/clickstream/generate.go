package main

import (
	"context"
	"errors"

	"clickstream/pipelines/settings"
)

type generateCommand struct {
	Settings settings.Generate `embed:""`
}

func (*generateCommand) Help() string {
	return `
Writes synthetic clicks into a topic that exists. The same seed gives the same clicks. With avro, the schema
is registered when it is not.

Examples:

    clickstream generate --registry http://localhost:8081 --rate 20000
    clickstream generate --format json --count 5000000 --rate 0 --span 2h --from 2026-01-31T08:00:00Z
    clickstream generate --format json --rate 100 --bad-fraction 0.01 --late-fraction 0.02 --seed 7
`
}

func (c *generateCommand) settings() settings.Settings { return &c.Settings }

// Run runs the command.
func (c *generateCommand) Run(_ context.Context, _ *settings.Common) error {
	return errors.New("generate is not linked in")
}
