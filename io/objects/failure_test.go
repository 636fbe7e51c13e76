package objects_test

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/objects"
	"clickstream/testing/buckets"
)

// calls are all that a store does with a name, by what errors call it.
var calls = map[string]func(context.Context, objects.Store) error{
	"read": func(ctx context.Context, s objects.Store) error {
		_, err := s.Read(ctx, "a")
		return err
	},
	"put if absent": func(ctx context.Context, s objects.Store) error { return s.PutIfAbsent(ctx, "a", []byte("x")) },
	"put":           func(ctx context.Context, s objects.Store) error { return s.Put(ctx, "a", []byte("x")) },
	"delete":        func(ctx context.Context, s objects.Store) error { return s.Delete(ctx, "a") },
	"list": func(ctx context.Context, s objects.Store) error {
		for _, err := range s.List(ctx, "a", "") {
			return err
		}
		return nil
	},
}

// assertLine wants one line that names the call, the place and the way out.
func assertLine(t *testing.T, err error, parts ...string) {
	t.Helper()
	require.Error(t, err)
	require.NotErrorIs(t, err, fs.ErrNotExist)
	require.NotErrorIs(t, err, fs.ErrExist)
	assert.NotContains(t, err.Error(), "\n")
	assert.NotContains(t, err.Error(), "well-kept")
	assert.Less(t, len(err.Error()), 600)
	for _, part := range parts {
		assert.ErrorContains(t, err, part)
	}
}

// answers has a store answer every request the same, in the words of its kind.
func answers(status int, code string) buckets.Middleware {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			if strings.Contains(r.URL.Path, "/storage/v1/") {
				fmt.Fprintf(w, `{"error": {"code": %d, "message": "words\nof %s"}}`, status, code)
				return
			}
			fmt.Fprintf(w, "<Error><Code>%s</Code><Message>words\nof %s</Message></Error>", code, code)
		})
	}
}

func TestBucketSaysWhatAnAnswerMeans(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		kinds  string
		want   string
		byCode bool // the code tells, not the status
	}{
		{http.StatusUnauthorized, "InvalidToken", "s3 gs", "does not take the credentials (401 ", false},
		{http.StatusForbidden, "SignatureDoesNotMatch", "s3", "check AWS_ACCESS_KEY_ID", true},
		{http.StatusBadRequest, "AuthorizationHeaderMalformed", "s3", "set AWS_REGION to the bucket's", true},
		{http.StatusBadRequest, "EntityTooLarge", "s3 gs", "answers 400 ", false},
		{http.StatusNotImplemented, "NotImplemented", "s3", "take another one", false},
	} {
		for kind := range strings.FieldsSeq(c.kinds) {
			t.Run(fmt.Sprint(kind, " ", c.code), func(t *testing.T) {
				store := open(t, buckets.Kinds[kind](t, answers(c.status, c.code))+"/table")
				for op, call := range calls {
					if op == "delete" && c.byCode {
						continue // S3's library asks for an object's head first, and that answer has no code
					}
					assertLine(t, call(t.Context(), store), op+" "+store.String()+"/a: ", c.want)
				}
			})
		}
	}
}

// TestBucketThatIsDeniedIsNotEmpty holds deletes and reads to it: gocloud itself takes a denied access to GCS
// for an object that is absent.
func TestBucketThatIsDeniedIsNotEmpty(t *testing.T) {
	for kind, start := range buckets.Kinds {
		t.Run(kind, func(t *testing.T) {
			store := open(t, start(t, answers(http.StatusForbidden, "AccessDenied")))
			for op, call := range calls {
				assertLine(t, call(t.Context(), store), op+" "+store.String(), "access is denied", "allow s")
			}
		})
	}
}

func TestBucketThatIsNotThere(t *testing.T) {
	for kind, start := range buckets.Kinds {
		t.Run(kind, func(t *testing.T) {
			noBucket := func(store http.Handler) http.Handler { return store }
			if kind == "gs" {
				noBucket = answers(http.StatusNotFound, "notFound") // the fake makes buckets as they are written to
			}
			missing := strings.Replace(start(t, noBucket), buckets.Name, "missing", 1) + "/table"
			for op, call := range calls {
				if op == "delete" {
					require.NoError(t, call(t.Context(), open(t, missing)), "nothing to delete is no error")
					continue
				}
				assertLine(t, call(t.Context(), open(t, missing)), `there is no bucket "missing"`, "create it", missing)
			}
		})
	}
}

