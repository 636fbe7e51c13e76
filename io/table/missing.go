package table

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"strings"
	"time"

	"clickstream/io/objects"
)

// CheckFiles returns an error when a file is not there, or has another size, that the log of a Delta table names and
// that may hold windows from then on. It lists the folders of their dates. What a file is damaged in otherwise is
// found by whoever reads it. A table of Parquet files has no log.
//
// A run whose windows are still open would find its counts to be those that the log tells, and leave the hole.
func CheckFiles(ctx context.Context, t Reader, from time.Time) error {
	switch t := t.(type) {
	case *deltaTable:
		return t.checkFiles(ctx, from)
	case *deltaView:
		return t.checkFiles(ctx, from)
	}
	return nil
}

func (v *deltaView) checkFiles(ctx context.Context, from time.Time) error {
	at, m, err := v.open(ctx)
	if err != nil {
		return err
	}
	files, err := v.files(at, Span{From: from}, &m)
	if err != nil {
		return err
	}
	folders := map[string]map[string]objects.Info{}
	for _, p := range files {
		folder := path.Dir(p.object) + "/"
		if folders[folder] == nil {
			if folders[folder], err = v.list(ctx, folder, files); err != nil {
				return err
			}
		}
		info, ok := folders[folder][p.object]
		if !ok {
			return fmt.Errorf("table %s: version %d of its log names %s, which is not there; restore it from a copy, or count into another --table", v.store, at.Version, p.object)
		}
		if info.Size != p.add.Size {
			return fmt.Errorf("table %s: %s has %d bytes, and version %d of the log says %d; restore it from a copy, or count into another --table", v.store, p.object, info.Size, at.Version, p.add.Size)
		}
	}
	return nil
}

// list returns what a folder holds from the first of the files on.
func (v *deltaView) list(ctx context.Context, folder string, files []piece) (map[string]objects.Info, error) {
	least := ""
	for _, p := range files {
		if strings.HasPrefix(p.object, folder) && (least == "" || p.object < least) {
			least = p.object
		}
	}
	infos := map[string]objects.Info{}
	for info, err := range v.store.List(ctx, folder, least[:len(least)-1]) { // which lies before it
		if err != nil {
			return nil, fmt.Errorf("table %s: listing %s: %w", v.store, folder, err)
		}
		infos[info.Name] = info
	}
	return infos, nil
}

// shows tells whether the file that holds a window shows its very rows. What cannot be read does not.
func (v *deltaView) shows(ctx context.Context, m *Metadata, u *upload) bool {
	rows, err := v.source(ctx, *u.held[0].piece, m, u.Shard).open()
	if err != nil {
		return false
	}
	views, users := map[string]int64{}, map[string]int64{}
	for {
		row, err := rows.Next()
		switch {
		case errors.Is(err, io.EOF):
			return rows.Close() == nil && maps.Equal(views, u.Views) && (u.Users == nil || maps.Equal(users, u.Users))
		case err != nil:
			_ = rows.Close() // it is not what it is to be
			return false
		case row.WindowStart.Equal(u.Start):
			views[row.PageURL] += row.ViewCount
			users[row.PageURL] = row.UniqueUsers
		}
	}
}
