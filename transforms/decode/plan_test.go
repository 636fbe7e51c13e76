package decode_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/avro"

	"clickstream/transforms/click"
	"clickstream/transforms/decode"
)

// schemaOf returns the schema of a ClickEvent with the given fields, each as JSON.
func schemaOf(fields ...string) string {
	return `{"type":"record","name":"ClickEvent","namespace":"com.example.events","fields":[` + strings.Join(fields, ",") + `]}`
}

// The fields of a click as they most often are.
const (
	eventID   = `{"name":"event_id","type":"string"}`
	userID    = `{"name":"user_id","type":"string"}`
	pageURL   = `{"name":"page_url","type":"string"}`
	timestamp = `{"name":"timestamp","type":{"type":"long","logicalType":"timestamp-millis"}}`
	sessionID = `{"name":"session_id","type":["null","string"],"default":null}`
)

// short is an event of eventID, userID, pageURL, timestamp and sessionID, and shortClick what it is.
const short = "\x02e\x02u\x02p\x14\x02\x02s"

var shortClick = click.Click{EventID: "e", UserID: "u", PageURL: "p", Timestamp: 10, SessionID: "s"}

func TestSchemaThatIsNoClick(t *testing.T) {
	for name, c := range map[string]struct {
		schema string
		reason click.Reason
		words  []string
	}{
		"not JSON":     {`{`, click.Avro, []string{"schema 7 does not parse"}},
		"empty":        {``, click.Avro, []string{"schema 7 does not parse"}},
		"unknown type": {schemaOf(`{"name":"event_id","type":"text"}`), click.Avro, []string{"does not parse"}},
		"not a record": {`"string"`, click.Avro, []string{"of type string, a record is wanted"}},
		"a union":      {`["null",` + click.Schema + `]`, click.Avro, []string{"record com.example.events.ClickEvent"}},
		"an enum":      {`{"type":"enum","name":"E","symbols":["A"]}`, click.Avro, []string{"enum E"}},
		"no field":     {schemaOf(), click.MissingField, []string{"schema 7 has no field event_id"}},
		"no event_id":  {schemaOf(userID, pageURL, timestamp), click.MissingField, []string{"7", "event_id"}},
		"no user_id":   {schemaOf(eventID, pageURL, timestamp), click.MissingField, []string{"7", "user_id"}},
		"no page_url":  {schemaOf(eventID, userID, timestamp), click.MissingField, []string{"7", "page_url"}},
		"no timestamp": {schemaOf(eventID, userID, pageURL), click.MissingField, []string{"7", "timestamp"}},
		"two ways":     {schemaOf(userID, `{"name":"page_url","type":"int"}`, timestamp), click.MissingField, []string{"schema 7 has no field event_id; page_url of type int, string is wanted"}},
		"a default does not stand in": {
			schemaOf(userID, pageURL, timestamp, `{"name":"EVENT_ID","type":"string","default":"x"}`), click.MissingField, []string{"event_id"},
		},
		"page is an int":            {schemaOf(eventID, userID, `{"name":"page_url","type":"int"}`, timestamp), click.InvalidField, []string{"schema 7", "page_url", "of type int", "string is wanted"}},
		"page is null":              {schemaOf(eventID, userID, `{"name":"page_url","type":"null"}`, timestamp), click.InvalidField, []string{"of type null"}},
		"page is fixed":             {schemaOf(eventID, userID, `{"name":"page_url","type":{"type":"fixed","name":"F","size":16}}`, timestamp), click.InvalidField, []string{"fixed com.example.events.F"}},
		"page is an enum":           {schemaOf(eventID, userID, `{"name":"page_url","type":{"type":"enum","name":"P","symbols":["A"]}}`, timestamp), click.InvalidField, []string{"enum com.example.events.P"}},
		"no branch of a union fits": {schemaOf(eventID, userID, `{"name":"page_url","type":["null","long"]}`, timestamp), click.InvalidField, []string{"[null, long]"}},
		"session is a long":         {schemaOf(eventID, userID, pageURL, timestamp, `{"name":"session_id","type":"long"}`), click.InvalidField, []string{"session_id", "null or string is wanted"}},
		"time is a string":          {schemaOf(eventID, userID, pageURL, `{"name":"timestamp","type":"string"}`), click.InvalidField, []string{"timestamp", "of type string", "long"}},
		"time is a float":           {schemaOf(eventID, userID, pageURL, `{"name":"timestamp","type":"float"}`), click.InvalidField, []string{"of type float"}},
		"time is a double":          {schemaOf(eventID, userID, pageURL, `{"name":"timestamp","type":"double"}`), click.InvalidField, []string{"of type double"}},
		"time is local":             {schemaOf(eventID, userID, pageURL, `{"name":"timestamp","type":{"type":"long","logicalType":"local-timestamp-millis"}}`), click.InvalidField, []string{"local-timestamp-millis"}},
		"time is local, beside":     {schemaOf(eventID, userID, pageURL, `{"name":"timestamp","type":"long","logicalType":"local-timestamp-micros"}`), click.InvalidField, []string{"local-timestamp-micros"}},
		"nested too deep to parse":  {strings.Repeat(`{"type":"array","items":`, 100_000), click.Avro, []string{"does not parse"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := decode.NewAvro(one(c.schema))
			requireFault(t, d, frame(7, []byte(short)), c.reason, c.words...)
			requireFault(t, d, frame(7, nil), c.reason, c.words...)
		})
	}
}

