package settings_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/pipelines/settings"
)

// onDataflow is a run that is all right there.
const onDataflow = "run --runner=dataflow --project=acme-clicks --region=europe-west1 --staging-location=gs://bucket/staging --table=gs://bucket/table --brokers=kafka:9092 --format=json"

func TestDataflow(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", ""},
		{"--until=latest --flexrs-goal=FLEXRS_COST_OPTIMIZED --num-workers=1 --max-num-workers=2 --labels=a=b,c=d --async", ""},
		{"--table=s3://bucket/table --dry-run --experiments=a,b", ""},
		{"--endpoint=http://127.0.0.1:1 --brokers=localhost:9092", ""},
		{"--endpoint=https://dataflow.example", ""},
		{"--project=", "--project is missing; --runner dataflow needs it, as --project acme-clicks"},
		{"--region=", "--region is missing; --runner dataflow needs it, as --region europe-west1"},
		{"--staging-location=", "--staging-location is missing; --runner dataflow needs it, as --staging-location gs://bucket/staging"},
		{"--staging-location=/tmp", `--staging-location is "/tmp", which it cannot be; write it as gs://bucket/staging`},
		{"--table=./views", "--table ./views is on this machine, which Dataflow's workers do not see; name gs://bucket/path or s3://bucket/path"},
		{"--table=file:///views", "--table file:///views is on this machine, which Dataflow's workers do not see; name gs://bucket/path or s3://bucket/path"},
		{"--brokers=localhost:9092", "--brokers localhost:9092 is on this machine, which Dataflow's workers do not reach; name brokers that are reached from --network"},
		{"--registry=http://localhost:8081", "--registry http://localhost:8081 is on this machine, which Dataflow's workers do not reach; name one that is reached from --network"},
		{"--endpoint=localhost:8099", `--endpoint is "localhost:8099"; for --runner dataflow it is the URL of Dataflow's API, which is best left out`},
		{"--endpoint=http://dataflow.example", "--endpoint http://dataflow.example would have a Google token sent in the clear; write https://"},
		{"--environment=docker", "--environment docker is for flink and spark: Dataflow starts its workers itself; leave it out, or name their image by --sdk-container-image"},
		{"--flink-rest=http://h", "--flink-rest http://h is for --runner flink; leave it out"},
		{"--runner-option=a=1", "--runner-option a=1 is for flink and spark; use --experiments or --dataflow-service-options"},
		{"--parallelism=2", "--parallelism is for flink and spark; say --num-workers or --max-num-workers"},
		{"--num-workers=3 --max-num-workers=2", "--num-workers is 3, and --max-num-workers is 2; it must not be more"},
		{"--num-workers=-1", "--num-workers is -1; it must be from 0 to 4000; 0 leaves it to Dataflow"},
		{"--flexrs-goal=FLEXRS_COST_OPTIMIZED", "--flexrs-goal FLEXRS_COST_OPTIMIZED is for bounded runs, and --until is never; name latest or a time, or leave it out"},
		{"--autoscaling-algorithm=NON", `--autoscaling-algorithm is "NON"; it must be one of NONE, THROUGHPUT_BASED; did you mean NONE?`},
		{"--dry-run --template-location=gs://bucket/job", "--dry-run changes nothing, and --template-location gs://bucket/job writes an object; leave one of them out"},
		{"--worker-binary=/no/such", "--worker-binary: open /no/such: no such file or directory"},
		{"--runner=prism --project=acme-clicks", "--project is for --runner dataflow, and --runner is prism; leave it out"},
	} {
		args := strings.Fields(onDataflow + " " + c.args)
		if strings.Contains(c.args, "--runner=prism") {
			args = strings.Fields("run --format=json " + c.args)
		}
		var want []string
		if c.want != "" {
			want = []string{c.want}
		}
		assert.Equal(t, want, faults(t, args...), c.args)
	}
}

func TestLabels(t *testing.T) {
	for text, want := range map[string]settings.Labels{
		"":                            nil,
		"team=web, stage=live":        {"team": "web", "stage": "live"},
		`{"team":"web","stage":""}`:   {"team": "web", "stage": ""},
		"goog-dataflow-template=a_b1": {"goog-dataflow-template": "a_b1"},
	} {
		var l, again settings.Labels
		require.NoError(t, l.UnmarshalText([]byte(text)), text)
		assert.Equal(t, want, l)
		require.NoError(t, again.UnmarshalText([]byte(l.String())))
		assert.Equal(t, l, again)
	}
	for text, want := range map[string]string{
		"team":                            "has no value; write it as team=web",
		"Team=web":                        "Team=web is no label",
		"team=" + strings.Repeat("ä", 64): "is no label",
		strings.Repeat("ä", 64) + "=web":  "is no label",
		"team=W":                          "team=W is no label",
		`{"team":1}`:                      "no JSON object of strings",
		"=web,team=a":                     "=web is no label",
	} {
		assert.ErrorContains(t, new(settings.Labels).UnmarshalText([]byte(text)), want, text)
	}
}

// TestDataflowPatterns holds each pattern against its example, and each text against having one.
func TestDataflowPatterns(t *testing.T) {
	for field := range reflect.TypeFor[settings.Dataflow]().Fields() {
		if _, choice := field.Tag.Lookup("enum"); field.Type.Kind() != reflect.String || choice || field.Tag.Get("placeholder") == "FILE" {
			continue
		}
		pattern := field.Tag.Get("pattern")
		require.NotEmpty(t, pattern, field.Name)
		match := regexp.MustCompile("^(?:" + pattern + ")$")
		assert.Regexp(t, match, field.Tag.Get("example"), field.Name)
		assert.NotRegexp(t, match, "a b", field.Name)
		assert.NotRegexp(t, match, "-", field.Name)
	}
}
