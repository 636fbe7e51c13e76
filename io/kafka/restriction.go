package kafka

import (
	"errors"
	"slices"
)

// Restriction is what is left of an assignment: the next offset of each of its partitions, in its order.
type Restriction struct {
	Next []int64
	Done bool // nothing is left, or the rest was given to another
}

// Claim takes the records of one partition up to, and without, Next.
type Claim struct {
	Index int // of the partition in the assignment
	Next  int64
}

// Tracker hands out a restriction in whole fetched chunks. It gives up all of its rest, which is how a reader
// checkpoints itself, and never a part: two consumers of one partition would each hold back, or run ahead of,
// the other's watermark.
type Tracker struct {
	rest   Restriction
	failed error
}

// NewTracker returns a tracker of its own copy of r.
func NewTracker(r Restriction) *Tracker {
	return &Tracker{rest: Restriction{slices.Clone(r.Next), r.Done}}
}

// TryClaim takes a Claim. It is refused once the rest was given up.
func (t *Tracker) TryClaim(position any) bool {
	if t.rest.Done {
		return false
	}
	c, ok := position.(Claim)
	if !ok || c.Index < 0 || c.Index >= len(t.rest.Next) || c.Next < t.rest.Next[c.Index] {
		t.failed = errors.New("a claim must go forward in a partition of the assignment")
		return false
	}
	t.rest.Next[c.Index] = c.Next
	return true
}

// TrySplit gives up the rest if fraction is 0, and nothing otherwise.
func (t *Tracker) TrySplit(fraction float64) (primary, residual any, err error) {
	if fraction > 0 || t.rest.Done {
		return t.rest, nil, nil
	}
	rest := Restriction{Next: slices.Clone(t.rest.Next)}
	t.rest.Done = true
	return t.rest, rest, nil
}

// GetError returns what was wrong with a claim.
func (t *Tracker) GetError() error { return t.failed }

// GetProgress returns equal parts of work done and left: the rest of a topic has no known size.
func (t *Tracker) GetProgress() (done, remaining float64) { return 0.5, 0.5 }

// IsDone tells whether nothing is left to claim.
func (t *Tracker) IsDone() bool { return t.rest.Done }

// IsBounded tells that a topic has no end, even if a run has one.
func (t *Tracker) IsBounded() bool { return false }

// GetRestriction returns what is left.
func (t *Tracker) GetRestriction() any { return t.rest }
