package delta

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Column is a column of a table.
type Column struct {
	Name     string
	Type     string // a primitive type's name, one of Types
	Nullable bool
}

// Types are the types of columns that any program of reader version 1 knows.
var Types = []string{"string", "long", "integer", "short", "byte", "float", "double", "boolean", "binary", "date", "timestamp"}

type schemaField struct {
	Name     string              `json:"name"`
	Type     jsontext.Value      `json:"type"` // a name, or an object for what is nested
	Nullable bool                `json:"nullable"`
	Metadata map[string]struct{} `json:"metadata"`
}

type schemaStruct struct {
	Type   string        `json:"type"`
	Fields []schemaField `json:"fields"`
}

// SchemaString returns the columns as the metadata's schemaString, in Spark's JSON form.
func SchemaString(columns []Column) (string, error) {
	s := schemaStruct{Type: "struct", Fields: []schemaField{}}
	for i, c := range columns {
		if c.Name == "" || slices.ContainsFunc(columns[:i], func(o Column) bool { return o.Name == c.Name }) {
			return "", fmt.Errorf("column %d has no name of its own: %q", i, c.Name)
		}
		if !slices.Contains(Types, c.Type) {
			return "", fmt.Errorf("column %s is of type %q: choose one of %v", c.Name, c.Type, Types)
		}
		s.Fields = append(s.Fields, schemaField{c.Name, jsontext.Value(`"` + c.Type + `"`), c.Nullable, map[string]struct{}{}})
	}
	text, err := json.Marshal(s)
	return string(text), err
}

// Columns returns the table's columns. Types that are nested are their JSON.
func (m *Metadata) Columns() ([]Column, error) {
	if m.SchemaString == "" {
		return nil, nil
	}
	var s struct {
		Fields []struct {
			Name     string         `json:"name"`
			Type     jsontext.Value `json:"type"`
			Nullable bool           `json:"nullable"`
		} `json:"fields"`
	}
	if err := json.Unmarshal([]byte(m.SchemaString), &s); err != nil {
		return nil, fmt.Errorf("the schema is no schema: %w", err)
	}
	var columns []Column
	for _, f := range s.Fields {
		typ := string(f.Type)
		_ = json.Unmarshal(f.Type, &typ) // an object stays as it is
		columns = append(columns, Column{f.Name, typ, f.Nullable})
	}
	return columns, nil
}
