package dlq

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/linkedin/goavro/v2"
)

// asJSON returns the value as JSON, indented; nil where it does not even look like it.
func asJSON(value []byte) *DecodedAs {
	trimmed := bytes.TrimSpace(value)
	if len(trimmed) == 0 {
		return nil
	}
	if !indentable(trimmed) {
		return &DecodedAs{As: "json", Fault: fmt.Sprintf("it is more than %d levels deep", mostDepth)}
	}
	var out bytes.Buffer
	if err := json.Indent(&out, trimmed, "", "  "); err != nil {
		if trimmed[0] != '{' && trimmed[0] != '[' {
			return nil
		}
		return &DecodedAs{As: "json", Fault: err.Error()}
	}
	return &DecodedAs{As: "json", Text: out.String()}
}

// asAvro returns what Avro bytes say by a schema. What does not fit it is read field by field, up to the one that does
// not.
func asAvro(schema string, value []byte) *DecodedAs {
	d := &DecodedAs{As: "avro"}
	var codec *goavro.Codec
	err := bounded(schema, len(value))
	if err == nil {
		codec, err = goavro.NewCodec(schema)
	}
	if err != nil {
		d.Fault = "the schema cannot be used: " + err.Error()
		return d
	}
	native, rest, err := read(codec, value)
	if err != nil {
		d.Fault = err.Error()
		native = fields(schema, value)
	} else if len(rest) > 0 {
		d.Fault = fmt.Sprintf("%s more than the schema describes", several(len(rest), "byte"))
	}
	if native != nil {
		d.Text = inJSON(native)
	}
	return d
}

// inJSON returns a decoded value as JSON, indented where it is not too deep.
func inJSON(native any) string {
	text, err := json.Marshal(native)
	if err != nil { // numbers that are none, for example
		return fmt.Sprint(native)
	}
	var out bytes.Buffer
	if !indentable(text) || json.Indent(&out, text, "", "  ") != nil {
		return string(text)
	}
	return out.String()
}

// read decodes bytes that may be anything.
func read(codec *goavro.Codec, value []byte) (native any, rest []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the decoder gave up: %v", r)
		}
	}()
	return codec.NativeFromBinary(value)
}

// fields decodes the fields of a record up to one that cannot be; nil if there is none. A field whose type was named by
// an earlier one ends it as well.
func fields(schema string, value []byte) any {
	var record struct {
		Fields []struct {
			Name string          `json:"name"`
			Type json.RawMessage `json:"type"`
		} `json:"fields"`
	}
	if err := json.Unmarshal([]byte(schema), &record); err != nil {
		return nil
	}
	found := map[string]any{}
	for _, f := range record.Fields {
		codec, err := goavro.NewCodec(string(f.Type))
		if err != nil {
			break
		}
		native, rest, err := read(codec, value)
		if err != nil {
			break
		}
		found[f.Name], value = native, rest
	}
	if len(found) == 0 {
		return nil
	}
	return found
}
