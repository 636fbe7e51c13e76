package click

import "math/bits"

// Tally is what a pipeline tells of itself, beside its counts: it travels with them, so that it is known wherever the
// table is, on whatever runner. The zero value tells nothing.
type Tally struct {
	Latency  Durations // of counted clicks, each from its record's broker timestamp until its count left the reader
	Skipped  int64     // clicks left out as an earlier run had dealt with them
	Deferred int64     // replayed clicks of closed windows, left to a rebuild
}

// Add adds what o tells.
func (t *Tally) Add(o Tally) {
	t.Latency.Add(o.Latency)
	t.Skipped += o.Skipped
	t.Deferred += o.Deferred
}

// Minus returns what t tells beyond an earlier state of it.
func (t Tally) Minus(o Tally) Tally {
	return Tally{t.Latency.Minus(o.Latency), max(0, t.Skipped-o.Skipped), max(0, t.Deferred-o.Deferred)}
}

// Written is that so many clicks' records were written at about the same time.
type Written struct {
	Millis int64 // see WrittenAt
	Clicks int32
}

// writtenStep is how exactly times are told that are not long ago, in milliseconds: well below what anybody asks for.
const writtenStep = 64

// WrittenAt returns about when a record was written whose broker timestamp is at, in milliseconds since the epoch as now is:
// less by up to 64 ms, or a 256th of the record's age. Those of a day are some thousands at most.
func WrittenAt(at, now int64) int64 {
	step := int64(writtenStep)
	if age := now - at; age >= 256*writtenStep {
		step = 1 << (bits.Len64(uint64(age)) - 9)
	}
	return at &^ (step - 1)
}
