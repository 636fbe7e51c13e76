package settings

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Dataflow is what Google Cloud Dataflow needs to know of a run. The names are those of Beam's own options, with
// dashes. A value that is not empty matches the whole of its pattern.
//
//nolint:lll // a setting is one line, its help included
type Dataflow struct {
	Project                string   `name:"project" help:"Google Cloud project that the job runs in." placeholder:"ID" pattern:"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]" example:"acme-clicks" group:"dataflow"`
	Region                 string   `name:"region" help:"Region that the job runs in, as europe-west1." placeholder:"NAME" pattern:"[a-z]+-[a-z]+[0-9]+" example:"europe-west1" group:"dataflow"`
	StagingLocation        string   `name:"staging-location" help:"Where the workers' program and the job's graph are put, as gs://bucket/staging." placeholder:"URL" pattern:"gs://[a-z0-9][a-z0-9._-]+[a-z0-9](/.*)?" example:"gs://bucket/staging" group:"dataflow"`
	TempLocation           string   `name:"temp-location" help:"Where Dataflow puts what it needs for a while; tmp within the staging location unless it is said." placeholder:"URL" pattern:"gs://[a-z0-9][a-z0-9._-]+[a-z0-9](/.*)?" example:"gs://bucket/temp" group:"dataflow"`
	TemplateLocation       string   `name:"template-location" help:"Write the job to this object in place of running it: what the launcher of a flex template asks for." placeholder:"URL" pattern:"gs://[a-z0-9][a-z0-9._-]+[a-z0-9]/.+" example:"gs://bucket/job" group:"dataflow"`
	JobName                string   `name:"job-name" help:"Name of the job. Of one name, one job runs at a time. By default no two have the same." placeholder:"NAME" pattern:"[a-z]([a-z0-9-]{0,998}[a-z0-9])?" example:"clickstream" group:"dataflow"`
	SDKContainerImage      string   `name:"sdk-container-image" help:"Image of the workers: of this very program, or Beam's, which is the default and takes the staged program." placeholder:"IMAGE" pattern:"[a-z0-9][a-zA-Z0-9._/:@-]*" example:"europe-docker.pkg.dev/acme/clicks/clickstream:1" group:"dataflow"`
	WorkerBinary           string   `name:"worker-binary" help:"Program to stage for the workers, for linux/amd64; this one unless it is said." placeholder:"FILE" group:"dataflow"`
	WorkerMachineType      string   `name:"worker-machine-type" help:"Machines of the workers, as n2-standard-2." placeholder:"NAME" pattern:"[a-z][a-z0-9-]+" example:"n2-standard-2" group:"dataflow"`
	NumWorkers             int      `name:"num-workers" help:"Workers to begin with; 0 leaves it to Dataflow." default:"0" group:"dataflow"`
	MaxNumWorkers          int      `name:"max-num-workers" help:"Workers at most; 0 leaves it to Dataflow." default:"0" group:"dataflow"`
	AutoscalingAlgorithm   string   `name:"autoscaling-algorithm" help:"NONE, or THROUGHPUT_BASED." enum:",NONE,THROUGHPUT_BASED" default:"" placeholder:"NAME" group:"dataflow"`
	FlexRSGoal             string   `name:"flexrs-goal" help:"FLEXRS_COST_OPTIMIZED starts a bounded run when it is cheap, within six hours; FLEXRS_SPEED_OPTIMIZED does not." enum:",FLEXRS_SPEED_OPTIMIZED,FLEXRS_COST_OPTIMIZED" default:"" placeholder:"NAME" group:"dataflow"`
	DiskSizeGB             int      `name:"disk-size-gb" help:"Disk of each worker, GB; 0 leaves it to Dataflow." default:"0" group:"dataflow"`
	WorkerZone             string   `name:"worker-zone" help:"Zone of the workers, as europe-west1-b; Dataflow chooses unless it is said." placeholder:"NAME" pattern:"[a-z]+-[a-z]+[0-9]+-[a-z]" example:"europe-west1-b" group:"dataflow"`
	Network                string   `name:"network" help:"Network of the workers: it has to lead to Kafka and the registry." placeholder:"NAME" pattern:"[a-z]([a-z0-9-]{0,61}[a-z0-9])?" example:"default" group:"dataflow"`
	Subnetwork             string   `name:"subnetwork" help:"Subnetwork of the workers, as regions/REGION/subnetworks/NAME, or its URL." placeholder:"PATH" pattern:"(https://www\\.googleapis\\.com/compute/v1/projects/[a-z0-9:.-]+/)?regions/[a-z0-9-]+/subnetworks/[a-z0-9-]+" example:"regions/europe-west1/subnetworks/clicks" group:"dataflow"`
	NoUsePublicIPs         bool     `name:"no-use-public-ips" help:"Give the workers private addresses alone." group:"dataflow"`
	ServiceAccountEmail    string   `name:"service-account-email" help:"Account that the workers act as: it needs the table's bucket and the role Dataflow Worker." placeholder:"EMAIL" pattern:"[a-z0-9-]+@[a-z0-9.-]+" example:"counter@acme-clicks.iam.gserviceaccount.com" group:"dataflow"`
	DataflowKMSKey         string   `name:"dataflow-kms-key" help:"Key that the job's state is encrypted by." placeholder:"PATH" pattern:"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+" example:"projects/acme/locations/europe-west1/keyRings/a/cryptoKeys/b" group:"dataflow"`
	Labels                 Labels   `name:"labels" help:"Labels of the job, as team=web,stage=live." placeholder:"NAME=VALUE" group:"dataflow"`
	Experiments            []string `name:"experiments" help:"More of Beam's experiments, separated by commas." placeholder:"NAME" group:"dataflow"`
	DataflowServiceOptions []string `name:"dataflow-service-options" help:"Options of Dataflow's service, separated by commas." placeholder:"NAME" group:"dataflow"`
	DryRun                 bool     `name:"dry-run" help:"Print the job that Dataflow would be given, and change nothing." group:"dataflow"`
}

