package monitor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"clickstream/pipelines/vitals"
)

// Serving says where and how a monitor is served.
type Serving struct {
	Flag              string // that says where, for errors
	Listen            string // host:port
	CertFile, KeyFile string // PEM, for TLS; they are read again at each connection
	TokenFile         string // of the bearer token that is asked for; read again when it changes
	Profile           bool   // serve /debug/pprof/

	Dashboard http.Handler // at /, if there is one
	Runbook   http.Handler // at /runbook, if there is one
}

const (
	headerTimeout   = 5 * time.Second
	idleTimeout     = 2 * time.Minute
	shutdownTimeout = 5 * time.Second
	scrapesAtOnce   = 4
)

// Server serves what a monitor knows.
type Server struct {
	listener net.Listener
	server   *http.Server
	scheme   string
}

// Listen begins to listen: connections are answered once the server serves. Its errors name the flag and the way out.
func Listen(m *Monitor, s Serving) (*Server, error) {
	guard, err := newGuard(s.TokenFile)
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		Handler: guard.admit(routes(m, s)), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug), // of clients that hang up
	}
	scheme := "http"
	if s.CertFile != "" {
		scheme = "https"
		load := func() (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
			if err != nil {
				return nil, fmt.Errorf("cannot use --listen-tls-cert %s with --listen-tls-key %s: %w", s.CertFile, s.KeyFile, err)
			}
			return &pair, nil
		}
		if _, err := load(); err != nil {
			return nil, err
		}
		server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return load() }}
	}
	listener, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return nil, explainListen(err, s)
	}
	open := isOpen(listener)
	if !open {
		server.Handler = named(server.Handler)
	}
	if open && s.TokenFile == "" {
		slog.Warn("whoever reaches this machine can read the metrics; name --listen-token-file to ask for a token", "address", listener.Addr().String())
	}
	return &Server{listener, server, scheme}, nil
}

func explainListen(err error, s Serving) error {
	var why syscall.Errno
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("--%s %s is in use by another program; end that, or name another port", s.Flag, s.Listen)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("--%s %s needs more permissions than this user has; name a port from 1024 on", s.Flag, s.Listen)
	case errors.As(err, &why):
		return fmt.Errorf("--%s %s cannot be listened at: %s; name an address of this machine", s.Flag, s.Listen, why.Error())
	}
	return fmt.Errorf("--%s %s cannot be listened at: %w; name an address of this machine", s.Flag, s.Listen, err)
}

// isOpen tells whether other machines may connect.
func isOpen(l net.Listener) bool {
	at, ok := l.Addr().(*net.TCPAddr)
	return !ok || !at.IP.IsLoopback()
}

// URL returns where the server is.
func (s *Server) URL() string {
	host, port, err := net.SplitHostPort(s.listener.Addr().String())
	if err != nil {
		return s.scheme + "://" + s.listener.Addr().String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return s.scheme + "://" + net.JoinHostPort(host, port)
}

// Serve answers until ctx ends, and then lets answers that are under way come to their end for a while.
func (s *Server) Serve(ctx context.Context) error {
	s.server.BaseContext = func(net.Listener) context.Context { return ctx } // ends the streams with it
	ended := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		within, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		err := s.server.Shutdown(within)
		if errors.Is(err, context.DeadlineExceeded) {
			err = s.server.Close()
		}
		ended <- err
	})
	var err error
	if s.server.TLSConfig != nil {
		err = s.server.ServeTLS(s.listener, "", "")
	} else {
		err = s.server.Serve(s.listener)
	}
	if stop() || !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics at %s: %w", s.listener.Addr(), err)
	}
	return <-ended
}

// routes returns what is served.
func routes(m *Monitor, s Serving) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics(m))
	mux.HandleFunc("GET "+healthPath, func(w http.ResponseWriter, _ *http.Request) {
		if err := m.Alive(); err != nil {
			answer(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		answer(w, http.StatusOK, "alive")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if why := m.Ready(); len(why) > 0 {
			answer(w, http.StatusServiceUnavailable, why...)
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	if s.Profile {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	if s.Runbook != nil {
		mux.Handle("/runbook", s.Runbook)
	}
	if s.Dashboard != nil {
		mux.Handle("/", s.Dashboard)
	}
	return mux
}

func answer(w http.ResponseWriter, status int, lines ...string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, strings.Join(lines, "\n")+"\n") // who asked has hung up
}

// metrics serves the vitals, and the process's own metrics.
func metrics(m *Monitor) http.Handler {
	return promhttp.HandlerFor(Registry(m), promhttp.HandlerOpts{
		EnableOpenMetrics: true, MaxRequestsInFlight: scrapesAtOnce,
		DisableCompression: true, // it takes megabytes
	})
}

// Registry returns a registry of all that a source has for Prometheus, and of what the process itself is like.
func Registry(s vitals.Source) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(vitals.NewCollector(s), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}