// TestSchemaRenamesFields knows a field by the alias that its writer kept.
func TestSchemaRenamesFields(t *testing.T) {
	url := `{"name":"url","aliases":["href","page_url"],"type":"string"}`
	at := strings.Replace(timestamp, `"timestamp"`, `"at","aliases":["timestamp"]`, 1)
	d := decode.NewAvro(one(schemaOf(eventID, userID, url, at, sessionID)))
	assert.Equal(t, shortClick, requireClick(t, d, frame(7, []byte(short))))
}

func TestSchemaTimestamps(t *testing.T) {
	const millis = int64(1_780_000_000_123)
	nested := func(logical string) string {
		return fmt.Sprintf(`{"name":"timestamp","type":{"type":"long","logicalType":%q}}`, logical)
	}
	beside := func(logical string) string {
		return fmt.Sprintf(`{"name":"timestamp","type":"long","logicalType":%q}`, logical)
	}
	for name, c := range map[string]struct {
		field  string
		raw    any
		millis int64
	}{
		"plain":                 {`{"name":"timestamp","type":"long"}`, millis, millis},
		"millis nested":         {nested("timestamp-millis"), millis, millis},
		"millis beside":         {beside("timestamp-millis"), millis, millis},
		"micros nested":         {nested("timestamp-micros"), millis*1000 + 999, millis},
		"micros beside":         {beside("timestamp-micros"), millis*1000 + 999, millis},
		"nanos nested":          {nested("timestamp-nanos"), millis*1_000_000 + 999_999, millis},
		"nanos beside":          {beside("timestamp-nanos"), millis*1_000_000 + 999_999, millis},
		"before 1970":           {nested("timestamp-micros"), int64(-1), -1},
		"before 1970, exactly":  {nested("timestamp-micros"), int64(-2000), -2},
		"nested before beside":  {`{"name":"timestamp","type":{"type":"long","logicalType":"timestamp-micros"},"logicalType":"timestamp-millis"}`, millis * 1000, millis},
		"an unknown one":        {nested("moment"), millis, millis},
		"one for another type":  {nested("date"), millis, millis},
		"one that is no string": {`{"name":"timestamp","type":"long","logicalType":3}`, millis, millis},
		"an int":                {`{"name":"timestamp","type":"int"}`, int32(-5), -5},
		"null or nested":        {`{"name":"timestamp","type":["null",{"type":"long","logicalType":"timestamp-micros"}]}`, millis * 1000, millis},
		"null or, beside":       {`{"name":"timestamp","type":["null","long"],"logicalType":"timestamp-micros"}`, millis * 1000, millis},
	} {
		t.Run(name, func(t *testing.T) {
			schema := schemaOf(c.field, eventID, userID, pageURL)
			raw := c.raw
			if v, ok := raw.(int64); ok && strings.Contains(c.field, `"logicalType"`) {
				// The encoder takes times for logical types that it knows.
				raw = rawLong(v)
			}
			got := requireClick(t, decode.NewAvro(one(schema)), encode(t, schema, map[string]any{"timestamp": raw, "event_id": "e", "user_id": "u", "page_url": "p"}))
			assert.Equal(t, click.Click{EventID: "e", UserID: "u", PageURL: "p", Timestamp: c.millis}, got)
		})
	}
}

// rawLong is a long that is encoded as it is, whatever the logical type.
type rawLong int64

