// Package template is the flex template of Dataflow: what its parameters are, and how the launcher's arguments become
// a command line. Both follow from the settings of run, so that nothing is said twice.
package template

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	df "google.golang.org/api/dataflow/v1b3"

	"clickstream/pipelines/settings"
)

// The launcher of a flex template gives these by itself, from what the template is run with: they are no parameters.
var byLauncher = []string{
	"runner", "project", "region", "staging-location", "temp-location", "template-location", "job-name", "sdk-container-image",
	"worker-machine-type", "num-workers", "max-num-workers", "autoscaling-algorithm", "flexrs-goal", "disk-size-gb", "worker-zone",
	"network", "subnetwork", "no-use-public-ips", "service-account-email", "dataflow-kms-key", "labels", "experiments",
}

// What means nothing within a template.
var elsewhere = []string{
	"endpoint", "environment", "environment-config", "parallelism", "checkpoint-interval", "poll-interval", "runner-option", "flink-rest", "async",
	"metrics-listen", "listen-tls-cert", "listen-tls-key", "listen-token-file", "pprof", "worker-binary", "dry-run", "source", "expansion-service",
}

// patterns are the whole values of the settings that are free text, by their names. Which they are is found out by
// settings.Validate; Dataflow refuses others before it starts anything.
var patterns = map[string]string{
	"topic":                    `[a-zA-Z0-9._-]{1,249}`,
	"dead-letter-topic":        `[a-zA-Z0-9._-]{1,249}`,
	"group":                    `.+`,
	"registry":                 `https?://[^/].*`,
	"otlp-endpoint":            `https?://[^/?@]+(/[^?]*)?`,
	"table":                    `(gs|s3)://[^/]+/.+`,
	"brokers":                  `[^,:/]+(:[0-9]+)?(, *[^,:/]+(:[0-9]+)?)*`,
	"sasl-user":                `.+`,
	"dataflow-service-options": `[a-z0-9_=.,-]+`,
}

// needed are the parameters that no default stands for, with what is said of them in its place: the settings are those
// of a run on one machine.
var needed = map[string]string{
	"brokers": "Kafka brokers to start from, host:port, separated by commas. The network has to lead to them.",
	"table":   "Where the table is, as gs://bucket/path or s3://bucket/path. It is made where it is missing.",
}

// Metadata returns what Dataflow is told of the template, from the settings of run.
func Metadata() *df.TemplateMetadata {
	m := &df.TemplateMetadata{
		Name:        "Page views per minute",
		Description: "Counts clicks of a Kafka topic per page and minute into a Delta table, each exactly once. Streams, or ends where until says.",
		Streaming:   true, SupportsExactlyOnce: true,
	}
	for _, field := range fields(reflect.TypeFor[settings.Run]()) {
		if name := field.Tag.Get("name"); !slices.Contains(byLauncher, name) && !slices.Contains(elsewhere, name) {
			m.Parameters = append(m.Parameters, parameter(field))
		}
	}
	slices.SortStableFunc(m.Parameters, func(a, b *df.ParameterMetadata) int { // those that are needed come first
		switch {
		case a.IsOptional == b.IsOptional:
			return 0
		case a.IsOptional:
			return 1
		}
		return -1
	})
	return m
}

// Spec returns what a flex template's file holds: the image, which is the workers' as well, and the metadata. It is
// what gcloud dataflow flex-template build writes.
func Spec(image string) *df.ContainerSpec {
	return &df.ContainerSpec{
		Image: image, Metadata: Metadata(), SdkInfo: &df.SDKInfo{Language: "GO"},
		DefaultEnvironment: &df.FlexTemplateRuntimeEnvironment{SdkContainerImage: image},
	}
}

// Name returns how a template calls a setting: as Beam's options are called.
func Name(setting string) string { return strings.ReplaceAll(setting, "-", "_") }

// fields returns the settings of a struct, and of those that it embeds.
func fields(of reflect.Type) []reflect.StructField {
	var all []reflect.StructField
	for field := range of.Fields() {
		if _, embedded := field.Tag.Lookup("embed"); embedded {
			all = append(all, fields(field.Type)...)
		} else {
			all = append(all, field)
		}
	}
	return all
}

// groups are the titles of the settings' groups.
var groups = map[string]string{"source": "Records", "time": "Time", "table": "Table", "kafka": "Kafka", "dataflow": "Dataflow", "runner": "Runner", "metrics": "Metrics"}

func parameter(field reflect.StructField) *df.ParameterMetadata {
	setting, standard := field.Tag.Get("name"), field.Tag.Get("default")
	choices := strings.Split(field.Tag.Get("enum"), ",")
	help := strings.NewReplacer("${default}", standard, "${enum}", strings.Join(choices, ", ")).Replace(field.Tag.Get("help"))
	p := &df.ParameterMetadata{
		Name: Name(setting), Label: label(setting), HelpText: help, GroupName: groups[field.Tag.Get("group")],
		DefaultValue: standard, IsOptional: true, ParamType: "TEXT",
	}
	if said, ok := needed[setting]; ok {
		p.HelpText, p.DefaultValue, p.IsOptional = said, "", false
	}
	var pattern string
	switch {
	case field.Tag.Get("enum") != "":
		choices = slices.DeleteFunc(choices, func(s string) bool { return s == "" })
		p.ParamType, pattern = "ENUM", strings.Join(choices, "|")
		for _, choice := range choices {
			p.EnumOptions = append(p.EnumOptions, &df.ParameterMetadataEnumOption{Label: choice, Value: choice})
		}
	case field.Type == reflect.TypeFor[time.Duration]():
		pattern = `([0-9]+(\.[0-9]+)?(ms|s|m|h))+`
	case field.Type == reflect.TypeFor[settings.Moment]():
		pattern = map[string]string{"start": "earliest", "until": "never"}[setting] + `|latest|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2})`
	case field.Type.Kind() == reflect.Bool:
		p.ParamType, pattern = "BOOLEAN", "true|false"
	case field.Type.Kind() == reflect.Int:
		p.ParamType, pattern = "NUMBER", "[0-9]+"
	case field.Tag.Get("placeholder") == "FILE":
		pattern = "/.+" // in the image
		p.HelpText += " It has to be in the image."
	default:
		pattern = patterns[setting]
	}
	if pattern != "" {
		p.Regexes = []string{fmt.Sprintf("^(%s)$", pattern)}
	}
	return p
}

// label makes «Dead letter topic» of dead-letter-topic.
func label(setting string) string {
	words := strings.ReplaceAll(setting, "-", " ")
	for _, name := range []string{"tls", "sasl", "dlq", "otlp"} {
		words = strings.ReplaceAll(words, name, strings.ToUpper(name))
	}
	return strings.ToUpper(words[:1]) + words[1:]
}
