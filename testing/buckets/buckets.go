// Package buckets has stores that speak as S3 and as Google Cloud Storage do, in this process, on 127.0.0.1.
// Both hold to the conditions of requests under races: they look and put under one lock.
package buckets

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fsouza/fake-gcs-server/fakestorage"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"
)

// Name is that of the one bucket that each store has.
const Name = "events"

// Middleware stands between a client and a store, to look at requests or to spoil them.
type Middleware func(store http.Handler) http.Handler

// Kinds are both kinds of store, by name.
var Kinds = map[string]func(t testing.TB, between ...Middleware) (url string){"s3": S3, "gs": GCS}

// S3 starts a store that speaks as S3 does, has the environment lead to it, for child processes as well, and
// returns the URL of its bucket. All of it ends with the test.
func S3(t testing.TB, between ...Middleware) (url string) {
	t.Helper()
	backend := s3mem.New()
	require.NoError(t, backend.CreateBucket(Name))
	store := gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog()))
	AWS(t, serve(t, store.Server(), between))
	return "s3://" + Name
}

// AWS has the environment say what leads to an endpoint that speaks as S3 does, and nothing else.
func AWS(t testing.TB, endpoint string) {
	t.Helper()
	nothing := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_S3":         endpoint,
		"AWS_ACCESS_KEY_ID":           "key",
		"AWS_SECRET_ACCESS_KEY":       "well-kept",
		"AWS_ENDPOINT_URL":            "",
		"AWS_REGION":                  "",
		"AWS_DEFAULT_REGION":          "",
		"AWS_PROFILE":                 "",
		"AWS_SESSION_TOKEN":           "",
		"AWS_EC2_METADATA_DISABLED":   "true",
		"AWS_CONFIG_FILE":             nothing,
		"AWS_SHARED_CREDENTIALS_FILE": nothing,
	} {
		t.Setenv(name, value)
	}
}

// GCS starts a store that speaks as Google Cloud Storage does, has the environment lead to it, for child
// processes as well, and returns the URL of its bucket. All of it ends with the test.
func GCS(t testing.TB, between ...Middleware) (url string) {
	t.Helper()
	store, err := fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, Writer: io.Discard})
	require.NoError(t, err)
	t.Cleanup(store.Stop)
	store.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: Name})
	endpoint := serve(t, store.HTTPHandler(), between)
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(endpoint, "http://"))
	return "gs://" + Name
}

func serve(t testing.TB, handler http.Handler, between []Middleware) (endpoint string) {
	for _, m := range between {
		handler = m(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}
