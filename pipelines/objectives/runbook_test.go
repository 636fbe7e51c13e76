package objectives

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
)

func TestRunbook(t *testing.T) {
	answer := httptest.NewRecorder()
	Runbook().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/runbook", nil))
	require.Equal(t, http.StatusOK, answer.Code)
	assert.Equal(t, "text/html; charset=utf-8", answer.Header().Get("Content-Type"))
	assert.Contains(t, answer.Header().Get("Content-Security-Policy"), "default-src 'none'")

	page, err := html.Parse(bytes.NewReader(answer.Body.Bytes()))
	require.NoError(t, err)
	ids, headings := map[string]bool{}, 0
	for n := range page.Descendants() {
		for _, a := range n.Attr {
			switch a.Key {
			case "id":
				assert.False(t, ids[a.Val], "id %s is there twice", a.Val)
				ids[a.Val] = true
			case "src", "href":
				assert.True(t, strings.HasPrefix(a.Val, "#") || a.Val == "/", "it asks for %s", a.Val)
			}
		}
		if n.Type == html.ElementNode && n.Data == "h2" {
			headings++
		}
	}
	assert.Equal(t, len(Alerts), headings)
	for _, a := range Alerts {
		assert.True(t, ids[a.ID], "%s has no place", a.Name)
		assert.Contains(t, Markdown(), `<a id="`+a.ID+`"></a>`)
	}

	head := httptest.NewRecorder()
	Runbook().ServeHTTP(head, httptest.NewRequest(http.MethodHead, "/runbook", nil))
	assert.Equal(t, http.StatusOK, head.Code)
	assert.Empty(t, head.Body.String())
}
