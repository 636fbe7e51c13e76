package decode

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/avro"

	"clickstream/io/avroschema"
	"clickstream/transforms/click"
)

// plan is how records of one writer's schema become clicks: one step for each of the writer's fields, in
// its order, that takes the value or skips it.
//
// It is Avro's schema resolution, with click.Schema as the reader's: fields are matched by name, int is
// promoted to long and bytes to string, and a union is resolved when its branch is known. The names of the
// records are not compared, as the specification leaves to the implementation, since subjects rename freely.
// A field that the writer has renamed is known by the alias that it kept: the specification asks the reader's
// aliases, but it is the writer who knows.
// https://avro.apache.org/docs/1.12.0/specification/#schema-resolution
type plan struct {
	schema uint32
	fault  *click.Fault // of every record, if the schema cannot be resolved
	fields []string     // the writer's, for messages
	steps  []step
}

// step reads one value of the writer's schema.
type step struct {
	op    op
	field field   // takeText, takeTime, null, wrong
	size  int64   // skipFixed: bytes; skipEnum: symbols; takeTime: units in a millisecond
	steps []step  // skipUnion: the branches; skipArray, skipMap: the values
	of    *record // skipRecord
	name  string  // wrong: the writer's type
}

// record is a named record of the writer's, other than the event. It may be recursive.
type record struct {
	steps []step
	state emptiness
}

type op uint8

const (
	skipNothing op = iota // null, and what else takes no bytes
	skipBool
	skipInt
	skipLong
	skipFixed // float and double as well
	skipBytes // string as well
	skipEnum
	skipArray
	skipMap
	skipRecord
	union    // its branch's step, which may take
	takeText // string or bytes
	takeTime // long
	takeInt  // a timestamp as int
	null     // a required field's null: missing
	wrong    // a field's branch of another type: invalid
)

// compile returns the plan for a writer's schema. Its fault is set if no record of it is a click.
func compile(id uint32, schema string) *plan {
	p := &plan{schema: id}
	// The registry has accepted the names; only their equality matters here.
	parsed, err := avro.Parse(schema, avro.WithLaxNames(nil))
	if err != nil {
		p.fault = click.Faultf(click.Avro, "schema %d does not parse: %v", id, err)
		return p
	}
	root := parsed.Root()
	if root.Type != "record" && root.Type != "error" {
		p.fault = click.Faultf(click.Avro, "schema %d is of type %s, a record is wanted", id, describe(root))
		return p
	}
	k := compiler{scope: scope{avroschema.TypesOf(root), avroschema.Namespace(root)}, records: map[string]*record{}}
	p.steps = make([]step, len(root.Fields))
	at := [fields]int{-1, -1, -1, -1, -1} // where the click's fields are among the writer's
	for i := range root.Fields {
		f := &root.Fields[i]
		p.fields = append(p.fields, f.Name)
		p.steps[i] = k.skip(&f.Type)
		for n, name := range names {
			if f.Name == name || slices.Contains(f.Aliases, name) {
				at[n] = i
				p.steps[i] = k.take(field(n), f, &f.Type)
			}
		}
	}
	if p.fault = p.check(at, root); k.unknown != "" {
		p.fault = click.Faultf(click.Avro, "schema %d does not parse: it has no type %q", id, k.unknown)
	}
	for i := range p.steps {
		k.prune(&p.steps[i])
	}
	return p
}

// check tells why the schema cannot be resolved to a click's: each required field that is not there, and each field
// that has no type that fits.
func (p *plan) check(at [fields]int, root *avro.SchemaNode) *click.Fault {
	var reason click.Reason
	var words []string
	for n, i := range at {
		switch {
		case i < 0 && field(n) != sessionID:
			reason = click.MissingField
			words = append(words, "no field "+names[n])
		case i >= 0 && !p.steps[i].takes():
			f := &root.Fields[i]
			reason = cmp.Or(reason, click.InvalidField)
			words = append(words, fmt.Sprintf("%s of type %s, %s is wanted", f.Name, describeIn(f, &f.Type), wanted(field(n))))
		}
	}
	if len(words) == 0 {
		return nil
	}
	return click.Faultf(reason, "schema %d has %s", p.schema, strings.Join(words, "; "))
}

// takes reports whether a field's step can give a value.
func (s *step) takes() bool {
	switch s.op {
	case takeText, takeTime, takeInt:
		return true
	case skipNothing: // the null of a session
		return true
	case union:
		for i := range s.steps {
			if s.steps[i].takes() {
				return true
			}
		}
	}
	return false
}

