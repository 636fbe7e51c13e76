package main

import (
	"log/slog"

	"clickstream/pipelines/template"
)

// fromLauncher returns the command line of a program that the launcher of a flex template has started.
func fromLauncher(args []string) []string {
	args, unknown := template.Arguments(args)
	for _, option := range unknown {
		slog.Warn("the launcher of the template gives an option that is not known here, and is left out", "option", option)
	}
	return args
}
