package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"clickstream/io/kafka"
	"clickstream/pipelines/settings"
)

type topicsCommand struct {
	Apply topicsApplyCommand `cmd:"" help:"Make the missing topics, and change the configuration of the others."`
	Check topicsCheckCommand `cmd:"" help:"Compare the topics; exit code 1 when one deviates."`
}

// topicsFile is what both commands take.
type topicsFile struct {
	File              string `arg:"" help:"YAML file: a list 'topics' of name, partitions, replication_factor, config." placeholder:"FILE"`
	ReplicationFactor int    `name:"replication-factor" help:"In place of every topic's own, for a small cluster." placeholder:"N"`

	Kafka settings.Kafka `embed:""`
}

func (f *topicsFile) settings() settings.Settings { return &f.Kafka }

// load reads the file, with the replication factor put in its place.
func (f *topicsFile) load() ([]kafka.Topic, error) {
	if f.ReplicationFactor < 0 {
		return nil, &settings.Error{Faults: []string{fmt.Sprintf("--replication-factor is %d; it must be at least 1", f.ReplicationFactor)}}
	}
	topics, err := kafka.LoadTopics(f.File)
	if err != nil {
		return nil, &settings.Error{Faults: strings.Split(err.Error(), "\n")}
	}
	for i := range topics {
		if f.ReplicationFactor > 0 {
			topics[i].ReplicationFactor = f.ReplicationFactor
		}
	}
	return topics, nil
}

type topicsApplyCommand struct {
	Topics          topicsFile `embed:""`
	RaisePartitions bool       `name:"raise-partitions" help:"Add partitions where there are too few. Records of a key then move to another partition."`
	DryRun          bool       `name:"dry-run" help:"Say what would be done, let the brokers check it, and change nothing."`
}

func (*topicsApplyCommand) Help() string {
	return `
Makes the topics that are missing, and sets the configuration that the file names. It never deletes a topic,
never takes partitions away, and changes nothing that the file does not name. What it has to leave is told,
with exit code 1.

Examples:

    clickstream topics apply topics.yaml
    clickstream topics apply topics.yaml --replication-factor 1
    clickstream topics apply topics.yaml --raise-partitions --dry-run
`
}

func (c *topicsApplyCommand) settings() settings.Settings { return c.Topics.settings() }

// Run runs the command.
func (c *topicsApplyCommand) Run(ctx context.Context, w io.Writer) error {
	topics, err := c.Topics.load()
	if err != nil {
		return err
	}
	conn := c.Topics.Kafka.Connection()
	cl, err := conn.Connect(ctx)
	if err != nil {
		return err
	}
	defer cl.Close()
	outcomes, err := conn.Apply(ctx, cl, topics, kafka.ApplyOptions{RaisePartitions: c.RaisePartitions, DryRun: c.DryRun})
	left := printOutcomes(w, outcomes, c.DryRun)
	if err == nil && left > 0 {
		err = fmt.Errorf("%s as %s describes; see the lines above", left, c.Topics.File)
	}
	return err
}

type topicsCheckCommand struct {
	Topics topicsFile `embed:""`
}

func (*topicsCheckCommand) Help() string {
	return `
Compares the cluster's topics with the file, and prints what differs. Only the configuration that the file
names is compared. Exit code 1 when a topic deviates.

Examples:

    clickstream topics check topics.yaml
    clickstream topics check topics.yaml --brokers kafka:9092 --replication-factor 1
`
}

func (c *topicsCheckCommand) settings() settings.Settings { return c.Topics.settings() }

// Run runs the command.
func (c *topicsCheckCommand) Run(ctx context.Context, w io.Writer) error {
	topics, err := c.Topics.load()
	if err != nil {
		return err
	}
	conn := c.Topics.Kafka.Connection()
	cl, err := conn.Connect(ctx)
	if err != nil {
		return err
	}
	defer cl.Close()
	outcomes, err := conn.Check(ctx, cl, topics)
	left := printOutcomes(w, outcomes, false)
	if err == nil && left > 0 {
		err = fmt.Errorf("%s as %s describes; bring it there with: clickstream topics apply %s", left, c.Topics.File, c.Topics.File)
	}
	return err
}

// deviations counts topics that are not as they are wanted.
type deviations int

func (d deviations) String() string {
	if d == 1 {
		return "1 topic is not"
	}
	return fmt.Sprintf("%d topics are not", int(d))
}

// printOutcomes writes a line for each topic, and one for each thing that was changed or differs.
func printOutcomes(w io.Writer, outcomes []kafka.Outcome, dry bool) deviations {
	var out strings.Builder
	var left deviations
	would := ""
	if dry {
		would = "would be "
	}
	for _, o := range outcomes {
		switch {
		case o.Created:
			fmt.Fprintf(&out, "%s: %screated\n", o.Topic, would)
		case o.Missing:
			fmt.Fprintf(&out, "%s: missing\n", o.Topic)
		case len(o.Left) > 0:
			fmt.Fprintf(&out, "%s: differs\n", o.Topic)
		case len(o.Changed) > 0:
			fmt.Fprintf(&out, "%s: %schanged\n", o.Topic, would)
		default:
			fmt.Fprintf(&out, "%s: as described\n", o.Topic)
		}
		for _, d := range o.Changed {
			fmt.Fprintf(&out, "  %s: %s → %s\n", d.What, d.Is, d.Want)
		}
		for _, d := range o.Left {
			fmt.Fprintf(&out, "  %s\n", d)
		}
		if o.Differs() {
			left++
		}
	}
	_, _ = io.WriteString(w, out.String()) // a closed pipe is the reader's wish
	return left
}