func TestSchemaUnions(t *testing.T) {
	for name, c := range map[string]struct {
		schema string
		event  string
		want   click.Click
	}{
		"session string first": {schemaOf(eventID, userID, pageURL, timestamp, `{"name":"session_id","type":["string","null"]}`), "\x02e\x02u\x02p\x14\x00\x02s", shortClick},
		"session plain":        {schemaOf(eventID, userID, pageURL, timestamp, `{"name":"session_id","type":"string"}`), "\x02e\x02u\x02p\x14\x02s", shortClick},
		"session bytes":        {schemaOf(eventID, userID, pageURL, timestamp, `{"name":"session_id","type":["int","null","bytes"]}`), "\x02e\x02u\x02p\x14\x04\x02s", shortClick},
		"session null":         {schemaOf(eventID, userID, pageURL, timestamp, `{"name":"session_id","type":"null"}`), "\x02e\x02u\x02p\x14", click.Click{EventID: "e", UserID: "u", PageURL: "p", Timestamp: 10}},
		"session absent":       {schemaOf(eventID, userID, pageURL, timestamp), "\x02e\x02u\x02p\x14", click.Click{EventID: "e", UserID: "u", PageURL: "p", Timestamp: 10}},
		"required in unions": {schemaOf(`{"name":"event_id","type":["null","string"]}`, `{"name":"user_id","type":["bytes","null"]}`,
			`{"name":"page_url","type":["int","string"]}`, `{"name":"timestamp","type":["null","int","long"]}`, sessionID),
			"\x02\x02e\x00\x02u\x02\x02p\x04\x14\x02\x02s", shortClick},
		"a union of one": {schemaOf(`{"name":"event_id","type":["string"]}`, userID, pageURL, timestamp, sessionID), "\x00" + short, shortClick},
		"uuid":           {schemaOf(`{"name":"event_id","type":{"type":"string","logicalType":"uuid"}}`, userID, pageURL, timestamp, sessionID), short, shortClick},
		"another order":  {schemaOf(sessionID, timestamp, pageURL, userID, eventID), "\x02\x02s\x14\x02p\x02u\x02e", shortClick},
		"an error":       {strings.Replace(schemaOf(eventID, userID, pageURL, timestamp, sessionID), `"record"`, `"error"`, 1), short, shortClick},
		"a lax name":     {strings.Replace(schemaOf(eventID, userID, pageURL, timestamp, sessionID), `ClickEvent`, `click-event`, 1), short, shortClick},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, requireClick(t, decode.NewAvro(one(c.schema)), frame(7, []byte(c.event))))
		})
	}
	optional := schemaOf(`{"name":"event_id","type":["null","string","int"]}`, userID, pageURL, `{"name":"timestamp","type":["null","int","long"]}`, `{"name":"session_id","type":["null","string","boolean"]}`)
	d := decode.NewAvro(one(optional))
	assert.Equal(t, shortClick, requireClick(t, d, frame(7, []byte("\x02\x02e\x02u\x02p\x04\x14\x02\x02s"))))
	requireFault(t, d, frame(7, []byte("\x00\x02u\x02p\x04\x14\x00")), click.MissingField, "event_id is null")
	requireFault(t, d, frame(7, []byte("\x04\x02\x02u\x02p\x04\x14\x00")), click.InvalidField, "event_id is of type int, string is wanted")
	requireFault(t, d, frame(7, []byte("\x02\x02e\x02u\x02p\x00\x00")), click.MissingField, "timestamp is null")
	requireFault(t, d, frame(7, []byte("\x02\x02e\x02u\x02p\x02\x80\x80\x80\x80\x10\x00")), click.Avro, "timestamp", "too many bits")
	requireFault(t, d, frame(7, []byte("\x02\x02e\x02u\x02p\x02\x02\x04\x01")), click.InvalidField, "session_id is of type boolean", "null or string")
}

// extra decodes an event whose schema has one more field, before and after those of a click.
func extra(t *testing.T, fieldType, bytes string) (fault *click.Fault) {
	t.Helper()
	field := `{"name":"extra","type":` + fieldType + `}`
	for _, c := range []struct{ schema, event string }{
		{schemaOf(field, eventID, userID, pageURL, timestamp, sessionID), bytes + short},
		{schemaOf(eventID, userID, pageURL, timestamp, sessionID, field), short + bytes},
	} {
		var got click.Click
		f, err := decode.NewAvro(one(c.schema)).Decode(t.Context(), frame(7, []byte(c.event)), 0, &got)
		require.NoError(t, err)
		if fault = f; f == nil {
			require.Equal(t, shortClick, got)
		}
	}
	return fault
}

// tree is a recursive record, and deep nests records that take no bytes, two in each.
const tree = `{"type":"record","name":"Tree","fields":[{"name":"label","type":"string"},{"name":"left","type":["null","Tree"]},{"name":"right","type":["null","Tree"]}]}`

