package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"

	"clickstream/io/yamlfile"
	"clickstream/pipelines/settings"
)

type configCommand struct {
	Show configShowCommand `cmd:"" help:"Show the settings of run, and where each comes from."`
	Lint configLintCommand `cmd:"" help:"Tell everything that is wrong with the settings of run."`
}

type configShowCommand struct {
	Settings settings.Run `embed:""`
	Output   string       `name:"output" short:"o" help:"How to print them: ${enum}." enum:"table,yaml,json" default:"table"`
}

func (*configShowCommand) Help() string {
	return `
Shows every setting of run as it is resolved: from flags, CLICKSTREAM_* environment variables, the YAML
file, and defaults. Credentials are hidden. They are not checked: see config lint.

Examples:

    clickstream config show --config clickstream.yaml
    CLICKSTREAM_WINDOW=5m clickstream config show --output yaml
`
}

// Run runs the command.
func (c *configShowCommand) Run(w io.Writer, sources *settings.Sources, kctx *kong.Context) error {
	if faults := sources.Faults(); len(faults) > 0 {
		return &settings.Error{Faults: faults}
	}
	rows := sources.Resolved(kctx)
	switch c.Output {
	case "table":
		return showTable(w, rows)
	case "yaml":
		return showYAML(w, rows)
	case "json":
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(rows)
	}
	words := []string{"table", "yaml", "json"}
	fault := fmt.Sprintf("--output is %q; it must be one of %s%s", c.Output, strings.Join(words, ", "), yamlfile.Suggestion(c.Output, words))
	return &settings.Error{Faults: []string{fault}}
}

func showTable(out io.Writer, rows []settings.Resolved) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SETTING\tVALUE\tORIGIN")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.Setting, r.Value, r.Origin)
	}
	return w.Flush()
}

// showYAML writes a file that --config takes, with the origins as comments. A setting without a value is
// left empty, which counts as not set.
func showYAML(w io.Writer, rows []settings.Resolved) error {
	doc := &yaml.Node{Kind: yaml.MappingNode}
	for _, r := range rows {
		value := &yaml.Node{Kind: yaml.ScalarNode, Value: r.Value, LineComment: r.Origin}
		if r.Value == "" {
			value.Tag = "!!null"
		}
		doc.Content = append(doc.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: r.Setting}, value)
	}
	return yaml.NewEncoder(w).Encode(doc)
}

type configLintCommand struct {
	Settings settings.Run `embed:""`
}

func (*configLintCommand) Help() string {
	return `
Tells everything that is wrong with the settings of run, one line each, with exit code 2. Environment
variables that look like settings and are none are told as warnings.

Examples:

    clickstream config lint --config clickstream.yaml
`
}

// Run runs the command.
func (c *configLintCommand) Run(out io.Writer, sources *settings.Sources, cli *commands) error {
	for _, w := range sources.Warnings() {
		fmt.Fprintln(out, "warning:", w)
	}
	faults := slices.Clone(sources.Faults())
	var invalid *settings.Error
	if errors.As(settings.Validate(&cli.Common, &c.Settings), &invalid) {
		faults = append(faults, invalid.Faults...)
	}
	if len(faults) > 0 {
		return &settings.Error{Faults: faults}
	}
	_, err := fmt.Fprintln(out, "the settings are all right")
	return err
}
