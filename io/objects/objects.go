// Package objects keeps named objects of bytes: what a table is made of, wherever it lies. It knows nothing of
// what they hold.
package objects

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"time"
)

// Store keeps objects by name. Any number of goroutines may use one, and any number of processes may use what
// is beneath it.
//
// Names are relative paths with slashes, as fs.ValidPath wants them, "_delta_log/00000000000000000000.json"
// for one. Objects are whole: a reader gets all that one call wrote, or another call's, never a part.
//
// When a call that writes returns nil, what it wrote survives a loss of power. When it returns another error
// than those named below, or ctx was done, it may have been done all the same, even later: who needs to know
// has to look.
type Store interface {
	// Read returns an object. The error is fs.ErrNotExist when there is none of that name.
	Read(ctx context.Context, name string) ([]byte, error)

	// List yields the objects whose names begin with prefix and come after the name after, in the order of
	// their names' bytes. Both may be empty. An object that is written or deleted meanwhile may be yielded or
	// not; all others are. An error ends it. There being nothing is no error.
	List(ctx context.Context, prefix, after string) iter.Seq2[Info, error]

	// PutIfAbsent makes a new object. The error is fs.ErrExist when there is one of that name: of any number
	// of calls for one name, at most one returns nil, and the object is that one's. That fs.ErrExist may be
	// returned for an object that this very call made is possible where the way to the store is repeated.
	PutIfAbsent(ctx context.Context, name string, data []byte) error

	// Put makes an object, or replaces it whole.
	Put(ctx context.Context, name string, data []byte) error

	// Delete removes an object. There being none is no error.
	Delete(ctx context.Context, name string) error

	// String says where the objects are, as a user named it, without secrets.
	fmt.Stringer
}

// Info is what a list says of an object.
type Info struct {
	Name     string
	Size     int64     // in bytes
	Modified time.Time // when it was written, by the store's clock
}

// checkName returns an error when name cannot name an object.
func checkName(name string) error {
	if !fs.ValidPath(name) || name == "." {
		return fmt.Errorf("object %q: a name is a relative path with slashes, without . and ..: %w", name, fs.ErrInvalid)
	}
	return nil
}
