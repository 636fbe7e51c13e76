package avroschema_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/avro"

	"clickstream/io/avroschema"
)

// TestTypes looks names up as the specification has it: in the namespace that they are used in, and then as they are.
func TestTypes(t *testing.T) {
	schema, err := avro.Parse(`{"type": "record", "name": "Click", "namespace": "shop", "fields": [
		{"name": "items", "type": {"type": "array", "items": {"type": "record", "name": "Item", "fields": [
			{"name": "kind", "type": {"type": "enum", "name": "other.Kind", "symbols": ["A"]}}]}}},
		{"name": "by", "type": {"type": "map", "values": ["null", {"type": "fixed", "name": "Hash", "size": 4}]}},
		{"name": "next", "type": ["null", "Click"]}]}`)
	require.NoError(t, err)
	root := schema.Root()
	types := avroschema.TypesOf(root)
	names := map[string]string{}
	for name, n := range types {
		assert.Equal(t, name, avroschema.FullName(n))
		names[name] = n.Type + " in " + avroschema.Namespace(n)
	}
	assert.Equal(t, map[string]string{
		"shop.Click": "record in shop", "shop.Item": "record in shop", "other.Kind": "enum in other", "shop.Hash": "fixed in shop",
	}, names)

	assert.Equal(t, "Click", types.Named("shop", "Click").Name)
	assert.Same(t, types["other.Kind"], types.Named("shop", "other.Kind"))
	assert.Same(t, types["other.Kind"], types.Named("other", "Kind"))
	assert.Nil(t, types.Named("other", "Click"))
	assert.Nil(t, types.Named("", "Click"))
}
