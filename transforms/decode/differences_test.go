package decode_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/transforms/click"
	"clickstream/transforms/decode"
)

// inUnion returns a schema of an optional field f of one of some types.
func inUnion(branches string) string {
	return schemaOf(`{"name":"f","type":["null",` + branches + `],"default":null}`)
}

func TestCompare(t *testing.T) {
	click := schemaOf(eventID, userID, pageURL, timestamp, sessionID)
	for name, c := range map[string]struct {
		older, newer      string
		changes           []string
		backward, forward string // empty: compatible
	}{
		"the same": {older: click, newer: click},
		"an optional field": {
			older: click, newer: schemaOf(eventID, userID, pageURL, timestamp, sessionID, `{"name":"referrer","type":["null","string"],"default":null}`),
			changes: []string{"referrer: was added, [null, string] with the default null"},
		},
		"a required field": {
			older: click, newer: schemaOf(eventID, userID, pageURL, timestamp, sessionID, `{"name":"tenant","type":"string"}`),
			changes: []string{"tenant: was added, string without a default"}, backward: "tenant",
		},
		"a field less":          {older: click, newer: schemaOf(eventID, pageURL, timestamp, sessionID), changes: []string{"user_id: was removed"}, forward: "user_id"},
		"an optional less":      {older: click, newer: schemaOf(eventID, userID, pageURL, timestamp), changes: []string{"session_id: was removed"}},
		"another order":         {older: click, newer: schemaOf(sessionID, timestamp, eventID, userID, pageURL), changes: []string{"the fields are in another order"}},
		"a renamed field":       {older: click, newer: schemaOf(eventID, userID, `{"name":"url","aliases":["page_url"],"type":"string"}`, timestamp, sessionID), changes: []string{"url: was called page_url"}, forward: "page_url"},
		"another type":          {older: click, newer: schemaOf(eventID, userID, `{"name":"page_url","type":"int"}`, timestamp, sessionID), changes: []string{"page_url: the type was string, and is int"}, backward: "page_url", forward: "page_url"},
		"a promoted type":       {older: schemaOf(`{"name":"n","type":"int"}`), newer: schemaOf(`{"name":"n","type":"long"}`), changes: []string{"n: the type was int, and is long"}, forward: "n"},
		"another logical type":  {older: schemaOf(timestamp), newer: schemaOf(`{"name":"timestamp","type":{"type":"long","logicalType":"timestamp-micros"}}`), changes: []string{"timestamp: the logical type was timestamp-millis, and is timestamp-micros"}},
		"another default":       {older: schemaOf(`{"name":"n","type":"int","default":1}`), newer: schemaOf(`{"name":"n","type":"int"}`), changes: []string{`n: was with the default "1", and is without a default`}},
		"a branch":              {older: schemaOf(sessionID), newer: schemaOf(`{"name":"session_id","type":["null","string","long"],"default":null}`), changes: []string{"session_id: branch long was added"}, forward: "session_id"},
		"a symbol":              {older: schemaOf(`{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}}`), newer: schemaOf(`{"name":"e","type":{"type":"enum","name":"E","symbols":["A","C"]}}`), changes: []string{"e: symbol C was added", "e: symbol B was removed"}, backward: "B", forward: "C"},
		"within":                {older: schemaOf(`{"name":"l","type":{"type":"array","items":{"type":"map","values":"int"}}}`), newer: schemaOf(`{"name":"l","type":{"type":"array","items":{"type":"map","values":"string"}}}`), changes: []string{"l.items.values: the type was int, and is string"}, backward: "l", forward: "l"},
		"a fixed of other size": {older: schemaOf(`{"name":"f","type":{"type":"fixed","name":"F","size":4}}`), newer: schemaOf(`{"name":"f","type":{"type":"fixed","name":"F","size":8}}`), changes: []string{"f: the size was 4, and is 8"}, backward: "f", forward: "f"},
		"an alias":              {older: schemaOf(pageURL), newer: schemaOf(`{"name":"page_url","aliases":["url"],"type":"string"}`), changes: []string{"page_url: alias url was added"}},
		"an alias less":         {older: schemaOf(`{"name":"page_url","aliases":["url","u"],"type":"string"}`), newer: schemaOf(`{"name":"page_url","aliases":["u"],"type":"string"}`), changes: []string{"page_url: alias url was removed"}},
		"a renamed type":        {older: inUnion(`{"type":"enum","name":"E","symbols":["A"]}`), newer: inUnion(`{"type":"enum","name":"F","aliases":["E","G"],"symbols":["A"]}`), changes: []string{"f: the enum was called com.example.events.E, and is called com.example.events.F", "f: alias G was added"}, forward: "f"},
		"a branch's own":        {older: inUnion(`{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`), newer: inUnion(`{"type":"record","name":"R","fields":[{"name":"a","type":"long"},{"name":"b","type":"int","default":1}]}`), changes: []string{"f.a: the type was int, and is long", `f.b: was added, int with the default "1"`}, forward: "f"},
		"one of two branches":   {older: inUnion(`{"type":"enum","name":"E","symbols":["A"]},{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`), newer: inUnion(`{"type":"enum","name":"E","symbols":["A","B"]},{"type":"record","name":"R","fields":[{"name":"a","type":"long"}]}`), changes: []string{"f.E: symbol B was added", "f.R.a: the type was int, and is long"}, forward: "f"},
		"a branch's logical":    {older: inUnion(`"long"`), newer: inUnion(`{"type":"long","logicalType":"timestamp-micros"}`), changes: []string{"f: the logical type was none, and is timestamp-micros"}},
		"within a branch":       {older: inUnion(`{"type":"array","items":"int"}`), newer: inUnion(`{"type":"array","items":"long"}`), changes: []string{"f.items: the type was int, and is long"}, forward: "f"},
		"other branches' order": {older: schemaOf(`{"name":"f","type":["null","string"]}`), newer: schemaOf(`{"name":"f","type":["string","null"]}`), changes: []string{"f: the branches are in another order"}},
		"made optional":         {older: schemaOf(`{"name":"f","type":{"type":"enum","name":"E","symbols":["A"]}}`), newer: inUnion(`{"type":"enum","name":"E","symbols":["A","B"]}`), changes: []string{"f: the type was enum com.example.events.E, and is [null, enum com.example.events.E]", "f: symbol B was added", `f: was without a default, and is with the default null`}, forward: "f"},
		"a default symbol":      {older: inUnion(`{"type":"enum","name":"E","symbols":["A","B"]}`), newer: inUnion(`{"type":"enum","name":"E","symbols":["A","B"],"default":"B"}`), changes: []string{"f: the default symbol was none, and is B"}},
		"named elsewhere":       {older: schemaOf(`{"name":"f","type":{"type":"enum","name":"E","symbols":["A"]}}`, `{"name":"g","type":"E"}`), newer: schemaOf(`{"name":"g","type":{"type":"enum","name":"E","symbols":["A"]}}`, `{"name":"f","type":"E"}`), changes: []string{"the fields are in another order"}},
		"a record in itself":    {older: schemaOf(`{"name":"next","type":["null","ClickEvent"],"default":null}`), newer: schemaOf(`{"name":"next","type":["null","ClickEvent"],"default":null}`)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decode.Compare(c.older, c.newer)
			require.NoError(t, err)
			assert.Equal(t, c.changes, got.Changes)
			for _, way := range []struct {
				err  error
				want string
			}{{got.Backward, c.backward}, {got.Forward, c.forward}} {
				if way.want == "" {
					assert.NoError(t, way.err)
				} else if assert.Error(t, way.err) {
					assert.ErrorContains(t, way.err, way.want)
					assert.NotContains(t, way.err.Error(), "\n")
				}
			}
		})
	}
	_, err := decode.Compare("{", click)
	require.ErrorContains(t, err, "the old schema does not parse")
	_, err = decode.Compare(click, "{")
	require.ErrorContains(t, err, "the new schema does not parse")
}

func TestCheckSchema(t *testing.T) {
	assert.Nil(t, decode.CheckSchema(7, click.Schema))
	assert.Equal(t, click.Faultf(click.MissingField, "schema 7 has no field event_id; no field user_id; no field timestamp"), decode.CheckSchema(7, schemaOf(pageURL)))
}
