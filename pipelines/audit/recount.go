package audit

import (
	"maps"
	"slices"
	"time"

	"clickstream/io/table"
	"clickstream/transforms/click"
)

// recount is what the topic has of one window's shard.
type recount struct {
	tally
	events  int64
	offsets map[int32]click.OffsetRange
	schemas map[int32]bool
}

// eventsARow is how many events take the memory of a row, where each counts once.
const eventsARow = 4

// rows returns how many rows n is as large as.
func (n *recount) rows() int { return len(n.pages) + len(n.once)/eventsARow }

// window returns what was counted as the content of a window.
func (n *recount) window(start time.Time, length time.Duration, shard int, consumed map[int32]int64) table.Window {
	w := table.Window{
		Start: start, End: start.Add(length), Shard: shard, Views: make(map[string]int64, len(n.pages)), Events: n.events,
		Offsets: n.offsets, Schemas: slices.Sorted(maps.Keys(n.schemas)), Consumed: consumed,
	}
	if n.users != nil {
		w.Users = make(map[string]int64, len(n.pages))
	}
	for i, page := range n.pages {
		if w.Views[page] = n.views[i]; n.views[i] == 0 { // each of its events counts for a lesser page
			delete(w.Views, page)
		} else if w.Users != nil {
			w.Users[page] = n.usersOf(page)
		}
	}
	if n.once != nil {
		w.Duplicates = n.events - int64(len(n.once))
	}
	return w
}
