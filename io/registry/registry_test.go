package registry_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/avro"
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
		assert.ErrorContains(t, err, "schema 1")
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
		assert.ErrorContains(t, err, "PROTOBUF")
	}
	assert.EqualValues(t, 1, requests.Load())
}

func TestSchemaConcurrently(t *testing.T) {
	release := make(chan struct{})
	var requests atomic.Int32
	url := serve(t, func(w http.ResponseWriter, req *http.Request) {
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

func TestSchemaWithReferences(t *testing.T) {
	f, requests := fake(t)
	register := func(subject, schema string, refs ...sr.SchemaReference) int {
		id, _, err := f.RegisterSchema(subject, sr.Schema{Schema: schema, References: refs})
		require.NoError(t, err)
		return id
	}
	country := sr.SchemaReference{Name: "geo.Country", Subject: "country", Version: 1}
	place := sr.SchemaReference{Name: "geo.Place", Subject: "a place", Version: 1}
	register("country", `{"type":"enum","name":"Country","namespace":"geo","symbols":["DE","FR"]}`)
	register("a place", `{"type":"record","name":"Place","namespace":"geo","fields":[{"name":"country","type":"Country"},{"name":"since","type":"long","logicalType":"timestamp-micros"}]}`, country)
	id := register("clicks-value", `{"type":"record","name":"Click","fields":[{"name":"a","type":"geo.Place"},{"name":"b","type":["null","geo.Place"]},{"name":"c","type":"geo.Country"}]}`, place, country)

	requests.Store(0)
	r := open(t, f.URL(), time.Second)
	text, err := r.Schema(t.Context(), id, time.Now())
	require.NoError(t, err)
	root := avro.MustParse(text).Root()
	assert.Equal(t, "record", root.Fields[0].Type.Type)
	assert.Equal(t, "enum", root.Fields[0].Type.Fields[0].Type.Type)
	assert.Equal(t, "timestamp-micros", root.Fields[0].Type.Fields[1].Props["logicalType"], "attributes are kept")
	assert.EqualValues(t, 3, requests.Load(), "each reference is fetched once")
}

func TestSchemaWithUselessReferences(t *testing.T) {
	f, _ := fake(t)
	_, _, err := f.RegisterSchema("other", sr.Schema{Schema: schema})
	require.NoError(t, err)
	broken := `{"type":"record","name":"C","fields":[{"name":"a","type":"Nowhere"}]}`
	f.SeedSchema("clicks-value", 1, 9, sr.Schema{Schema: broken, References: []sr.SchemaReference{{Name: "R", Subject: "other", Version: 1}}})
	r := open(t, f.URL(), time.Second)
	text, err := r.Schema(t.Context(), 9, time.Now())
	require.NoError(t, err)
	assert.Equal(t, broken, text)
}

// A reference that the registry lost is the registry's fault, not the record's.
func TestSchemaWithLostReference(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if strings.HasPrefix(req.URL.Path, "/schemas/ids/") {
			answer(w, http.StatusOK, `{"schema":"{}","references":[{"name":"R","subject":"gone","version":3}]}`)
			return
		}
		answer(w, http.StatusNotFound, unknown)
	})
	_, err := open(t, url, 100*time.Millisecond).Schema(t.Context(), 1, time.Now())
	require.Error(t, err)
	require.NotErrorIs(t, err, registry.ErrUnknown)
	assert.ErrorContains(t, err, `reference to subject "gone" version 3`)
}

func TestSchemaAfterFault(t *testing.T) {
	for name, fault := range map[string]http.HandlerFunc{
		"500": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusInternalServerError, `{"error_code":50001,"message":"store"}`)
		},
		"429":           func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusTooManyRequests, "") },
		"a proxy's 404": func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusNotFound, "<html>no such page") },
		"another 404": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusNotFound, `{"error_code":404,"message":"HTTP 404 Not Found"}`)
		},
		"a page":              func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "<html>a page") },
		"no schema":           func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "{}") },
		"a closed connection": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int32
			url := serve(t, func(w http.ResponseWriter, req *http.Request) {
				if requests.Add(1) <= 2 {
					fault(w, req)
					return
				}
				found(w)
			})
			text, err := open(t, url, time.Minute).Schema(t.Context(), 1, time.Now())
			require.NoError(t, err)
			assert.JSONEq(t, schema, text)
			assert.GreaterOrEqual(t, requests.Load(), int32(3)) // net/http repeats what a closed connection may have lost
		})
	}
}

// closed returns the URL of a port that nobody listens on.
func closed(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return "http://" + l.Addr().String()
}

