package click

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestShardsDoNotMove(t *testing.T) {
	assert.Equal(t, int32(0), ShardOf("/", 1))
	// Tables hold pages by these numbers: another hash would leave each of them in two shards.
	assert.Equal(t, int32(2), ShardOf("/", 4))
	assert.Equal(t, int32(1), ShardOf("/products/42", 4))
}
