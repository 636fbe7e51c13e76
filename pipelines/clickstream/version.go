package main

import (
	"fmt"
	"runtime"

	kongcompletion "github.com/jotaen/kong-completion"

	"clickstream/pipelines/settings"
)

type versionCommand struct{}

// Run runs the command.
func (versionCommand) Run() error {
	fmt.Printf("clickstream %s (%s, %s/%s)\n", settings.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

type completionCommand struct {
	kongcompletion.Completion
}
