package monitor

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// healthPath is what everybody may ask.
const healthPath = "/healthz"

// guard lets those in who know the token.
type guard struct {
	file string // empty: everybody knows it

	mu       sync.Mutex
	modified time.Time
	size     int64
	token    [sha256.Size]byte
}

// newGuard reads the token's file.
func newGuard(file string) (*guard, error) {
	g := &guard{file: file}
	if file == "" {
		return g, nil
	}
	_, err := g.wanted()
	return g, err
}

// wanted returns the hash of the token, which is read again when its file has changed.
func (g *guard) wanted() ([sha256.Size]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	info, err := os.Stat(g.file)
	if err != nil {
		return g.token, fmt.Errorf("cannot read --listen-token-file: %w", err)
	}
	if info.ModTime().Equal(g.modified) && info.Size() == g.size {
		return g.token, nil
	}
	text, err := os.ReadFile(g.file)
	if err != nil {
		return g.token, fmt.Errorf("cannot read --listen-token-file: %w", err)
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return g.token, fmt.Errorf("--listen-token-file %s is empty; write a token into it", g.file)
	}
	g.token, g.modified, g.size = sha256.Sum256(text), info.ModTime(), info.Size()
	return g.token, nil
}

// admit returns a handler that asks for the token before it hands on. Browsers, which know no bearers, may give it as the
// password of any user.
func (g *guard) admit(to http.Handler) http.Handler {
	if g.file == "" {
		return to
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == healthPath {
			to.ServeHTTP(w, r)
			return
		}
		want, err := g.wanted()
		if err != nil {
			answer(w, http.StatusServiceUnavailable, "the token cannot be read")
			return
		}
		got, is := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !is {
			_, got, is = r.BasicAuth()
		}
		hash := sha256.Sum256([]byte(got))
		if subtle.ConstantTimeCompare(hash[:], want[:]) != 1 || !is {
			w.Header().Add("WWW-Authenticate", "Bearer")
			w.Header().Add("WWW-Authenticate", `Basic realm="clickstream", charset="UTF-8"`)
			answer(w, http.StatusUnauthorized, "a token is needed")
			return
		}
		to.ServeHTTP(w, r)
	})
}

// named hands on what is asked of this machine by a name or an address of its own. A page on some site could else have its
// name lead here, and a browser of this machine read what is served (DNS rebinding).
func named(to http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if host != "localhost" && net.ParseIP(strings.Trim(host, "[]")) == nil {
			answer(w, http.StatusMisdirectedRequest, "this is served to this machine alone, as localhost; name another address with --listen to serve it by other names")
			return
		}
		to.ServeHTTP(w, r)
	})
}
