package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	pipepb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/pipeline_v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	df "google.golang.org/api/dataflow/v1b3"
	"google.golang.org/protobuf/proto"

	"clickstream/io/objects"
	"clickstream/testing/buckets"
	"clickstream/testing/dataflowtest"
	"clickstream/testing/kafkatest"
)

// cloud is all that a run on Dataflow needs, on this machine.
type cloud struct {
	*testing.T
	*dataflowtest.Service
	kafka *kafkatest.Cluster
	topic string
}

func startCloud(t *testing.T, states ...string) *cloud {
	t.Helper()
	c := &cloud{T: t, Service: dataflowtest.Start(t, states...), kafka: kafkatest.StartEmbedded(t)}
	buckets.GCS(t)
	c.topic = c.kafka.Topic(t, 2)
	return c
}

// settings returns those that every run here has.
func (c *cloud) settings() []string {
	return []string{"--brokers=" + c.kafka.Brokers[0], "--topic=" + c.topic, "--dead_letter_topic=" + c.topic + ".dlq", "--format=json", "--table=gs://events/table"}
}

// files returns what the bucket has.
func (c *cloud) files() map[string][]byte {
	c.Helper()
	store, err := objects.Open(c.Context(), "gs://"+buckets.Name)
	require.NoError(c, err)
	all := map[string][]byte{}
	for object, err := range store.List(c.Context(), "", "") {
		require.NoError(c, err)
		all[object.Name] = nil
		if !strings.HasSuffix(object.Name, "/worker") {
			all[object.Name], err = store.Read(c.Context(), object.Name)
			require.NoError(c, err)
		}
	}
	return all
}

// model returns the one graph that was staged.
func (c *cloud) model() *pipepb.Pipeline {
	c.Helper()
	var models []*pipepb.Pipeline
	for name, data := range c.files() {
		if strings.HasSuffix(name, "/model") {
			models = append(models, &pipepb.Pipeline{})
			require.NoError(c, proto.Unmarshal(data, models[len(models)-1]))
		}
	}
	require.Len(c, models, 1)
	return models[0]
}

// onDataflow is how a run is sent there, dashes and all.
func (c *cloud) onDataflow(more ...string) []string {
	args := []string{"run", "--runner=dataflow", "--project=acme-clicks", "--region=europe-west1", "--staging-location=gs://events/staging", "--endpoint=" + c.URL}
	for _, s := range slices.Concat(c.settings(), more) {
		name, value, _ := strings.Cut(s, "=")
		args = append(args, strings.ReplaceAll(name, "_", "-")+"="+value)
	}
	return args
}

// TestDataflowBatchAndStreaming runs to the end of a topic, and on and on: a batch job that reads each assignment whole,
// and a streaming one whose readers are resumed.
func TestDataflowBatchAndStreaming(t *testing.T) {
	for until, want := range map[string]struct {
		kind        string
		splittable  bool
		experiments []string
	}{
		"latest": {kind: "JOB_TYPE_BATCH"},
		"never":  {kind: "JOB_TYPE_STREAMING", splittable: true, experiments: []string{"enable_streaming_engine", "enable_windmill_service"}},
	} {
		t.Run(until, func(t *testing.T) {
			c := startCloud(t, "JOB_STATE_RUNNING", "JOB_STATE_DONE")
			run := begin(t, c.onDataflow("--until="+until, "--readers=2", "--labels=team=web", "--job-name=clicks", "--async=true")...)
			run.ends()
			require.Len(t, c.Jobs(), 1)
			job := c.Jobs()[0].Body
			assert.Equal(t, "clicks", job.Name)
			assert.Equal(t, want.kind, job.Type)
			assert.Equal(t, map[string]string{"team": "web"}, job.Labels)
			assert.Subset(t, job.Environment.Experiments, append(want.experiments, "use_runner_v2"))
			assert.Equal(t, want.splittable, slices.Contains(job.Environment.Experiments, "enable_streaming_engine"))

			splittable := false
			for _, transform := range c.model().GetComponents().GetTransforms() {
				var do pipepb.ParDoPayload
				if transform.GetSpec().GetUrn() == "beam:transform:pardo:v1" {
					require.NoError(t, proto.Unmarshal(transform.GetSpec().GetPayload(), &do))
					splittable = splittable || do.GetRestrictionCoderId() != ""
				}
			}
			assert.Equal(t, want.splittable, splittable)
			files := c.files()
			assert.Contains(t, files, "table/_delta_log/00000000000000000000.json", "the table is there before its writers are")
			program := job.Environment.WorkerPools[0].Packages[0]
			assert.Contains(t, files, strings.TrimPrefix(program.Location, "gs://events/"))

			committed, err := kadm.NewClient(c.kafka.Client(t)).FetchOffsets(t.Context(), "clickstream-aggregator")
			require.NoError(t, err)
			for _, o := range committed.Sorted() {
				assert.Zero(t, o.At, "nobody has read anything yet")
			}
		})
	}
}

