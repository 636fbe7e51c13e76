package pageviews_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"clickstream/pipelines/settings"
	"clickstream/testing/kafkatest"
	"clickstream/testing/oracle"
	"clickstream/transforms/click"
)

// proxy stands before a registry and can be made to fail.
type proxy struct {
	*httptest.Server
	fails atomic.Pointer[http.HandlerFunc]
	asked atomic.Int64
}

// before puts a proxy before the job's registry, which fails as f tells from the start, unless f is nil.
func before(j *job, f http.HandlerFunc) *proxy {
	j.Helper()
	target, err := url.Parse(j.settings.Registry)
	require.NoError(j, err)
	p := &proxy{}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: target.Scheme, Host: target.Host})
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		if f := p.fails.Load(); f != nil {
			(*f)(w, r)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	j.Cleanup(p.Close)
	if f != nil {
		p.fails.Store(&f)
	}
	j.settings.Registry = strings.Replace(p.URL, "//", "//worker:pa55word@", 1) + target.Path
	return p
}

// The ways of a registry to fail.
var failures = map[string]http.HandlerFunc{
	"hangs up":       func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	"is ill":         func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
	"is too busy":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
	"is moved":       func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
	"speaks HTML":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
	"wants a login":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
	"half an answer": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"schema":"{\"type\":`)) },
}

// TestRegistryFailsMidRun has the registry fail when it is asked for a schema. No good record may become a dead
// letter: the job tries again, and stops.
func TestRegistryFailsMidRun(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		for name, fails := range failures {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				j := newJob(t, c, 1, append(live, "--format", "avro", "--retry-timeout", "1s")...)
				registry := before(j, nil)
				plan := j.prepare()
				registry.fails.Store(&fails)
				j.produce(j.click(0, "/", noon), j.click(0, "/", noon))
				r := j.begin(plan)
				err := r.wait()
				refused(t, err, "topic "+j.settings.Topic, "partition 0 offset 0", "registry http://127.0.0.1:", "schema")
				assert.NotContains(t, err.Error(), "pa55word")
				assert.Empty(t, j.letters(), "a good record is taken for a bad one")
				assert.Empty(t, j.rows())

				registry.fails.Store(nil)
				j.settings.Until.Word = settings.Latest
				j.run()
				j.exact()
				assert.Empty(t, j.letters())
			})
		}
	})
}

// TestRegistryComesBack has the registry fail for a while, shorter than the retry timeout.
func TestRegistryComesBack(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJob(t, c, 1, append(live, "--format", "avro")...)
		registry := before(j, nil)
		r := j.start()
		asked := registry.asked.Load()
		fails := failures["is ill"]
		registry.fails.Store(&fails)
		j.produce(j.click(0, "/", noon))
		eventually(t, func() bool { return registry.asked.Load() >= asked+3 }, "the registry is not asked again")
		registry.fails.Store(nil)
		r.reads(1)
		j.produce(j.click(0, "/", noon.Add(time.Minute)))
		r.shows(map[oracle.Key]int64{j.row("/", noon): 1})
		r.stop()
		assert.Empty(t, j.letters())
	})
}

// TestRegistryIsNotNeededOnceAsked reads on with a schema that is known.
func TestRegistryIsNotNeededOnceAsked(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJob(t, c, 1, append(live, "--format", "avro", "--retry-timeout", "1s")...)
		registry := before(j, nil)
		r := j.start()
		j.produce(j.click(0, "/", noon))
		r.reads(1)
		registry.Close()
		j.produce(j.click(0, "/", noon.Add(time.Minute)))
		r.shows(map[oracle.Key]int64{j.row("/", noon): 1})
		r.stop()
	})
}

// TestUnknownSchemaIsRegisteredLater rejects what no schema is known for, and counts what comes once there is one.
func TestUnknownSchemaIsRegisteredLater(t *testing.T) {
	t.Parallel()
	c := kafkatest.StartEmbedded(t)
	j := newJob(t, c, 1, append(live, "--format", "avro")...)
	r := j.start()
	early := j.click(0, "/", noon)           // whose schema is registered
	next := kafkatest.Frame(j.schema+1, nil) // the id that the registry gives next
	early.Value = append(next, early.Value[len(next):]...)
	j.produce(early)
	r.reads(1)
	eventually(t, func() bool { return len(j.letters()) == 1 }, "there is no dead letter")
	assert.Equal(t, string(click.UnknownSchema), j.letters()[0].dlq["reason"])
	require.Equal(t, j.schema+1, c.Register(t, j.settings.Topic+"-other", strings.Replace(click.Schema, `"user_id"`, `"user_id", "doc": "who"`, 1)))
	late := j.click(0, "/", noon)
	late.Value = early.Value
	j.produce(late, j.click(0, "/", noon.Add(time.Minute)))
	r.shows(map[oracle.Key]int64{j.row("/", noon): 1})
	r.stop()
	assert.Len(t, j.letters(), 1)
}

