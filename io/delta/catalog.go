package delta

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"time"

	"clickstream/io/objects"
)

const (
	logFolder  = "_delta_log/"
	lastName   = logFolder + "_last_checkpoint"
	versionFmt = logFolder + "%020d"
)

func entryName(version int64) string { return fmt.Sprintf(versionFmt+".json", version) }
func checkpointName(version int64) string {
	return fmt.Sprintf(versionFmt+".checkpoint.parquet", version)
}

// logName is the name of a log's file: an entry, its checksum, a checkpoint or a part of one, or entries put
// together.
var logName = regexp.MustCompile(`^` + logFolder + `(\d{20})\.(?:(json)|crc|\d{20}\.compacted\.json|` +
	`(checkpoint)(?:\.(?:(\d{10})\.(\d{10})|([0-9a-zA-Z-]+)))?\.(?:parquet|json))$`)

// catalog is what there is of a log.
type catalog struct {
	entries     []version // ascending
	checkpoints []checkpointFiles
	newer       bool     // there are checkpoints of a kind that this package does not read
	files       []string // every file of a version, in order
}

// version is a file of one version.
type version struct {
	number   int64
	modified time.Time
}

// checkpointFiles is a checkpoint of which every part is there.
type checkpointFiles struct {
	version
	names []string
}

// list returns what there is from a version on, checkpoints of that version included.
func list(ctx context.Context, store objects.Store, from int64) (*catalog, error) {
	c := &catalog{}
	parts := map[[2]int64]*checkpointFiles{} // by version and number of parts
	for info, err := range store.List(ctx, logFolder, fmt.Sprintf(versionFmt, from)) {
		if err != nil {
			return nil, err
		}
		if info.Name > logFolder+":" {
			break // versions begin with digits, which come before all else
		}
		m := logName.FindStringSubmatch(info.Name)
		if m == nil {
			continue
		}
		number, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			continue // no version is that large
		}
		c.files = append(c.files, info.Name)
		v := version{number, info.Modified}
		switch {
		case m[2] != "":
			c.entries = append(c.entries, v)
		case m[6] != "":
			c.newer = true
		case m[3] != "" && m[4] == "":
			c.checkpoints = append(c.checkpoints, checkpointFiles{v, []string{info.Name}})
		case m[3] != "":
			of, _ := strconv.ParseInt(m[5], 10, 64) // ten digits are a number
			p := parts[[2]int64{number, of}]
			if p == nil {
				p = &checkpointFiles{version: v}
				parts[[2]int64{number, of}] = p
			}
			if p.names = append(p.names, info.Name); int64(len(p.names)) == of {
				c.checkpoints = append(c.checkpoints, *p)
			}
		}
	}
	slices.SortStableFunc(c.checkpoints, func(a, b checkpointFiles) int { return int(max(-1, min(1, a.number-b.number))) })
	return c, c.mend(ctx, store, from)
}

// mend looks for entries that the listing lacks between those it has, from a version on. A listing is of no single
// moment: one that goes on while others commit may have passed the place of an entry, and come to that of the next.
func (c *catalog) mend(ctx context.Context, store objects.Store, from int64) error {
	var all []version
	for i := len(c.entries) - 1; i >= 0; i-- {
		v := c.entries[i]
		all = append(all, v)
		before := from - 1
		if i > 0 {
			before = c.entries[i-1].number
		}
		for number := v.number - 1; number > before; number-- {
			_, err := store.Read(ctx, entryName(number))
			if errors.Is(err, fs.ErrNotExist) {
				break // nor are those before it, which were made earlier: it is a hole, or the log was cleaned up
			}
			if err != nil {
				return err
			}
			all = append(all, version{number, v.modified})
		}
	}
	slices.Reverse(all)
	c.entries = all
	return nil
}

// isEmpty tells whether there is nothing of a log.
func (c *catalog) isEmpty() bool { return len(c.files) == 0 }

// latest returns the newest version there is.
func (c *catalog) latest() int64 {
	latest := int64(-1)
	if n := len(c.entries); n > 0 {
		latest = c.entries[n-1].number
	}
	if n := len(c.checkpoints); n > 0 {
		latest = max(latest, c.checkpoints[n-1].number)
	}
	return latest
}

// checkpoint returns the newest checkpoint of a version that is not newer than that, if there is one.
func (c *catalog) checkpoint(notAfter int64) (checkpointFiles, bool) {
	for _, cp := range slices.Backward(c.checkpoints) {
		if cp.number <= notAfter {
			return cp, true
		}
	}
	return checkpointFiles{}, false
}

// drop takes a checkpoint out, as it cannot be read.
func (c *catalog) drop(cp checkpointFiles) {
	c.checkpoints = slices.DeleteFunc(c.checkpoints, func(o checkpointFiles) bool { return o.names[0] == cp.names[0] })
}

// entry returns the entry of a version, if there is one.
func (c *catalog) entry(number int64) (version, bool) {
	i, ok := slices.BinarySearchFunc(c.entries, number, func(v version, n int64) int { return int(max(-1, min(1, v.number-n))) })
	if !ok {
		return version{}, false
	}
	return c.entries[i], true
}

// earliest returns the first version that can be read, if there is one.
func (c *catalog) earliest() (int64, bool) {
	if _, ok := c.entry(0); ok {
		return 0, true
	}
	if len(c.checkpoints) > 0 {
		return c.checkpoints[0].number, true
	}
	return 0, false
}

// way returns what there is to read for a version: a checkpoint, if there is one, and the entries after it, up
// to and with the version. It returns an error when something is missing on the way.
func (c *catalog) way(to int64) (cp checkpointFiles, hasCheckpoint bool, entries []int64, err error) {
	cp, hasCheckpoint = c.checkpoint(to)
	first := int64(0)
	if hasCheckpoint {
		first = cp.number + 1
	}
	for v := first; v <= to; v++ {
		if _, ok := c.entry(v); !ok {
			return cp, hasCheckpoint, nil, c.missing(v, to, hasCheckpoint)
		}
		entries = append(entries, v)
	}
	return cp, hasCheckpoint, entries, nil
}

// missing says that an entry is not there.
func (c *catalog) missing(v, to int64, hasCheckpoint bool) error {
	if v == 0 && !hasCheckpoint {
		if c.newer {
			return fmt.Errorf("%w: the log begins with a checkpoint of version 2 of their format: read it with a newer program", ErrProtocol)
		}
		if earliest, ok := c.earliest(); ok {
			return fmt.Errorf("version %d is no longer kept: the earliest is %d", to, earliest)
		}
		return fmt.Errorf("the log begins at version %d, with no checkpoint: restore the missing files of %s from a copy",
			c.entries[0].number, logFolder)
	}
	return fmt.Errorf("the log has a hole: version %d is missing, and %d is there: restore %s from a copy", v, to, entryName(v))
}

// readLast returns the checkpoint that the log points to, or false when there is no such pointer, or a broken
// one: it only saves listing.
func readLast(ctx context.Context, store objects.Store) (lastCheckpoint, bool, error) {
	data, err := store.Read(ctx, lastName)
	if errors.Is(err, fs.ErrNotExist) {
		return lastCheckpoint{}, false, nil
	}
	if err != nil {
		return lastCheckpoint{}, false, err
	}
	last, err := parseLastCheckpoint(data)
	return last, err == nil, nil
}
