package template_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	df "google.golang.org/api/dataflow/v1b3"

	"clickstream/pipelines/settings"
	"clickstream/pipelines/template"
)

const scripts = "../../scripts/dataflow/"

func TestMetadataIsThatOfTheSettings(t *testing.T) {
	kept, err := os.ReadFile(scripts + "metadata.json")
	require.NoError(t, err)
	is, err := json.Marshal(template.Metadata())
	require.NoError(t, err)
	assert.JSONEq(t, string(is), string(kept), "settings have changed; go run ./scripts/dataflow/spec >scripts/dataflow/metadata.json")
}

// parsed is what a command line makes of the settings, checked.
func parsed(t *testing.T, args []string) (settings.Run, error) {
	t.Helper()
	var cli struct {
		Run struct {
			Settings settings.Run `embed:""`
		} `cmd:""`
		Common settings.Common `embed:""`
	}
	k, err := settings.Parser(&cli, settings.NewSources(nil), kong.Name("clickstream"))
	require.NoError(t, err)
	settings.CheckChoicesHere(k)
	if _, err = k.Parse(args); err == nil {
		err = settings.Validate(&cli.Run.Settings)
	}
	return cli.Run.Settings, err
}

// byLauncher is what a launcher says of itself, as its options are called.
func byLauncher() []string {
	return []string{
		"--autoscaling_algorithm=THROUGHPUT_BASED", "--dataflow_kms_key=projects/p/locations/l/keyRings/r/cryptoKeys/k", "--disk_size_gb=40",
		"--enable_streaming_engine", "--experiments=a,b", "--job_name=hourly", `--labels={"goog-dataflow-provided-template-type":"flex"}`,
		"--machine_type=n2-standard-2", "--max_num_workers=5", "--network=clicks", "--no_use_public_ips", "--num_workers=2",
		"--project=acme-clicks", "--region=europe-west1", "--runner=DataflowRunner", "--sdk_container_image=registry.example/clickstream:1",
		"--service_account_email=counter@acme.example", "--staging_location=gs://bucket/staging", "--subnetwork=regions/r/subnetworks/s",
		"--temp_location=gs://bucket/temp", "--template_location=gs://bucket/launches/7/job_object", "--worker_zone=europe-west1-b",
	}
}

func launch(t *testing.T, more ...string) (settings.Run, error) {
	t.Helper()
	given := slices.Concat(byLauncher(), more)
	slices.Sort(given)
	require.True(t, template.StartedByLauncher(given))
	args, unknown := template.Arguments(given)
	assert.Empty(t, unknown)
	return parsed(t, args)
}

var needed = []string{"--brokers=kafka:9092", "--table=gs://bucket/table", "--format=json"}

func TestLaunchersOptionsAreSettings(t *testing.T) {
	run, err := launch(t, needed...)
	require.NoError(t, err)
	assert.Equal(t, "dataflow", run.Runner)
	want := settings.Dataflow{
		Project: "acme-clicks", Region: "europe-west1", StagingLocation: "gs://bucket/staging", TempLocation: "gs://bucket/temp",
		TemplateLocation: "gs://bucket/launches/7/job_object", JobName: "hourly", SDKContainerImage: "registry.example/clickstream:1",
		WorkerMachineType: "n2-standard-2", NumWorkers: 2, MaxNumWorkers: 5, AutoscalingAlgorithm: "THROUGHPUT_BASED", DiskSizeGB: 40,
		WorkerZone: "europe-west1-b", Network: "clicks", Subnetwork: "regions/r/subnetworks/s", NoUsePublicIPs: true,
		ServiceAccountEmail: "counter@acme.example", DataflowKMSKey: "projects/p/locations/l/keyRings/r/cryptoKeys/k",
		Labels: settings.Labels{"goog-dataflow-provided-template-type": "flex"}, Experiments: []string{"a", "b"},
	}
	assert.Equal(t, want, run.Dataflow)

	run, err = launch(t, append(needed, "--flexrs_goal=FLEXRS_COST_OPTIMIZED", "--until=latest", "--use_public_ips=true")...)
	require.NoError(t, err)
	want.FlexRSGoal, want.NoUsePublicIPs = "FLEXRS_COST_OPTIMIZED", false
	assert.Equal(t, want, run.Dataflow)

	args, unknown := template.Arguments([]string{"--template_location=gs://b/o", "--allowed_latenes=1m", "--autoscaling_algorithm=AUTOSCALING_ALGORITHM_NONE", "--zone=a-b1-c", "--group="})
	assert.Equal(t, []string{"run", "--runner=dataflow", "--template-location=gs://b/o", "--autoscaling-algorithm=NONE", "--worker-zone=a-b1-c"}, args)
	assert.Equal(t, []string{"--allowed_latenes"}, unknown)
}

