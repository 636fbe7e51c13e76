package main

import (
	"context"
	"errors"
	"io"

	"clickstream/pipelines/dlq"
	"clickstream/pipelines/settings"
)

type dlqCommand struct {
	List   dlqListCommand   `cmd:"" help:"Count the dead letters, by reason, time or partition."`
	Show   dlqShowCommand   `cmd:"" help:"Show one dead letter: where it comes from, what is wrong with it, its bytes."`
	Replay dlqReplayCommand `cmd:"" help:"Put rejected records back on their topic, once, and count the windows anew that they belong to."`
}

type dlqListCommand struct {
	Settings settings.DLQList `embed:""`
}

func (*dlqListCommand) Help() string {
	return `
Counts the records that were rejected: by reason, by the time at which they became dead letters, or by partition;
how many of them are out, and how many were replayed. A record that was rejected again after its replay is another
one. Records of the topic that are no dead letters are passed by, and told.

Examples:

    clickstream dlq list
    clickstream dlq list --by time --reason unknown_schema --since 2026-01-31T08:00:00Z
    clickstream dlq list --by partition --source --topic events.clickstream.raw --output csv
`
}

func (c *dlqListCommand) settings() settings.Settings { return &c.Settings }

// Run runs the command.
func (c *dlqListCommand) Run(ctx context.Context, w io.Writer, common *settings.Common) error {
	meter := newMeter(common)
	listed, err := dlq.List(ctx, &c.Settings, meter.tell)
	meter.end()
	if err != nil {
		return err
	}
	return map[string]func(io.Writer) error{"table": listed.WriteText, "csv": listed.WriteCSV, "json": listed.WriteJSON}[c.Settings.Output](w)
}

type dlqShowCommand struct {
	Settings settings.DLQShow `embed:""`
}

func (*dlqShowCommand) Help() string {
	return `
Shows a dead letter: why it was rejected, where its record stood, key, headers and bytes, and what its value says, as
far as it can be read: by the Avro schema that it names, if the registry has it, or as JSON.

Examples:

    clickstream dlq show 3:1042 --registry http://localhost:8081
    clickstream dlq show --source 0:77 --topic events.clickstream.raw
    clickstream dlq show 3:1042 --bytes 0 --output json
`
}

func (c *dlqShowCommand) settings() settings.Settings { return &c.Settings }

// Run runs the command.
func (c *dlqShowCommand) Run(ctx context.Context, w io.Writer, common *settings.Common) error {
	meter := newMeter(common)
	shown, err := dlq.Show(ctx, &c.Settings, meter.tell)
	meter.end()
	if err != nil {
		return err
	}
	if c.Settings.Output == "json" {
		return shown.WriteJSON(w)
	}
	return shown.WriteText(w)
}

type dlqReplayCommand struct {
	Settings settings.DLQReplay `embed:""`
}

func (*dlqReplayCommand) Help() string {
	return `
Puts the records that were rejected back on the partition that they came from: key, value and headers as they were, and
headers that say which dead letter it was, and how often the record was replayed. Each is replayed once, whatever
happens to this command: what it has done is committed in one transaction with the records. A run that cannot count one
rejects it again, as a new dead letter; --max-attempts says how often.

A run counts replayed clicks while their windows are open. Clicks of closed windows it leaves out, as deferred: with
--rebuild those windows, and no others, are then counted anew and replaced, as table rebuild does. Give the same flags
as to run. Windows of which the topic no longer has all records are left as they are, and told, with exit code 1. With
--dry-run, --rebuild tells of what earlier replays left to it alone.

Only one replay of a dead letter topic into a topic goes on: a second one takes over, and the first one ends with exit
code 1.

Examples:

    clickstream dlq replay --dry-run
    clickstream dlq replay --reason unknown_schema --since 2026-01-31T08:00:00Z --rebuild --registry http://localhost:8081
    clickstream dlq replay --partition 3 --offsets 1000-1999 --rate 500
`
}

func (c *dlqReplayCommand) settings() settings.Settings { return &c.Settings }

// Run runs the command.
func (c *dlqReplayCommand) Run(ctx context.Context, w io.Writer, common *settings.Common) error {
	meter := newMeter(common)
	done, err := dlq.Replay(ctx, &c.Settings, meter.tell)
	meter.end()
	if done == nil {
		return err
	}
	write := done.WriteText
	if c.Settings.Output == "json" {
		write = done.WriteJSON
	}
	return errors.Join(write(w), err, done.Err())
}
