package objects

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"iter"
	"strings"
	"sync/atomic"
	"unicode"

	"gocloud.dev/blob"
)

// pageSize is how many names a store is asked for at a time, the most that S3 and GCS answer.
const pageSize = 1000

// Bucket is a Store in a bucket of S3, of a store that speaks as S3 does, or of Google Cloud Storage. Objects
// have the names of this store, below the path of its URL.
//
// An object is put by one request, which the store does whole or not at all, and nothing is left of one that
// was cut off. PutIfAbsent is a conditional request: If-None-Match at S3, ifGenerationMatch=0 at GCS. Some
// stores that speak as S3 take that condition and ignore it, which would let one writer overwrite another. So
// where the environment gives an endpoint, the first object that was put is put once more, and has to be
// refused.
//
// Transient errors are retried by the provider's library, and errors say where, what, and the way out.
type Bucket struct {
	provider
	url    string // without a slash at its end
	prefix string // of all keys: empty, or ending in a slash

	conditional atomic.Bool // whether the store is known to refuse to overwrite
	present     atomic.Bool // whether the bucket is known to be there
}

// provider is what differs between S3 and GCS.
type provider struct {
	blobs *blob.Bucket
	name  string // of the bucket

	// inOneRequest has an object sent by one request. It is blob.WriterOptions.BeforeWrite.
	inOneRequest func(as func(any) bool) error
	// listFrom has a list begin near a key. It makes blob.ListOptions.BeforeList.
	listFrom func(key string) func(as func(any) bool) error

	endpoint    string // that the environment gives; empty for the provider's own
	endpointBy  string // the variable that gives it
	credentials string // what gives credentials
	rights      string // what has to be allowed
}

func newBucket(scheme, folder string, p provider) *Bucket {
	b := &Bucket{provider: p, url: scheme + "://" + p.name}
	if folder != "" {
		b.url += "/" + folder
		b.prefix = folder + "/"
	}
	b.conditional.Store(p.endpoint == "")
	return b
}

// String returns the URL.
func (b *Bucket) String() string { return b.url }

// Read is Store's.
func (b *Bucket) Read(ctx context.Context, name string) ([]byte, error) {
	if err := readyKey(ctx, name); err != nil {
		return nil, err
	}
	data, err := b.blobs.ReadAll(ctx, b.prefix+name)
	if err == nil {
		b.present.Store(true)
		return data, nil
	}
	if !isAbsent(err) {
		return nil, b.failure("read", name, err)
	}
	if err := b.lookForBucket(ctx); err != nil {
		return nil, err
	}
	return nil, &fs.PathError{Op: "read", Path: b.url + "/" + name, Err: fs.ErrNotExist}
}

// lookForBucket tells a bucket that is not there from an object that is not: GCS answers a read the same for
// both, and a table must not seem new for that.
func (b *Bucket) lookForBucket(ctx context.Context) error {
	if b.present.Load() {
		return nil
	}
	if _, _, err := b.blobs.ListPage(ctx, blob.FirstPageToken, 1, &blob.ListOptions{Prefix: b.prefix}); err != nil {
		return b.failure("list", "", err)
	}
	b.present.Store(true)
	return nil
}

// PutIfAbsent is Store's.
func (b *Bucket) PutIfAbsent(ctx context.Context, name string, data []byte) error {
	if err := readyKey(ctx, name); err != nil {
		return err
	}
	err := b.write(ctx, name, data, true)
	if isPresent(err) {
		b.conditional.Store(true)
		return &fs.PathError{Op: "put if absent", Path: b.url + "/" + name, Err: fs.ErrExist}
	}
	if err != nil {
		return b.failure("put if absent", name, err)
	}
	return b.checkConditional(ctx, name, data)
}

// checkConditional tries to put an object again that was just put.
func (b *Bucket) checkConditional(ctx context.Context, name string, data []byte) error {
	if b.conditional.Load() {
		return nil
	}
	err := b.write(ctx, name, data, true)
	if err == nil {
		return fmt.Errorf("put if absent %s/%s: the store at %s overwrites an object that it was told not to: "+
			"two writers could overwrite each other's, so take a store that heeds If-None-Match", b.url, name, printable(b.endpoint))
	}
	if isPresent(err) {
		b.conditional.Store(true)
	}
	return nil // the object is there, and the next one is tried if this one told nothing
}

// Put is Store's.
func (b *Bucket) Put(ctx context.Context, name string, data []byte) error {
	if err := readyKey(ctx, name); err != nil {
		return err
	}
	if err := b.write(ctx, name, data, false); err != nil {
		return b.failure("put", name, err)
	}
	return nil
}

func (b *Bucket) write(ctx context.Context, name string, data []byte, ifAbsent bool) error {
	err := b.blobs.Upload(ctx, b.prefix+name, bytes.NewReader(data), &blob.WriterOptions{
		ContentType: "application/octet-stream",
		IfNotExist:  ifAbsent,
		BufferSize:  len(data) + 1, // what fits goes in one request
		BeforeWrite: b.inOneRequest,
	})
	if err == nil {
		b.present.Store(true)
	}
	return err
}

// Delete is Store's.
func (b *Bucket) Delete(ctx context.Context, name string) error {
	if err := readyKey(ctx, name); err != nil {
		return err
	}
	if err := b.blobs.Delete(ctx, b.prefix+name); err != nil && !isAbsent(err) {
		return b.failure("delete", name, err)
	}
	return nil
}

// List is Store's. Objects whose names this store could not have made are left out, as the folders are that
// some programs mark by an object.
func (b *Bucket) List(ctx context.Context, prefix, after string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := context.Cause(ctx); err != nil {
			yield(Info{}, err)
			return
		}
		options := &blob.ListOptions{Prefix: b.prefix + prefix}
		if after != "" {
			options.BeforeList = b.listFrom(b.prefix + after)
		}
		last := ""
		for token := blob.FirstPageToken; len(token) > 0; {
			var page []*blob.ListObject
			var err error
			if page, token, err = b.blobs.ListPage(ctx, token, pageSize, options); err != nil {
				yield(Info{}, b.failure("list", prefix, err))
				return
			}
			b.present.Store(true)
			for _, object := range page {
				name := strings.TrimPrefix(object.Key, b.prefix)
				if name <= after || checkKey(name) != nil {
					continue
				}
				if name <= last {
					yield(Info{}, fmt.Errorf("list %s/%s: the store names %q after %q, take one that lists in order",
						b.url, prefix, name, last))
					return
				}
				last = name
				if !yield(Info{Name: name, Size: object.Size, Modified: object.ModTime}, nil) {
					return
				}
			}
		}
	}
}

func readyKey(ctx context.Context, name string) error {
	if err := checkKey(name); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// checkKey is checkName for a bucket. It refuses what gocloud would write in another way as well: other
// programs would not find it, and it would not be listed where it belongs.
func checkKey(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if strings.ContainsFunc(name, unicode.IsControl) || strings.Contains(name, "../") || strings.Contains(name, "__0x") {
		return fmt.Errorf("object %q: a name in a bucket has no control characters, no ../ and no __0x: %w", name, fs.ErrInvalid)
	}
	return nil
}