// scope is where a schema is looked at: what it defines, and the namespace that names without one are in.
type scope struct {
	types     avroschema.Types
	namespace string
}

// named returns the definition of the type that n refers to by its name, or nil.
func (s *scope) named(n *avro.SchemaNode) *avro.SchemaNode { return s.types.Named(s.namespace, n.Type) }

// compiler makes the steps of a schema.
type compiler struct {
	scope
	records map[string]*record // by their full names
	unknown string             // a name that is not defined
}

// take returns the step that makes a value of type n the click's field f, of which in is the definition.
func (k *compiler) take(f field, in *avro.SchemaField, n *avro.SchemaNode) step {
	switch {
	case n.Type == "union":
		s := step{op: union, steps: make([]step, len(n.Branches))}
		for i := range n.Branches {
			s.steps[i] = k.take(f, in, &n.Branches[i])
		}
		return s
	case n.Type == "null" && f == sessionID:
		return step{op: skipNothing}
	case n.Type == "null":
		return step{op: null, field: f}
	case f == timestamp && n.Type == "int":
		return step{op: takeInt, field: f}
	case f == timestamp && n.Type == "long":
		if units, ok := unitsPerMillisecond[logicalType(in, n)]; ok {
			return step{op: takeTime, field: f, size: units}
		}
	case f != timestamp && (n.Type == "string" || n.Type == "bytes"):
		return step{op: takeText, field: f}
	}
	return step{op: wrong, field: f, name: describeIn(in, n)}
}

// skip returns the step that passes over a value of type n.
func (k *compiler) skip(n *avro.SchemaNode) step {
	switch n.Type {
	case "null":
		return step{op: skipNothing}
	case "boolean":
		return step{op: skipBool}
	case "int":
		return step{op: skipInt}
	case "long":
		return step{op: skipLong}
	case "float":
		return step{op: skipFixed, size: 4}
	case "double":
		return step{op: skipFixed, size: 8}
	case "string", "bytes":
		return step{op: skipBytes}
	case "fixed":
		return step{op: skipFixed, size: int64(n.Size)}
	case "enum":
		return step{op: skipEnum, size: int64(len(n.Symbols))}
	case "array":
		return step{op: skipArray, steps: []step{k.skip(n.Items)}}
	case "map":
		return step{op: skipMap, steps: []step{k.skip(n.Values)}}
	case "union":
		s := step{op: union, steps: make([]step, len(n.Branches))}
		for i := range n.Branches {
			s.steps[i] = k.skip(&n.Branches[i])
		}
		return s
	case "record", "error":
		return step{op: skipRecord, of: k.record(n)}
	}
	if n := k.named(n); n != nil { // defined elsewhere
		return k.skip(n)
	}
	k.unknown = n.Type
	return step{}
}

// record returns the record that n defines, once for all its uses.
func (k *compiler) record(n *avro.SchemaNode) *record {
	name := avroschema.FullName(n)
	if r := k.records[name]; r != nil {
		return r
	}
	r := &record{steps: make([]step, len(n.Fields))}
	k.records[name] = r
	outer := k.namespace
	k.namespace = avroschema.Namespace(n)
	for i := range n.Fields {
		r.steps[i] = k.skip(&n.Fields[i].Type)
	}
	k.namespace = outer
	return r
}

// emptiness says whether a record takes no bytes, once that is known.
type emptiness uint8

const (
	unknownYet emptiness = iota
	beingFound
	neverEmpty
	alwaysEmpty
)

// prune makes steps that read nothing skipNothing, all through s. What is left takes at least a byte, so
// that a value's length bounds the work on it: a record of records of … of nothing has exponentially many
// fields, and an array of nulls as many items as it says.
func (k *compiler) prune(s *step) {
	for i := range s.steps {
		k.prune(&s.steps[i])
	}
	if s.op == skipRecord && k.empty(s.of) || s.op == skipFixed && s.size == 0 {
		*s = step{op: skipNothing}
	}
}

// empty reports whether r takes no bytes, and prunes its fields.
func (k *compiler) empty(r *record) bool {
	if r.state == unknownYet {
		// A record that holds itself has no end but through a union, an array or a map, which take a byte.
		r.state = beingFound
		state := alwaysEmpty
		for i := range r.steps {
			k.prune(&r.steps[i])
			if r.steps[i].op != skipNothing {
				state = neverEmpty
			}
		}
		r.state = state
	}
	return r.state == alwaysEmpty
}
