package click

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestStepsAreOptions(t *testing.T) {
	assert.Equal(t, "no optional step", Steps{}.String())
	assert.Equal(t, "--dedupe event_id --top 10", Steps{Dedupe: EventID, Top: 10}.String())
}

func TestKeysDoNotMove(t *testing.T) {
	// Workers of one job tell events apart by these: those of another hash would not be the same.
	assert.Equal(t, EventKey{0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23}, KeyOf("abc"))
}
