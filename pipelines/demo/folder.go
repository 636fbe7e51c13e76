package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"clickstream/io/table"
)

// folder is the table's folder, which a demo has for itself while it runs. The demo's cluster is a new one each
// time, and a table is of one cluster: so it starts anew, and what the demo before left goes.
type folder struct {
	path string // absolute
	lock *os.File
}

// claim locks the folder, makes it where it is missing, and removes the table of an earlier demo from it. A folder
// that holds anything else is left untouched, and is an error.
func claim(ctx context.Context, path string) (*folder, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", path, err)
	}
	if err := os.MkdirAll(absolute, 0o777); err != nil {
		return nil, fmt.Errorf("table %s: %w", path, err)
	}
	lock, err := os.Open(absolute)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", path, err)
	}
	f := &folder{absolute, lock}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = errors.New("another demo is writing to it; end that one, or name another folder with --table")
	}
	if err != nil {
		_ = f.release() // there is nothing to lose
		return nil, fmt.Errorf("table %s: %w", path, err)
	}
	if err := removeOld(ctx, absolute); err != nil {
		_ = f.release()
		return nil, err
	}
	return f, nil
}

func (f *folder) release() error { return f.lock.Close() }

// removeOld removes the table that an earlier demo left in root. Anything else there is left, and is an error.
func removeOld(ctx context.Context, root string) error {
	err := table.Remove(ctx, root, func(cluster, _ string) bool { return strings.HasPrefix(cluster, clusterPrefix) })
	if errors.Is(err, table.ErrNotOwned) {
		return fmt.Errorf("%w: the demo needs a folder of its own; name another one with --table", err)
	}
	return err
}
