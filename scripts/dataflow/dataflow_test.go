// Package dataflow_test runs the scripts that build, send and schedule the flex template, with programs in place of
// docker and gcloud that say what they were called with.
package dataflow_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	df "google.golang.org/api/dataflow/v1b3"
)

// runs a script, and returns what was said, by it and by docker and gcloud, and its exit code.
func runs(t *testing.T, script string, args ...string) (said string, code int) {
	t.Helper()
	bin := t.TempDir()
	goTool, err := exec.LookPath("go")
	require.NoError(t, err)
	for name, text := range map[string]string{
		"docker": `echo "docker $*"`,
		"gcloud": `echo "gcloud $*"; while [ $# -gt 0 ]; do [ "$1" != --message-body-from-file ] || cat "$2"; shift; done`,
		// The build takes minutes where nothing of it is cached; what it makes is for an image that is not built here.
		"go": `[ "$1" = build ] || exec ` + goTool + ` "$@"
			echo "go $* (CGO_ENABLED=$CGO_ENABLED GOOS=$GOOS GOARCH=$GOARCH)" >&2
			while [ $# -gt 0 ]; do [ "$1" != -o ] || echo program >"$2"; shift; done`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o700))
	}
	cmd := exec.CommandContext(t.Context(), "./"+script, args...)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		require.NoError(t, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func TestBuildAndStage(t *testing.T) {
	const image = "registry.example/clickstream:1"
	out := filepath.Join(t.TempDir(), "out")
	said, code := runs(t, "build", "--image", image, "--out", out)
	require.Zero(t, code, said)
	assert.Contains(t, said, "CGO_ENABLED=0 GOOS=linux GOARCH=amd64")
	assert.Contains(t, said, "-o "+out+"/clickstream ./pipelines/clickstream")
	assert.NotRegexp(t, "(?m)^(docker|gcloud) ", said, "it sends nothing")
	for made, from := range map[string]string{"Dockerfile": "../image/Dockerfile", "metadata.json": "metadata.json"} {
		want, err := os.ReadFile(from)
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(out, made))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got), made)
	}
	text, err := os.ReadFile(filepath.Join(out, "template.json"))
	require.NoError(t, err)
	var spec df.ContainerSpec
	require.NoError(t, json.Unmarshal(text, &spec))
	assert.Equal(t, image, spec.Image)
	assert.NotEmpty(t, spec.Metadata.Parameters)

	want := "docker build --platform linux/amd64 --target template --file " + out + "/Dockerfile --tag " + image + " " + out + "\n" +
		"docker push " + image + "\n" +
		"gcloud storage cp " + out + "/template.json gs://bucket/t.json\n"
	for _, how := range [][]string{nil, {"--print"}} {
		said, code = runs(t, "stage", append([]string{"--from", out, "--to", "gs://bucket/t.json"}, how...)...)
		assert.Zero(t, code)
		assert.Equal(t, want, said)
	}
	said, code = runs(t, "stage", "--from", t.TempDir(), "--to", "gs://bucket/t.json")
	assert.Equal(t, 1, code)
	assert.Contains(t, said, "run scripts/dataflow/build")
}

func TestSchedule(t *testing.T) {
	args := []string{"--project", "acme-clicks", "--region", "europe-west1", "--service-account", "a@b.example"}
	said, code := runs(t, "schedule", append(args, "--bucket", "clicks", "--schedule", "0 * * * *")...)
	require.Zero(t, code, said)
	call, body, _ := strings.Cut(said, "\n")
	assert.Contains(t, call, "gcloud scheduler jobs create http clickstream-pageviews --project acme-clicks --location europe-west1 --schedule 0 * * * * --time-zone Etc/UTC "+
		"--uri https://dataflow.googleapis.com/v1b3/projects/acme-clicks/locations/europe-west1/flexTemplates:launch --http-method POST")
	assert.Contains(t, call, "--oauth-service-account-email a@b.example")
	var request df.LaunchFlexTemplateRequest
	require.NoError(t, json.Unmarshal([]byte(body), &request))
	assert.Equal(t, "gs://clicks/templates/clickstream.json", request.LaunchParameter.ContainerSpecGcsPath)
	assert.NotContains(t, body, "BUCKET")

	said, code = runs(t, "schedule", args...)
	assert.Equal(t, 2, code)
	assert.Contains(t, said, "say --bucket NAME")
}

func TestUsage(t *testing.T) {
	for _, c := range [][]string{
		{"build"}, {"build", "--image"}, {"build", "--image", "i", "--nosuch", "x"}, {"stage"}, {"stage", "--to", "/tmp/t.json"}, {"stage", "--to"},
		{"schedule"}, {"schedule", "--project", "p", "--region"},
	} {
		said, code := runs(t, c[0], c[1:]...)
		assert.Equal(t, 2, code, "%v", c)
		assert.Contains(t, said, "scripts/dataflow/"+c[0]+" --", "%v", c)
	}
}
