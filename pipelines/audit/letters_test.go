package audit

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestOffsetsAreASet compares the bits with a map, asked in any order.
func TestOffsetsAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s offsets
		model := map[int64]bool{}
		offset := rapid.OneOf(rapid.Int64Range(0, 200), rapid.Int64Range(1<<blockBits-3, 1<<blockBits+3), rapid.Int64Range(1<<60, 1<<60+5))
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				o := offset.Draw(t, "offset")
				s.add(o)
				model[o] = true
			},
			"has": func(t *rapid.T) {
				o := offset.Draw(t, "offset")
				require.Equal(t, model[o], s.has(o))
			},
		})
	})
}
