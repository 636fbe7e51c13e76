package storetest

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"clickstream/io/objects"
)

// Memory is a store in memory. Its zero value is ready to use.
type Memory struct {
	Now func() time.Time // the store's clock; time.Now when nil

	mu      sync.Mutex
	objects map[string]object
	names   []string // sorted
}

type object struct {
	data     []byte
	modified time.Time
}

// String names the store.
func (m *Memory) String() string { return "memory" }

// Read is objects.Store's.
func (m *Memory) Read(ctx context.Context, name string) ([]byte, error) {
	if err := ready(ctx, name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[name]
	if !ok {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	return slices.Clone(o.data), nil
}

// PutIfAbsent is objects.Store's.
func (m *Memory) PutIfAbsent(ctx context.Context, name string, data []byte) error {
	return m.put(ctx, name, data, true)
}

// Put is objects.Store's.
func (m *Memory) Put(ctx context.Context, name string, data []byte) error {
	return m.put(ctx, name, data, false)
}

func (m *Memory) put(ctx context.Context, name string, data []byte, ifAbsent bool) error {
	if err := ready(ctx, name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i, found := slices.BinarySearch(m.names, name)
	if found && ifAbsent {
		return &fs.PathError{Op: "put", Path: name, Err: fs.ErrExist}
	}
	if !found {
		m.names = slices.Insert(m.names, i, name)
	}
	if m.objects == nil {
		m.objects = map[string]object{}
	}
	now := time.Now
	if m.Now != nil {
		now = m.Now
	}
	m.objects[name] = object{slices.Clone(data), now()}
	return nil
}

// Delete is objects.Store's.
func (m *Memory) Delete(ctx context.Context, name string) error {
	if err := ready(ctx, name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if i, found := slices.BinarySearch(m.names, name); found {
		m.names = slices.Delete(m.names, i, i+1)
		delete(m.objects, name)
	}
	return nil
}

// List is objects.Store's.
func (m *Memory) List(ctx context.Context, prefix, after string) iter.Seq2[objects.Info, error] {
	return func(yield func(objects.Info, error) bool) {
		last := after
		for {
			info, ok := m.next(prefix, last)
			if err := context.Cause(ctx); err != nil {
				yield(objects.Info{}, err)
				return
			}
			if !ok || !yield(info, nil) {
				return
			}
			last = info.Name
		}
	}
}

// next returns the first object after a name.
func (m *Memory) next(prefix, after string) (objects.Info, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, _ := slices.BinarySearch(m.names, max(prefix, after))
	for ; i < len(m.names) && (strings.HasPrefix(m.names[i], prefix) || m.names[i] < prefix); i++ {
		if name := m.names[i]; name > after && strings.HasPrefix(name, prefix) {
			return objects.Info{Name: name, Size: int64(len(m.objects[name].data)), Modified: m.objects[name].modified}, true
		}
	}
	return objects.Info{}, false
}

func ready(ctx context.Context, name string) error {
	if !fs.ValidPath(name) || name == "." {
		return fmt.Errorf("object %q: %w", name, fs.ErrInvalid)
	}
	return context.Cause(ctx)
}
