// Package hyperloglog estimates how many different texts there are, in a memory that does not grow with them: HyperLogLog
// as in Heule, Nunkesser, Hall, «HyperLogLog in Practice» (https://research.google/pubs/pub40671), with its sparse form,
// and with the estimator of Ertl, «New cardinality estimation algorithms for HyperLogLog sketches» (arXiv 1702.01284), which
// needs no tables of bias.
//
// A sketch follows from the set of what was added alone, to the byte: neither the order nor how often, nor which parts were
// merged in which order, makes a difference. That is what a table needs whose windows are counted anew.
package hyperloglog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/cespare/xxhash/v2"
)

const (
	// precision is the bits of a hash that choose a register: 2^14 of them have a standard error of 1.04/2^7.
	precision = 14
	registers = 1 << precision
	// sparsePrecision is the bits of a hash that a sparse sketch keeps: with as few entries as it has, two texts
	// hardly ever share them.
	sparsePrecision = 25
	// MaxSparse is the most entries of a sparse sketch. It takes as much memory then as a dense one.
	MaxSparse = registers / 4
)

// StandardError is the standard deviation of a dense sketch's estimate, as a part of what is estimated. A sparse one is
// nearly exact: of MaxSparse texts it takes two for one with a chance of one in four, and of fewer accordingly.
const StandardError = 0.0081

// Entry stands for one text: the first 25 bits of its hash and, in six bits, how many zeros the others begin with, and
// one. Entries are never 0. What a dense sketch keeps of a text follows from its entry.
type Entry uint32

const zeroBits = 6

// EntryOf returns the entry of a text.
func EntryOf(text string) Entry { return entryOf(xxhash.Sum64String(text)) }

func entryOf(hash uint64) Entry {
	zeros := bits.LeadingZeros64(hash<<sparsePrecision | 1<<(sparsePrecision-1)) // which ends them where the hash does
	return Entry(hash>>(64-sparsePrecision))<<zeroBits | Entry(zeros+1)
}

func (e Entry) index() uint32 { return uint32(e >> zeroBits) }

// register returns the register of e, and what it holds at the least.
func (e Entry) register() (at uint32, rank uint8) {
	const rest = sparsePrecision - precision
	index := e.index()
	if low := index << (32 - rest); low != 0 {
		return index >> rest, uint8(bits.LeadingZeros32(low) + 1)
	}
	return index >> rest, uint8(rest + e&(1<<zeroBits-1))
}

// Sketch is a set of texts, as far as their number goes. The zero Sketch is empty.
type Sketch struct {
	// entries of a sparse sketch: the first sorted ones ascend, one of each index; others wait to be sorted in.
	entries []Entry
	sorted  int
	dense   []uint8 // registers; nil while the sketch is sparse
}

// Add adds a text.
func (s *Sketch) Add(text string) { s.AddEntry(EntryOf(text)) }

// AddEntry adds the text of an entry.
func (s *Sketch) AddEntry(e Entry) {
	if s.dense != nil {
		s.raise(e)
		return
	}
	s.entries = append(s.entries, e)
	if waiting := len(s.entries) - s.sorted; waiting > max(8, s.sorted/2) {
		s.settle()
	}
}

func (s *Sketch) raise(e Entry) {
	at, rank := e.register()
	s.dense[at] = max(s.dense[at], rank)
}

// settle sorts the entries that wait, and makes the sketch dense where there are too many.
func (s *Sketch) settle() {
	if s.sorted == len(s.entries) {
		return
	}
	slices.Sort(s.entries)
	s.entries = distinct(s.entries)
	if s.sorted = len(s.entries); s.sorted > MaxSparse {
		s.thicken()
	}
}

// distinct leaves of ascending entries the last of each index, which has the most zeros.
func distinct(entries []Entry) []Entry {
	n := 0
	for _, e := range entries {
		if n > 0 && entries[n-1].index() == e.index() {
			n--
		}
		entries[n] = e
		n++
	}
	return entries[:n]
}

func (s *Sketch) thicken() {
	s.dense = make([]uint8, registers)
	for _, e := range s.entries {
		s.raise(e)
	}
	s.entries, s.sorted = nil, 0
}

