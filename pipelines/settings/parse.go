package settings

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"

	"clickstream/io/yamlfile"
)

// Parser returns a kong parser of the commands in cli whose settings come from s where no flag sets them.
func Parser(cli any, s *Sources, opts ...kong.Option) (*kong.Kong, error) {
	opts = append(opts, s.Options()...)
	opts = append(opts, kong.ExplicitGroups([]kong.Group{
		{Key: "source", Title: "Records:"}, {Key: "time", Title: "Time:"}, {Key: "table", Title: "Table:"},
		{Key: "clicks", Title: "Clicks:"}, {Key: "letters", Title: "Dead letters:"}, {Key: "sessions", Title: "Sessions:"}, {Key: "demo", Title: "Demo:"}, {Key: "kafka", Title: "Kafka:"},
		{Key: "runner", Title: "Runner:"}, {Key: "dataflow", Title: "Dataflow:"}, {Key: "metrics", Title: "Metrics:"}, {Key: "common", Title: "Every command:"},
	}))
	k, err := kong.New(cli, opts...)
	if err != nil {
		return nil, fmt.Errorf("describe the commands: %w", err)
	}
	return k, nil
}

// CheckChoicesHere takes the check of choices away from kong: it ends at the first mistake, and Validate
// tells them all, with the nearest choice. Shell completion needs the choices, and is to be set up before.
func CheckChoicesHere(k *kong.Kong) {
	_ = kong.Visit(k.Model, func(n kong.Visitable, next kong.Next) error {
		if f, ok := n.(*kong.Flag); ok {
			f.Enum, f.Tag.Enum = "", ""
		}
		return next(nil)
	})
}

var (
	unknownFlag  = regexp.MustCompile(`^unknown flag (-[^\s,]+)`)
	unexpected   = regexp.MustCompile(`^unexpected argument ([^,]+)`)
	missing      = regexp.MustCompile(`^expected "<(\S+)>`)
	subcommand   = regexp.MustCompile(`^expected one of (.*)$`)
	withoutValue = regexp.MustCompile(`^(--\S+): .*\(<EOL>\)$`)
	leadingDash  = regexp.MustCompile(`^(--\S+): .* got "(-[^"]*)" \(.*flag\)`)
)

// Explain turns an error of kong's into an *Error of one line that names the nearest flag or command.
func Explain(k *kong.Kong, err error) error {
	node := k.Model.Node
	var p *kong.ParseError
	if errors.As(err, &p) && p.Context != nil && p.Context.Selected() != nil {
		node = p.Context.Selected()
	}
	line, command := err.Error(), node.Path()
	see := "; see " + node.FullPath() + " --help"
	of := ""
	if command != "" {
		of = " of " + command
	}
	if m := unknownFlag.FindStringSubmatch(line); m != nil {
		var flags []string
		for _, level := range node.AllFlags(true) {
			for _, f := range level {
				flags = append(flags, "--"+f.Name)
			}
		}
		near := yamlfile.Suggestion(m[1], flags)
		if near == "" {
			near = see
		}
		return &Error{[]string{fmt.Sprintf("unknown flag %s%s%s", m[1], of, near)}}
	}
	if m := unexpected.FindStringSubmatch(line); m != nil {
		var commands []string
		for _, c := range node.Children {
			commands = append(commands, c.Name)
		}
		if near := yamlfile.Suggestion(m[1], commands); near != "" {
			return &Error{[]string{fmt.Sprintf("unknown command %s%s", m[1], near)}}
		}
		if len(commands) > 0 {
			return &Error{[]string{fmt.Sprintf("unknown command %s%s", m[1], see)}}
		}
		return &Error{[]string{fmt.Sprintf("unexpected argument %s%s%s", m[1], of, see)}}
	}
	if m := missing.FindStringSubmatch(line); m != nil {
		line = fmt.Sprintf("%s needs a %s%s", command, strings.ToUpper(m[1]), see)
	} else if m := subcommand.FindStringSubmatch(line); m != nil {
		line = fmt.Sprintf("%s needs one of %s", command, strings.ReplaceAll(m[1], `"`, ""))
	} else if m := withoutValue.FindStringSubmatch(line); m != nil {
		line = m[1] + " needs a value"
	} else if m := leadingDash.FindStringSubmatch(line); m != nil {
		line = fmt.Sprintf("%s needs a value; write one that begins with - as %s=%s", m[1], m[1], m[2])
	}
	return &Error{[]string{strings.ReplaceAll(line, "\n", " ")}}
}
