package enrich

import (
	"strconv"
	"strings"
)

// Note is what a run leaves with the group's offsets.
type Note struct {
	Run   string // that has come so far
	Until int64  // event time up to which sessions were found, milliseconds since the epoch; 0: none were
}

// ParseNote reads what String writes.
func ParseNote(text string) Note {
	run, until, _ := strings.Cut(text, " ")
	n, err := strconv.ParseInt(until, 10, 64)
	if err != nil {
		n = 0
	}
	return Note{run, n}
}

func (n Note) String() string {
	if n.Until == 0 {
		return n.Run
	}
	return n.Run + " " + strconv.FormatInt(n.Until, 10)
}

// reach returns n after sessions were found up to a time: by all buckets, or by those that have found any. The others may
// need what was found before this run, up to where n was.
func (n Note) reach(time int64, all bool) Note {
	if all || n.Until == 0 {
		n.Until = max(n.Until, time)
	}
	return n
}

func run(note string) string { return ParseNote(note).Run }
