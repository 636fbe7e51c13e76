package parquet

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

// The sorter against the library's, on pages that share beginnings, end inside them, and hold NULs.
func TestSortIsBytewise(t *testing.T) {
	part := rapid.SampledFrom([]string{"", "\x00", "\x00\x00\x00\x00\x00\x00\x00\x00", "/", "products", "/products", "é", "\xff\xff", "12345678"})
	rapid.Check(t, func(t *rapid.T) {
		pages := map[string]bool{}
		for len(pages) < 3*fewRows {
			page := strings.Join(rapid.SliceOfN(part, 3, 8).Draw(t, "parts"), "")
			pages[page] = true
		}
		var rows []pageViews
		for page := range pages {
			rows = append(rows, pageViews{page, int64(len(page)), 0})
		}
		want := slices.SortedFunc(slices.Values(rows), compare)
		new(sorter).sort(rows)
		assert.Equal(t, want, rows)
	})
}
