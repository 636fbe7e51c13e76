package kafka

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestPauseBetweenCommits is short while offsets move, and never such that brokers get more than a thousand records a
// second for a topic, however many readers share it.
func TestPauseBetweenCommits(t *testing.T) {
	w := &watch{assignment: Assignment{Total: 12}}
	assert.Equal(t, 100*time.Millisecond, w.pause([]int64{1}))
	w.told = []int64{1}
	assert.Equal(t, time.Second, w.pause([]int64{1}), "nothing has moved")
	w.assignment.Total = 2000
	assert.Equal(t, 2*time.Second, w.pause([]int64{2}), "one of many readers")
	assert.Equal(t, 2*time.Second, w.pause([]int64{1}))
}
