package main

import (
	"fmt"
	"io"
	"runtime"

	kongcompletion "github.com/jotaen/kong-completion"

	"clickstream/io/version"
)

type versionCommand struct{}

// Run runs the command.
func (versionCommand) Run(w io.Writer) error {
	_, err := fmt.Fprintf(w, "clickstream %s (%s, %s/%s)\n", version.Own(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

type completionCommand struct {
	kongcompletion.Completion
}