func TestSchemaFromRegistryThatIsDown(t *testing.T) {
	for name, c := range map[string]struct {
		url   func(t *testing.T) string
		words string
	}{
		"refused": {closed, "connection refused"},
		"slow": {func(t *testing.T) string {
			return serve(t, func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
		}, "deadline exceeded"},
		"broken": {func(t *testing.T) string {
			return serve(t, func(w http.ResponseWriter, _ *http.Request) {
				answer(w, http.StatusServiceUnavailable, `{"error_code":50302,"message":"leader\nunknown"}`)
			})
		}, "HTTP 503 Service Unavailable, 50302 leader unknown"},
		"not a registry": {func(t *testing.T) string {
			return serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusNotFound, "<html>") })
		}, "HTTP 404 Not Found"},
		"garbage": {func(t *testing.T) string {
			return serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "\x00") })
		}, "invalid character"},
	} {
		t.Run(name, func(t *testing.T) {
			url := c.url(t)
			r := open(t, url, 200*time.Millisecond)
			begin := time.Now()
			_, err := r.Schema(t.Context(), 7, time.Now())
			require.Error(t, err)
			require.NotErrorIs(t, err, registry.ErrUnknown)
			assert.ErrorContains(t, err, c.words)
			assert.ErrorContains(t, err, url)
			assert.ErrorContains(t, err, "schema 7")
			assert.NotContains(t, err.Error(), "\n")
			assert.GreaterOrEqual(t, time.Since(begin), 200*time.Millisecond)
			require.Error(t, r.Ping(t.Context()))
		})
	}
}

func TestRefusalIsNotTriedAgain(t *testing.T) {
	for status, words := range map[int]string{
		http.StatusUnauthorized:        "give user and password in the registry's URL",
		http.StatusForbidden:           "grant",
		http.StatusUnprocessableEntity: "HTTP 422",
	} {
		var requests atomic.Int32
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			requests.Add(1)
			answer(w, status, "{}")
		})
		r := open(t, url, time.Hour)
		require.ErrorContains(t, r.Ping(t.Context()), words)
		_, err := r.Schema(t.Context(), 1, time.Now())
		require.ErrorContains(t, err, words)
		require.NotErrorIs(t, err, registry.ErrUnknown)
		_, err = r.Register(t.Context(), "s", schema)
		require.ErrorContains(t, err, words)
		assert.EqualValues(t, 3, requests.Load())
	}
}

func TestPingOfAnotherPath(t *testing.T) {
	f, _ := fake(t)
	err := open(t, f.URL()+"/apis/other", time.Hour).Ping(t.Context())
	require.ErrorContains(t, err, "/apis/ccompat/v7")
	assert.ErrorContains(t, err, f.URL()+"/apis/other")
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

func TestCredentials(t *testing.T) {
	const user, password = "alice@example", "s3cret:/@?#"
	const userinfo = "alice%40example:s3cret%3A%2F%40%3F%23@"
	f := srfake.New(srfake.WithAuth("Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))))
	t.Cleanup(f.Close)
	r := open(t, strings.Replace(f.URL(), "http://", "http://"+userinfo, 1), time.Second)
	require.NoError(t, r.Ping(t.Context()))
	require.ErrorContains(t, open(t, f.URL(), time.Second).Ping(t.Context()), "401")

	refused := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusForbidden, "") })
	for _, url := range []string{closed(t), refused} {
		r := open(t, strings.Replace(url, "http://", "http://"+userinfo, 1), 100*time.Millisecond)
		_, err := r.Schema(t.Context(), 1, time.Now())
		requireNoSecret(t, err)
		assert.ErrorContains(t, err, url)
		requireNoSecret(t, r.Ping(t.Context()))
		_, err = r.Register(t.Context(), "s", schema)
		requireNoSecret(t, err)
	}
}

// requireNoSecret fails if an error tells anything of alice and her s3cret.
func requireNoSecret(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	for e := err; e != nil; e = errors.Unwrap(e) {
		require.NotContains(t, e.Error(), "s3cret")
		require.NotContains(t, e.Error(), "alice")
	}
}

func TestURLsThatAreNone(t *testing.T) {
	for _, url := range []string{
		"", "localhost:8081", "/path", "http://", "ftp://alice:s3cret@host", "alice:s3cret@host:8081", "http://alice:s3cret%zz@host",
		"http://alice:s3cret/more@host", "http://alice:s3cret@host:port", "http://alice:s3cret@host/?a=b", "http://alice:s3cret@host/#a", "http://alice:s3c%ret@s3cret@ho st",
	} {
		_, err := registry.New(registry.Settings{URL: url})
		requireNoSecret(t, err)
		assert.ErrorContains(t, err, "registry URL")
	}
}

func TestRedact(t *testing.T) {
	for url, want := range map[string]string{
		"http://host:8081/path":          "http://host:8081/path",
		"https://alice:s3cret@host/path": "https://host/path",
		"https://alice:s3/c@ret@host":    "https://host",
		"alice:s3cret@host":              "host",
		"":                               "",
	} {
		assert.Equal(t, want, registry.Redact(url))
		assert.Equal(t, want, registry.Settings{URL: url}.String())
		assert.Equal(t, want, fmt.Sprint(registry.Settings{URL: url}))
	}
}
