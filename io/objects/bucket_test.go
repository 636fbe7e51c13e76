package objects_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/objects"
	"clickstream/testing/buckets"
	"clickstream/testing/storetest"
)

func TestBucket(t *testing.T) {
	for kind, start := range buckets.Kinds {
		t.Run(kind, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) (objects.Store, objects.Store) {
				url := start(t)
				return open(t, url+"/tables/views"), open(t, url+"/tables/views/")
			})
		})
	}
}

// TestBucketKeepsToItsPath has stores whose paths begin alike, one in the other, and one of the whole bucket.
func TestBucketKeepsToItsPath(t *testing.T) {
	for kind, start := range buckets.Kinds {
		t.Run(kind, func(t *testing.T) {
			url := start(t)
			for _, path := range []string{"", "/a", "/ab", "/a/b"} {
				require.NoError(t, open(t, url+path).Put(t.Context(), "x", []byte(path)))
			}
			for path, want := range map[string]string{
				"": "a/b/x a/x ab/x x", "/a": "b/x x", "/ab": "x", "/a/b": "x",
			} {
				store := open(t, url+path)
				assert.Equal(t, want, strings.Join(names(t, store, "", ""), " "), path)
				data, err := store.Read(t.Context(), "x")
				require.NoError(t, err)
				assert.Equal(t, path, string(data))
				assert.Equal(t, url+path, store.String())
			}
		})
	}
}

// TestBucketListsMoreThanAPage lists more objects than a store names at a time, which is 10 here.
func TestBucketListsMoreThanAPage(t *testing.T) {
	for kind, start := range buckets.Kinds {
		t.Run(kind, func(t *testing.T) {
			store := open(t, start(t, func(store http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if query := r.URL.Query(); query.Has("max-keys") || query.Has("maxResults") {
						query.Set("max-keys", "10")
						query.Set("maxResults", "10")
						r.URL.RawQuery = query.Encode()
					}
					store.ServeHTTP(w, r)
				})
			})+"/table")
			var want []string
			for i := range 45 {
				name := fmt.Sprintf("log/%05d", i)
				require.NoError(t, store.Put(t.Context(), name, nil))
				want = append(want, name)
			}
			assert.Equal(t, want, names(t, store, "log/", ""))
			assert.Equal(t, want[15:], names(t, store, "log/", want[14]))
			assert.Equal(t, want[44:], names(t, store, "", want[43]))
		})
	}
}

// TestBucketAsksForWhatComesAfter sees that a store is not asked for a whole log to find its last entry.
func TestBucketAsksForWhatComesAfter(t *testing.T) {
	for kind, start := range buckets.Kinds {
		t.Run(kind, func(t *testing.T) {
			var from atomic.Value
			url := start(t, func(store http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodGet {
						from.Store(r.URL.Query().Get("start-after") + r.URL.Query().Get("startOffset"))
					}
					store.ServeHTTP(w, r)
				})
			})
			assert.Empty(t, names(t, open(t, url+"/table"), "log/", "log/7"))
			assert.Equal(t, "table/log/7", from.Load())
		})
	}
}

// TestBucketPutsALargeObjectInOneRequest counts requests that write: parts that a killed process left would
// be paid for and not seen.
func TestBucketPutsALargeObjectInOneRequest(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 20<<20/16)
	for kind, start := range buckets.Kinds {
		t.Run(kind, func(t *testing.T) {
			var writes atomic.Int32
			url := start(t, func(store http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodPut || r.Method == http.MethodPost {
						writes.Add(1)
					}
					store.ServeHTTP(w, r)
				})
			})
			store := open(t, url)
			require.NoError(t, store.Put(t.Context(), "large", large))
			assert.EqualValues(t, 1, writes.Load())
			got, err := store.Read(t.Context(), "large")
			require.NoError(t, err)
			assert.True(t, bytes.Equal(large, got))
		})
	}
}

// TestBucketFindsOutWhatIgnoresConditions has stores that overwrite whatever they are told.
func TestBucketFindsOutWhatIgnoresConditions(t *testing.T) {
	deaf := func(store http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("If-None-Match")
			query := r.URL.Query()
			query.Del("ifGenerationMatch")
			r.URL.RawQuery = query.Encode()
			store.ServeHTTP(w, r)
		})
	}
	for kind, start := range buckets.Kinds {
		t.Run(kind, func(t *testing.T) {
			store := open(t, start(t, deaf)+"/table")
			for range 2 {
				err := store.PutIfAbsent(t.Context(), "a", nil)
				require.ErrorContains(t, err, "overwrites an object that it was told not to")
				assert.ErrorContains(t, err, store.String()+"/a")
			}
		})
	}
}

// TestBucketTriesAConditionOnce counts what finding that out costs.
func TestBucketTriesAConditionOnce(t *testing.T) {
	for kind, start := range buckets.Kinds {
		t.Run(kind, func(t *testing.T) {
			var refused, writes atomic.Int32
			url := start(t, func(store http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					recorder := httptest.NewRecorder()
					store.ServeHTTP(recorder, r)
					writes.Add(1)
					if recorder.Code == http.StatusPreconditionFailed {
						refused.Add(1)
					}
					repeat(w, recorder)
				})
			})
			store := open(t, url)
			for i := range 5 {
				require.NoError(t, store.PutIfAbsent(t.Context(), fmt.Sprint(i), nil))
			}
			assert.EqualValues(t, 1, refused.Load())
			assert.EqualValues(t, 6, writes.Load())
		})
	}
}

func open(t *testing.T, url string) objects.Store {
	t.Helper()
	store, err := objects.Open(t.Context(), url)
	require.NoError(t, err)
	return store
}

func names(t *testing.T, store objects.Store, prefix, after string) (names []string) {
	t.Helper()
	for info, err := range store.List(t.Context(), prefix, after) {
		require.NoError(t, err)
		names = append(names, info.Name)
	}
	return names
}

// repeat writes an answer that a recorder holds.
func repeat(w http.ResponseWriter, r *httptest.ResponseRecorder) {
	for name, values := range r.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(r.Code)
	_, _ = w.Write(r.Body.Bytes())
}
