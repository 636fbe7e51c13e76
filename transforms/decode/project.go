package decode

import (
	"encoding/binary"
	"unsafe"

	"clickstream/transforms/click"
)

// maxDepth bounds how deep skipped values are nested, and so the stack. Lists made of records can be long.
const maxDepth = 1_000

// reader walks over the bytes of an event.
type reader struct {
	b []byte
	i int // the next byte
	c *click.Click

	step *step // that met a wrong type
}

// trouble is what keeps a value from being read.
type trouble uint8

const (
	none      trouble = iota
	cut               // the event ends within the value
	overlong          // a number of more than 64 bits, or 32 for an int
	negative          // a length below zero
	noBool            // neither 0 nor 1
	noSymbol          // past an enum's symbols
	noBranch          // past a union's branches
	tooDeep           // nested deeper than maxDepth
	missized          // a block has another size than it says
	isNull            // a required field is null
	wrongType         // a field's value is of another type
)

// troubles puts those that make a fault of reason avro in words.
var troubles = [...]string{
	cut:      "the event ends within it",
	overlong: "a number has too many bits",
	negative: "a length is negative",
	noBool:   "a boolean is neither 0 nor 1",
	noSymbol: "an enum has no such symbol",
	noBranch: "a union has no such branch",
	tooDeep:  "it is nested too deep",
	missized: "a block has another size than it says",
}

// decode makes c the event that b holds.
func (p *plan) decode(b []byte, c *click.Click) *click.Fault {
	if p.fault != nil {
		return p.fault
	}
	c.SessionID = "" // the writer may have none
	r := reader{b: b, c: c}
	for i := range p.steps {
		if t := r.run(&p.steps[i], 0); t != none {
			return p.found(t, i, &r)
		}
	}
	if r.i != len(b) {
		return click.Faultf(click.TrailingBytes, "%d bytes follow the event of schema %d", len(b)-r.i, p.schema)
	}
	return nil
}

// found returns the fault that stopped r in field i.
func (p *plan) found(t trouble, i int, r *reader) *click.Fault {
	switch t {
	case isNull:
		return click.Faultf(click.MissingField, "%s is null", p.fields[i])
	case wrongType:
		return click.Faultf(click.InvalidField, "%s is of type %s, %s is wanted (schema %d)", p.fields[i], r.step.name, wanted(r.step.field), p.schema)
	default:
		return click.Faultf(click.Avro, "%s, at byte %d of the event: %s (schema %d)", p.fields[i], r.i, troubles[t], p.schema)
	}
}

// run reads one value.
func (r *reader) run(s *step, depth int) trouble {
	switch s.op {
	case takeText:
		n, t := r.length()
		if t != none {
			return t
		}
		var text string
		if n > 0 {
			text = unsafe.String(&r.b[r.i], n)
		}
		s.field.set(r.c, text)
		r.i += n
		return none
	case takeTime:
		v, t := r.long()
		r.c.Timestamp = v
		if s.size != 1 {
			r.c.Timestamp = floorDiv(v, s.size)
		}
		return t
	case takeInt, skipInt:
		v, t := r.long()
		if t == none && v != int64(int32(v)) {
			return overlong
		}
		if s.op == takeInt {
			r.c.Timestamp = v
		}
		return t
	case union:
		v, t := r.long()
		if t != none {
			return t
		}
		if v < 0 || v >= int64(len(s.steps)) {
			return noBranch
		}
		return r.nested(&s.steps[v], depth)
	case skipNothing:
		return none
	case skipBytes:
		n, t := r.length()
		r.i += n
		return t
	default:
		return r.skip(s, depth)
	}
}

// skip reads one value of the rarer types.
func (r *reader) skip(s *step, depth int) trouble {
	switch s.op {
	case skipBool:
		if r.i == len(r.b) {
			return cut
		}
		if r.b[r.i] > 1 {
			return noBool
		}
		r.i++
		return none
	case skipLong:
		_, t := r.long()
		return t
	case skipFixed:
		if s.size > int64(len(r.b)-r.i) {
			return cut
		}
		r.i += int(s.size)
		return none
	case skipEnum:
		v, t := r.long()
		if t == none && (v < 0 || v >= s.size) {
			return noSymbol
		}
		return t
	case skipArray, skipMap:
		return r.blocks(s, depth)
	case skipRecord:
		for i := range s.of.steps {
			if t := r.nested(&s.of.steps[i], depth); t != none {
				return t
			}
		}
		return none
	case null:
		return isNull
	default: // wrong
		r.step = s
		return wrongType
	}
}

// nested runs a step within another.
func (r *reader) nested(s *step, depth int) trouble {
	if depth == maxDepth {
		return tooDeep
	}
	return r.run(s, depth+1)
}

// blocks reads the blocks of an array or a map. Before a block whose count is negative stands its size in
// bytes. That would do to skip it, but is no reason to believe what it holds.
func (r *reader) blocks(s *step, depth int) trouble {
	for {
		n, t := r.long()
		size := -1
		if t == none && n < 0 {
			n = -n
			size, t = r.length()
		}
		if t != none || n == 0 {
			return t
		}
		begin := r.i
		if t := r.block(s, n, depth); t != none {
			return t
		}
		if size >= 0 && r.i-begin != size {
			return missized
		}
	}
}

// block reads n values.
func (r *reader) block(s *step, n int64, depth int) trouble {
	value := &s.steps[0]
	if s.op == skipArray && value.op == skipNothing {
		return none // any number of these takes no bytes
	}
	if n < 0 || n > int64(len(r.b)-r.i) {
		return cut // all others take at least one; n is below zero if -n has too many bits
	}
	for ; n > 0; n-- {
		if s.op == skipMap {
			size, t := r.length()
			if t != none {
				return t
			}
			r.i += size
		}
		if t := r.nested(value, depth); t != none {
			return t
		}
	}
	return none
}

// length reads the length of what follows, which is there. It is 0 if there is trouble.
func (r *reader) length() (int, trouble) {
	n, t := r.long()
	switch {
	case t != none:
		return 0, t
	case n < 0:
		return 0, negative
	case n > int64(len(r.b)-r.i):
		return 0, cut
	}
	return int(n), none
}

// long reads a number: zigzag, seven bits in a byte, the lowest first.
func (r *reader) long() (int64, trouble) {
	if r.i < len(r.b) && r.b[r.i] < 0x80 {
		v := r.b[r.i]
		r.i++
		return int64(v>>1) ^ -int64(v&1), none
	}
	return r.longer()
}

// longer reads a number of more than one byte.
func (r *reader) longer() (int64, trouble) {
	v, n := binary.Varint(r.b[r.i:])
	switch {
	case n == 0:
		return 0, cut
	case n < 0:
		return 0, overlong
	}
	r.i += n
	return v, none
}

// floorDiv divides towards the past, so that times before 1970 fall in the right millisecond as well.
func floorDiv(v, by int64) int64 {
	if v%by < 0 {
		return v/by - 1
	}
	return v / by
}
