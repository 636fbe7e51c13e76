package pageviews_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sys/unix"

	"clickstream/io/embedded"
	"clickstream/pipelines/pageviews"
	"clickstream/testing/kafkatest"
)

// isRefused wants the job not to start, for a reason that says the words, within some time.
func (j *job) isRefused(within time.Duration, words ...string) {
	j.Helper()
	begin := time.Now()
	refused(j.T, j.attempt(), words...)
	assert.Less(j, time.Since(begin), within+5*time.Second)
}

// nobodyListens returns an address at which nothing is, nor comes to be while the test runs: it is taken.
func nobodyListens(t *testing.T) string {
	t.Helper()
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, unix.Close(socket)) })
	require.NoError(t, unix.Bind(socket, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	addr, err := unix.Getsockname(socket)
	require.NoError(t, err)
	return fmt.Sprintf("127.0.0.1:%d", addr.(*unix.SockaddrInet4).Port)
}

func TestBrokerOutOfReach(t *testing.T) {
	t.Parallel()
	c := kafkatest.StartEmbedded(t)
	addr := nobodyListens(t)
	j := newJob(t, c, 1, "--brokers", addr, "--format", "json", "--retry-timeout", "1s")
	begin := time.Now()
	j.isRefused(time.Second, "cannot reach Kafka at "+addr, "connection refused", "gave up after 1s", "is the broker running")
	assert.GreaterOrEqual(t, time.Since(begin), 500*time.Millisecond, "it did not try again")
	j = newJob(t, c, 1, "--brokers", "no-such-host.invalid:9092", "--format", "json", "--retry-timeout", "1s")
	j.isRefused(time.Second, "cannot reach Kafka at no-such-host.invalid:9092", "no such host")
}

// TestBrokerThatComes starts the job first, and the broker within the retry timeout.
func TestBrokerThatComes(t *testing.T) {
	t.Parallel()
	b := restartable(t)
	j := newJob(t, b.cluster(t), 1, "--format", "json", "--retry-timeout", "30s")
	j.produce(j.click(0, "/", noon))
	b.stop()
	ended := make(chan error, 1)
	go func() { ended <- j.attempt() }()
	eventually(t, func() bool { return len(log.with("waiting for Kafka", b.addr)) > 0 }, "nothing is said of waiting")
	b.start()
	require.NoError(t, <-ended)
	j.exact()
}

func TestTopicIsMissing(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJobOn(t, c, c.Name(t), "--format", "json")
		j.isRefused(0, "topic "+j.settings.Topic+" does not exist in Kafka at "+c.Brokers[0], "clickstream topics apply FILE", "--topic")
		assert.NoDirExists(t, j.settings.Table, "a run that is refused leaves no table")
		topics, err := kadm.NewClient(c.Client(t)).ListTopics(t.Context())
		require.NoError(t, err)
		assert.False(t, topics.Has(j.settings.DeadLetterTopic), "nor a dead letter topic")
	})
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		secure := c.SASL(t)
		for name, test := range map[string]struct {
			user kafkatest.User
			deny func(*job) *kadm.ACLBuilder
			says func(*job) []string
		}{
			"may not read the topic": {kafkatest.Worker,
				func(j *job) *kadm.ACLBuilder { return kafkatest.Worker.Denied(kadm.OpRead).Topics(j.settings.Topic) },
				func(j *job) []string {
					return []string{"no permission to read topic " + j.settings.Topic, "it needs the ACL Read: kafka-acls.sh", "--allow-principal User:worker --operation Read --topic " + j.settings.Topic}
				}},
			"may not commit for the group": {kafkatest.Worker,
				func(j *job) *kadm.ACLBuilder { return kafkatest.Worker.Denied(kadm.OpRead).Groups(j.settings.Group) },
				func(j *job) []string {
					return []string{"consumer group " + j.settings.Group, "--allow-principal User:worker --operation Read --group " + j.settings.Group}
				}},
			"sees the topic alone": {kafkatest.Watcher, nil, func(j *job) []string {
				return []string{"no permission to read with consumer group " + j.settings.Group, "--allow-principal User:watcher --operation Read --group"}
			}},
			"sees nothing": {kafkatest.Nobody, nil, func(j *job) []string {
				return []string{"no permission to read topic " + j.settings.Topic, "--allow-principal User:nobody --operation Read --topic"}
			}},
		} {
			t.Run(name, func(t *testing.T) {
				j := newJob(t, secure, 1, as(t, test.user, "--format", "json")...)
				j.makeDeadLetterTopic()
				j.produce(j.click(0, "/", noon))
				if test.deny != nil {
					secure.AddACLs(t, test.deny(j))
				}
				j.isRefused(0, test.says(j)...)
				assert.NoDirExists(t, j.settings.Table, "a table would say where it began, and the next run heed it")
			})
		}
	})
}

