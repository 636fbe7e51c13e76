// Command lint tells what BuildKit's own linter finds in Dockerfiles, as docker build --check does, without a Docker
// that runs. It is a module of its own, for BuildKit needs a lot.
//
//	go run -C scripts/image/lint . ../Dockerfile
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/subrequests/lint"
	"github.com/opencontainers/go-digest"
)

func main() {
	found := false
	for _, path := range os.Args[1:] {
		warnings, err := check(path)
		if err != nil {
			warnings = append(warnings, err.Error())
		}
		for _, w := range warnings {
			found = true
			fmt.Println(path + ": " + w)
		}
	}
	if found {
		os.Exit(1)
	}
}

// check returns the linter's warnings, a line each; an error where the file cannot be built at all.
func check(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	source := llb.NewSourceMap(nil, path, "Dockerfile", text)
	source.Definition = &llb.Definition{} // the linter wants one
	results, err := dockerfile2llb.DockerfileLint(context.Background(), text, dockerfile2llb.ConvertOpt{
		SourceMap:    source,
		Config:       dockerui.Config{},
		MetaResolver: bare{},
	})
	if err != nil {
		return nil, err
	}
	if results.Error != nil {
		return nil, errors.New(results.Error.Message)
	}
	var warnings []string
	for _, w := range results.Warnings {
		warnings = append(warnings, fmt.Sprintf("line %d: %s: %s (%s)", line(w), w.RuleName, w.Detail, w.URL))
	}
	return warnings, nil
}

func line(w lint.Warning) int32 {
	if ranges := w.Location.GetRanges(); len(ranges) > 0 {
		return ranges[0].GetStart().GetLine()
	}
	return 0
}

// bare stands for every image that another is from: no registry is asked what they are.
type bare struct{}

// ResolveImageConfig is llb.ImageMetaResolver's.
func (bare) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	config := []byte(`{"architecture":"amd64","os":"linux","config":{}}`)
	return ref, digest.FromBytes(config), config, nil
}
