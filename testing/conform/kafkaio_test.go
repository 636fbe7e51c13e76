package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	for name, by := range map[string]struct {
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
			open, through := s.secured(t, name, by.brokers)
			topic := open.topic

			run, err := through.start(t.Context(), true, nil, by.flags...)
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

// secured returns a case on Flink by KafkaIO whose records are there: as the suite sees it, which may do everything, and as
// a run through other brokers does.
func (s *suite) secured(t *testing.T, name string, brokers []string) (open, through *play) {
	t.Helper()
	g, err := parse("secured", strings.NewReader("format json\n0: 5*/a@12:00:01 json\n1: /b@12:01:01\nfollow"))
	require.NoError(t, err)
	topic, err := s.newTopic(t.Context(), fmt.Sprint("clickstream-conform-kafkaio-", name, "-", time.Now().UnixNano()), g)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, topic.remove(context.WithoutCancel(t.Context()))) })
	require.NoError(t, topic.write(t.Context(), g.steps[0].records))
	open = &play{suite: s, golden: g, runner: kafkaioOnFlink(t), topic: topic, table: filepath.Join(t.TempDir(), "table")}
	by, of := *s, *open
	by.connection.Brokers = brokers
	of.suite = &by
	return open, &of
}

// TestKafkaIOsPermissions runs it as a user who has the permissions that README names, and who lacks one.
func TestKafkaIOsPermissions(t *testing.T) {
	s := newSuite(t)
	cluster := kafkatest.FindReal(t).SASL(t)
	flags := []string{"--sasl-mechanism", "PLAIN", "--sasl-user", kafkatest.Nobody.Name, "--sasl-password-file", kafkatest.Nobody.PasswordFile(t)}
	for name, test := range map[string]struct {
		may  []kadm.ACLOperation // with KafkaIO's group
		says string
	}{
		"all":       {[]kadm.ACLOperation{kadm.OpRead, kadm.OpDelete}, ""},
		"no-delete": {[]kadm.ACLOperation{kadm.OpRead}, "no permission to delete consumer group "},
		"no-read":   {[]kadm.ACLOperation{kadm.OpDelete}, "no permission to read with consumer group "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			open, through := s.secured(t, name, cluster.Brokers)
			topic := open.topic
			cluster.AddACLs(t, kafkatest.Nobody.Allowed(kadm.OpRead).Topics(topic.name).Groups(topic.name))
			cluster.AddACLs(t, kafkatest.Nobody.Allowed(kadm.OpWrite, kadm.OpCreate).Topics(topic.letters()))
			cluster.AddACLs(t, kafkatest.Nobody.Allowed(test.may...).Groups(topic.name+"-kafkaio-").ResourcePatternType(kadm.ACLPatternPrefixed))

			run, err := through.start(t.Context(), true, nil, flags...)
			require.NoError(t, err)
			defer run.kill()
			if !slices.Contains(test.may, kadm.OpRead) {
				err := run.succeeds()
				require.ErrorContains(t, err, test.says+topic.name+"-kafkaio-")
				require.ErrorContains(t, err, "--operation Read --group "+topic.name+"-kafkaio-")
				return
			}
			require.NoError(t, open.untilSame(t.Context(), run))
			run.interrupt()
			require.NoError(t, run.succeeds())
			require.NoError(t, open.cancel(t.Context(), run))
			require.NoError(t, open.judge(t.Context()))
			complaints := strings.Join(run.complain, "\n")
			groups, err := kadm.NewClient(topic.client).ListGroups(t.Context())
			require.NoError(t, err)
			if test.says == "" {
				assert.NotContains(t, complaints, "consumer group")
				assert.Equal(t, []string{topic.name}, ofTopic(groups, topic.name))
				return
			}
			assert.Contains(t, complaints, test.says+topic.name+"-kafkaio-")
			left := ofTopic(groups, topic.name)
			assert.Len(t, left, 2, "KafkaIO's is left")
			_, err = kadm.NewClient(topic.client).DeleteGroups(t.Context(), left...)
			require.NoError(t, err)
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
