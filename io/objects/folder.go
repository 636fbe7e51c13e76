package objects

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
)

const (
	// staging is where a folder's files lie while they are written. Programs that look for data leave out what
	// begins with an underscore, and so does List.
	staging = "_staging"
	// staged begins the names of those files.
	staged = "object-"
	// orphanAge is how old such a file must be to be taken for a leftover of a process that was killed.
	orphanAge = time.Hour
)

// Folder is a Store on this machine: objects are files below a folder, of the same names. The folder is made
// when the first object is.
//
// A file is written and synced in a staging folder first, and then linked or renamed to its name, which are
// one step each. link(2) fails where there is a file already, for all but one of those who try at once.
type Folder struct {
	root  string
	sweep sync.Once
}

// NewFolder returns the store of the files below root.
func NewFolder(root string) *Folder { return &Folder{root: filepath.Clean(root)} }

// String returns the folder's path.
func (f *Folder) String() string { return f.root }

// Read is Store's.
func (f *Folder) Read(ctx context.Context, name string) ([]byte, error) {
	if err := ready(ctx, name); err != nil {
		return nil, err
	}
	return os.ReadFile(f.path(name))
}

// PutIfAbsent is Store's.
func (f *Folder) PutIfAbsent(ctx context.Context, name string, data []byte) error {
	if err := ready(ctx, name); err != nil {
		return err
	}
	to := f.path(name)
	if _, err := os.Lstat(to); err == nil {
		return &fs.PathError{Op: "link", Path: to, Err: fs.ErrExist} // spares writing the file
	}
	return f.place(to, data, func(from string) error {
		err := os.Link(from, to)
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) {
			return fmt.Errorf("%w: the file system has no hard links, choose a folder of another one", err)
		}
		return err
	})
}

// Put is Store's.
func (f *Folder) Put(ctx context.Context, name string, data []byte) error {
	if err := ready(ctx, name); err != nil {
		return err
	}
	to := f.path(name)
	return f.place(to, data, func(from string) error { return os.Rename(from, to) })
}

// Delete is Store's.
func (f *Folder) Delete(ctx context.Context, name string) error {
	if err := ready(ctx, name); err != nil {
		return err
	}
	to := f.path(name)
	if err := os.Remove(to); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(to))
}

func ready(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	return context.Cause(ctx)
}

func (f *Folder) path(name string) string { return filepath.Join(f.root, filepath.FromSlash(name)) }

// place writes data aside, and has put bring it to its name.
func (f *Folder) place(to string, data []byte, put func(from string) error) error {
	aside := filepath.Join(f.root, staging)
	for _, folder := range []string{aside, filepath.Dir(to)} {
		if err := makeFolder(folder); err != nil {
			return err
		}
	}
	f.sweep.Do(func() { removeOrphans(aside) })
	from, err := writeAside(aside, data)
	if err == nil {
		err = put(from)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(to))
	}
	if from != "" {
		_ = os.Remove(from) // a renamed one is gone, and any other is swept away some day
	}
	return err
}

// writeAside writes a file and syncs it, and returns its path where there is one to remove.
func writeAside(folder string, data []byte) (name string, err error) {
	name = filepath.Join(folder, staged+uuid.NewString())
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return "", err
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}()
	if _, err := file.Write(data); err != nil {
		return name, err
	}
	return name, file.Sync()
}

// removeOrphans removes what killed processes left aside. Failing to is no harm.
func removeOrphans(folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && strings.HasPrefix(e.Name(), staged) && time.Since(info.ModTime()) > orphanAge {
			_ = os.Remove(filepath.Join(folder, e.Name()))
		}
	}
}

// makeFolder makes a folder, and those above it, such that they last.
func makeFolder(folder string) error {
	if info, err := os.Stat(folder); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(folder)
	if parent != folder {
		if err := makeFolder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(folder, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(parent)
}

// syncFolder makes what a folder lists survive a loss of power.
func syncFolder(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	err = d.Sync()
	if closeErr := d.Close(); err == nil {
		err = closeErr
	}
	return err
}

// List is Store's. It leaves the staging folder out. A folder is read when its turn comes, and a file is looked at when it is yielded: who stops
// early pays for names alone.
func (f *Folder) List(ctx context.Context, prefix, after string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		start := prefix[:strings.LastIndexByte(prefix, '/')+1]
		if start != "" && checkName(strings.TrimSuffix(start, "/")) != nil {
			return // no name begins like that
		}
		f.walk(ctx, start, prefix, after, yield)
	}
}

// walk yields what List does below the folder of that name, which ends in a slash or is empty. It is false
// when it is to end.
func (f *Folder) walk(ctx context.Context, folder, prefix, after string, yield func(Info, error) bool) bool {
	names, err := f.names(ctx, folder, prefix, after)
	if err != nil {
		return yield(Info{}, err) && false
	}
	for _, name := range names {
		if err := context.Cause(ctx); err != nil {
			return yield(Info{}, err) && false
		}
		if strings.HasSuffix(name, "/") {
			if !f.walk(ctx, name, prefix, after, yield) {
				return false
			}
			continue
		}
		info, err := os.Lstat(f.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted meanwhile
		}
		if err != nil {
			return yield(Info{}, err) && false
		}
		if !yield(Info{Name: name, Size: info.Size(), Modified: info.ModTime()}, nil) {
			return false
		}
	}
	return true
}

// names returns the names in a folder that may be, or hold, what is looked for, in order. Those of folders end
// in a slash, which puts them where their files' names belong.
func (f *Folder) names(ctx context.Context, folder, prefix, after string) ([]string, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	d, err := os.Open(f.path(path.Clean(folder)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }() // it was read only
	entries, err := d.ReadDir(-1)
	if errors.Is(err, syscall.ENOTDIR) { // an object has that name
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name := folder + e.Name()
		if e.IsDir() {
			name += "/"
			if name == staging+"/" || name < after && !strings.HasPrefix(after, name) ||
				!strings.HasPrefix(name, prefix) && !strings.HasPrefix(prefix, name) {
				continue
			}
		} else if name <= after || !strings.HasPrefix(name, prefix) {
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}
