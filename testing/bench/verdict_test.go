package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestJudge(t *testing.T) {
	var said strings.Builder
	require.NoError(t, judge(&said, goal{"ratio", 0.5, 0.5, true}, goal{"seconds", 9.99, 10, false}))
	assert.Equal(t, "PASS  ratio: 0.5, wanted at least 0.5\nPASS  seconds: 9.99, wanted less than 10\n", said.String())
	said.Reset()
	err := judge(&said, goal{"ratio", 0.49, 0.5, true}, goal{"fine", 1, 0, true}, goal{"seconds", 10, 10, false})
	require.EqualError(t, err, "not reached: ratio; seconds")
	assert.Contains(t, said.String(), "FAIL  ratio: 0.49, wanted at least 0.5\nPASS  fine")
}

func TestGoals(t *testing.T) {
	assert.Len(t, enrichGoals([]*forwarded{{Ratio: 0.6}, {Ratio: 0.2, Sessions: true}}), 2)
	for _, g := range append(enrichGoals([]*forwarded{{Ratio: 0.49}, {Ratio: 0.14, Sessions: true}}),
		append(replayGoals([]*replayed{{Letters: 100_000, ListRSS: 100, Replay: 1}, {Letters: 1_000_000, ListRSS: 200, List: 11, Replay: 1}}),
			badGoals([]*spoiled{{Topic: topic{Bad: 0.01}, ToClean: 0.8}})...)...) {
		assert.False(t, g.reached(), g.what)
	}
}
