package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed page/index.html page/app.js page/charts.js page/text.js page/theme.js page/app.css page/icon.svg
//go:embed uplot/uPlot.iife.min.js uplot/uPlot.min.css uplot/LICENSE
var files embed.FS

// served is what is served where. The licence goes with what it is of.
var served = map[string]string{
	"GET /{$}": "page/index.html", "GET /app.js": "page/app.js", "GET /charts.js": "page/charts.js", "GET /text.js": "page/text.js",
	"GET /theme.js": "page/theme.js", "GET /app.css": "page/app.css", "GET /icon.svg": "page/icon.svg",
	"GET /uplot.js": "uplot/uPlot.iife.min.js", "GET /uplot.css": "uplot/uPlot.min.css", "GET /uplot.txt": "uplot/LICENSE",
}

var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", "": "text/plain; charset=utf-8",
}

func (d *Dashboard) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, name := range served {
		mux.Handle(pattern, newAsset(name))
	}
	mux.HandleFunc("GET /events", d.events)
	return mux
}

// secure says what a browser is to refuse: the page needs nothing but its own files and its stream, and no text becomes
// markup or a script.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// asset is a file of the page, as it is and compressed.
type asset struct {
	contentType   string
	plain, zipped []byte
	tag           string
}

func newAsset(name string) *asset {
	content, err := files.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	sum := sha256.Sum256(content)
	return &asset{
		contentType: contentTypes[path.Ext(name)], plain: content, zipped: zip(content),
		tag: hex.EncodeToString(sum[:8]),
	}
}

func zip(content []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	_, _ = w.Write(content)                               // a buffer takes all
	_ = w.Close()
	return b.Bytes()
}

func (a *asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "no-cache") // it may be kept, and is asked for again: another version may run here tomorrow
	h.Set("Vary", "Accept-Encoding")
	content, tag := a.plain, a.tag
	if acceptsGzip(r) {
		content, tag = a.zipped, a.tag+"-gzip"
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// acceptsGzip tells whether a request takes gzip. A browser either names it or does not; finer wishes get it plain.
func acceptsGzip(r *http.Request) bool {
	for coding := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		if strings.TrimSpace(coding) == "gzip" {
			return true
		}
	}
	return false
}
