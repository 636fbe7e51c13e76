package dlq

import (
	"errors"
	"fmt"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/avro"

	"clickstream/io/avroschema"
)

// What a value may make of itself once it is decoded. A few bytes can say that billions of items follow, or that a record
// is in a record is in a record.
const (
	mostItems = 1 << 14 // of a block of an array or a map: room for them is made before they are read
	mostParts = 1 << 22 // of all of a value
	mostOwn   = 1 << 10 // bytes of a value whose schema holds itself: each may be another level
	mostDepth = 100     // of what is indented: each line of it begins with two spaces for each level
)

func init() { goavro.MaxBlockCount = mostItems }

// bounded returns an error where decoding a value of so many bytes by a schema might not end, or take more memory than
// there is. Each union, item and entry takes a byte, so that the bytes bound how many there are, and each of them has as
// many parts without bytes as its type.
func bounded(schema string, bytes int) error {
	parsed, err := avro.Parse(schema, avro.WithLaxNames(nil))
	if err != nil {
		return err
	}
	root := parsed.Root()
	m := measure{types: avroschema.TypesOf(root), weights: map[string]weight{}, within: map[string]bool{}}
	m.weigh(root, "")
	switch most := (bytes + 1) * (1 + m.free); {
	case m.endless != "":
		return fmt.Errorf("record %s holds itself without end", m.endless)
	case m.hollow:
		return errors.New("it has an array whose items take no bytes")
	case most > mostParts:
		return fmt.Errorf("a value of %d bytes may have %d parts by it, and %d are decoded at most", bytes, most, mostParts)
	case m.own && bytes > mostOwn:
		return fmt.Errorf("it holds itself, and then values are decoded up to %d bytes", mostOwn)
	}
	return nil
}

// measure finds out what values of a schema may grow to.
type measure struct {
	types   avroschema.Types
	weights map[string]weight // of records
	within  map[string]bool   // records that are being weighed
	direct  []string          // those that hold each other without a union, an array or a map between

	free    int    // parts without bytes that a byte may bring, at most
	own     bool   // a record holds itself
	endless string // one that always does
	hollow  bool   // an array's items take no bytes
}

// weight is how large a value is, up to its unions, arrays and maps.
type weight struct {
	least int // bytes
	free  int // parts that take none of their own
}

// apart weighs what stands behind a byte.
func (m *measure) apart(n *avro.SchemaNode, scope string) weight {
	outer := m.direct
	m.direct = nil
	w := m.weigh(n, scope)
	m.direct = outer
	return w
}

func (m *measure) weigh(n *avro.SchemaNode, scope string) weight {
	switch n.Type {
	case "null":
		return weight{free: 1}
	case "boolean", "int", "long", "float", "double", "string", "bytes", "enum":
		return weight{least: 1}
	case "fixed":
		return weight{least: min(n.Size, 1), free: 1 - min(n.Size, 1)}
	case "union":
		for i := range n.Branches {
			m.apart(&n.Branches[i], scope)
		}
		return weight{least: 1}
	case "array":
		m.hollow = m.hollow || m.apart(n.Items, scope).least == 0
		return weight{least: 1}
	case "map":
		m.apart(n.Values, scope)
		return weight{least: 1}
	case "record", "error":
		return m.record(n)
	}
	if of := m.types.Named(scope, n.Type); of != nil { // defined elsewhere
		return m.weigh(of, scope)
	}
	return weight{}
}

func (m *measure) record(n *avro.SchemaNode) weight {
	name := avroschema.FullName(n)
	if w, known := m.weights[name]; known {
		return w
	}
	if m.within[name] {
		m.own = true
		for _, holds := range m.direct {
			if holds == name {
				m.endless = name
			}
		}
		return weight{least: 1}
	}
	m.within[name] = true
	m.direct = append(m.direct, name)
	w := weight{free: 1}
	for i := range n.Fields {
		of := m.weigh(&n.Fields[i].Type, avroschema.Namespace(n))
		w.least, w.free = min(w.least+of.least, mostParts), min(w.free+of.free, mostParts)
	}
	m.direct = m.direct[:len(m.direct)-1]
	delete(m.within, name)
	m.weights[name], m.free = w, max(m.free, w.free)
	return w
}

// indentable tells whether JSON may be indented: whether it is not too deep.
func indentable(text []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > mostDepth {
				return false
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return true
}