// Merge adds all that was added to o, which stays as it is.
func (s *Sketch) Merge(o *Sketch) {
	switch {
	case o.dense == nil:
		for _, e := range o.entries {
			s.AddEntry(e)
		}
	case s.dense == nil:
		waiting := s.entries
		s.dense, s.entries, s.sorted = slices.Clone(o.dense), nil, 0
		for _, e := range waiting {
			s.raise(e)
		}
	default:
		for i, rank := range o.dense {
			s.dense[i] = max(s.dense[i], rank)
		}
	}
}

// Estimate returns how many different texts were added, as near as can be told: see StandardError.
func (s *Sketch) Estimate() int64 {
	s.settle()
	if s.dense == nil {
		// Linear counting of n of 2^25 indices adds n²/2^26, which MaxSparse of them round to nothing.
		return int64(len(s.entries))
	}
	var with [maxRank + 1]float64 // registers that hold each rank
	for _, rank := range s.dense {
		with[rank]++
	}
	return int64(math.Round(estimate(&with)))
}

// maxRank is the most that a register holds: all bits of a hash that do not choose it are zero.
const maxRank = 64 - precision + 1

// estimate is the improved raw estimator, Ertl's algorithm 6. Conversions keep compilers from fusing operations, so that
// machines of each kind come to the same number.
func estimate(with *[maxRank + 1]float64) float64 {
	const m = registers
	z := m * tau(1-with[maxRank]/m)
	for rank := maxRank - 1; rank >= 1; rank-- {
		z = 0.5 * (z + with[rank])
	}
	z += float64(m * sigma(with[0]/m))
	return m / (2 * math.Ln2) * m / z
}

// sigma is x + Σ x^(2^k) 2^(k-1) over k ≥ 1, Ertl's formula (13).
func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1., x
	for {
		x *= x
		before := z
		z += float64(x * y)
		y += y
		if z == before {
			return z
		}
	}
}

// tau is (1 - x - Σ (1-x^(2^-k))² 2^-k over k ≥ 1) / 3, Ertl's formula (14).
func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1., 1-x
	for {
		x = math.Sqrt(x)
		before := z
		y *= 0.5
		z -= float64((1 - x) * (1 - x) * y)
		if z == before {
			return z / 3
		}
	}
}

// Append appends the sketch to b: 0 and the registers of a dense one; one more than the number of entries, and their
// differences, of a sparse one. But for the registers all numbers are varints.
func (s *Sketch) Append(b []byte) []byte {
	s.settle()
	if s.dense != nil {
		return append(append(b, 0), s.dense...)
	}
	b = binary.AppendUvarint(b, uint64(len(s.entries)+1))
	var last Entry
	for _, e := range s.entries {
		b = binary.AppendUvarint(b, uint64(e-last))
		last = e
	}
	return b
}

// ErrEncoding is returned for bytes that no sketch appends.
var ErrEncoding = errors.New("these bytes are no sketch")

// Read reads a sketch from the beginning of b, and returns what follows it.
func Read(b []byte) (s Sketch, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > MaxSparse+1 {
		return s, nil, ErrEncoding
	}
	b = b[size:]
	if n == 0 {
		if len(b) < registers || slices.Max(b[:registers]) > maxRank {
			return s, nil, fmt.Errorf("%w: it is dense, and %d bytes are left", ErrEncoding, len(b))
		}
		return Sketch{dense: slices.Clone(b[:registers])}, b[registers:], nil
	}
	if n-1 > uint64(len(b)) {
		return s, nil, ErrEncoding
	}
	var last uint64
	for range n - 1 {
		step, size := binary.Uvarint(b)
		if size <= 0 || step > math.MaxUint32-last {
			return s, nil, ErrEncoding
		}
		b = b[size:]
		e := Entry(last + step)
		rank := e & (1<<zeroBits - 1)
		if rank == 0 || rank > 64-sparsePrecision+1 || e>>zeroBits >= 1<<sparsePrecision || last > 0 && e.index() <= Entry(last).index() {
			return s, nil, ErrEncoding
		}
		s.entries = append(s.entries, e)
		last += step
	}
	s.sorted = len(s.entries)
	return s, b, nil
}
