package monitor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/embedded"
	"clickstream/io/kafka"
)

// idle returns a monitor of a cluster that is not there, which has not looked yet.
func idle(t *testing.T) *Monitor {
	t.Helper()
	m, err := New(Config{Connection: kafka.Connection{Brokers: []string{"127.0.0.1:1"}}, Topic: "clicks", Group: "counter"})
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, s := range m.sources {
			s.close()
		}
	})
	return m
}

// serve serves until the test ends, and returns where.
func serve(t *testing.T, m *Monitor, s Serving) (url string) {
	t.Helper()
	s.Flag, s.Listen = "listen", "127.0.0.1:0"
	server, err := Listen(m, s)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- server.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	return server.URL()
}

// caller asks a server.
type caller struct {
	*http.Client
	t *testing.T
}

func call(t *testing.T, with *tls.Config) caller {
	transport := &http.Transport{TLSClientConfig: with, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return caller{&http.Client{Transport: transport}, t}
}

func (c caller) get(url, authorization string) (status int, text string, header http.Header) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, url, nil)
	require.NoError(c.t, err)
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := c.Do(request)
	require.NoError(c.t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	require.NoError(c.t, response.Body.Close())
	return response.StatusCode, string(body), response.Header
}

func TestWhatIsServed(t *testing.T) {
	say := func(what string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, what) })
	}
	url := serve(t, idle(t), Serving{Dashboard: say("the page"), Runbook: say("what to do")})
	c := call(t, nil)
	status, text, _ := c.get(url+"/metrics", "")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, text, `clickstream_dead_letters_total{group="counter",reason="too_late",topic="clicks"} 0`)
	assert.Contains(t, text, "go_goroutines")
	assert.Contains(t, text, "process_resident_memory_bytes")
	status, text, _ = c.get(url+"/healthz", "")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "alive\n", text)
	status, text, header := c.get(url+"/readyz", "")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Equal(t, "kafka: not asked yet\nnothing is known of the partitions of topic clicks yet\n", text)
	assert.Equal(t, "text/plain; charset=utf-8", header.Get("Content-Type"))
	for path, want := range map[string]string{"/": "the page", "/app.js": "the page", "/runbook": "what to do", "/debug/pprof/": "the page"} {
		_, text, _ = c.get(url+path, "")
		assert.Equal(t, want, text, path)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/healthz", nil)
	require.NoError(t, err)
	response, err := c.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
}

// TestOtherNamesLeadNowhere asks by a name that some site may have given to this machine.
func TestOtherNamesLeadNowhere(t *testing.T) {
	url := serve(t, idle(t), Serving{})
	_, port, err := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	for host, want := range map[string]int{
		"localhost:" + port: http.StatusOK, "127.0.0.1:" + port: http.StatusOK, "[::1]:" + port: http.StatusOK, "localhost": http.StatusOK,
		"evil.example:" + port: http.StatusMisdirectedRequest, "evil.example": http.StatusMisdirectedRequest, "localhost.evil.example": http.StatusMisdirectedRequest,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/healthz", nil)
		require.NoError(t, err)
		request.Host = host
		response, err := call(t, nil).Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, want, response.StatusCode, host)
	}
}

func TestProfilesAreServedOnDemand(t *testing.T) {
	url := serve(t, idle(t), Serving{Profile: true})
	status, text, _ := call(t, nil).get(url+"/debug/pprof/goroutine?debug=1", "")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, text, "goroutine profile")
	status, _, _ = call(t, nil).get(url+"/", "")
	assert.Equal(t, http.StatusNotFound, status, "there is no page")
}

func TestHealthTellsOfALookThatDoesNotEnd(t *testing.T) {
	m := idle(t)
	url := serve(t, m, Serving{})
	m.sources[0].started = time.Now().Add(-time.Hour)
	status, text, _ := call(t, nil).get(url+"/healthz", "")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Equal(t, "kafka: a look at it has not ended for 1h0m0s\n", text)
}

func TestAToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("s3cret\n"), 0o600))
	url := serve(t, idle(t), Serving{TokenFile: file})
	c := call(t, nil)
	status := func(path, authorization string) int {
		t.Helper()
		status, text, header := c.get(url+path, authorization)
		assert.NotContains(t, text, "s3cret")
		if status == http.StatusUnauthorized {
			assert.Equal(t, []string{"Bearer", `Basic realm="clickstream", charset="UTF-8"`}, header.Values("WWW-Authenticate"))
		}
		return status
	}
	for _, wrong := range []string{"", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3cret2", "s3cret", "bearer s3cret", "Basic czNjcmV0"} {
		assert.Equal(t, http.StatusUnauthorized, status("/metrics", wrong), wrong)
		assert.Equal(t, http.StatusUnauthorized, status("/", wrong), wrong)
	}
	assert.Equal(t, http.StatusOK, status("/metrics", "Bearer s3cret"))
	assert.Equal(t, http.StatusOK, status("/metrics", "Basic YW55Ym9keTpzM2NyZXQ="), "as the password of anybody")
	assert.Equal(t, http.StatusOK, status("/healthz", ""), "which tells nothing")

	require.NoError(t, os.WriteFile(file, []byte("another"), 0o600))
	assert.Equal(t, http.StatusUnauthorized, status("/metrics", "Bearer s3cret"), "it was changed")
	assert.Equal(t, http.StatusOK, status("/metrics", "Bearer another"))
	require.NoError(t, os.Remove(file))
	assert.Equal(t, http.StatusServiceUnavailable, status("/metrics", "Bearer another"), "nobody knows it any more")
	assert.Equal(t, http.StatusServiceUnavailable, status("/metrics", ""))

	require.NoError(t, os.WriteFile(file, []byte(" \n"), 0o600))
	_, err := Listen(idle(t), Serving{Listen: "127.0.0.1:0", TokenFile: file})
	require.EqualError(t, err, "--listen-token-file "+file+" is empty; write a token into it")
}

func TestTLS(t *testing.T) {
	ca, err := embedded.NewAuthority()
	require.NoError(t, err)
	cert, key, err := ca.Issue("localhost")
	require.NoError(t, err)
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(certFile, cert, 0o600))
	require.NoError(t, os.WriteFile(keyFile, key, 0o600))
	url := serve(t, idle(t), Serving{CertFile: certFile, KeyFile: keyFile})
	require.True(t, strings.HasPrefix(url, "https://"), url)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(ca.PEM))
	trust := &tls.Config{RootCAs: pool, ServerName: "localhost"}
	status, text, _ := call(t, trust).get(url+"/healthz", "")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "alive\n", text)

	_, err = Listen(idle(t), Serving{Listen: "127.0.0.1:0", CertFile: certFile, KeyFile: certFile})
	require.ErrorContains(t, err, "cannot use --listen-tls-cert "+certFile+" with --listen-tls-key "+certFile)
}

func TestAPortThatIsTaken(t *testing.T) {
	url := serve(t, idle(t), Serving{})
	taken := strings.TrimPrefix(url, "http://")
	_, err := Listen(idle(t), Serving{Flag: "metrics-listen", Listen: taken})
	require.EqualError(t, err, "--metrics-listen "+taken+" is in use by another program; end that, or name another port")
	_, err = Listen(idle(t), Serving{Flag: "listen", Listen: "192.0.2.1:80"})
	require.ErrorContains(t, err, "--listen 192.0.2.1:80 cannot be listened at: cannot assign requested address; name an address of this machine")
}

// TestStreamsEndWithTheServer has somebody look while the server stops.
func TestStreamsEndWithTheServer(t *testing.T) {
	looking := make(chan struct{})
	server, err := Listen(idle(t), Serving{Listen: "127.0.0.1:0", Dashboard: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush() // for who looks
		close(looking)
		<-r.Context().Done()
	})})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- server.Serve(ctx) }()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	got := make(chan struct{})
	go func() {
		defer close(got)
		request, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL(), nil) // it is a URL
		if response, err := (&http.Client{Transport: transport}).Do(request); assert.NoError(t, err) {
			_, _ = io.Copy(io.Discard, response.Body) // until it is cut off
			assert.NoError(t, response.Body.Close())
		}
	}()
	<-looking
	begun := time.Now()
	stop()
	require.NoError(t, <-ended)
	<-got
	assert.Less(t, time.Since(begun), shutdownTimeout)
}
