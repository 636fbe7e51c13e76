package storetest

import (
	"context"
	"iter"

	"clickstream/io/objects"
)

// Fault is what becomes of one call of a Faulty store.
type Fault int

// The faults of a call.
const (
	None   Fault = iota
	Before       // it fails, and nothing is done
	After        // it is done, and fails
)

// Faulty is a store whose calls fail as Decide says, with ErrInjected.
type Faulty struct {
	objects.Store
	Decide func(op, name string) Fault // called by many at once; op is "read", "list", "put-if-absent", "put" or "delete"
}

// Read is objects.Store's.
func (f *Faulty) Read(ctx context.Context, name string) (data []byte, err error) {
	err = f.call("read", name, func() error {
		data, err = f.Store.Read(ctx, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}

// List is objects.Store's.
func (f *Faulty) List(ctx context.Context, prefix, after string) iter.Seq2[objects.Info, error] {
	return func(yield func(objects.Info, error) bool) {
		if f.Decide("list", prefix) != None {
			yield(objects.Info{}, ErrInjected)
			return
		}
		f.Store.List(ctx, prefix, after)(yield)
	}
}

// PutIfAbsent is objects.Store's.
func (f *Faulty) PutIfAbsent(ctx context.Context, name string, data []byte) error {
	return f.call("put-if-absent", name, func() error { return f.Store.PutIfAbsent(ctx, name, data) })
}

// Put is objects.Store's.
func (f *Faulty) Put(ctx context.Context, name string, data []byte) error {
	return f.call("put", name, func() error { return f.Store.Put(ctx, name, data) })
}

// Delete is objects.Store's.
func (f *Faulty) Delete(ctx context.Context, name string) error {
	return f.call("delete", name, func() error { return f.Store.Delete(ctx, name) })
}

func (f *Faulty) call(op, name string, do func() error) error {
	fault := f.Decide(op, name)
	if fault == Before {
		return ErrInjected
	}
	err := do()
	if err == nil && fault == After {
		return ErrInjected
	}
	return err
}
