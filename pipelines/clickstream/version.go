package main

import (
	"fmt"
	"io"
	"runtime"

	kongcompletion "github.com/jotaen/kong-completion"

	"clickstream/pipelines/settings"
)

type versionCommand struct{}

// Run runs the command.
func (versionCommand) Run(w io.Writer) error {
	_, err := fmt.Fprintf(w, "clickstream %s (%s, %s/%s)\n", settings.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

type completionCommand struct {
	kongcompletion.Completion
}