func TestDataflowDryRunChangesNothing(t *testing.T) {
	c := startCloud(t, "JOB_STATE_DONE")
	run := begin(t, c.onDataflow("--dry-run=true", "--max-num-workers=3")...)
	run.ends()
	var job df.Job
	require.NoError(t, json.Unmarshal(run.out.Bytes(), &job), run.out.String())
	assert.Equal(t, "JOB_TYPE_STREAMING", job.Type)
	assert.EqualValues(t, 3, job.Environment.WorkerPools[0].AutoscalingSettings.MaxNumWorkers)
	assert.Empty(t, c.files())
	assert.Empty(t, c.Bearers(), "Dataflow is not asked")
	topics, err := kadm.NewClient(c.kafka.Client(t)).ListTopics(t.Context())
	require.NoError(t, err)
	assert.False(t, topics.Has(c.topic+".dlq"))
}

// TestDataflowTemplateIsLaunched starts the program as the launcher of a flex template does.
func TestDataflowTemplateIsLaunched(t *testing.T) {
	c := startCloud(t)
	args := append(c.settings(), "--until=latest", "--start=earliest", "--runner=DataflowRunner", "--project=acme-clicks", "--region=europe-west1",
		"--job_name=hourly", "--staging_location=gs://events/staging", "--temp_location=gs://events/temp", "--machine_type=n2-standard-2",
		"--template_location=gs://events/launches/7/job_object", "--sdk_container_image=registry.example/clickstream:1", `--labels={"a":"b"}`, "--some_day=1", "--endpoint="+c.URL)
	slices.Sort(args)
	run := begin(t, args...)
	run.says("the launcher of the template gives an option that is not known here")
	run.ends()
	var job df.Job
	require.NoError(t, json.Unmarshal(c.files()["launches/7/job_object"], &job))
	assert.Equal(t, "hourly", job.Name)
	assert.Equal(t, "JOB_TYPE_BATCH", job.Type)
	assert.Equal(t, map[string]string{"a": "b"}, job.Labels)
	assert.Equal(t, "gs://events/temp", job.Environment.TempStoragePrefix)
	pool := job.Environment.WorkerPools[0]
	assert.Equal(t, "n2-standard-2", pool.MachineType)
	assert.Equal(t, "registry.example/clickstream:1", pool.SdkHarnessContainerImages[0].ContainerImage)
	assert.Empty(t, c.Jobs(), "the launcher creates it")
}

// TestREADMEOnDataflow runs what the README says of Dataflow against stand-ins: the run itself. What the scripts do
// is tested beside them.
func TestREADMEOnDataflow(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	block := regexp.MustCompile(`(?m)^bin/clickstream run --runner dataflow .*$`).FindString(string(text))
	require.NotEmpty(t, block)
	c := startCloud(t, "JOB_STATE_DONE")
	line := strings.NewReplacer("bin/clickstream ", "clickstream ", "gs://BUCKET", "gs://events", "PROJECT", "acme-clicks", "kafka.example:9092", c.kafka.Brokers[0],
		"--registry https://registry.example", "--format json").Replace(block)
	cmd := exec.Command("sh", "-c", line+" --topic "+c.topic+" --endpoint "+c.URL)
	beginIn(t, t.TempDir(), cmd).ends()
	require.Len(t, c.Jobs(), 1)
	for _, script := range []string{"build", "stage", "schedule"} {
		assert.Contains(t, string(text), "scripts/dataflow/"+script)
		assert.FileExists(t, filepath.Join(root, "scripts/dataflow", script))
	}
}
