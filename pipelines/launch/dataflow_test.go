package launch

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	pipepb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/pipeline_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/dataflow/dataflowlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	df "google.golang.org/api/dataflow/v1b3"
	"google.golang.org/protobuf/proto"

	"clickstream/io/objects"
	"clickstream/testing/buckets"
	"clickstream/testing/dataflowtest"
)

// workerFor returns a file that says that it is a program for linux machines of a kind.
func workerFor(t *testing.T, machine elf.Machine) string {
	t.Helper()
	var b bytes.Buffer
	header := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT), Ehsize: 64}
	copy(header.Ident[:], elf.ELFMAG)
	header.Ident[elf.EI_CLASS], header.Ident[elf.EI_DATA], header.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	require.NoError(t, binary.Write(&b, binary.LittleEndian, header))
	b.WriteString(strings.Repeat("worker", 1<<10))
	path := filepath.Join(t.TempDir(), "worker")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o700))
	return path
}

// onDataflow returns a Dataflow that is s, and stages into a bucket of this process.
func onDataflow(t *testing.T, s *dataflowtest.Service, between ...buckets.Middleware) Dataflow {
	t.Helper()
	return Dataflow{
		Job: dataflowlib.JobOptions{
			Project: "acme-clicks", Region: "europe-west1", Worker: workerFor(t, elf.EM_X86_64), Labels: map[string]string{"team": "web"},
			MachineType: "n2-standard-2", MaxNumWorkers: 5, NumWorkers: 2, ServiceAccountEmail: "counter@acme.example", NoUsePublicIPs: true,
			Network: "clicks", Subnetwork: "regions/europe-west1/subnetworks/clicks", Experiments: []string{"more"}, DiskSizeGb: 40,
		},
		StagingLocation: buckets.GCS(t, between...) + "/staging/", Endpoint: s.URL, Poll: time.Millisecond,
	}
}

// greeting returns a pipeline of one element.
func greeting() *beam.Pipeline {
	p, s := beam.NewPipelineWithRoot()
	beam.Create(s, "hello")
	return p
}

// staged returns the objects of the bucket by their names.
func staged(t *testing.T) map[string][]byte {
	t.Helper()
	store, err := objects.Open(t.Context(), "gs://"+buckets.Name)
	require.NoError(t, err)
	all := map[string][]byte{}
	for object, err := range store.List(t.Context(), "", "") {
		require.NoError(t, err)
		all[object.Name], err = store.Read(t.Context(), object.Name)
		require.NoError(t, err)
	}
	return all
}

func TestDataflowSubmits(t *testing.T) {
	s := dataflowtest.Start(t, "JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_DONE")
	d := onDataflow(t, s)
	require.NoError(t, d.Reach(t.Context()))
	require.NoError(t, d.Run(t.Context(), "clicks-1", greeting()))

	worker, err := os.ReadFile(d.Job.Worker)
	require.NoError(t, err)
	sum := sha256.Sum256(worker)
	hash := hex.EncodeToString(sum[:])
	files, workerURL := staged(t), "gs://events/staging/"+hash[:32]+"/worker"
	require.Len(t, files, 2)
	assert.Equal(t, worker, files["staging/"+hash[:32]+"/worker"])
	var sent pipepb.Pipeline
	model := files["staging/clicks-1/model"]
	require.NoError(t, proto.Unmarshal(model, &sent))
	env := sent.GetComponents().GetEnvironments()["go"]
	var image pipepb.DockerPayload
	require.NoError(t, proto.Unmarshal(env.GetPayload(), &image))
	assert.Equal(t, "gcr.io/cloud-dataflow/v1beta3/beam_go_sdk:2.77.0", image.GetContainerImage())
	require.Len(t, env.GetDependencies(), 1)
	var artifact pipepb.ArtifactUrlPayload
	require.NoError(t, proto.Unmarshal(env.GetDependencies()[0].GetTypePayload(), &artifact))
	assert.Equal(t, workerURL, artifact.GetUrl())
	assert.Equal(t, hash, artifact.GetSha256())

	require.Len(t, s.Jobs(), 1)
	job := s.Jobs()[0]
	assert.Equal(t, "/v1b3/projects/acme-clicks/locations/europe-west1/jobs", job.Path)
	assert.Equal(t, "clicks-1", job.Body.Name)
	assert.Equal(t, "clicks-1", job.Body.ClientRequestId)
	assert.Equal(t, "JOB_TYPE_BATCH", job.Body.Type)
	assert.Equal(t, map[string]string{"team": "web"}, job.Body.Labels)
	assert.Empty(t, job.Body.Steps, "the graph is the staged one")
	e := job.Body.Environment
	assert.Equal(t, []string{"more", "beam_fn_api", "use_runner_v2", "use_unified_worker", "use_portable_job_submission"}, e.Experiments)
	assert.Equal(t, "counter@acme.example", e.ServiceAccountEmail)
	assert.Equal(t, "gs://events/staging/tmp", e.TempStoragePrefix)
	require.Len(t, e.WorkerPools, 1)
	w := e.WorkerPools[0]
	assert.Equal(t, []*df.Package{{Name: "worker", Location: workerURL, Sha256: hash}}, w.Packages)
	assert.Equal(t, []any{"n2-standard-2", int64(2), int64(5), "WORKER_IP_PRIVATE", "clicks", "regions/europe-west1/subnetworks/clicks", int64(40)},
		[]any{w.MachineType, w.NumWorkers, w.AutoscalingSettings.MaxNumWorkers, w.IpConfiguration, w.Network, w.Subnetwork, w.DiskSizeGb})
	require.Len(t, w.SdkHarnessContainerImages, 1)
	assert.Equal(t, image.GetContainerImage(), w.SdkHarnessContainerImages[0].ContainerImage)
	var options struct {
		Options struct {
			PipelineURL, PipelineProtoHash, Region string
		}
	}
	require.NoError(t, json.Unmarshal(e.SdkPipelineOptions, &options))
	sum = sha256.Sum256(model)
	assert.Equal(t, "gs://events/staging/clicks-1/model", options.Options.PipelineURL)
	assert.Equal(t, hex.EncodeToString(sum[:]), options.Options.PipelineProtoHash)
	assert.Equal(t, "europe-west1", options.Options.Region)
	for _, bearer := range s.Bearers() {
		assert.Empty(t, bearer, "a stand-in gets no credentials")
	}
}