func TestOnlyALauncherIsTakenForOne(t *testing.T) {
	for _, args := range [][]string{nil, {"run", "--template_location=gs://b/o"}, {"--help"}, {"--id=1", "--provision_endpoint=h:1"}, {"--worker=true"}} {
		assert.False(t, template.StartedByLauncher(args), "%v", args)
	}
}

// other returns a value of a parameter that is not its default.
func other(t *testing.T, p *df.ParameterMetadata) string {
	t.Helper()
	special := map[string]string{
		"table": "s3://bucket/other", "brokers": "a:1,b:2", "registry": "https://u:p@registry:8081/x", "start": "2026-01-31T08:00:00Z", "until": "latest",
		"sasl_mechanism": "OAUTHBEARER", "window": "90s", "otlp_endpoint": "http://collector:4318", "dataflow_service_options": "enable_google_cloud_profiler,min_num_workers=2",
	}
	if value, ok := special[p.Name]; ok {
		return value
	}
	switch {
	case p.ParamType == "BOOLEAN":
		return "true"
	case p.ParamType == "NUMBER":
		return "3"
	case p.ParamType == "ENUM":
		return p.EnumOptions[len(p.EnumOptions)-1].Value
	case strings.Contains(p.Regexes[0], "ms|s|m|h"):
		return "1h30m"
	case p.Regexes[0] == "^(/.+)$":
		path := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
		return path
	}
	return "some." + p.Name
}

// field returns the setting of a name, as its text.
func field(t *testing.T, of reflect.Value, name string) (string, bool) {
	t.Helper()
	for i := range of.NumField() {
		if _, embedded := of.Type().Field(i).Tag.Lookup("embed"); embedded {
			if text, ok := field(t, of.Field(i), name); ok {
				return text, true
			}
		}
		if of.Type().Field(i).Tag.Get("name") == name {
			switch v := of.Field(i).Interface().(type) {
			case []string:
				return strings.Join(v, ","), true
			default:
				return fmt.Sprint(v), true
			}
		}
	}
	return "", false
}

// TestParametersRoundTrip gives each parameter another value than its default, as a launcher does, and looks for it
// in the settings; all others stay as they are.
func TestParametersRoundTrip(t *testing.T) {
	before, err := launch(t, needed...)
	require.NoError(t, err)
	parameters := template.Metadata().Parameters
	assert.Greater(t, len(parameters), 20)
	for _, p := range parameters {
		value := other(t, p)
		require.Len(t, p.Regexes, 1, "%s is not validated", p.Name)
		match := regexp.MustCompile(p.Regexes[0])
		assert.Regexp(t, match, value, p.Name)
		assert.NotRegexp(t, match, "", p.Name)
		if p.DefaultValue != "" {
			assert.Regexp(t, match, p.DefaultValue, p.Name)
			assert.NotEqual(t, p.DefaultValue, value, p.Name)
		}
		assert.NotEmpty(t, p.Label, p.Name)
		assert.NotEmpty(t, p.GroupName, p.Name)
		assert.NotContains(t, p.HelpText, "${", p.Name)
		assert.Regexp(t, `\.$`, p.HelpText, p.Name)

		given := slices.DeleteFunc(slices.Clone(needed), func(arg string) bool { return strings.HasPrefix(arg, "--"+p.Name+"=") })
		after, _ := launch(t, append(given, "--"+p.Name+"="+value)...) // some are nothing without another: that is the settings' to say
		setting := strings.ReplaceAll(p.Name, "_", "-")
		got, ok := field(t, reflect.ValueOf(after), setting)
		require.True(t, ok, p.Name)
		if d, err := time.ParseDuration(value); err == nil {
			value = d.String()
		}
		assert.Equal(t, value, got, p.Name)
		for _, q := range parameters {
			if name := strings.ReplaceAll(q.Name, "_", "-"); name != setting {
				was, _ := field(t, reflect.ValueOf(before), name)
				is, _ := field(t, reflect.ValueOf(after), name)
				if name != "format" {
					assert.Equal(t, was, is, "%s with %s", name, p.Name)
				}
			}
		}
	}
}

