package oracle

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// shown is how many differences a Diff tells; more would be no clearer.
const shown = 20

// Diff tells in what got differs from want, a line per row, ordered by window and page; nothing where they
// are equal. A long difference is cut, and its last line says how much there is.
func Diff(want, got map[Key]int64) []string {
	var keys []Key
	for k, n := range want {
		if m, ok := got[k]; !ok || m != n {
			keys = append(keys, k)
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.WindowStart, b.WindowStart), cmp.Compare(a.Page, b.Page))
	})
	var lines []string
	for _, k := range keys[:min(len(keys), shown)] {
		row := fmt.Sprintf("%s %q", time.UnixMilli(k.WindowStart).UTC().Format(time.RFC3339), k.Page)
		w, wanted := want[k]
		g, there := got[k]
		switch {
		case !there:
			lines = append(lines, fmt.Sprintf("%s: want %d, the row is missing", row, w))
		case !wanted:
			lines = append(lines, fmt.Sprintf("%s: got %d, no such row is wanted", row, g))
		default:
			lines = append(lines, fmt.Sprintf("%s: want %d, got %d", row, w, g))
		}
	}
	if len(keys) > shown {
		lines = append(lines, fmt.Sprintf("… %d of %d rows differ: want %d views in all, got %d", len(keys), len(want), views(want), views(got)))
	}
	return lines
}

func views(rows map[Key]int64) (n int64) {
	for _, v := range rows {
		n += v
	}
	return n
}

// Top returns of each window the n rows with the most views; of those with as many, the one whose page is less by its
// bytes goes first. 0 is all.
func Top(rows map[Key]int64, n int) map[Key]int64 {
	if n == 0 {
		return rows
	}
	windows := make(map[int64][]Key)
	for k := range rows {
		windows[k.WindowStart] = append(windows[k.WindowStart], k)
	}
	top := make(map[Key]int64)
	for _, keys := range windows {
		slices.SortFunc(keys, func(a, b Key) int {
			if rows[a] != rows[b] {
				return cmp.Compare(rows[b], rows[a])
			}
			return cmp.Compare(a.Page, b.Page)
		})
		for _, k := range keys[:min(n, len(keys))] {
			top[k] = rows[k]
		}
	}
	return top
}
