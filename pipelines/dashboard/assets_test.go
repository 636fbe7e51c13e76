package dashboard

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestUPlotIsAsReleased holds the charts' library to the release that its README names.
func TestUPlotIsAsReleased(t *testing.T) {
	for name, sum := range map[string]string{
		"uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
		"uPlot.min.css":     "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
		"LICENSE":           "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
	} {
		content, err := files.ReadFile("uplot/" + name)
		require.NoError(t, err)
		got := sha256.Sum256(content)
		assert.Equal(t, sum, hex.EncodeToString(got[:]), name)
	}
}

func TestPageIsSmall(t *testing.T) {
	size := 0
	for _, name := range served {
		content, err := files.ReadFile(name)
		require.NoError(t, err)
		size += len(content)
	}
	t.Logf("%d bytes", size)
	assert.Less(t, size, 150_000)
}

func TestPageNamesNothingElse(t *testing.T) {
	for _, name := range served {
		if strings.HasPrefix(name, "uplot/") {
			continue
		}
		content, err := files.ReadFile(name)
		require.NoError(t, err)
		assert.NotRegexp(t, `(?i)\son[a-z]+=|style=|javascript:|innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b`, string(content), name)
		for _, address := range regexp.MustCompile(`https?://[^\s"'/\\]+`).FindAllString(string(content), -1) {
			assert.Equal(t, "http://www.w3.org", address, name) // of SVG's name, which nobody looks up
		}
	}
}

// get asks a dashboard that shows nothing yet.
func get(t *testing.T, method, path string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	New(newStory(1), Options{}).ServeHTTP(w, r)
	return w.Result()
}

func TestAssets(t *testing.T) {
	for path, contentType := range map[string]string{
		"/": "text/html; charset=utf-8", "/app.js": "text/javascript; charset=utf-8", "/app.css": "text/css; charset=utf-8",
		"/icon.svg": "image/svg+xml", "/uplot.js": "text/javascript; charset=utf-8", "/uplot.txt": "text/plain; charset=utf-8",
	} {
		plain := get(t, http.MethodGet, path)
		assert.Equal(t, http.StatusOK, plain.StatusCode, path)
		assert.Equal(t, contentType, plain.Header.Get("Content-Type"), path)
		assert.Equal(t, "nosniff", plain.Header.Get("X-Content-Type-Options"))
		content, err := io.ReadAll(plain.Body)
		require.NoError(t, err)

		zipped := get(t, http.MethodGet, path, "Accept-Encoding", "br, gzip")
		assert.Equal(t, "gzip", zipped.Header.Get("Content-Encoding"))
		assert.NotEqual(t, plain.Header.Get("ETag"), zipped.Header.Get("ETag"), "they are other bytes")
		from, err := gzip.NewReader(zipped.Body)
		require.NoError(t, err)
		again, err := io.ReadAll(from)
		require.NoError(t, err)
		assert.Equal(t, content, again, path)

		known := get(t, http.MethodGet, path, "If-None-Match", plain.Header.Get("ETag"))
		assert.Equal(t, http.StatusNotModified, known.StatusCode, path)
		none, err := io.ReadAll(known.Body)
		require.NoError(t, err)
		assert.Empty(t, none)
	}
	assert.Equal(t, http.StatusNotFound, get(t, http.MethodGet, "/page/app.js").StatusCode)
	assert.Equal(t, http.StatusNotFound, get(t, http.MethodGet, "/metrics").StatusCode)
	assert.Equal(t, http.StatusMethodNotAllowed, get(t, http.MethodPost, "/").StatusCode)
	assert.Equal(t, http.StatusOK, get(t, http.MethodHead, "/").StatusCode)
}

func TestPolicy(t *testing.T) {
	for _, path := range []string{"/", "/app.js", "/nowhere"} {
		policy := get(t, http.MethodGet, path).Header.Get("Content-Security-Policy")
		assert.True(t, strings.HasPrefix(policy, "default-src 'none'; "), path)
		assert.NotContains(t, policy, "unsafe")
		assert.NotContains(t, policy, "*")
	}
}