// Labels are names and values.
type Labels map[string]string

// maxLabel is how many characters the name of a label, and its value, may have. Expressions that count them took a
// twentieth of a second, and 8 MB, at each start of the program.
const maxLabel = 63

var (
	labelName  = regexp.MustCompile(`^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}0-9_-]*$`)
	labelValue = regexp.MustCompile(`^[\p{Ll}\p{Lo}0-9_-]*$`)
)

func isLabel(name, value string) bool {
	return labelName.MatchString(name) && labelValue.MatchString(value) && utf8.RuneCountInString(name) <= maxLabel && utf8.RuneCountInString(value) <= maxLabel
}

// UnmarshalText reads team=web,stage=live, or a JSON object, as Beam's option has it.
func (l *Labels) UnmarshalText(text []byte) error {
	*l = nil
	s := strings.TrimSpace(string(text))
	if s == "" {
		return nil
	}
	read := map[string]string{}
	if strings.HasPrefix(s, "{") {
		if err := json.Unmarshal([]byte(s), &read); err != nil {
			return fmt.Errorf("%q is no JSON object of strings; write team=web,stage=live", s)
		}
	} else {
		for pair := range strings.SplitSeq(s, ",") {
			name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
			if !ok {
				return fmt.Errorf("%q has no value; write it as team=web", pair)
			}
			read[name] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(read)) {
		if !isLabel(name, read[name]) {
			return fmt.Errorf("%s=%s is no label; it may hold small letters, digits, _ and -, 63 at most, and its name begins with a letter", name, read[name])
		}
	}
	*l = read
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (l Labels) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

func (l Labels) String() string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(l)) {
		pairs = append(pairs, name+"="+l[name])
	}
	return strings.Join(pairs, ",")
}

// checkElsewhere refuses what only Dataflow knows, where it is not the runner.
func (j *Job) checkElsewhere(c *checks) {
	v := reflect.ValueOf(j.Dataflow)
	for i := range v.NumField() {
		if field := v.Type().Field(i); !v.Field(i).IsZero() {
			c.add("--%s is for --runner dataflow, and --runner is %s; leave it out", field.Tag.Get("name"), j.Runner)
		}
	}
}

