package decode_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"clickstream/transforms/click"
	"clickstream/transforms/decode"
)

func init() {
	// By default four bytes of garbage can make goavro allocate a gigabyte.
	goavro.MaxBlockCount = 1 << 12
}

// drawn is a value of a random type: the type as JSON, its name in a union, and the value as goavro has it.
type drawn struct {
	schema any
	name   string
	value  any
}

// drawer draws types whose names do not repeat.
type drawer struct {
	t     *rapid.T
	count int
}

// below draws a number from 0 to n-1.
func (d *drawer) below(n int, label string) int {
	return rapid.IntRange(0, n-1).Draw(d.t, label)
}

// draw draws a value of a random type, nested up to the given depth.
func (d *drawer) draw(depth int) drawn {
	kinds := 10
	if depth > 0 {
		kinds = 14
	}
	switch d.below(kinds, "kind") {
	case 0:
		return drawn{"null", "null", nil}
	case 1:
		return drawn{"boolean", "boolean", rapid.Bool().Draw(d.t, "boolean")}
	case 2:
		return drawn{"int", "int", rapid.Int32().Draw(d.t, "int")}
	case 3:
		return drawn{"long", "long", rapid.Int64().Draw(d.t, "long")}
	case 4:
		return drawn{"float", "float", rapid.Float32().Draw(d.t, "float")}
	case 5:
		return drawn{"double", "double", rapid.Float64().Draw(d.t, "double")}
	case 6:
		return drawn{"bytes", "bytes", rapid.SliceOf(rapid.Byte()).Draw(d.t, "bytes")}
	case 7:
		return drawn{"string", "string", rapid.String().Draw(d.t, "string")}
	case 8:
		name := d.name("Fixed")
		b := rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(d.t, "fixed")
		return drawn{map[string]any{"type": "fixed", "name": name, "size": len(b)}, "other." + name, b}
	case 9:
		name := d.name("Enum")
		symbols := []string{"A", "B", "C"}
		return drawn{map[string]any{"type": "enum", "name": name, "symbols": symbols}, "other." + name, rapid.SampledFrom(symbols).Draw(d.t, "enum")}
	case 10:
		item := d.draw(depth - 1)
		items := make([]any, d.below(6, "items"))
		for i := range items {
			items[i] = item.value
		}
		return drawn{map[string]any{"type": "array", "items": item.schema}, "array", items}
	case 11:
		item := d.draw(depth - 1)
		values := map[string]any{}
		for range d.below(6, "values") {
			values[rapid.String().Draw(d.t, "key")] = item.value
		}
		return drawn{map[string]any{"type": "map", "values": item.schema}, "map", values}
	case 12:
		return d.union(d.draw(depth - 1))
	default:
		name := d.name("Record")
		schema := []any{}
		value := map[string]any{}
		for i := range d.below(5, "fields") {
			f := d.draw(depth - 1)
			field := fmt.Sprintf("f%d", i)
			schema = append(schema, map[string]any{"name": field, "type": f.schema})
			value[field] = f.value
		}
		return drawn{map[string]any{"type": "record", "name": name, "fields": schema}, "other." + name, value}
	}
}

func (d *drawer) name(kind string) string {
	d.count++
	return fmt.Sprintf("%s%d", kind, d.count)
}

// union puts a value into a union with others, in any place, and now and then makes it another branch's.
func (d *drawer) union(v drawn) drawn {
	branches := []drawn{v}
	if _, ok := v.schema.([]any); ok { // a union holds no union
		return v
	}
	for _, other := range []drawn{{"null", "null", nil}, {"boolean", "boolean", true}, {"double", "double", 1.5}} {
		if other.name != v.name && rapid.Bool().Draw(d.t, "branch "+other.name) {
			branches = append(branches, other)
		}
	}
	branches = rapid.Permutation(branches).Draw(d.t, "branches")
	schema := []any{}
	for _, b := range branches {
		schema = append(schema, b.schema)
	}
	chosen := v
	if d.below(10, "which") == 0 {
		chosen = branches[0]
	}
	if chosen.name == "null" {
		return drawn{schema, "null", nil}
	}
	return drawn{schema, chosen.name, map[string]any{chosen.name: chosen.value}}
}

