package objectives

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestTargets has the table of targets as it was agreed on.
func TestTargets(t *testing.T) {
	for id, at := range map[string]map[float64]State{
		Lag:        {0: Met, 999: Met, 1000: Missed, 5000: Missed, 5001: Alarming},
		Latency:    {0: Met, 29.9: Met, 30: Missed, 60: Missed, 60.1: Alarming},
		Throughput: {0: Missed, 10_000: Missed, 10_001: Met}, // nobody is told
		Checkpoint: {0: Met, 9.9: Met, 10: Missed, 30: Missed, 30.1: Alarming},
	} {
		for value, want := range at {
			assert.Equal(t, want, TargetOf(id).Judge(value), "%s of %g", id, value)
		}
	}
	assert.Len(t, Targets, 4)
}
