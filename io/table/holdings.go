package table

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"clickstream/io/parquet"
)

// holding is what the table is known to hold of one window of one shard.
type holding struct {
	info     fs.FileInfo // of the file that was looked at
	events   int64
	checksum uint64
}

// holdings remembers what files hold, so that a footer is read once. A file is never changed, only replaced
// by another one: it is still the one that was looked at if it has the same inode, size and time.
type holdings struct {
	mu    sync.Mutex
	known map[name]holding
}

// maxHoldings bounds the memory of holdings: 14 days of minutes, some 6 MB. Past it all are forgotten.
const maxHoldings = 20_000

func (h *holdings) get(n name, info fs.FileInfo) (holding, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	known, ok := h.known[n]
	ok = ok && os.SameFile(known.info, info) && known.info.Size() == info.Size() && known.info.ModTime().Equal(info.ModTime())
	return known, ok
}

func (h *holdings) put(n name, known holding) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.known) >= maxHoldings {
		clear(h.known)
	}
	h.known[n] = known
}

// look returns what the table holds of n now, whoever wrote it. The error is fs.ErrNotExist when that is
// nothing, and names both values when the file is not of this table.
func (t *folder) look(n name) (holding, error) {
	info, err := os.Stat(filepath.Join(t.root, n.path()))
	if err != nil {
		return holding{}, fail(t.root, "looking at "+n.path(), err)
	}
	if known, ok := t.held.get(n, info); ok {
		return known, nil
	}
	p, info, err := t.footer(n)
	if err != nil {
		return holding{}, err
	}
	if err := t.fits(n, p.Window, p.Shards); err != nil {
		return holding{}, err
	}
	if p.Topic != t.settings.Topic {
		return holding{}, fmt.Errorf("table %s: %s was counted from topic %q, not %q: choose another folder",
			t.root, n.path(), p.Topic, t.settings.Topic)
	}
	if p.Cluster != t.settings.Cluster && p.Cluster != "" && t.settings.Cluster != "" {
		return holding{}, fmt.Errorf("table %s: %s was counted from Kafka cluster %q, not %q: choose another folder",
			t.root, n.path(), p.Cluster, t.settings.Cluster)
	}
	if p.Steps != t.settings.Steps {
		return holding{}, fmt.Errorf("table %s: %s was counted with %s, not with %s: choose another folder, or name the same options",
			t.root, n.path(), p.Steps, t.settings.Steps)
	}
	known := holding{info, p.Events, p.Checksum}
	t.held.put(n, known)
	return known, nil
}

// footer returns what the file of n says of itself.
func (v *view) footer(n name) (p parquet.Provenance, info fs.FileInfo, err error) {
	path := filepath.Join(v.root, n.path())
	f, err := os.Open(path)
	if err != nil {
		return p, nil, fail(v.root, "looking at "+n.path(), err)
	}
	defer func() { err = first(err, f.Close()) }()
	if info, err = f.Stat(); err != nil {
		return p, nil, fail(v.root, "looking at "+n.path(), err)
	}
	if p, err = parquet.ReadProvenance(f, info.Size()); err != nil {
		return p, nil, v.damaged(n, err)
	}
	if !p.Start.Equal(n.start) || p.Shard != n.shard {
		return p, nil, v.damaged(n, fmt.Errorf("it is of window %s and shard %d", p.Start, p.Shard))
	}
	return p, info, nil
}

// damaged returns err, found in the file of n.
func (v *view) damaged(n name, err error) error {
	return fmt.Errorf("table %s: %s cannot be used: %w: remove the file and let its window be counted again",
		v.root, n.path(), err)
}