// field draws one of a click's fields as one of the given types.
func (d *drawer) field(name string, types ...drawn) (any, drawn) {
	v := rapid.SampledFrom(types).Draw(d.t, name)
	if rapid.Bool().Draw(d.t, name+" in a union") {
		v = d.union(v)
	}
	return map[string]any{"name": name, "type": v.schema}, v
}

// plain returns the value within a union's branch, and that branch's name.
func plain(v any) (any, string) {
	if branch, ok := v.(map[string]any); ok {
		for name, value := range branch {
			return value, name
		}
	}
	return v, ""
}

// texts returns a string as each type that can hold it.
func texts(s string) []drawn {
	return []drawn{{"string", "string", s}, {"bytes", "bytes", []byte(s)}}
}

// Whatever a writer's schema is, the fields in any order, among others of any type: what goavro encodes
// comes out as it went in, and a branch that does not fit is told.
func TestAvroProjectsWhatGoavroEncodes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := &drawer{t: rt}
		text := map[string]string{}
		fields, values := []any{}, map[string]any{}
		for _, name := range []string{"event_id", "user_id", "page_url", "session_id"} {
			text[name] = rapid.String().Draw(rt, name)
			schema, v := d.field(name, texts(text[name])...)
			fields, values[name] = append(fields, schema), v.value
		}
		ms := rapid.Int32().Draw(rt, "ms")
		schema, v := d.field("timestamp", drawn{"long", "long", int64(ms) * 1_000_003}, drawn{"int", "int", ms})
		fields, values["timestamp"] = append(fields, schema), v.value
		for i := range d.below(5, "extras") {
			extra := d.draw(3)
			name := fmt.Sprintf("extra%d", i)
			fields, values[name] = append(fields, map[string]any{"name": name, "type": extra.schema}), extra.value
		}
		fields = rapid.Permutation(fields).Draw(rt, "order")
		whole, err := json.Marshal(map[string]any{"type": "record", "name": "Any", "namespace": "other", "fields": fields})
		require.NoError(rt, err)
		codec, err := goavro.NewCodec(string(whole))
		require.NoError(rt, err, "%s", whole)
		event, err := codec.BinaryFromNative(nil, values)
		require.NoError(rt, err, "%s", whole)

		// What goavro tells, field by field, and which faults may be found. The first one in the record is.
		var want click.Click
		reasons := map[click.Reason]bool{}
		for name, to := range map[string]*string{"event_id": &want.EventID, "user_id": &want.UserID, "page_url": &want.PageURL, "session_id": &want.SessionID} {
			switch v, branch := plain(values[name]); {
			case v == nil && name == "session_id":
			case v == nil:
				reasons[click.MissingField] = true
			case branch == "boolean" || branch == "double":
				reasons[click.InvalidField] = true
			default:
				*to = text[name]
			}
		}
		switch v, _ := plain(values["timestamp"]); v := v.(type) {
		case int64:
			want.Timestamp = v
		case int32:
			want.Timestamp = int64(v)
		case nil:
			reasons[click.MissingField] = true
		default:
			reasons[click.InvalidField] = true
		}

		var got click.Click
		fault, err := decode.NewAvro(one(string(whole))).Decode(t.Context(), frame(7, event), 0, &got)
		require.NoError(rt, err)
		if len(reasons) > 0 {
			require.NotNil(rt, fault)
			require.Contains(rt, reasons, fault.Reason, fault.Detail)
			return
		}
		require.Nil(rt, fault, "%s", whole)
		require.Equal(rt, want, got)

		// A byte less is no event, a byte more is too much.
		fault, err = decode.NewAvro(one(string(whole))).Decode(t.Context(), frame(7, event[:len(event)-1]), 0, &got)
		require.NoError(rt, err)
		require.NotNil(rt, fault)
		require.Equal(rt, click.Avro, fault.Reason)
		fault, err = decode.NewAvro(one(string(whole))).Decode(t.Context(), frame(7, append(event, 0)), 0, &got)
		require.NoError(rt, err)
		require.NotNil(rt, fault)
		require.Equal(rt, click.TrailingBytes, fault.Reason)
	})
}

