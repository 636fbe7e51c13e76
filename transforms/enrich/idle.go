package enrich

import (
	"context"
	"sync"

	"clickstream/transforms/teardown"
)

// forwarders are those of this process, by their pipelines and transactional ids. A reader has one bundle at a time, so one
// that is in use when it is asked for again was left by a bundle that failed.
var forwarders = struct {
	sync.Mutex
	of map[string]*forwarder
}{of: map[string]*forwarder{}}

// forwarder returns the forwarder of a reader of the pipeline, for one bundle.
func (c Config) forwarder(ctx context.Context, reader int32) (*forwarder, error) {
	key := c.Pipeline + " " + c.TransactionalID(reader)
	if f := idle(key); f != nil {
		return f, nil
	}
	f, err := openForwarder(ctx, c, reader)
	if err != nil {
		return nil, err
	}
	forwarders.Lock()
	forwarders.of[key] = f
	forwarders.Unlock()
	return f, teardown.Later(c.Pipeline, func() error { closeForwarder(key, f); return nil })
}

// idle takes the forwarder of a key, if there is one that nobody uses. What a failed bundle has left is closed.
func idle(key string) *forwarder {
	forwarders.Lock()
	f := forwarders.of[key]
	if f != nil && f.idle {
		f.idle = false
		forwarders.Unlock()
		return f
	}
	forwarders.Unlock()
	if f != nil {
		closeForwarder(key, f)
	}
	return nil
}

// release gives f back.
func (f *forwarder) release() {
	forwarders.Lock()
	defer forwarders.Unlock()
	f.idle = true
}

func closeForwarder(key string, f *forwarder) {
	forwarders.Lock()
	if forwarders.of[key] != f {
		forwarders.Unlock()
		return // it was closed before
	}
	delete(forwarders.of, key)
	forwarders.Unlock()
	f.tx.Close()
}