// TestPatternsRefuse holds the parameters' patterns against the settings' checks: what a pattern refuses, so do they.
func TestPatternsRefuse(t *testing.T) {
	patterns := map[string]*regexp.Regexp{}
	for _, p := range template.Metadata().Parameters {
		patterns[p.Name] = regexp.MustCompile(p.Regexes[0])
	}
	for name, values := range map[string][]string{
		"topic": {"a b", "a/b", strings.Repeat("a", 250)}, "dead_letter_topic": {"ä"}, "registry": {"registry:8081", "ftp://h", "http://"},
		"table": {"./views", "file:///t", "ftp://h/t"}, "brokers": {"http://a:9092", "a:b:c", "a:x"},
		"window": {"1", "5 m", "-1m", "minute"}, "start": {"never", "yesterday", "2026-01-31"}, "until": {"earliest", "soon"},
		"format": {"xml", "AVRO"}, "shards": {"-1", "two"}, "tls": {"maybe"}, "tls_ca": {"ca.pem"}, "on_data_loss": {"ignore"},
	} {
		require.Contains(t, slices.Collect(maps.Keys(patterns)), name)
		for _, value := range values {
			assert.NotRegexp(t, patterns[name], value, name)
			given := slices.DeleteFunc(slices.Clone(needed), func(arg string) bool { return strings.HasPrefix(arg, "--"+name+"=") })
			_, err := launch(t, append(given, "--"+name+"="+value)...)
			assert.Error(t, err, "%s=%s", name, value)
		}
	}
}

// TestSpec is what gcloud dataflow flex-template build writes.
func TestSpec(t *testing.T) {
	text, err := json.Marshal(template.Spec("registry.example/clickstream:1"))
	require.NoError(t, err)
	var spec map[string]any
	require.NoError(t, json.Unmarshal(text, &spec))
	assert.Equal(t, "registry.example/clickstream:1", spec["image"])
	assert.Equal(t, map[string]any{"language": "GO"}, spec["sdkInfo"])
	assert.Equal(t, map[string]any{"sdkContainerImage": "registry.example/clickstream:1"}, spec["defaultEnvironment"])
	assert.Contains(t, spec["metadata"], "parameters")
}

// TestScheduledLaunch holds the request that Cloud Scheduler sends against the template.
func TestScheduledLaunch(t *testing.T) {
	text, err := os.ReadFile(scripts + "launch.json")
	require.NoError(t, err)
	var request df.LaunchFlexTemplateRequest
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&request))
	assert.Equal(t, "gs://BUCKET/templates/clickstream.json", request.LaunchParameter.ContainerSpecGcsPath)
	patterns := map[string]string{}
	for _, p := range template.Metadata().Parameters {
		patterns[p.Name] = p.Regexes[0]
		assert.True(t, p.IsOptional || request.LaunchParameter.Parameters[p.Name] != "", p.Name)
	}
	var given []string
	for name, value := range request.LaunchParameter.Parameters {
		assert.Regexp(t, patterns[name], value, name)
		given = append(given, "--"+name+"="+value)
	}
	run, err := launch(t, given...)
	require.NoError(t, err)
	assert.True(t, run.Bounded(), "a scheduled run ends")
}
