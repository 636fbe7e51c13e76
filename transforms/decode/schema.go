package decode

import (
	"strings"

	"github.com/twmb/avro"

	"clickstream/io/avroschema"
)

// unitsPerMillisecond tells how the logical types of a long count time. Others are ignored, as Avro wants
// it, and the number is taken for milliseconds. Local timestamps are not here: they name no instant.
// https://avro.apache.org/docs/1.12.0/specification/#timestamps
var unitsPerMillisecond = map[string]int64{
	"":                 1,
	"timestamp-millis": 1,
	"timestamp-micros": 1_000,
	"timestamp-nanos":  1_000_000,
}

// logicalType returns the logical type of a long that is, or is a branch of, the field's type: the
// type's own, or else the one beside the field's "type", where the registry's producers put it.
func logicalType(f *avro.SchemaField, n *avro.SchemaNode) string {
	name := n.LogicalType
	if name == "" {
		name, _ = f.Props["logicalType"].(string)
	}
	if _, ok := unitsPerMillisecond[name]; ok || strings.HasPrefix(name, "local-timestamp-") {
		return name
	}
	return ""
}

// wanted names the type that a field is to have.
func wanted(f field) string {
	switch f {
	case timestamp:
		return "long in timestamp-millis, -micros or -nanos"
	case sessionID:
		return "null or string"
	default:
		return "string"
	}
}

// describe names a writer's type for a message.
func describe(n *avro.SchemaNode) string {
	switch {
	case n.Type == "union":
		branches := make([]string, len(n.Branches))
		for i := range n.Branches {
			branches[i] = describe(&n.Branches[i])
		}
		return "[" + strings.Join(branches, ", ") + "]"
	case n.Name != "":
		return n.Type + " " + avroschema.FullName(n)
	case n.LogicalType != "":
		return n.Type + " (" + n.LogicalType + ")"
	default:
		return n.Type
	}
}

// describeIn names the type n of a field f, with the logical type that stands beside it.
func describeIn(f *avro.SchemaField, n *avro.SchemaNode) string {
	if name, ok := f.Props["logicalType"].(string); ok && n.LogicalType == "" && n.Type != "union" {
		return describe(n) + " (" + name + ")"
	}
	return describe(n)
}
