// Package avroschema looks up the named types of an Avro schema.
package avroschema

import (
	"strings"

	"github.com/twmb/avro"
)

// Types are the named types of a schema, by their full names.
type Types map[string]*avro.SchemaNode

// TypesOf returns the types that are defined within root.
func TypesOf(root *avro.SchemaNode) Types {
	t := Types{}
	t.define(root)
	return t
}

// define notes the types within n. References are leaves.
func (t Types) define(n *avro.SchemaNode) {
	switch n.Type {
	case "record", "error", "enum", "fixed":
		t[FullName(n)] = n
	}
	for i := range n.Fields {
		t.define(&n.Fields[i].Type)
	}
	for i := range n.Branches {
		t.define(&n.Branches[i])
	}
	for _, of := range []*avro.SchemaNode{n.Items, n.Values} {
		if of != nil {
			t.define(of)
		}
	}
}

// Named returns the type that a name stands for within a namespace, or nil.
func (t Types) Named(namespace, name string) *avro.SchemaNode {
	if of := t[within(namespace, name)]; of != nil {
		return of
	}
	return t[name]
}

// FullName returns the name of the type that n defines, with its namespace.
func FullName(n *avro.SchemaNode) string { return within(n.Namespace, n.Name) }

// Namespace returns the one that names within n's definition are in.
func Namespace(n *avro.SchemaNode) string {
	name := FullName(n)
	return name[:max(strings.LastIndexByte(name, '.'), 0)]
}

// within returns a name that is used in a namespace in full.
func within(namespace, name string) string {
	if namespace == "" || strings.Contains(name, ".") {
		return name
	}
	return namespace + "." + name
}