// TestGroupOfAnother names the group of a consumer that is there: its offsets are not ours to commit.
func TestGroupOfAnother(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		j := newJob(t, c, 1, "--format", "json")
		j.produce(j.click(0, "/", noon))
		other := c.Client(t, kgo.ConsumerGroup(j.settings.Group), kgo.ConsumeTopics(j.settings.Topic))
		require.Equal(t, 1, other.PollFetches(t.Context()).NumRecords())
		j.isRefused(0, "consumer group "+j.settings.Group+" has members", "--group")
		assert.NoDirExists(t, j.settings.Table)
	})
}

func TestLogin(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		secure := c.SASL(t)
		wrong := kafkatest.User{Name: kafkatest.Worker.Name, Password: "not the secret"}
		for name, test := range map[string]struct {
			brokers string
			flags   []string
			says    []string
		}{
			"wrong password":     {secure.Brokers[0], as(t, wrong), []string{"wrong SASL user or password", "user worker", "--sasl-password-file"}},
			"wrong SCRAM":        {secure.Brokers[0], append(as(t, wrong), "--sasl-mechanism", "SCRAM-SHA-512"), []string{"wrong SASL user or password", "SCRAM-SHA-512"}},
			"no such user":       {secure.Brokers[0], as(t, kafkatest.User{Name: "eve", Password: "not a secret"}), []string{"wrong SASL user or password", "user eve"}},
			"no login":           {secure.Brokers[0], []string{"--retry-timeout", "5s"}, []string{"seems to require SASL", "--sasl-mechanism"}},
			"a login too many":   {c.Brokers[0], as(t, kafkatest.Worker), []string{"SASL"}},
			"TLS where is none":  {c.Brokers[0], []string{"--tls", "--retry-timeout", "15s"}, []string{"not to speak TLS", "--tls"}},
			"TLS with SASL only": {secure.Brokers[0], append(as(t, kafkatest.Worker), "--tls", "--retry-timeout", "15s"), []string{"not to speak TLS"}},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				j := newJob(t, c, 1, append([]string{"--format", "json", "--brokers", test.brokers}, test.flags...)...)
				j.isRefused(15*time.Second, test.says...) // kfake leaves a TLS greeting unanswered
			})
		}
	})
}

func TestTLSMismatch(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		secure := c.TLS(t)
		other := kafkatest.StartEmbedded(t).TLS(t)
		for name, test := range map[string]struct {
			flags []string
			says  []string
		}{
			"plain text where is TLS":   {nil, []string{"TLS on this port", "--tls"}},
			"an authority not trusted":  {[]string{"--tls"}, []string{"signed by an authority that this machine does not trust", "--tls-ca"}},
			"another authority":         {[]string{"--tls-ca", other.CAFile}, []string{"not signed by the authority in --tls-ca " + other.CAFile}},
			"a client of another's":     {[]string{"--tls-ca", secure.CAFile, "--tls-cert", other.CertFile, "--tls-key", other.KeyFile}, []string{"--tls-cert " + other.CertFile}},
			"a certificate for its key": {[]string{"--tls-ca", secure.CAFile, "--tls-cert", secure.CertFile, "--tls-key", other.KeyFile}, []string{"--tls-cert", "--tls-key"}},
			"no PEM":                    {[]string{"--tls-ca", "prepare_test.go"}, []string{"--tls-ca prepare_test.go holds no certificate"}},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				j := newJob(t, c, 1, append([]string{"--format", "json", "--brokers", secure.Brokers[0], "--retry-timeout", "5s"}, test.flags...)...)
				j.isRefused(5*time.Second, test.says...)
			})
		}
		t.Run("matched", func(t *testing.T) {
			t.Parallel()
			j := newJob(t, secure.Cluster, 1, "--format", "json", "--tls-ca", secure.CAFile, "--tls-cert", secure.CertFile, "--tls-key", secure.KeyFile)
			j.produce(j.click(0, "/", noon))
			j.run()
			j.exact()
		})
	})
}

