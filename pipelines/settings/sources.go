package settings

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"

	"clickstream/io/yamlfile"
)

const (
	envPrefix  = "CLICKSTREAM_"
	configFlag = "config"
	// Default is the origin of a setting that nobody set.
	Default = "default"
)

// given is a setting's value as text, and where it was found.
type given struct{ text, origin string }

// Sources resolves what no flag sets: from CLICKSTREAM_* environment variables, then from the YAML file. It
// is a kong.Resolver. A variable that is empty counts as not set, as compose files and charts leave them.
type Sources struct {
	environ []string

	loaded   bool
	env      map[string]given // by flag
	file     map[string]given // by flag
	origins  map[string]string
	faults   []string
	warnings []string
}

// NewSources returns sources over an environment in the form of os.Environ.
func NewSources(environ []string) *Sources {
	return &Sources{environ: environ, env: map[string]given{}, file: map[string]given{}, origins: map[string]string{}}
}

// Options returns what makes a kong parser use s and its ways: durations and choices with better errors.
func (s *Sources) Options() []kong.Option {
	return []kong.Option{
		kong.Resolvers(s),
		kong.WithBeforeResolve(s.load),
		kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(decodeDuration)),
	}
}

// Faults returns what is wrong with the values and keys that were found, one line each.
func (s *Sources) Faults() []string { return s.faults }

// Warnings returns a line for each CLICKSTREAM_* variable that is no setting. It is no fault: Kubernetes
// makes such variables for a service that is called clickstream.
func (s *Sources) Warnings() []string { return s.warnings }

// Origin tells where the setting of a flag comes from: --flag, the variable, file and line, or Default.
func (s *Sources) Origin(flag *kong.Flag, ctx *kong.Context) string {
	for _, p := range ctx.Path {
		if p.Flag == flag && !p.Resolved {
			return "--" + flag.Name
		}
	}
	if o := s.origins[flag.Name]; o != "" {
		return o
	}
	return Default
}

// Validate is there for kong. What is wrong is in Faults, as it must not hide what else is.
func (s *Sources) Validate(*kong.Application) error { return nil }

// Resolve returns the value of a flag that the command line does not set, or nil.
func (s *Sources) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if flag.Name == "help" {
		return nil, nil
	}
	for _, from := range []map[string]given{s.env, s.file} {
		g, ok := from[flag.Name]
		if !ok {
			continue
		}
		if err := decode(flag, g.text); err != nil {
			s.fault(fmt.Sprintf("%s: %s: %s", g.origin, flag.Name, err))
			return nil, nil
		}
		s.origins[flag.Name] = g.origin
		return g.text, nil
	}
	return nil, nil
}

func (s *Sources) fault(line string) {
	if !slices.Contains(s.faults, line) { // a flag of two commands is resolved for both
		s.faults = append(s.faults, line)
	}
}

// decode tries text as flag's value.
func decode(flag *kong.Flag, text string) error {
	target := reflect.New(flag.Target.Type()).Elem()
	return flag.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: kong.ScanAsType(kong.FlagValueToken, text)}, target)
}

func decodeDuration(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("duration", &text); err != nil {
		return err
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is no duration; write it as 90s, 5m or 1h30m", text)
	}
	target.SetInt(int64(d))
	return nil
}

// load reads the environment and the file. kong calls it once for each word of the command line.
func (s *Sources) load(ctx *kong.Context) error {
	if s.loaded {
		return nil
	}
	s.loaded = true
	known := Names(ctx.Model)
	s.loadEnv(known)
	path := s.env[configFlag].text
	s.origins[configFlag] = s.env[configFlag].origin
	for _, p := range ctx.Path {
		if p.Flag != nil && p.Flag.Name == configFlag {
			path, _ = ctx.FlagValue(p.Flag).(string)
		}
	}
	if path == "" {
		return nil
	}
	f, err := yamlfile.Read(path)
	if err != nil {
		s.fault("--config: " + err.Error())
		return nil
	}
	s.loadFile(f, known)
	return nil
}

// Names returns the names of every setting of every command.
func Names(app *kong.Application) []string {
	var names []string
	_ = kong.Visit(app, func(n kong.Visitable, next kong.Next) error {
		if f, ok := n.(*kong.Flag); ok && f.Name != "help" && !slices.Contains(names, f.Name) {
			names = append(names, f.Name)
		}
		return next(nil)
	})
	return names
}

// service is how Kubernetes names the variables of a service.
var service = regexp.MustCompile(`_SERVICE_(HOST|PORT)|_PORT(_\d+_(TCP|UDP|SCTP).*)?$`)

func (s *Sources) loadEnv(known []string) {
	for _, kv := range s.environ {
		name, value, _ := strings.Cut(kv, "=")
		word, ours := strings.CutPrefix(name, envPrefix)
		if !ours {
			continue
		}
		flag := strings.ReplaceAll(strings.ToLower(word), "_", "-")
		switch {
		case slices.Contains(known, flag) && value != "":
			s.env[flag] = given{value, name}
		case slices.Contains(known, flag), service.MatchString(name), strings.HasPrefix(name, envPrefix+"TEST_"): // the last name what tests need
		default:
			var names []string
			for _, k := range known {
				names = append(names, envPrefix+strings.ToUpper(strings.ReplaceAll(k, "-", "_")))
			}
			s.warnings = append(s.warnings, "environment variable "+name+" is no setting"+yamlfile.Suggestion(name, names))
		}
	}
	slices.Sort(s.warnings)
}

func (s *Sources) loadFile(f *yamlfile.File, known []string) {
	entries, faults := f.Entries(known)
	for _, err := range faults {
		s.fault(err.Error())
	}
	for _, e := range entries {
		text, ok := scalars(e.Value)
		switch {
		case e.Key == configFlag:
			s.fault(f.Errorf(e.Value, "config: a file of settings cannot name another; leave it out").Error())
		case !ok:
			s.fault(f.Errorf(e.Value, "%s must be one value, or a list of them", e.Key).Error())
		case e.Value.Tag != "!!null":
			s.file[e.Key] = given{text, fmt.Sprintf("%s:%d", f.Path, e.Line)}
		}
	}
}

// scalars returns the text of a value, or of a list of them with commas between.
func scalars(n *yaml.Node) (string, bool) {
	switch n.Kind {
	case yaml.ScalarNode:
		return n.Value, true
	case yaml.SequenceNode:
		var words []string
		for _, v := range n.Content {
			if v.Kind != yaml.ScalarNode {
				return "", false
			}
			words = append(words, v.Value)
		}
		return strings.Join(words, ","), true
	}
	return "", false
}