// TestBucketThatDoesNotWork has stores that answer 503 all the time, and addresses where nobody listens. All
// give up at last. They are asked at once, since each is asked several times.
func TestBucketThatDoesNotWork(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := listener.Addr().String()
	require.NoError(t, listener.Close())
	stores, want := map[string]objects.Store{}, map[string][]string{}
	for kind, start := range buckets.Kinds {
		stores[kind+" fails"] = open(t, start(t, answers(http.StatusServiceUnavailable, "SlowDown")))
		want[kind+" fails"] = []string{"read " + kind + "://events/a: ", "fails (503 ", "try again later"}
		buckets.AWS(t, "http://user:well-kept@"+nobody)
		t.Setenv("STORAGE_EMULATOR_HOST", nobody)
		stores[kind+" is not there"] = open(t, kind+"://bucket/table")
		want[kind+" is not there"] = []string{"read " + kind + "://bucket/table/a: ", "not reachable", nobody, "connection refused", "check that it runs"}
	}
	var wg sync.WaitGroup
	var got sync.Map
	for name, store := range stores {
		wg.Go(func() {
			_, err := store.Read(t.Context(), "a")
			got.Store(name, err)
		})
	}
	wg.Wait()
	for name := range stores {
		err, _ := got.Load(name)
		require.NotNil(t, err, name)
		assertLine(t, err.(error), want[name]...)
	}
}

// TestBucketRetries has a store fail at every first request.
func TestBucketRetries(t *testing.T) {
	for kind, start := range buckets.Kinds {
		t.Run(kind, func(t *testing.T) {
			var requests atomic.Int32
			store := open(t, start(t, func(store http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if requests.Add(1)%2 == 1 {
						w.WriteHeader(http.StatusServiceUnavailable)
						return
					}
					store.ServeHTTP(w, r)
				})
			}))
			require.NoError(t, store.Put(t.Context(), "a", []byte("x")))
			data, err := store.Read(t.Context(), "a")
			require.NoError(t, err)
			assert.Equal(t, "x", string(data))
			require.NoError(t, store.Delete(t.Context(), "a"))
		})
	}
}

// TestBucketWhoseAnswerIsLost has the store do what it is told, and the answer lost. The library asks again,
// and is told that there is such an object: its own.
func TestBucketWhoseAnswerIsLost(t *testing.T) {
	for kind, start := range buckets.Kinds {
		t.Run(kind, func(t *testing.T) {
			var lost atomic.Bool
			store := open(t, start(t, func(store http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodGet || lost.Swap(true) {
						store.ServeHTTP(w, r)
						return
					}
					store.ServeHTTP(httptest.NewRecorder(), r)
					w.WriteHeader(http.StatusInternalServerError)
				})
			}))
			require.ErrorIs(t, store.PutIfAbsent(t.Context(), "a", []byte("mine")), fs.ErrExist)
			data, err := store.Read(t.Context(), "a")
			require.NoError(t, err)
			assert.Equal(t, "mine", string(data))
		})
	}
}

// TestBucketThatIsBusy has S3 answer as it does while another writer's request for the object goes on.
func TestBucketThatIsBusy(t *testing.T) {
	var asked atomic.Int32
	store := open(t, buckets.S3(t, func(store http.Handler) http.Handler {
		busy := answers(http.StatusConflict, "ConditionalRequestConflict")(nil)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut && asked.Add(1) == 1 {
				busy.ServeHTTP(w, r)
				return
			}
			store.ServeHTTP(w, r)
		})
	}))
	require.NoError(t, store.PutIfAbsent(t.Context(), "a", nil))
}

// TestBucketRefusesWhatOthersWouldNotFind lists names that gocloud would write in another way.
func TestBucketRefusesWhatOthersWouldNotFind(t *testing.T) {
	store := open(t, buckets.S3(t))
	for _, name := range []string{"a\nb", "a../b", "__0x2f__"} {
		require.ErrorIs(t, store.Put(t.Context(), name, nil), fs.ErrInvalid, name)
	}
}

// TestBucketThatListsInNoOrder has a store turn its lists around.
func TestBucketThatListsInNoOrder(t *testing.T) {
	store := open(t, buckets.S3(t, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "<ListBucketResult>")
			for _, key := range []string{"b", "a"} {
				fmt.Fprintf(w, "<Contents><Key>%s</Key><Size>1</Size><LastModified>2024-01-02T03:04:05Z</LastModified></Contents>", key)
			}
			fmt.Fprint(w, "</ListBucketResult>")
		})
	}))
	var last error
	for _, err := range store.List(t.Context(), "", "") {
		last = err
	}
	assertLine(t, last, `names "a" after "b"`)
}