// checkDataflow checks what Dataflow needs.
func (j *Job) checkDataflow(c *checks, in *Input) {
	d := j.Dataflow
	for _, needed := range []struct{ flag, value, as string }{
		{"project", d.Project, "as --project acme-clicks"}, {"region", d.Region, "as --region europe-west1"},
		{"staging-location", d.StagingLocation, "as --staging-location gs://bucket/staging"},
	} {
		if needed.value == "" {
			c.add("--%s is missing; --runner dataflow needs it, %s", needed.flag, needed.as)
		}
	}
	c.patterns(&j.Dataflow)
	c.file("worker-binary", d.WorkerBinary)
	c.number("num-workers", d.NumWorkers, 0, 4000, "; 0 leaves it to Dataflow") // a job's most
	c.number("max-num-workers", d.MaxNumWorkers, 0, 4000, "; 0 leaves it to Dataflow")
	c.number("disk-size-gb", d.DiskSizeGB, 0, 65536, "; 0 leaves it to Dataflow")
	if d.MaxNumWorkers > 0 && d.NumWorkers > d.MaxNumWorkers {
		c.add("--num-workers is %d, and --max-num-workers is %d; it must not be more", d.NumWorkers, d.MaxNumWorkers)
	}
	if d.FlexRSGoal != "" && !in.Bounded() {
		c.add("--flexrs-goal %s is for bounded runs, and --until is never; name latest or a time, or leave it out", d.FlexRSGoal)
	}
	if d.DryRun && d.TemplateLocation != "" {
		c.add("--dry-run changes nothing, and --template-location %s writes an object; leave one of them out", d.TemplateLocation)
	}
	j.checkDataflowReaches(c, in)
	for flag, value := range map[string]string{"environment": j.Environment, "environment-config": j.EnvironmentConfig} {
		if value != "" {
			c.add("--%s %s is for flink and spark: Dataflow starts its workers itself; leave it out, or name their image by --sdk-container-image", flag, value)
		}
	}
	if j.FlinkREST != "" {
		c.add("--flink-rest %s is for --runner flink; leave it out", j.FlinkREST)
	}
	if len(j.RunnerOptions) > 0 {
		c.add("--runner-option %s is for flink and spark; use --experiments or --dataflow-service-options", j.RunnerOptions[0])
	}
	if j.Parallelism != 0 {
		c.add("--parallelism is for flink and spark; say --num-workers or --max-num-workers")
	}
}

// checkDataflowReaches refuses addresses that mean another machine to a worker of Dataflow's, unless it is a
// stand-in of Dataflow on this one.
func (j *Job) checkDataflowReaches(c *checks, in *Input) {
	here := false
	if j.Endpoint != "" {
		u, err := url.Parse(j.Endpoint)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			c.add("--endpoint is %q; for --runner dataflow it is the URL of Dataflow's API, which is best left out", j.Endpoint)
			return
		}
		if here = isLoopback(net.JoinHostPort(u.Hostname(), "0")); !here && u.Scheme == "http" {
			c.add("--endpoint %s would have a Google token sent in the clear; write https://", j.Endpoint)
		}
	}
	if here {
		return
	}
	for _, broker := range in.Kafka.Brokers {
		if isLoopback(broker) {
			c.add("--brokers %s is on this machine, which Dataflow's workers do not reach; name brokers that are reached from --network", broker)
		}
	}
	if u, err := url.Parse(in.Registry); err == nil && isLoopback(net.JoinHostPort(u.Hostname(), "0")) {
		c.add("--registry %s is on this machine, which Dataflow's workers do not reach; name one that is reached from --network", in.Registry)
	}
}

// patterns checks every text field with a pattern.
func (c *checks) patterns(settings any) {
	v := reflect.Indirect(reflect.ValueOf(settings))
	for i := range v.NumField() {
		field := v.Type().Field(i)
		pattern := field.Tag.Get("pattern")
		if value := v.Field(i).String(); pattern != "" && value != "" && !regexp.MustCompile("^(?:"+pattern+")$").MatchString(value) {
			c.add("--%s is %q, which it cannot be; write it as %s", field.Tag.Get("name"), value, field.Tag.Get("example"))
		}
	}
}
