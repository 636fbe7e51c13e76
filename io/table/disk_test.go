package table

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// faulty is the disk, until it has done as many things as it is told. From then on, one thing or all fail.
type faulty struct {
	disk
	mu    sync.Mutex
	after int   // things that still succeed
	err   error // what fails then
	dies  bool  // and so does everything after: as if the process had been killed
	hit   bool
}

// try returns the error of the next thing.
func (d *faulty) try() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.after--
	if d.after >= 0 || d.hit && !d.dies {
		return nil
	}
	d.hit = true
	return d.err
}

func (d *faulty) Create(path string) (file, error) {
	if err := d.try(); err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f, err := d.disk.Create(path)
	if err != nil {
		return nil, err
	}
	return &faultyFile{f, d, path}, nil
}

func (d *faulty) Mkdir(path string) error  { return d.do("mkdir", path, d.disk.Mkdir) }
func (d *faulty) Remove(path string) error { return d.do("remove", path, d.disk.Remove) }
func (d *faulty) Sync(folder string) error { return d.do("sync", folder, d.disk.Sync) }
func (d *faulty) Rename(from, to string) error {
	return d.do("rename", to, func(string) error { return d.disk.Rename(from, to) })
}

func (d *faulty) named(op, path string) error {
	if err := d.try(); err != nil {
		return &os.PathError{Op: op, Path: path, Err: err}
	}
	return nil
}

func (d *faulty) do(op, path string, really func(string) error) error {
	if err := d.named(op, path); err != nil {
		return err
	}
	return really(path)
}

// faultyFile writes half of what fails to be written.
type faultyFile struct {
	file
	disk *faulty
	path string
}

func (f *faultyFile) Write(b []byte) (int, error) {
	if err := f.disk.named("write", f.path); err != nil {
		n, writeErr := f.file.Write(b[:len(b)/2])
		return n, first(writeErr, err)
	}
	return f.file.Write(b)
}

func (f *faultyFile) Sync() error { return first(f.disk.named("sync", f.path), f.file.Sync()) }
func (f *faultyFile) Close() error {
	err := f.file.Close()
	return first(f.disk.named("close", f.path), err)
}

// kill lets go of what a process' death lets go of, and removes nothing.
func kill(t *testing.T, table *folder) {
	require.NoError(t, table.stage.owner.Close())
	require.NoError(t, table.stage.commit.Close())
}

// before and after are what a table of three minutes holds before a Replace and after it. The first minute is
// of the day before, whose folder is there; the last two are of a day whose folder is not.
var (
	before = []Window{window(-1, pages(2, 1)), window(0, pages(2, 1))}
	after  = []Window{window(0, pages(2, 2)), window(1, pages(2, 3)), window(2, pages(2, 4))}
)

// Whatever fails and whenever, the table holds each window whole, the replaced ones are the first ones, the
// commit counts them, and the same Replace succeeds afterwards.
func TestEachFailure(t *testing.T) {
	for _, dies := range []bool{false, true} {
		for n := 0; ; n++ {
			sys := &faulty{after: 1 << 30, err: syscall.ENOSPC, dies: dies}
			root := t.TempDir()
			table, err := openFolder(context.Background(), root, settings(root), sys)
			require.NoError(t, err)
			replace(t, table, before...)

			sys.mu.Lock()
			sys.after = n
			sys.mu.Unlock()
			c, err := table.Replace(context.Background(), after)
			if !sys.hit {
				require.NoError(t, err)
				require.NoError(t, table.Close())
				require.GreaterOrEqual(t, n, 20, "too few things failed")
				break
			}
			what := fmt.Sprintf("thing %d, dies=%t: %v", n, dies, err)
			require.ErrorIs(t, err, syscall.ENOSPC, what)
			require.ErrorContains(t, err, "table "+root, what)
			require.ErrorContains(t, err, "free some space", what)
			require.NotContains(t, err.Error(), "\n")
			checkPrefix(t, table, c.Written, what)

			_, aside := visible(t, root)
			if !dies {
				require.Empty(t, aside, what)
				require.NoError(t, table.Close())
			} else {
				kill(t, table)
			}
			again := open(t, settings(root))
			_, aside = visible(t, root)
			require.Empty(t, aside, what)
			require.Equal(t, len(after)-c.Written, replace(t, again, after...).Written, what)
			checkPrefix(t, again, len(after), what)
			require.NoError(t, again.Close())
		}
	}
}

// checkPrefix checks that the table holds the first n of after, and before where after did not come.
func checkPrefix(t *testing.T, r Reader, n int, what string) {
	t.Helper()
	want := map[int64]Window{}
	for _, w := range before {
		want[w.Start.Unix()] = w
	}
	for _, w := range after[:n] {
		want[w.Start.Unix()] = w
	}
	got := 0
	for info, err := range r.Windows(context.Background(), Span{}) {
		require.NoError(t, err, what)
		require.Equal(t, want[info.Start.Unix()].Events, info.Events, what)
		got++
	}
	require.Len(t, want, got, what)
	sum := int64(0)
	for row, err := range r.Scan(context.Background(), Filter{}) {
		require.NoError(t, err, what)
		require.Equal(t, want[row.WindowStart.Unix()].Views[row.PageURL], row.ViewCount, what)
		sum++
	}
	require.EqualValues(t, 2*len(want), sum, what)
}

// A context that ends between two renames leaves the first ones.
func TestContextEndsWhileCommitting(t *testing.T) {
	root := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	sys := &cancelling{cancel: cancel, renames: 2}
	table, err := openFolder(context.Background(), root, settings(root), sys)
	require.NoError(t, err)
	c, err := table.Replace(ctx, []Window{window(1, pages(1, 1)), window(2, pages(1, 1)), window(3, pages(1, 1))})
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 1, c.Written)
	assert.Equal(t, []string{"1 /p/00000 1"}, rows(t, table, Filter{}))
	_, aside := visible(t, root)
	assert.Empty(t, aside)
	require.NoError(t, table.Close())
}

// cancelling ends a context at a rename.
type cancelling struct {
	disk
	cancel  func()
	renames int
}

func (d *cancelling) Rename(from, to string) error {
	if d.renames--; d.renames == 0 {
		d.cancel()
	}
	return d.disk.Rename(from, to)
}

func TestWayOut(t *testing.T) {
	for err, says := range map[error]string{
		syscall.ENOSPC: "free some space", syscall.EDQUOT: "free some space", syscall.EACCES: "let this user write",
		syscall.EROFS: "let this user write", syscall.ENOTDIR: "is a file", syscall.ENOENT: "removed while in use",
		syscall.ENOTSUP: "no locks",
	} {
		require.ErrorContains(t, fail("dir", "writing", &os.PathError{Op: "open", Path: "dir/x", Err: err}), says)
	}
	require.EqualError(t, fail("dir", "writing", errors.New("broken")), "table dir: writing: broken")
}
