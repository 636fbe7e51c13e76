package table

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestKeepTop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		views := rapid.MapOfN(rapid.SampledFrom([]string{"/", "/a", "/a/", "/b", "/é", "\x00", "/~"}), rapid.Int64Range(1, 3), 0, 7).Draw(t, "views")
		n := rapid.IntRange(0, 8).Draw(t, "n")
		want := map[string]int64{}
		for _, page := range topOf(views, n) {
			want[page] = views[page]
		}
		w := window(1, views)
		events := w.Events
		w.KeepTop(n)
		assert.Equal(t, want, w.Views)
		assert.Equal(t, events, w.Events, "those of all pages")
	})
}
