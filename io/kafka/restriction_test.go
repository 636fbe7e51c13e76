package kafka

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTrackerGivesUpItsWholeRestOrNothing(t *testing.T) {
	tracker := NewTracker(Restriction{Next: []int64{5, 0}})
	require.True(t, tracker.TryClaim(Claim{0, 9}))

	primary, residual, err := tracker.TrySplit(0.5)
	require.NoError(t, err)
	assert.Nil(t, residual, "half of it would be a second consumer of the same partitions")
	assert.Equal(t, Restriction{Next: []int64{9, 0}}, primary)
	require.True(t, tracker.TryClaim(Claim{1, 3}))

	_, residual, err = tracker.TrySplit(0)
	require.NoError(t, err)
	assert.Equal(t, Restriction{Next: []int64{9, 3}}, residual)
	assert.True(t, tracker.IsDone())
	assert.False(t, tracker.TryClaim(Claim{1, 4}), "the rest is another's")
	assert.NoError(t, tracker.GetError())
}

func TestTrackerRefusesClaimsThatGoBack(t *testing.T) {
	for name, claim := range map[string]any{
		"back": Claim{0, 4}, "no such partition": Claim{2, 9}, "not a claim": 7,
	} {
		t.Run(name, func(t *testing.T) {
			tracker := NewTracker(Restriction{Next: []int64{5, 0}})
			assert.False(t, tracker.TryClaim(claim))
			assert.Error(t, tracker.GetError())
		})
	}
}

func TestTrackerKeepsItsOwnCopy(t *testing.T) {
	given := Restriction{Next: []int64{5}}
	require.True(t, NewTracker(given).TryClaim(Claim{0, 9}))
	assert.Equal(t, []int64{5}, given.Next)
}

func TestDivide(t *testing.T) {
	e := Extent{Topic: "t", Partitions: []int32{0, 1, 2}, Start: []int64{10, 11, 12}, End: []int64{20, 21, Never}, Consumed: []int64{0, 5, 6}, Rejected: []Offsets{nil, {12, 14}, nil}}
	assert.False(t, e.Bounded())
	assert.Equal(t, []Assignment{
		{Pipeline: "p", Topic: "t", Partitions: []int32{0, 2}, Start: []int64{10, 12}, End: []int64{20, Never}, Total: 3, Consumed: []int64{0, 6}, Rejected: []Offsets{nil, nil}},
		{Pipeline: "p", Topic: "t", Partitions: []int32{1}, Start: []int64{11}, End: []int64{21}, Total: 3, Consumed: []int64{5}, Rejected: []Offsets{{12, 14}}},
	}, e.Divide("p", 2))
	assert.Len(t, e.Divide("p", 9), 3, "no reader is without a partition")
}