// fuzzed are writers' schemas whose events are fuzzed. goavro agrees on their bytes but for what it takes
// beyond the specification.
var fuzzed = []string{
	click.Schema,
	schemaOf(`{"name":"a","type":"boolean"}`, eventID, `{"name":"b","type":{"type":"array","items":["null","int","string"]}}`, userID, timestamp,
		`{"name":"c","type":{"type":"map","values":"double"}}`, pageURL, `{"name":"d","type":{"type":"enum","name":"E","symbols":["X","Y"]}}`),
	schemaOf(`{"name":"tree","type":`+tree+`}`, `{"name":"event_id","type":["null","string"]}`, userID, `{"name":"page_url","type":"bytes"}`,
		`{"name":"timestamp","type":["int","long"]}`, `{"name":"session_id","type":"string"}`, `{"name":"f","type":{"type":"fixed","name":"F","size":3}}`),
}

// FuzzAvro reads any bytes as an event. What is taken for a click, goavro must read the same, to the last
// byte; what goavro reads to the last byte and holds a click is one, unless it is malformed in a way that
// goavro does not mind.
func FuzzAvro(f *testing.F) {
	codecs := make([]*goavro.Codec, len(fuzzed))
	for i, schema := range fuzzed {
		codec, err := goavro.NewCodec(schema)
		require.NoError(f, err)
		codecs[i] = codec
	}
	f.Add(byte(0), []byte("\x02e\x02u\x02p\x14\x02\x02s"))
	f.Add(byte(0), []byte("\x02e\x02u\x02p\x14\x00"))
	f.Add(byte(0), []byte("\x02e\x02u\x02p\x14\x00\x00"))
	f.Add(byte(0), []byte("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"))
	f.Add(byte(1), []byte("\x01\x02e\x04\x00\x04\x02x\x03\x04\x02\x01\x00\x02u\x14\x02\x02k12345678\x00\x02p\x02"))
	f.Add(byte(1), []byte("\x00\x02e\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add(byte(2), []byte("\x02a\x02\x02b\x00\x00\x00\x02\x02e\x02u\x02p\x02\x14\x02sabc"))
	f.Add(byte(2), []byte(strings.Repeat("\x02x\x02", 2_000)))
	f.Fuzz(func(t *testing.T, which byte, event []byte) {
		i := int(which) % len(fuzzed)
		value := frame(7, event)
		before := string(value)
		var c click.Click
		begin := time.Now()
		fault, err := decode.NewAvro(one(fuzzed[i])).Decode(t.Context(), value, 0, &c)
		require.NoError(t, err)
		assert.Less(t, time.Since(begin), 10*time.Second)
		require.Equal(t, before, string(value))
		native, rest, oracleErr := codecs[i].NativeFromBinary(event)
		if fault != nil {
			require.Contains(t, []click.Reason{click.Avro, click.MissingField, click.TrailingBytes}, fault.Reason)
			known := strings.Contains(fault.Detail, "too many bits") || strings.Contains(fault.Detail, "another size") || strings.Contains(fault.Detail, "too deep")
			if fault.Reason == click.Avro && !known {
				require.Error(t, oracleErr, "goavro reads what is at fault: %v", fault)
			}
			return
		}
		require.NoError(t, oracleErr)
		require.Empty(t, rest)
		fields := native.(map[string]any)
		require.Equal(t, textOf(fields["event_id"]), c.EventID)
		require.Equal(t, textOf(fields["user_id"]), c.UserID)
		require.Equal(t, textOf(fields["page_url"]), c.PageURL)
		require.Equal(t, textOf(fields["session_id"]), c.SessionID)
		require.Equal(t, millisOf(t, fields["timestamp"]), c.Timestamp)
	})
}

// textOf returns a string as goavro gives it.
func textOf(v any) string {
	switch v, _ := plain(v); v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	default:
		return ""
	}
}

// millisOf returns a timestamp as goavro gives it.
func millisOf(t *testing.T, v any) int64 {
	switch v, _ := plain(v); v := v.(type) {
	case int64:
		return v
	case int32:
		return int64(v)
	case time.Time:
		return v.UnixMilli()
	default:
		require.Fail(t, "no timestamp", "%v", v)
		return 0
	}
}