// TestDataflowStagesAProgramOnce runs the same program again.
func TestDataflowStagesAProgramOnce(t *testing.T) {
	uploads := 0
	d := onDataflow(t, dataflowtest.Start(t, "JOB_STATE_DONE"), func(store http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/upload/") && r.Method == http.MethodPost {
				uploads++
			}
			store.ServeHTTP(w, r)
		})
	})
	require.NoError(t, d.Run(t.Context(), "one", greeting()))
	assert.Equal(t, 2, uploads)
	require.NoError(t, d.Run(t.Context(), "two", greeting()))
	assert.Equal(t, 3, uploads, "a model only")
	assert.Len(t, staged(t), 3)
}

func TestDataflowDryRun(t *testing.T) {
	s := dataflowtest.Start(t, "JOB_STATE_DONE")
	d := onDataflow(t, s)
	var out bytes.Buffer
	d.DryRun = &out
	require.NoError(t, d.Reach(t.Context()))
	require.ErrorIs(t, d.Run(t.Context(), "clicks-1", greeting()), ErrLeft)
	assert.Empty(t, s.Bearers(), "nobody is asked")
	assert.Empty(t, staged(t))
	d.DryRun = nil
	require.NoError(t, d.Run(t.Context(), "clicks-1", greeting()))
	assert.Equal(t, inOrder(t, s.Jobs()[0].Raw), inOrder(t, out.Bytes()), "the job that is created then")
}

// inOrder returns a job without what Dataflow shows of its options, which is in no order.
func inOrder(t *testing.T, job []byte) map[string]any {
	t.Helper()
	var of map[string]any
	require.NoError(t, json.Unmarshal(job, &of))
	options := of["environment"].(map[string]any)["sdkPipelineOptions"].(map[string]any)
	assert.NotEmpty(t, options["display_data"])
	delete(options, "display_data")
	return of
}

func TestDataflowWritesATemplatesJob(t *testing.T) {
	s := dataflowtest.Start(t, "JOB_STATE_DONE")
	d := onDataflow(t, s)
	d.Job.TemplateLocation, d.Job.Name, d.Job.ContainerImage = "gs://events/launches/7/job_object", "hourly", "registry.example/clickstream:1"
	require.NoError(t, d.Reach(t.Context()))
	require.ErrorIs(t, d.Run(t.Context(), "clicks-1", greeting()), ErrLeft)
	assert.Empty(t, s.Bearers(), "the launcher creates the job")
	files := staged(t)
	assert.Len(t, files, 3)
	var job df.Job
	require.NoError(t, json.Unmarshal(files["launches/7/job_object"], &job))
	assert.Equal(t, "hourly", job.Name)
	assert.Equal(t, "registry.example/clickstream:1", job.Environment.WorkerPools[0].WorkerHarnessContainerImage)
}

