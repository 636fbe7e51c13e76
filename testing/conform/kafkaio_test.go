package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"

	"clickstream/testing/kafkatest"
)

// kafkaioOnFlink returns Flink as it reads by Java's KafkaIO.
func kafkaioOnFlink(t *testing.T, more ...string) runner {
	t.Helper()
	return runner{
		name: "flink-kafkaio", flag: "flink", endpoint: os.Getenv(flinkVar), rest: kafkatest.Named(t, flinkRESTVar, howToRunners),
		expansion: kafkatest.Named(t, expansionVar, howToRunners), more: append(more, "--readers", "2", "--parallelism", "2"),
	}
}

func TestKafkaIOOnFlink(t *testing.T) {
	s := newSuite(t)

	t.Run("a worker is lost", func(t *testing.T) {
		t.Parallel()
		port := kafkatest.FreePort(t)
		r := kafkaioOnFlink(t, "--environment-config", "localhost:"+port)
		r.environment = "external"
		c := newStream(t, s, r)
		workers := pool(c.ctx, t, s, port)
		run := c.follow()
		c.checkpointed(run, 2)
		workers.kill()
		pool(c.ctx, t, s, port)
		c.grows(run)
		c.checkpointed(run, 1)
		c.finish(run)
	})

	cluster := kafkatest.FindReal(t)
	tls, sasl := cluster.TLS(t), cluster.SASL(t)
	for name, secured := range map[string]struct {
		brokers []string
		flags   []string
	}{
		"TLS": {tls.Brokers, []string{"--tls-ca", tls.CAFile, "--tls-cert", tls.CertFile, "--tls-key", tls.KeyFile}},
		"SASL": {sasl.Brokers, []string{
			"--sasl-mechanism", "SCRAM-SHA-512", "--sasl-user", kafkatest.Admin.Name, "--sasl-password-file", kafkatest.Admin.PasswordFile(t),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, err := parse("secured", strings.NewReader("format json\n0: 5*/a@12:00:01 json\n1: /b@12:01:01\nfollow"))
			require.NoError(t, err)
			topic, err := s.newTopic(t.Context(), "clickstream-conform-kafkaio-"+strings.ToLower(name)+"-"+strconv.FormatInt(time.Now().UnixNano(), 10), g)
			require.NoError(t, err)
			defer func() { assert.NoError(t, topic.remove(t.Context())) }()
			require.NoError(t, topic.write(t.Context(), g.steps[0].records))
			open := &play{suite: s, golden: g, runner: kafkaioOnFlink(t), topic: topic, table: filepath.Join(t.TempDir(), "table")}
			by := *s
			by.connection.Brokers = secured.brokers
			through := *open
			through.suite = &by

			run, err := through.start(t.Context(), true, nil, secured.flags...)
			require.NoError(t, err)
			defer run.kill()
			require.NoError(t, open.untilSame(t.Context(), run))
			groups, err := kadm.NewClient(topic.client).ListGroups(t.Context())
			require.NoError(t, err)
			assert.Len(t, ofTopic(groups, topic.name), 2, "that of the settings, and KafkaIO's")
			run.interrupt()
			require.NoError(t, run.succeeds())
			require.NoError(t, open.cancel(t.Context(), run))
			require.NoError(t, open.judge(t.Context()))
			groups, err = kadm.NewClient(topic.client).ListGroups(t.Context())
			require.NoError(t, err)
			assert.Equal(t, []string{topic.name}, ofTopic(groups, topic.name), "KafkaIO's is gone")
		})
	}
}

// ofTopic returns the groups whose names begin with a topic's.
func ofTopic(groups kadm.ListedGroups, topic string) []string {
	var names []string
	for _, g := range groups.Sorted() {
		if strings.HasPrefix(g.Group, topic) {
			names = append(names, g.Group)
		}
	}
	return names
}
