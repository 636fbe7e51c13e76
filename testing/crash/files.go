package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"clickstream/io/delta"
	"clickstream/io/objects"
)

// A table of Parquet files has no log: what is in its folder is the table, and there is nothing to vacuum.
func (st *story) hasLog() bool { return st.plot.format == "delta" }

// live fails unless each file that the log names, in the newest version, is there and as large as the log says.
func (st *story) live(ctx context.Context) error {
	if !st.hasLog() {
		return nil
	}
	named, err := st.named(ctx)
	if err != nil {
		return err
	}
	for name, add := range named {
		info, err := os.Stat(filepath.Join(st.table, name))
		if err != nil {
			return fmt.Errorf("a live file was deleted: %w", err)
		}
		if info.Size() != add.Size {
			return fmt.Errorf("%s has %d bytes, and the log says %d", name, info.Size(), add.Size)
		}
	}
	st.files = len(named)
	return nil
}

// named returns the files of the newest version, by name.
func (st *story) named(ctx context.Context) (map[string]*delta.Add, error) {
	log, err := delta.Open(ctx, objects.NewFolder(st.table), delta.Options{})
	if err != nil {
		return nil, err
	}
	named := map[string]*delta.Add{}
	for add := range log.Snapshot().Files() {
		name, err := add.Name()
		if err != nil {
			return nil, err
		}
		named[name] = add
	}
	return named, nil
}

// vacuum has the command remove all that is not of the newest version, and fails unless the folder then holds the files
// that the log names, and no other.
func (st *story) vacuum(ctx context.Context) error {
	if !st.hasLog() {
		return nil
	}
	before, err := st.dataFiles()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, st.clickstream, "table", "vacuum", "--table", st.table, "--retain", "0s", "--no-dry-run", "--force")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("vacuum: %w: %s", err, out)
	}
	after, err := st.dataFiles()
	if err != nil {
		return err
	}
	named, err := st.named(ctx)
	if err != nil {
		return err
	}
	for _, name := range after {
		if named[name] == nil {
			return fmt.Errorf("%s is an orphan, which the vacuum has left", name)
		}
	}
	if len(after) != len(named) {
		return fmt.Errorf("the log names %d files, and %d are there", len(named), len(after))
	}
	st.vacuumed = len(before) - len(after)
	return nil
}

// dataFiles returns the names of the Parquet files in the table's folder, those of its log apart.
func (st *story) dataFiles() ([]string, error) {
	var names []string
	err := filepath.WalkDir(st.table, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "_delta_log" {
			return fs.SkipDir
		}
		name, err := filepath.Rel(st.table, path)
		if !d.IsDir() && strings.HasSuffix(name, ".parquet") {
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	return names, err
}
