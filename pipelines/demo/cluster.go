package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"

	"clickstream/io/embedded"
	"clickstream/io/kafka"
	"clickstream/io/registry"
	"clickstream/pipelines/settings"
	"clickstream/transforms/click"
)

// The topics, as they are to be in production but for the replication, which one broker cannot give.
const (
	rawTopic        = "events.clickstream.raw"
	deadLetterTopic = "events.clickstream.dlq"
)

var topics = []kafka.Topic{
	{Name: rawTopic, Partitions: 12, ReplicationFactor: 1, Config: map[string]string{
		"retention.ms": "604800000", "cleanup.policy": "delete", "compression.type": "zstd",
	}},
	{Name: "events.clickstream.enriched", Partitions: 12, ReplicationFactor: 1, Config: map[string]string{
		"retention.ms": "2592000000", "cleanup.policy": "compact,delete",
	}},
}

// format is the table's: plain Parquet files, which what is shown at the end reads with one function call.
const format = "parquet"

// clusterPrefix begins the id of every demo's cluster. A table's files name the cluster that they were counted
// from, which is how a demo knows what is its own.
const clusterPrefix = "clickstream-demo-"

// retryTimeout is how long a part of the demo waits for another: they all are in this process.
const retryTimeout = 10 * time.Second

// cluster is a broker and a registry in this process, with the topics made and the schema registered.
type cluster struct {
	broker   *embedded.Broker
	registry *embedded.Registry
	schema   int // id of click.Schema
}

func startCluster(ctx context.Context) (_ *cluster, err error) {
	c := &cluster{}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if c.broker, err = embedded.StartBroker(kfake.ClusterID(clusterPrefix + uuid.NewString())); err != nil {
		return nil, err
	}
	if c.registry, err = embedded.StartRegistry(); err != nil {
		return nil, err
	}
	if err := c.makeTopics(ctx); err != nil {
		return nil, err
	}
	if c.schema, err = c.register(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *cluster) close() error {
	if c.broker != nil {
		c.broker.Close()
	}
	if c.registry != nil {
		return c.registry.Close()
	}
	return nil
}

func (c *cluster) connection() kafka.Connection {
	return kafka.Connection{Brokers: c.broker.Addrs(), RetryTimeout: retryTimeout}
}

// makeTopics makes the topics, and the dead letter topic too: a run would make it, and say that it was missing.
func (c *cluster) makeTopics(ctx context.Context) error {
	conn := c.connection()
	client, err := conn.Connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := conn.Apply(ctx, client, topics, kafka.ApplyOptions{}); err != nil {
		return err
	}
	_, err = conn.EnsureDeadLetter(ctx, client, rawTopic, deadLetterTopic)
	return err
}

func (c *cluster) register(ctx context.Context) (int, error) {
	r, err := registry.New(registry.Settings{URL: c.registry.URL(), RetryTimeout: retryTimeout})
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return r.Register(ctx, rawTopic+"-value", click.Schema)
}

// run returns the settings of a run on this cluster: the command's own, but for what makes a short demo lively.
func (c *cluster) run(table string) (*settings.Run, error) {
	var cli struct {
		Run settings.Run `embed:""`
	}
	parser, err := settings.Parser(&cli, settings.NewSources(nil))
	if err != nil {
		return nil, err
	}
	_, err = parser.Parse([]string{
		"--brokers=" + strings.Join(c.broker.Addrs(), ","), "--retry-timeout=" + retryTimeout.String(),
		"--registry=" + c.registry.URL(), "--topic=" + rawTopic, "--dead-letter-topic=" + deadLetterTopic,
		"--start=earliest", "--table=" + table, "--table-format=" + format,
		"--watermark-delay=" + delay.String(), "--idle-timeout=5s",
	})
	if err != nil {
		return nil, fmt.Errorf("the settings of the demo's run: %w", err)
	}
	return &cli.Run, settings.Validate(&cli.Run)
}

// kept is how much of the past the broker keeps: it has nothing but memory, and a demo may run for days.
const kept = 2 * history

// forget drops the clicks that are older than what is kept. They were read long ago.
func (c *cluster) forget(ctx context.Context, admin *kadm.Client) error {
	old, err := admin.ListOffsetsAfterMilli(ctx, time.Now().Add(-kept).UnixMilli(), rawTopic)
	if err == nil {
		err = old.Error()
	}
	if err != nil {
		return fmt.Errorf("find the old records of topic %s: %w", rawTopic, err)
	}
	dropped, err := admin.DeleteRecords(ctx, old.Offsets())
	if err == nil {
		err = dropped.Error()
	}
	if err != nil {
		return fmt.Errorf("drop the old records of topic %s: %w", rawTopic, err)
	}
	return nil
}
