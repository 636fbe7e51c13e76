package table

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// system is what a table does to its folder, so that a test can make any step fail.
type system interface {
	// Create makes a file that is not there.
	Create(path string) (file, error)
	Mkdir(path string) error
	Rename(from, to string) error
	// Remove removes a file, or an empty folder.
	Remove(path string) error
	// Sync makes what a folder lists survive a loss of power.
	Sync(folder string) error
}

// file is a file while it is written.
type file interface {
	io.Writer
	Sync() error
	Stat() (fs.FileInfo, error)
	Close() error
}

// disk is the file system of this machine.
type disk struct{}

func (disk) Create(path string) (file, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (disk) Mkdir(path string) error      { return os.Mkdir(path, 0o777) }
func (disk) Rename(from, to string) error { return os.Rename(from, to) }
func (disk) Remove(path string) error     { return os.Remove(path) }

func (disk) Sync(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	err = d.Sync()
	return first(err, d.Close())
}

// first returns the first error that is one.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// fail returns err with the table, what was being done, and the way out where there is one.
func fail(root, doing string, err error) error {
	return fmt.Errorf("table %s: %s: %w%s", root, doing, err, wayOut(err))
}

func wayOut(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return ": free some space and start again, nothing is lost"
	case errors.Is(err, syscall.EFBIG):
		return ": raise the limit of files' sizes (ulimit -f) and start again, nothing is lost"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return ": let this user write there, or choose another folder"
	case errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.ENOSYS):
		return ": the file system has no locks, choose a folder of another one"
	case errors.Is(err, syscall.ENOTDIR):
		return ": a part of the path is a file, choose another folder"
	case errors.Is(err, fs.ErrNotExist):
		return ": was the folder removed while in use? Start again"
	}
	return ""
}
