package table

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// KeepTop leaves w its n most viewed pages, or all where n is 0. Of pages with as many views the lesser by its bytes
// stays, so that the rows do not depend on who counted them.
func (w *Window) KeepTop(n int) {
	if n == 0 || len(w.Views) <= n {
		return
	}
	type row struct {
		page  string
		views int64
	}
	rows := make([]row, 0, len(w.Views))
	for page, views := range w.Views {
		rows = append(rows, row{page, views})
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(cmp.Compare(b.views, a.views), strings.Compare(a.page, b.page)) })
	w.Views = make(map[string]int64, n)
	for _, r := range rows[:n] {
		w.Views[r.page] = r.views
	}
	maps.DeleteFunc(w.Users, func(page string, _ int64) bool { return w.Views[page] == 0 })
}