func TestRegistryAtTheStart(t *testing.T) {
	t.Parallel()
	c := kafkatest.StartEmbedded(t)
	answer := func(status int, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}))
		t.Cleanup(s.Close)
		return strings.Replace(s.URL, "//", "//worker:pa55word@", 1)
	}
	for name, test := range map[string]struct {
		registry string
		says     []string
	}{
		"down":                 {"http://worker:pa55word@" + nobodyListens(t), []string{"cannot be reached", "tried for 1", "connection refused", "is the registry up"}},
		"wants a login":        {answer(http.StatusUnauthorized, "<html>\nno"), []string{"HTTP 401 Unauthorized", "USER:PASSWORD"}},
		"forbids":              {answer(http.StatusForbidden, ""), []string{"HTTP 403 Forbidden"}},
		"another path":         {answer(http.StatusNotFound, "<html>\nno"), []string{"HTTP 404", "is the path of the URL right?"}},
		"ill":                  {answer(http.StatusInternalServerError, `{"error_code":500,"message":"sick\nvery"}`), []string{"HTTP 500", "sick very", "tried for 1"}},
		"is none":              {answer(http.StatusOK, "<html>\nhello"), []string{"is the registry up, and its URL right?"}},
		"is none, but has one": {answer(http.StatusOK, "{}"), []string{"no schema"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newJob(t, c, 1, "--registry", test.registry, "--retry-timeout", "1s")
			err := j.attempt()
			refused(t, err, append(test.says, "registry http://127.0.0.1:")...)
			assert.NotContains(t, err.Error(), "pa55word")
			assert.NoDirExists(t, j.settings.Table)
		})
	}
	t.Run("json needs none", func(t *testing.T) {
		t.Parallel()
		j := newJob(t, c, 1, "--registry", "http://"+nobodyListens(t), "--format", "json")
		j.produce(j.click(0, "/", noon))
		j.run()
	})
}

// TestTableThatCannotBe opens tables where none can be. Settings that say so by themselves are the command line's
// matter; here the path has changed since.
func TestTableThatCannotBe(t *testing.T) {
	t.Parallel()
	c := kafkatest.StartEmbedded(t)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
	foreign := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(foreign, "part-0.parquet"), []byte("PAR1"), 0o600))
	delta := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(delta, "_delta_log"), 0o700))
	for _, test := range []struct {
		format, name, path string
		says               []string
	}{
		{"parquet", "a file", file, []string{file, "is a file"}},
		{"parquet", "below a file", file + "/below/it", []string{file, "a part of the path is a file"}},
		{"parquet", "not writable", "/proc/clickstream/views", []string{"/proc/clickstream/views"}},
		{"parquet", "other Parquet", foreign, []string{"part-0.parquet was not written by this program"}},
		{"parquet", "a Delta table", delta, []string{"is a Delta table"}},
		{"delta", "a file", file, []string{file, "a part of the path is a file"}},
		{"delta", "below a file", file + "/below/it", []string{file, "a part of the path is a file"}},
		{"delta", "not writable", "/proc/clickstream/views", []string{"/proc/clickstream/views"}},
	} {
		t.Run(test.format+" "+test.name, func(t *testing.T) {
			t.Parallel()
			j := newJob(t, c, 1, "--format", "json", "--table-format", test.format)
			j.settings.Table = test.path
			j.isRefused(0, append(test.says, "table ")...)
		})
	}
}

// TestTableOfAnother goes on with a table under other settings than it was made with.
func TestTableOfAnother(t *testing.T) {
	t.Parallel()
	c := kafkatest.StartEmbedded(t)
	for name, change := range map[string]func(*job) (was, is string){
		"window": func(j *job) (string, string) { j.settings.Window = time.Hour; return "1m0s", "1h0m0s" },
		"shards": func(j *job) (string, string) { j.settings.Shards = 2; return "1", "2" },
		"topic": func(j *job) (string, string) {
			was := j.settings.Topic
			j.settings.Topic = c.Topic(j.T, 1)
			return was, j.settings.Topic
		},
		"cluster": func(j *job) (string, string) {
			other, err := embedded.StartBroker(kfake.ClusterID("another"), kfake.SeedTopics(1, j.settings.Topic))
			require.NoError(j, err)
			j.Cleanup(other.Close)
			j.settings.Kafka.Brokers = other.Addrs()
			return "kfake", "another"
		},
	} {
		for _, format := range []string{"parquet", "delta"} {
			t.Run(format+" "+name, func(t *testing.T) {
				t.Parallel()
				j := newJob(t, c, 1, "--format", "json", "--table-format", format)
				j.produce(j.click(0, "/", noon))
				j.run()
				was, is := change(j)
				j.isRefused(0, j.settings.Table, name, was, is, "choose another folder")
			})
		}
	}
}

// TestPrepareIsCancelled ends at once when it is told to, and names no way out of that.
func TestPrepareIsCancelled(t *testing.T) {
	t.Parallel()
	c := kafkatest.StartEmbedded(t)
	for name, flags := range map[string][]string{
		"waiting for Kafka":        {"--format", "json", "--brokers", nobodyListens(t)},
		"waiting for the registry": {"--registry", "http://" + nobodyListens(t)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newJob(t, c, 1, append(flags, "--retry-timeout", "10m")...)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			begin := time.Now()
			_, err := pageviews.Prepare(ctx, &j.settings)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Less(t, time.Since(begin), patience/4)
		})
	}
}