func TestTopicIsDeletedMidRun(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJob(t, c, 2, append(live, "--retry-timeout", "3s")...)
		r := j.start()
		j.produce(j.click(0, "/", noon))
		r.reads(1)
		_, err := j.admin().DeleteTopic(t.Context(), j.settings.Topic)
		require.NoError(t, err)
		refused(t, r.wait(), "topic "+j.settings.Topic, "does not exist", "gave up after 3s")
	})
}

// TestTopicIsMadeAnew deletes the topic and makes it again under the same name while the run goes on: its offsets
// mean other records now.
func TestTopicIsMadeAnew(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJob(t, c, 1, append(live, "--retry-timeout", "3s")...)
		r := j.start()
		for range 5 {
			j.produce(j.click(0, "/", noon))
		}
		r.reads(5)
		was := j.topicID()
		c.MakeAgain(t, j.settings.Topic, 1)
		j.writer = nil // it knows the other one
		for range 9 {
			j.produce(j.click(0, "/another", noon))
		}
		refused(t, r.wait(), "topic "+j.settings.Topic+" was deleted and made again", "of id "+was, "of "+j.topicID()+" now", "another --table")
		assert.NotContains(t, j.rows(), j.row("/another", noon))
		assert.Empty(t, log.with("recreated", j.settings.Topic), "the client tells it too")
	})
}

func TestPartitionsAreAddedMidRun(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJob(t, c, 2, live...)
		r := j.start()
		j.produce(j.click(0, "/", noon))
		r.reads(1)
		_, err := j.admin().UpdatePartitions(t.Context(), 5, j.settings.Topic)
		require.NoError(t, err)
		refused(t, r.wait(), "topic "+j.settings.Topic+" now has 5 partitions, this run began with 2", "run again")
		j.writer = nil // it knows of two
		j.produce(j.click(4, "/", noon))
		j.settings.Until.Word = settings.Latest
		j.run()
		j.exact()
	})
}

func TestPermissionIsTakenAwayMidRun(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJob(t, c.SASL(t), 1, as(t, kafkatest.Worker, live...)...)
		j.makeDeadLetterTopic()
		r := j.start()
		j.produce(j.click(0, "/", noon))
		r.reads(1)
		j.cluster.AddACLs(t, kafkatest.Worker.Denied(kadm.OpRead).Topics(j.settings.Topic))
		refused(t, r.wait(), "no permission to read topic "+j.settings.Topic, "--operation Read --topic")
	})
}

// TestBrokerRestarts stops the broker under a run, for less than the retry timeout.
func TestBrokerRestarts(t *testing.T) {
	t.Parallel()
	b := restartable(t)
	j := newJob(t, b.cluster(t), 3, append(live, "--retry-timeout", "30s")...)
	r := j.start()
	for p := range int32(3) {
		j.produce(j.click(p, "/before", noon))
	}
	r.reads(3)
	b.stop()
	eventually(t, func() bool { return len(log.with("level=WARN", "kafka client", b.addr)) > 0 }, "nothing is said of the broker")
	b.start()
	for p := range int32(3) {
		j.produce(j.click(p, "/after", noon), j.click(p, "/", noon.Add(time.Minute)))
	}
	r.shows(map[oracle.Key]int64{j.row("/before", noon): 3, j.row("/after", noon): 3})
	r.stop()
	assert.LessOrEqual(t, len(log.with("level=WARN", "offsets for lag tools", j.settings.Group)), 1)
}

// TestBrokerStaysAway gives up on a broker that is away for longer than the retry timeout.
func TestBrokerStaysAway(t *testing.T) {
	t.Parallel()
	b := restartable(t)
	j := newJob(t, b.cluster(t), 1, append(live, "--retry-timeout", "2s")...)
	r := j.start()
	j.produce(j.click(0, "/", noon))
	r.reads(1)
	b.stop()
	begin := time.Now()
	refused(t, r.wait(), "cannot reach Kafka at "+b.addr, "gave up after", "is the broker running")
	assert.GreaterOrEqual(t, time.Since(begin), 1500*time.Millisecond)

	b.start()
	j.settings.Until.Word = settings.Latest
	j.run()
	j.exact()
}

