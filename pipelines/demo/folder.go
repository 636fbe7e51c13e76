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
		err = errors.New("another demo is writing to it: end that one, or name another folder with --table")
	}
	if err == nil {
		err = removeOld(ctx, absolute)
	}
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", path, errors.Join(err, f.release()))
	}
	return f, nil
}

func (f *folder) release() error { return f.lock.Close() }

// removeOld removes what an earlier demo left in root: nothing, unless all of it is a demo's.
func removeOld(ctx context.Context, root string) error {
	files, days, err := listFiles(root)
	if err != nil {
		return err
	}
	if err := checkOwn(ctx, root, len(files)); err != nil {
		return err
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			return fmt.Errorf("remove what an earlier demo left: %w", err)
		}
	}
	for _, day := range days {
		if err := os.Remove(day); err != nil && !errors.Is(err, unix.ENOTEMPTY) { // something hidden may be in it
			return fmt.Errorf("remove what an earlier demo left: %w", err)
		}
	}
	return nil
}

// listFiles lists the files that may be a table's, and the folders that they lie in. What is hidden is left out, as
// readers of the table do, and never touched.
func listFiles(root string) (files, days []string, err error) {
	entries, err := visible(root)
	if err != nil {
		return nil, nil, err
	}
	for _, entry := range entries {
		day := filepath.Join(root, entry.Name())
		if !entry.IsDir() || !strings.HasPrefix(entry.Name(), "window_date=") {
			return nil, nil, foreign(day)
		}
		days = append(days, day)
		windows, err := visible(day)
		if err != nil {
			return nil, nil, err
		}
		for _, window := range windows {
			file := filepath.Join(day, window.Name())
			if !window.Type().IsRegular() {
				return nil, nil, foreign(file)
			}
			files = append(files, file)
		}
	}
	return files, days, nil
}

func visible(folder string) ([]os.DirEntry, error) {
	entries, err := os.ReadDir(folder)
	var kept []os.DirEntry
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "_") && !strings.HasPrefix(e.Name(), ".") {
			kept = append(kept, e)
		}
	}
	return kept, err
}

func foreign(path string) error {
	return fmt.Errorf("%s was not written by a demo: name another folder with --table", path)
}

// checkOwn checks that the n files in root are windows of demos' tables, as their footers tell.
func checkOwn(ctx context.Context, root string, n int) error {
	t, err := table.View(ctx, root)
	if err != nil {
		return err
	}
	own := 0
	for window, err := range t.Windows(ctx, table.Span{}) {
		if err != nil {
			return fmt.Errorf("the folder's files are not all a demo's: %w; or name another folder with --table", err)
		}
		if !strings.HasPrefix(window.Cluster, clusterPrefix) {
			return fmt.Errorf("it holds windows of topic %s in the Kafka cluster %s, which are no demo's: name another folder with --table", window.Topic, window.Cluster)
		}
		own++
	}
	if own != n {
		return fmt.Errorf("%d of its %d files were not written by a demo: name another folder with --table", n-own, n)
	}
	return nil
}
