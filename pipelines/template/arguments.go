package template

import (
	"reflect"
	"slices"
	"strings"

	"clickstream/pipelines/settings"
)

// StartedByLauncher tells whether a program's arguments are those that the launcher of a flex template starts it
// with: no command, and where the job is to be written.
func StartedByLauncher(args []string) bool {
	return len(args) > 0 && strings.HasPrefix(args[0], "--") && slices.ContainsFunc(args, func(arg string) bool {
		return strings.HasPrefix(arg, "--template_location=")
	})
}

// otherwise are names of Beam's for what has another one here.
var otherwise = map[string]string{"machine_type": "worker-machine-type", "worker_harness_container_image": "sdk-container-image", "zone": "worker-zone"}

// sameHere are options that the launcher may give and that change nothing: the job streams or not as --until says, and
// Dataflow runs a Go job in one way alone.
var sameHere = []string{"streaming", "enable_streaming_engine"}

// Arguments returns the command line that a launcher's arguments mean, and the options among them that are not known
// here and were left out.
func Arguments(launcher []string) (args, unknown []string) {
	args = []string{"run", "--runner=dataflow"}
	known := map[string]reflect.StructField{}
	for _, field := range fields(reflect.TypeFor[settings.Run]()) {
		known[field.Tag.Get("name")] = field
	}
	for _, arg := range launcher {
		option, value, said := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		name := strings.ReplaceAll(option, "_", "-")
		if ours, ok := otherwise[option]; ok {
			name = ours
		}
		field, ok := known[name]
		switch {
		case name == "runner" || slices.Contains(sameHere, option):
		case name == "use-public-ips": // the other way round
			args = append(args, "--no-use-public-ips="+map[bool]string{true: "true", false: "false"}[value == "false"])
		case name == "autoscaling-algorithm": // the API has other names than Beam
			args = append(args, "--"+name+"="+strings.NewReplacer("AUTOSCALING_ALGORITHM_NONE", "NONE", "AUTOSCALING_ALGORITHM_BASIC", "THROUGHPUT_BASED").Replace(value))
		case !ok:
			unknown = append(unknown, "--"+option)
		case said && value == "": // a parameter that was left empty was not given
		case !said && field.Type.Kind() == reflect.Bool:
			args = append(args, "--"+name)
		default:
			args = append(args, "--"+name+"="+value)
		}
	}
	return args, unknown
}
