package table

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

// A process writes files in a staging folder of its own, DIR/_staging/PID-…/, before it renames them to their
// places, and locks the file «owner» in it for as long as it lives: the kernel lets go of the lock when the
// process dies, however it dies. So a staging folder that can be locked has no owner, and is removed by the
// next process that opens the table. Readers leave _staging out.
//
// DIR/_staging/commit is locked by whoever looks at the table's files and then renames over them, which makes
// the two one step among all processes. It is never removed.
const (
	ownerFile  = "owner"
	commitFile = "commit"
	// lockPoll is how often a lock that another process holds is tried. A commit holds it for milliseconds.
	lockPoll = 2 * time.Millisecond
)

// stage is a process' staging folder.
type stage struct {
	folder string
	owner  *os.File
	commit *os.File
	next   atomic.Int64
}

// newStage removes what dead processes left in root's staging folder, and makes a staging folder there. That
// it can write and sync a file there tells that the table can be written to.
func newStage(root string) (*stage, error) {
	all := filepath.Join(root, staging)
	if err := os.Mkdir(all, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := sweep(all); err != nil {
		return nil, err
	}
	commit, err := os.OpenFile(filepath.Join(all, commitFile), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	s := &stage{commit: commit}
	for {
		taken, err := s.take(all)
		if err != nil {
			return nil, first(err, commit.Close())
		}
		if taken {
			return s, nil
		}
	}
}

// take makes and locks a staging folder. It is false when another process swept the folder away in between, or is
// about to.
func (s *stage) take(all string) (bool, error) {
	folder, err := os.MkdirTemp(all, fmt.Sprintf("%d-*", os.Getpid()))
	if err != nil {
		return false, err
	}
	path := filepath.Join(folder, ownerFile)
	owner, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, first(err, os.RemoveAll(folder))
	}
	locked, err := tryLock(owner)
	if err == nil && locked {
		_, err = fmt.Fprintf(owner, "%d\n", os.Getpid())
		err = first(err, owner.Sync())
	}
	if err != nil {
		return false, first(err, owner.Close(), os.RemoveAll(folder))
	}
	if locked && sameFile(owner, path) {
		s.folder, s.owner = folder, owner
		return true, nil
	}
	return false, owner.Close()
}

// sameFile tells whether path still names f.
func sameFile(f *os.File, path string) bool {
	open, err := f.Stat()
	named, err2 := os.Stat(path)
	return err == nil && err2 == nil && os.SameFile(open, named)
}

// sweep removes the staging folders that no living process owns.
func sweep(all string) error {
	entries, err := os.ReadDir(all)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := sweepOne(filepath.Join(all, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func sweepOne(folder string) (err error) {
	path := filepath.Join(folder, ownerFile)
	owner, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		// Its process died before it made the file, or is about to: whichever makes it has the folder.
		owner, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	}
	switch {
	case errors.Is(err, fs.ErrPermission): // another user's, who will sweep it
		return nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrExist): // somebody was faster
		return nil
	case err != nil:
		return err
	}
	defer func() { err = first(err, owner.Close()) }()
	dead, err := tryLock(owner)
	if err != nil || !dead {
		return err
	}
	err = os.RemoveAll(folder)
	if errors.Is(err, syscall.ENOTEMPTY) { // once its owner file was gone, somebody made another
		return nil
	}
	return err
}

// path returns a path in the staging folder for a file that is to become n.
func (s *stage) path(n name) string {
	return filepath.Join(s.folder, fmt.Sprintf("%d-%s.tmp", s.next.Add(1), n.file()))
}

// lock waits for the right to look at the table's files and rename over them. Let go of it with unlock.
func (s *stage) lock(ctx context.Context) error {
	for {
		locked, err := tryLock(s.commit)
		if err != nil || locked {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for another process' commit: %w", context.Cause(ctx))
		case <-time.After(lockPoll):
		}
	}
}

func (s *stage) unlock() error { return flock(s.commit, syscall.LOCK_UN) }

// close removes the staging folder.
func (s *stage) close() error {
	err := os.RemoveAll(s.folder)
	return first(err, s.owner.Close(), s.commit.Close())
}

// tryLock locks f and returns true, or returns false when another process, or another open file of this one,
// has it locked.
func tryLock(f *os.File) (bool, error) {
	err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return &fs.PathError{Op: "flock", Path: f.Name(), Err: err}
		default:
			return nil
		}
	}
}