func TestSchemaSkips(t *testing.T) {
	deep := `{"type":"record","name":"N0","fields":[]}`
	for i := 1; i < 60; i++ {
		deep = fmt.Sprintf(`{"type":"record","name":"N%d","fields":[{"name":"a","type":%s},{"name":"b","type":"N%d"}]}`, i, deep, i-1)
	}
	list := strings.Repeat("\x02x\x00\x02", 250) + "\x02x\x00\x00" // nests one record and one union each
	for name, c := range map[string]struct{ fieldType, bytes string }{
		"null":                          {`"null"`, ""},
		"boolean":                       {`"boolean"`, "\x01"},
		"int":                           {`"int"`, "\xff\xff\xff\xff\x0f"},
		"long":                          {`"long"`, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"},
		"float":                         {`"float"`, "1234"},
		"double":                        {`"double"`, "12345678"},
		"bytes":                         {`"bytes"`, "\x06\xff\xfe\xfd"},
		"string":                        {`"string"`, "\x00"},
		"fixed":                         {`{"type":"fixed","name":"F","size":3}`, "abc"},
		"fixed of nothing":              {`{"type":"fixed","name":"F","size":0}`, ""},
		"enum":                          {`{"type":"enum","name":"E","symbols":["A","B"]}`, "\x02"},
		"decimal":                       {`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, "\x04\x01\x02"},
		"no items":                      {`{"type":"array","items":"string"}`, "\x00"},
		"items in a block":              {`{"type":"array","items":"string"}`, "\x04\x02a\x02b\x00"},
		"items in two blocks":           {`{"type":"array","items":"string"}`, "\x02\x02a\x02\x02b\x00"},
		"items in a sized block":        {`{"type":"array","items":"string"}`, "\x03\x08\x02a\x02b\x00"},
		"nulls":                         {`{"type":"array","items":"null"}`, "\x06\x00"},
		"2^62 nulls":                    {`{"type":"array","items":"null"}`, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00"},
		"2^63 nulls in a sized block":   {`{"type":"array","items":"null"}`, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00"},
		"records of nothing":            {`{"type":"array","items":{"type":"record","name":"R","fields":[{"name":"a","type":"null"}]}}`, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00"},
		"map":                           {`{"type":"map","values":"long"}`, "\x04\x02a\x02\x02b\x04\x00"},
		"map of nulls, sized":           {`{"type":"map","values":"null"}`, "\x01\x04\x02a\x00"},
		"union":                         {`["string","null",{"type":"array","items":"int"}]`, "\x04\x02\x08\x00"},
		"record":                        {`{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":{"type":"map","values":["null","bytes"]}}]}`, "\x02\x02\x02k\x02\x02v\x00"},
		"record with a click's names":   {`{"type":"record","name":"R","fields":[` + pageURL + `,` + timestamp + `]}`, "\x02X\x02"},
		"2^60 fields of nothing":        {deep, ""},
		"tree":                          {tree, "\x02a\x02\x02b\x00\x00\x02\x02c\x00\x00"},
		"list":                          {tree, list},
		"the event within itself":       {`["null","ClickEvent"]`, "\x00"},
		"the event within itself, once": {`{"type":"record","name":"R","namespace":"x","fields":[{"name":"a","type":["null","com.example.events.ClickEvent"]}]}`, "\x00"},
	} {
		t.Run(name, func(t *testing.T) { assert.Nil(t, extra(t, c.fieldType, c.bytes)) })
	}
	// Twice, as a type that is defined in one field and named in another.
	fixed := `{"name":"a","type":["null",{"type":"fixed","name":"F","size":2}]},{"name":"b","type":"F"},{"name":"c","type":"com.example.events.F"}`
	assert.Equal(t, shortClick, requireClick(t, decode.NewAvro(one(schemaOf(fixed, eventID, userID, pageURL, timestamp, sessionID))), frame(7, []byte("\x02aabbcc"+short))))
	// Defined where a click's field cannot be taken, and used further on.
	odd := schemaOf(`{"name":"event_id","type":["string",{"type":"record","name":"R","fields":[{"name":"x","type":"int"}]}]}`, userID, pageURL, timestamp, `{"name":"r","type":"R"}`)
	assert.Equal(t, "e", requireClick(t, decode.NewAvro(one(odd)), frame(7, []byte("\x00\x02e\x02u\x02p\x14\x02"))).EventID)
	requireFault(t, decode.NewAvro(one(odd)), frame(7, []byte("\x02\x02\x02u\x02p\x14\x02")), click.InvalidField, "record com.example.events.R")
}

func TestSchemaSkipsBadBytes(t *testing.T) {
	for name, c := range map[string]struct{ fieldType, bytes, words string }{
		"boolean of 2":            {`"boolean"`, "\x02", "boolean"},
		"int of 33 bits":          {`"int"`, "\x80\x80\x80\x80\x10", "too many bits"},
		"fixed past the end":      {`{"type":"fixed","name":"F","size":1000000000}`, "", "ends"},
		"symbol past the last":    {`{"type":"enum","name":"E","symbols":["A","B"]}`, "\x04", "symbol"},
		"symbol below zero":       {`{"type":"enum","name":"E","symbols":["A","B"]}`, "\x01", "symbol"},
		"2^62 items":              {`{"type":"array","items":"string"}`, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", "ends"},
		"2^63 items, sized":       {`{"type":"array","items":"string"}`, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02", "ends"},
		"2^62 map values of null": {`{"type":"map","values":"null"}`, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", "ends"},
		"block too small":         {`{"type":"array","items":"string"}`, "\x03\x06\x02a\x02b\x00", "another size"},
		"block too large":         {`{"type":"array","items":"string"}`, "\x03\x0a\x02a\x02b\x00", "another size"},
		"block of negative size":  {`{"type":"array","items":"string"}`, "\x03\x01\x02a\x02b\x00", "negative"},
		"nulls that take bytes":   {`{"type":"array","items":"null"}`, "\x03\x02\x00\x00", "another size"},
		"nested too deep":         {tree, strings.Repeat("\x02x\x02", 1_000_000), "too deep"},
		"record without end":      {`{"type":"record","name":"R","fields":[{"name":"r","type":"R"},{"name":"s","type":"R"}]}`, "", "too deep"},
		"negative length":         {`"bytes"`, "\x03", "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			fault := extra(t, c.fieldType, c.bytes)
			require.NotNil(t, fault)
			assert.Equal(t, click.Avro, fault.Reason)
			assert.Contains(t, fault.Detail, "extra")
			assert.Contains(t, fault.Detail, c.words)
			assert.Less(t, time.Since(begin), 5*time.Second)
		})
	}
}

// FuzzSchema reads any bytes with any writer's schema. It must end, and what it takes for a click must be
// what a general decoder reads.
func FuzzSchema(f *testing.F) {
	f.Add(click.Schema, []byte(short))
	f.Add(schemaOf(eventID, userID, pageURL, timestamp, sessionID), []byte(short))
	f.Add(schemaOf(sessionID, timestamp, pageURL, userID, eventID), []byte("\x02\x02s\x14\x02p\x02u\x02e"))
	f.Add(schemaOf(`{"name":"t","type":`+tree+`}`, eventID, userID, pageURL, timestamp), []byte("\x02a\x02\x02b\x00\x00\x00\x02e\x02u\x02p\x14"))
	f.Add(schemaOf(`{"name":"r","type":{"type":"record","name":"x.R","fields":[{"name":"a","type":["null","R","com.example.events.ClickEvent"]}]}}`, eventID, userID, pageURL, timestamp), []byte("\x02\x00\x02e\x02u\x02p\x14"))
	f.Add(schemaOf(`{"name":"m","type":{"type":"map","values":{"type":"array","items":"null"}}}`, eventID, userID, pageURL, timestamp), []byte("\x02\x02k\x08\x00\x00\x02e\x02u\x02p\x14"))
	f.Add(schemaOf(`{"name":"r","type":{"type":"record","name":"R","fields":[{"name":"r","type":"R"}]}}`), []byte(short))
	f.Add(`["null","string"]`, []byte("\x00"))
	f.Fuzz(func(t *testing.T, schema string, event []byte) {
		var c click.Click
		begin := time.Now()
		fault, err := decode.NewAvro(one(schema)).Decode(t.Context(), frame(7, event), 0, &c)
		require.NoError(t, err)
		require.Less(t, time.Since(begin), 10*time.Second)
		if fault != nil {
			require.NotContains(t, []click.Reason{click.BadMagic, click.UnknownSchema, click.JSON}, fault.Reason)
			return
		}
		var fields map[string]any
		rest, err := avro.MustParse(schema, avro.WithLaxNames(nil)).Decode(event, &fields)
		require.NoError(t, err)
		require.Empty(t, rest)
		require.Equal(t, textOf(fields["event_id"]), c.EventID)
		require.Equal(t, textOf(fields["page_url"]), c.PageURL)
		require.Equal(t, textOf(fields["session_id"]), c.SessionID)
	})
}