func TestDataflowTellsWhyAJobFails(t *testing.T) {
	s := dataflowtest.Start(t, "JOB_STATE_RUNNING", "JOB_STATE_FAILED")
	s.Says([2]string{"Worker started", "JOB_MESSAGE_BASIC"}, [2]string{"Traceback:\ntable gs://t: access is denied", "JOB_MESSAGE_ERROR"})
	s.Refuse(http.MethodGet, 2, http.StatusServiceUnavailable, "later")
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(before)
	err := onDataflow(t, s).Run(t.Context(), "clicks-1", greeting())
	require.EqualError(t, err, "the job job-1 failed at Dataflow: table gs://t: access is denied")
	assert.Equal(t, 1, strings.Count(out.String(), "Worker started"), "each message once:\n%s", &out)
}

func TestDataflowCancels(t *testing.T) {
	s := dataflowtest.Start(t, "JOB_STATE_RUNNING")
	d := onDataflow(t, s)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, "clicks-1", greeting()) }()
	require.Eventually(t, func() bool { return len(s.Jobs()) == 1 }, 10*time.Second, time.Millisecond)
	stop()
	require.ErrorIs(t, <-ended, ErrCancelled)
	require.Len(t, s.Jobs()[0].Updates, 1)
	assert.Equal(t, "JOB_STATE_CANCELLED", s.Jobs()[0].Updates[0].RequestedState)

	d.Async = true
	require.ErrorIs(t, d.Run(t.Context(), "clicks-2", greeting()), ErrLeft)
	assert.Empty(t, s.Jobs()[1].Updates)
}

// TestDataflowRefusals are errors of one line, with the way out.
func TestDataflowRefusals(t *testing.T) {
	s := dataflowtest.Start(t, "JOB_STATE_DONE")
	d := onDataflow(t, s)
	for code, want := range map[int]string{
		401: "gcloud auth application-default login", 403: "enable the Dataflow API in project acme-clicks",
		404: "check --project acme-clicks and --region europe-west1", 503: "try again later",
	} {
		s.Refuse(http.MethodGet, 1, code, "no")
		err := d.Reach(t.Context())
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "\n")
	}
	for code, want := range map[int]string{400: "machine type); correct what it names", 409: "name another by --job-name"} {
		s.Refuse(http.MethodPost, 1, code, "machine\ntype")
		require.ErrorContains(t, d.Run(t.Context(), "clicks-1", greeting()), want)
	}
	other := d
	other.StagingLocation = "gs://no-such-bucket/staging"
	require.ErrorContains(t, other.Reach(t.Context()), `--staging-location: list gs://no-such-bucket/staging/none/: there is no bucket "no-such-bucket"`)
	other = d
	other.Endpoint = "http://127.0.0.1:1"
	require.ErrorContains(t, other.Reach(t.Context()), "Dataflow at http://127.0.0.1:1 cannot be asked to list its jobs")
	for machines, machine := range map[string]elf.Machine{"n2-standard-2": elf.EM_AARCH64, "t2a-standard-1": elf.EM_X86_64} {
		_, err := programOf(workerFor(t, machine), machines)
		require.ErrorContains(t, err, "CGO_ENABLED=0 GOOS=linux GOARCH=")
	}
	_, err := programOf(workerFor(t, elf.EM_AARCH64), "c4a-standard-1")
	require.NoError(t, err)
	_, err = programOf("dataflow_test.go", "")
	require.ErrorContains(t, err, "dataflow_test.go is no program for linux/amd64")
}

// TestDataflowCredentials has none, and then those of an account whose tokens a server of the test gives.
func TestDataflowCredentials(t *testing.T) {
	s := dataflowtest.Start(t, "JOB_STATE_DONE")
	d := onDataflow(t, s)
	d.Endpoint = "https://127.0.0.1:1"
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "none"))
	err := d.Reach(t.Context())
	require.ErrorContains(t, err, "no credentials are found: set GOOGLE_APPLICATION_CREDENTIALS, or run gcloud auth application-default login")
	assert.NotContains(t, err.Error(), "\n")

	asked := ""
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.FormValue("grant_type")
		w.Header().Set("Content-Type", "application/json")
		_, err := w.Write([]byte(`{"access_token":"the-token","token_type":"Bearer","expires_in":3600}`))
		assert.NoError(t, err)
	}))
	defer tokens.Close()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	account, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "a@b.example", "project_id": "acme-clicks", "token_uri": tokens.URL,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "account.json")
	require.NoError(t, os.WriteFile(path, account, 0o600))
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
	err = d.Reach(t.Context())
	require.ErrorContains(t, err, "Dataflow at https://127.0.0.1:1 cannot be asked to list its jobs")
	assert.Equal(t, "urn:ietf:params:oauth:grant-type:jwt-bearer", asked)
	assert.NotContains(t, err.Error(), "the-token")
	d.Endpoint = s.URL
	require.NoError(t, d.Reach(t.Context()))
	for _, bearer := range s.Bearers() {
		assert.Empty(t, bearer, "a token is never sent in the clear")
	}
}
