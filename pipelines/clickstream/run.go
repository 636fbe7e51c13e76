package main

import (
	"context"
	"errors"

	"clickstream/pipelines/settings"
)

type runCommand struct {
	Settings settings.Run `embed:""`
}

func (*runCommand) Help() string {
	return `
Reads clicks from a Kafka topic, counts them per page and window, and writes the counts to the table. It can
be stopped and started again at any time, killed too: the table says where to go on.

Examples:

    clickstream run --registry http://localhost:8081
    clickstream run --format json --start earliest --until latest --table ./views
    clickstream run --config clickstream.yaml --allowed-lateness 10m
    clickstream run --brokers kafka:9093 --tls-ca ca.pem --sasl-mechanism SCRAM-SHA-512 --sasl-user alice --sasl-password-file /run/secrets/kafka --registry https://registry:8081
`
}

func (c *runCommand) settings() settings.Settings { return &c.Settings }

// Run runs the command.
func (c *runCommand) Run(_ context.Context, _ *settings.Common) error {
	return errors.New("run is not linked in")
}
