// Package registry fetches Avro schemas by id from a schema registry that speaks Confluent's API:
// Confluent's own, Apicurio under /apis/ccompat/v7, Karapace, Redpanda.
//
// The API: https://docs.confluent.io/platform/current/schema-registry/develop/api.html
package registry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"golang.org/x/sync/singleflight"
)

// ErrUnknown is returned by Schema only when the registry answered that it has no schema of that id.
var ErrUnknown = errors.New("the registry has no such schema")

// ErrNotAvro is returned by Schema when the id is of a schema of another kind, such as Protobuf or JSON.
var ErrNotAvro = errors.New("the schema is not an Avro schema")

// errNoSchema is what is wrong with an answer that is JSON, but no registry's.
var errNoSchema = errors.New("the answer holds no schema")

// DefaultRetryTimeout is how long a registry that does not answer is asked again.
const DefaultRetryTimeout = 30 * time.Second

// requestTimeout bounds one request, so that a registry that hangs is asked again.
const requestTimeout = 10 * time.Second

// maxUnknown bounds how many ids are remembered as unknown: garbage can hold any of two billion.
const maxUnknown = 10_000

// Settings say where the registry is. They hold no handles and may be serialized.
type Settings struct {
	URL          string        // http or https, may have a path and a user and password
	RetryTimeout time.Duration // how long a failing registry is asked again; DefaultRetryTimeout if 0
}

// String returns the settings without user and password.
func (s Settings) String() string { return Redact(s.URL) }

// Registry is a client of one registry that keeps every schema it has fetched: the schema of an id never
// changes. It is safe for concurrent use.
type Registry struct {
	name    string // the URL without user and password, for messages
	timeout time.Duration
	http    *http.Client
	client  *sr.Client
	flights singleflight.Group

	mu      sync.Mutex
	found   map[int]found
	unknown map[int]time.Time // when the registry was asked
}

// found is what an id stands for: an Avro schema, or why it has none.
type found struct {
	schema string
	err    error
}

// New returns a client of the registry that s names. It makes no request: see Ping.
func New(s Settings) (*Registry, error) {
	base, user, err := parseURL(s.URL)
	if err != nil {
		return nil, err
	}
	r := &Registry{
		name:    base,
		timeout: s.RetryTimeout,
		http:    &http.Client{Timeout: requestTimeout, Transport: http.DefaultTransport.(*http.Transport).Clone()},
		found:   map[int]found{},
		unknown: map[int]time.Time{},
	}
	if r.timeout <= 0 {
		r.timeout = DefaultRetryTimeout
	}
	opts := []sr.ClientOpt{sr.URLs(base), sr.HTTPClient(r.http), sr.UserAgent("clickstream")}
	if user != nil {
		password, _ := user.Password()
		opts = append(opts, sr.BasicAuth(user.Username(), password))
	}
	if r.client, err = sr.NewClient(opts...); err != nil {
		return nil, fmt.Errorf("registry %s: %w", base, err)
	}
	return r, nil
}

// Close drops idle connections. The registry can still be used.
func (r *Registry) Close() { r.http.CloseIdleConnections() }

// Ping returns nil if a registry answers at the URL and lets schemas be read. It asks for a schema that
// no registry has: the one call that every implementation knows, that needs no right but the one to read a
// schema, and whose «no such schema» no other server gives. A registry that is down is asked again, one
// that refuses is not.
func (r *Registry) Ping(ctx context.Context) error {
	err := r.retry(ctx, "be reached", func(err error) bool { return refused(err) || status(err) == http.StatusNotFound },
		func(ctx context.Context) error {
			s, err := r.client.SchemaByID(ctx, 0)
			switch {
			case isUnknown(err):
				return nil
			case err == nil && s.Schema == "":
				return errNoSchema
			}
			return told(err)
		})
	if status(err) == http.StatusNotFound {
		return fmt.Errorf("%w; is the path of the URL right? Apicurio's is /apis/ccompat/v7", err)
	}
	return err
}

// Schema returns the Avro schema with the given id. Schemas that it refers to are part of the text, so that
// it can be parsed by itself.
//
// at is the latest time, to the millisecond, at which a record with that id may have been written: when it
// was fetched or its own timestamp. That the registry had no such id is remembered, but only holds for
// records that were written before it was asked, as the id may have been registered since.
//
// The error is ErrUnknown or ErrNotAvro, as it concerns the record, or else one that tells why the registry
// cannot be asked, after it was tried again for RetryTimeout. Cancelling ctx ends the wait.
func (r *Registry) Schema(ctx context.Context, id int, at time.Time) (string, error) {
	if id < 0 || id > math.MaxInt32 {
		// Ids are signed 32-bit numbers. Some registries answer others as they do a wrong path.
		return "", fmt.Errorf("schema %d: %w", id, ErrUnknown)
	}
	// A record exists by the time it is asked about, whatever its timestamp tells.
	written := time.Now()
	if end := at.Add(time.Millisecond); end.Before(written) {
		written = end
	}
	for {
		if f, ok := r.cached(id, written); ok {
			return f.schema, f.err
		}
		// Whoever comes first asks for all, with its own context. The one before may just have had the answer.
		flight := r.flights.DoChan(strconv.Itoa(id), func() (any, error) {
			if _, ok := r.cached(id, written); ok {
				return false, nil
			}
			err := r.fetch(ctx, id)
			return ctx.Err() != nil, err
		})
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("registry %s: schema %d: %w", r.name, id, context.Cause(ctx))
		case result := <-flight:
			abandoned := result.Val.(bool)
			if result.Err != nil && (!abandoned || ctx.Err() != nil) {
				return "", result.Err
			}
		}
	}
}

// cached returns what is known of an id for a record that was written before the given time.
func (r *Registry) cached(id int, written time.Time) (found, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f, ok := r.found[id]; ok {
		return f, true
	}
	if asked, ok := r.unknown[id]; ok && !asked.Before(written) {
		return found{err: fmt.Errorf("schema %d: %w", id, ErrUnknown)}, true
	}
	return found{}, false
}

// fetch asks the registry for a schema and stores the answer.
func (r *Registry) fetch(ctx context.Context, id int) error {
	var f found
	var asked time.Time
	var unknown bool
	err := r.retry(ctx, fmt.Sprintf("give schema %d", id), refused, func(ctx context.Context) error {
		asked = time.Now()
		s, err := r.client.SchemaByID(ctx, id)
		switch {
		case isUnknown(err):
			unknown = true
			return nil
		case err != nil:
			return told(err)
		case s.Type != sr.TypeAvro:
			f = found{err: fmt.Errorf("schema %d is of type %s: %w", id, s.Type, ErrNotAvro)}
			return nil
		case s.Schema == "":
			return errNoSchema
		}
		text, err := r.resolve(ctx, s)
		f = found{schema: text}
		return err
	})
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !unknown {
		r.found[id] = f
		delete(r.unknown, id)
		return nil
	}
	if len(r.unknown) >= maxUnknown {
		clear(r.unknown)
	}
	r.unknown[id] = asked
	return nil
}

// Register adds an Avro schema to a subject, if it is not there yet, and returns its id.
func (r *Registry) Register(ctx context.Context, subject, schema string) (id int, err error) {
	err = r.retry(ctx, fmt.Sprintf("register a schema for subject %q", subject), refused, func(ctx context.Context) error {
		id, err = r.client.RegisterSchema(ctx, subject, sr.Schema{Schema: schema}, -1, -1)
		return told(err)
	})
	return id, err
}
