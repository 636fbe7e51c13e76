package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"go.uber.org/goleak"

	"clickstream/io/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	schema  = `{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`
	unknown = `{"error_code":40403,"message":"Schema not found"}`
)

// open returns a client of the registry at the URL.
func open(t *testing.T, url string, timeout time.Duration) *registry.Registry {
	t.Helper()
	r, err := registry.New(registry.Settings{URL: url, RetryTimeout: timeout})
	require.NoError(t, err)
	t.Cleanup(r.Close)
	return r
}

// fake starts an embedded registry, and counts its requests.
func fake(t *testing.T) (*srfake.Registry, *atomic.Int32) {
	f := srfake.New()
	t.Cleanup(f.Close)
	requests := new(atomic.Int32)
	f.Intercept(func(http.ResponseWriter, *http.Request) bool {
		requests.Add(1)
		return false
	})
	return f, requests
}

// serve starts a server that answers every request with handle.
func serve(t *testing.T, handle http.HandlerFunc) string {
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	return s.URL
}

// answer writes a registry's answer.
func answer(w http.ResponseWriter, status int, body string) {
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

// found is the answer that holds schema.
func found(w http.ResponseWriter) {
	text, _ := json.Marshal(map[string]string{"schema": schema})
	answer(w, http.StatusOK, string(text))
}

func TestSchema(t *testing.T) {
	f, requests := fake(t)
	r := open(t, f.URL(), time.Second)
	ctx := t.Context()
	require.NoError(t, r.Ping(ctx))

	id, err := r.Register(ctx, "clicks-value", schema)
	require.NoError(t, err)
	again, err := r.Register(ctx, "clicks-value", schema)
	require.NoError(t, err)
	assert.Equal(t, id, again)

	requests.Store(0)
	for range 3 {
		text, err := r.Schema(ctx, id, time.Now())
		require.NoError(t, err)
		assert.JSONEq(t, schema, text)
	}
	assert.EqualValues(t, 1, requests.Load(), "a schema is asked for once")
}

func TestSchemaRegisteredLater(t *testing.T) {
	f, requests := fake(t)
	r := open(t, f.URL(), time.Second)
	ctx := t.Context()
	before := time.Now().Add(-time.Minute)
	for range 5 {
		_, err := r.Schema(ctx, 1, before)
		require.ErrorIs(t, err, registry.ErrUnknown)
		require.ErrorContains(t, err, "schema 1")
	}
	assert.EqualValues(t, 1, requests.Load(), "garbage does not hammer the registry")

	id, err := r.Register(ctx, "clicks-value", schema)
	require.NoError(t, err)
	require.Equal(t, 1, id)
	_, err = r.Schema(ctx, 1, before)
	require.ErrorIs(t, err, registry.ErrUnknown, "a record from before cannot have been written with it")
	text, err := r.Schema(ctx, 1, time.Now())
	require.NoError(t, err)
	assert.JSONEq(t, schema, text)
	_, err = r.Schema(ctx, 1, before)
	require.NoError(t, err)
}

// A timestamp in the future must not make a record of now wait for it, nor an answer hold until then.
func TestSchemaOfFutureRecord(t *testing.T) {
	f, _ := fake(t)
	r := open(t, f.URL(), time.Second)
	future := time.Now().Add(24 * time.Hour)
	_, err := r.Schema(t.Context(), 1, future)
	require.ErrorIs(t, err, registry.ErrUnknown)
	_, err = r.Register(t.Context(), "clicks-value", schema)
	require.NoError(t, err)
	_, err = r.Schema(t.Context(), 1, future)
	require.NoError(t, err)
}

func TestSchemaIdsThatCannotBe(t *testing.T) {
	f, requests := fake(t)
	r := open(t, f.URL(), time.Second)
	for _, id := range []int{-1, 1 << 31, 1<<32 - 1} {
		_, err := r.Schema(t.Context(), id, time.Now())
		require.ErrorIs(t, err, registry.ErrUnknown)
	}
	assert.Zero(t, requests.Load())
}

func TestSchemaNotAvro(t *testing.T) {
	f, requests := fake(t)
	f.SeedSchema("proto-value", 1, 5, sr.Schema{Schema: `syntax = "proto3"; message M {}`, Type: sr.TypeProtobuf})
	r := open(t, f.URL(), time.Second)
	for range 2 {
		_, err := r.Schema(t.Context(), 5, time.Now())
		require.ErrorIs(t, err, registry.ErrNotAvro)
		require.ErrorContains(t, err, "PROTOBUF")
	}
	assert.EqualValues(t, 1, requests.Load())
}

func TestSchemaConcurrently(t *testing.T) {
	release := make(chan struct{})
	var requests atomic.Int32
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		<-release
		found(w)
	})
	r := open(t, url, 5*time.Second)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, err := r.Schema(t.Context(), 1, time.Now())
			assert.NoError(t, err)
		})
	}
	require.Eventually(t, func() bool { return requests.Load() > 0 }, 5*time.Second, time.Millisecond)
	close(release)
	all.Wait()
	assert.EqualValues(t, 1, requests.Load())
}

// Who waits for another's request must not fail because the other gives up.
func TestSchemaOutlivesWhoAskedFirst(t *testing.T) {
	var requests atomic.Int32
	url := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if requests.Add(1) == 1 {
			<-req.Context().Done()
			return
		}
		found(w)
	})
	r := open(t, url, 5*time.Second)
	first, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		_, err := r.Schema(first, 1, time.Now())
		assert.ErrorIs(t, err, context.Canceled)
	})
	require.Eventually(t, func() bool { return requests.Load() == 1 }, 5*time.Second, time.Millisecond)
	all.Go(func() {
		_, err := r.Schema(t.Context(), 1, time.Now())
		assert.NoError(t, err)
	})
	cancel()
	all.Wait()
}

func TestPingOfAnotherPath(t *testing.T) {
	f, _ := fake(t)
	err := open(t, f.URL()+"/apis/other", time.Hour).Ping(t.Context())
	require.ErrorContains(t, err, "/apis/ccompat/v7")
	require.ErrorContains(t, err, f.URL()+"/apis/other")
}

func TestURLWithPath(t *testing.T) {
	f, _ := fake(t)
	url := serve(t, http.StripPrefix("/apis/ccompat/v7", f.Handler()).ServeHTTP)
	for _, path := range []string{"/apis/ccompat/v7", "/apis/ccompat/v7/"} {
		r := open(t, url+path, time.Second)
		require.NoError(t, r.Ping(t.Context()))
		id, err := r.Register(t.Context(), "clicks-value", schema)
		require.NoError(t, err)
		_, err = r.Schema(t.Context(), id, time.Now())
		require.NoError(t, err)
	}
}

func TestCancelEndsTheWait(t *testing.T) {
	stopped := errors.New("stopped by the user")
	for name, url := range map[string]string{
		"between requests": closed(t),
		"in a request":     serve(t, func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }),
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, url, time.Hour)
			for _, call := range []func(context.Context) error{
				func(ctx context.Context) error { _, err := r.Schema(ctx, 1, time.Now()); return err },
				r.Ping,
			} {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(50*time.Millisecond, func() { cancel(stopped) })
				begin := time.Now()
				err := call(ctx)
				require.ErrorIs(t, err, stopped)
				require.NotErrorIs(t, err, registry.ErrUnknown)
				assert.Less(t, time.Since(begin), 5*time.Second)
			}
		})
	}
}
