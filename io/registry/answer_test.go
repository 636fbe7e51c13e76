package registry_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"clickstream/io/registry"
)

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
			require.ErrorContains(t, err, c.words)
			require.ErrorContains(t, err, url)
			require.ErrorContains(t, err, "schema 7")
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
		require.ErrorContains(t, err, url)
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
		require.ErrorContains(t, err, "registry URL")
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
