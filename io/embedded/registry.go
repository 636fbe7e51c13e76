package embedded

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// Registry is a schema registry in this process, with the API of Confluent's. The registry in it can be
// seeded and made to fail, see srfake. It takes any schema, until it or a subject has a compatibility level.
type Registry struct {
	*srfake.Registry
	addr   string
	server *http.Server
	served chan error
}

// StartRegistry starts an empty registry on a free port of 127.0.0.1.
func StartRegistry(opts ...srfake.Option) (*Registry, error) {
	r := &Registry{Registry: srfake.NewRegistry(append([]srfake.Option{srfake.WithGlobalCompat(sr.CompatNone)}, opts...)...), addr: "127.0.0.1:0"}
	if err := r.Restart(); err != nil {
		return nil, err
	}
	return r, nil
}

// Restart listens again, at the same address and with the same schemas, after Close.
func (r *Registry) Restart() error {
	l, err := net.Listen("tcp", r.addr)
	if err != nil {
		return fmt.Errorf("start the embedded registry: %w", err)
	}
	r.addr = l.Addr().String()
	r.server = &http.Server{Handler: r.compatible(r.Handler()), ReadHeaderTimeout: 10 * time.Second}
	r.served = make(chan error, 1)
	go func(s *http.Server, served chan<- error) { served <- s.Serve(l) }(r.server, r.served)
	return nil
}

// URL returns the registry's base address.
func (r *Registry) URL() string { return "http://" + r.addr }

// Close stops listening and breaks what is connected. The schemas stay for Restart.
func (r *Registry) Close() error {
	if r.server == nil {
		return nil
	}
	err := r.server.Close()
	if served := <-r.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	r.server = nil
	if err != nil {
		return fmt.Errorf("close the embedded registry at %s: %w", r.addr, err)
	}
	return nil
}