// TestOneBrokerOfThree cuts off the broker that leads a partition, while the others go on.
func TestOneBrokerOfThree(t *testing.T) {
	t.Parallel()
	one := func(t *testing.T, retry string) (r *running, leader *gate) {
		c, gates := gated(t)
		j := newJob(t, c, 3, append(live, "--retry-timeout", retry)...)
		for p := range int32(3) {
			require.NoError(t, c.Fakes.Broker.MoveTopicPartition(j.settings.Topic, p, p))
		}
		r = j.start()
		writer := c.Client(t, kgo.DefaultProduceTopic(j.settings.Topic))
		for p := range int32(3) {
			require.NoError(t, writer.ProduceSync(t.Context(), j.click(p, "/before", noon)).FirstErr())
		}
		r.reads(3)
		gates[1].set(true)
		for _, p := range []int32{0, 2} {
			require.NoError(t, writer.ProduceSync(t.Context(), j.click(p, "/", noon.Add(time.Minute))).FirstErr())
		}
		r.reads(5)
		assert.Empty(t, r.rows(), "the partition that cannot be read holds the watermark")
		return r, gates[1]
	}
	t.Run("comes back", func(t *testing.T) {
		t.Parallel()
		r, leader := one(t, "1m")
		leader.set(false)
		r.produce(r.click(1, "/after", noon), r.click(1, "/", noon.Add(time.Minute)))
		r.shows(map[oracle.Key]int64{r.row("/before", noon): 3, r.row("/after", noon): 1})
		r.stop()
	})
	t.Run("stays away", func(t *testing.T) {
		t.Parallel()
		r, _ := one(t, "5s")
		refused(t, r.wait(), "Kafka at", "gave up after", r.cluster.Brokers[1])
		assert.Empty(t, r.rows())
	})
}

// TestPartitionWithoutALeader has the brokers answer, but for one partition that they cannot serve.
func TestPartitionWithoutALeader(t *testing.T) {
	t.Parallel()
	c := kafkatest.StartEmbedded(t)
	j := newJob(t, c, 2, append(live, "--retry-timeout", "2s")...)
	r := j.start()
	j.produce(j.click(0, "/", noon), j.click(1, "/", noon))
	r.reads(2)
	c.Fakes.Broker.ControlKey(kmsg.Fetch.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.Fakes.Broker.KeepControl()
		fetch := req.(*kmsg.FetchRequest)
		answer := fetch.ResponseKind().(*kmsg.FetchResponse)
		if fetch.SessionEpoch > 0 { // in which the partitions are not named again
			answer.ErrorCode = kerr.FetchSessionIDNotFound.Code
			return answer, nil, true
		}
		for _, topic := range fetch.Topics {
			told := kmsg.FetchResponseTopic{Topic: topic.Topic, TopicID: topic.TopicID}
			for _, p := range topic.Partitions {
				sick := kmsg.NewFetchResponseTopicPartition()
				sick.Partition, sick.ErrorCode = p.Partition, kerr.KafkaStorageError.Code
				told.Partitions = append(told.Partitions, sick)
			}
			answer.Topics = append(answer.Topics, told)
		}
		return answer, nil, true
	})
	refused(t, r.wait(), "cannot read topic "+j.settings.Topic, "partition ", "KAFKA_STORAGE_ERROR", "gave up after")
}

// TestTableIsLostMidRun takes the table's folder away.
func TestTableIsLostMidRun(t *testing.T) {
	t.Parallel()
	removed := func(j *job) {
		eventually(j.T, func() bool { return os.RemoveAll(j.settings.Table) == nil }, "%s cannot be removed", j.settings.Table)
	}
	file := func(j *job) {
		eventually(j.T, func() bool {
			_ = os.RemoveAll(j.settings.Table) // fails while something is made there
			return os.WriteFile(j.settings.Table, nil, 0o600) == nil
		}, "%s cannot be made a file", j.settings.Table)
	}
	for name, breaks := range map[string]func(*job){"removed": removed, "a file now": file} {
		for _, format := range []string{"parquet", "delta"} {
			t.Run(format+" "+name, func(t *testing.T) {
				t.Parallel()
				j := newJob(t, kafkatest.StartEmbedded(t), 1, append(live, "--table-format", format)...)
				r := j.start()
				j.produce(j.click(0, "/", noon), j.click(0, "/", noon.Add(time.Minute)))
				r.shows(map[oracle.Key]int64{j.row("/", noon): 1})
				breaks(j)
				j.produce(j.click(0, "/", noon.Add(2*time.Minute)))
				refused(t, r.wait(), "table "+j.settings.Table)
			})
		}
	}
}
