package table

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrNotOwned is returned by Remove when the folder holds what it was not told to remove.
var ErrNotOwned = errors.New("it is left as it is")

// Remove removes the table at path, and leaves an empty folder. owns is asked for the Kafka cluster and topic that
// the table's record and each of its windows name. Unless it owns them all, and the folder shows nothing but
// them, nothing is removed, and the error is ErrNotOwned and says what is there. A folder that is not there, or
// is empty, is no error.
//
// What is hidden, by a name that begins with an underscore or a dot, is not touched, but for the record. Nobody
// else may write to the table meanwhile.
func Remove(ctx context.Context, path string, owns func(cluster, topic string) bool) error {
	root, err := local(path)
	if err != nil {
		return err
	}
	if err := checkFolder(root); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return fail(path, "removing", err)
	}
	names, err := list(ctx, root, Span{})
	if err != nil {
		return fmt.Errorf("%w: %w", err, ErrNotOwned)
	}
	if err := ownsAll(&view{root}, names, owns); err != nil {
		return fmt.Errorf("table %s: %w: %w", path, err, ErrNotOwned)
	}
	if err := remove(root, names); err != nil {
		return fail(path, "removing", err)
	}
	return nil
}

// ownsAll returns an error when there is anything at v that is not owned.
func ownsAll(v *view, names []name, owns func(cluster, topic string) bool) error {
	known := map[string]bool{}
	for _, n := range names {
		p, _, err := v.footer(n)
		if err != nil {
			return err
		}
		if !owns(p.Cluster, p.Topic) {
			return fmt.Errorf("%s was counted from topic %q of Kafka cluster %q", n.path(), p.Topic, p.Cluster)
		}
		known[n.path()] = true
	}
	r, err := readRecord(v.root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !owns(r.Cluster, r.Topic):
		return fmt.Errorf("it was made for topic %q of Kafka cluster %q", r.Topic, r.Cluster)
	}
	return filepath.WalkDir(v.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == v.root {
			return err
		}
		hidden := strings.HasPrefix(entry.Name(), "_") || strings.HasPrefix(entry.Name(), ".")
		below, err := filepath.Rel(v.root, path)
		switch {
		case err != nil:
			return err
		case hidden && entry.IsDir():
			return fs.SkipDir
		case hidden:
			return nil
		case entry.IsDir() && below == entry.Name() && strings.HasPrefix(below, datePrefix): // what is in it comes next
			return nil
		case !known[below] || !entry.Type().IsRegular():
			return fmt.Errorf("%s is no part of a table", path)
		}
		return nil
	})
}

// remove removes the files, the folders that are then empty, and the record, which says whose they are, last.
func remove(root string, names []name) error {
	for _, n := range names {
		if err := os.Remove(filepath.Join(root, n.path())); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), datePrefix) {
			continue
		}
		if err := os.Remove(filepath.Join(root, e.Name())); err != nil && !errors.Is(err, unix.ENOTEMPTY) { // something hidden is in it
			return err
		}
	}
	if err := os.Remove(filepath.Join(root, recordFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
