package decode_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"clickstream/transforms/click"
	"clickstream/transforms/decode"
)

// typicalJSON is typicalClick as JSON.
const typicalJSON = `{"event_id":"6f1a1c0e-8f0a-4b7e-9c62-0d8f5a1b2c3d","user_id":"2b9d7c51-33a8-4f0e-8a56-c7e1f2a3b4c5","page_url":"/products/shoes/page-42.html","timestamp":1780000000000,"session_id":"a0b1c2d3-e4f5-4a6b-8c7d-9e8f7a6b5c4d"}`

func TestJSON(t *testing.T) {
	d := decode.NewJSON()
	for name, value := range map[string]string{
		"typical":             typicalJSON,
		"spaced":              " \t\r\n" + strings.NewReplacer(":", " :\n", ",", "\t,\r").Replace(typicalJSON) + "\r\n\t ",
		"unknown names":       `{"a":[1,{"event_id":2},[[]],"\ud83d\ude00"],"b":{"timestamp":null,"b":-1.5e-7},"":true,` + typicalJSON[1:],
		"unknown names twice": `{"a":1,"a":[2],` + typicalJSON[1:],
		"names in capitals":   `{"EVENT_ID":1,"Page_Url":2,` + typicalJSON[1:],
		"escaped names":       strings.NewReplacer("page_url", `page\u005furl`, "event_id", `\u0065\u0076ent_id`).Replace(typicalJSON),
		"escaped slashes":     strings.ReplaceAll(typicalJSON, "/", `\/`),
		"another order":       `{"session_id":"a0b1c2d3-e4f5-4a6b-8c7d-9e8f7a6b5c4d","timestamp":"2026-05-28T20:26:40Z","page_url":"/products/shoes/page-42.html","user_id":"2b9d7c51-33a8-4f0e-8a56-c7e1f2a3b4c5","event_id":"6f1a1c0e-8f0a-4b7e-9c62-0d8f5a1b2c3d"}`,
	} {
		t.Run(name, func(t *testing.T) {
			v := []byte(value)
			assert.Equal(t, typicalClick, requireClick(t, d, v))
			assert.Equal(t, value, string(v), "the record is left as it is")
			assert.Zero(t, d.Schema())
		})
	}
	without := typicalClick
	without.SessionID = ""
	assert.Equal(t, without, requireClick(t, d, []byte(strings.Replace(typicalJSON, `"a0b1c2d3-e4f5-4a6b-8c7d-9e8f7a6b5c4d"`, "null", 1))))
	assert.Equal(t, without, requireClick(t, d, []byte(strings.Replace(typicalJSON, `,"session_id":"a0b1c2d3-e4f5-4a6b-8c7d-9e8f7a6b5c4d"`, "", 1))))
}

func TestJSONAllocatesNothing(t *testing.T) {
	value := []byte(typicalJSON)
	d := decode.NewJSON()
	c := requireClick(t, d, value)
	at := uintptr(unsafe.Pointer(unsafe.StringData(c.PageURL))) - uintptr(unsafe.Pointer(&value[0]))
	assert.Less(t, at, uintptr(len(value)), "strings are those of the record")
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if fault, err := d.Decode(t.Context(), value, 0, &c); fault != nil || err != nil {
			t.Fatal(fault, err)
		}
	}))
}

// with returns an event with the given text as a field's value.
func with(field, text string) []byte {
	fields := map[string]string{"event_id": `"e"`, "user_id": `"u"`, "page_url": `"p"`, "timestamp": "10", "session_id": `"s"`}
	fields[field] = text
	s := "{"
	for _, name := range []string{"event_id", "user_id", "page_url", "timestamp", "session_id"} {
		s += fmt.Sprintf("%q:%s,", name, fields[name])
	}
	return []byte(strings.TrimSuffix(s, ",") + "}")
}

func TestJSONTimestamps(t *testing.T) {
	d := decode.NewJSON()
	for text, want := range map[string]int64{
		"1780000000123":   1_780_000_000_123,
		"0":               0,
		"-0":              0,
		"-1":              -1,
		"1e3":             1000,
		"1.78E+12":        1_780_000_000_000,
		"1780000000123.0": 1_780_000_000_123,
		"10.50e1":         105,

		"9223372036854775807":              1<<63 - 1,
		`"2026-05-28T20:26:40Z"`:           1_780_000_000_000,
		`"2026-05-28T20:26:40.123Z"`:       1_780_000_000_123,
		`"2026-05-28T20:26:40.1239999Z"`:   1_780_000_000_123,
		`"2026-05-28T22:26:40.5+02:00"`:    1_780_000_000_500,
		`"2026-05-29T20:25:40+23:59"`:      1_780_000_000_000,
		`"2026-05-28T20:26:40\u005a"`:      1_780_000_000_000,
		`"1969-12-31T23:59:59.999999999Z"`: -1,
	} {
		t.Run(text, func(t *testing.T) {
			assert.Equal(t, want, requireClick(t, d, with("timestamp", text)).Timestamp)
		})
	}
	for text, words := range map[string]string{
		"1.5":                                  "timestamp is 1.5, a whole number",
		"1e-1":                                 "whole number",
		"1e400":                                "whole number",
		"1e19":                                 "whole number",
		"9223372036854775808":                  "whole number",
		"-9223372036854775809":                 "whole number",
		"true":                                 "timestamp is a boolean, a number of milliseconds or an RFC 3339 string is wanted",
		"[1]":                                  "an array",
		"{}":                                   "an object",
		`""`:                                   "RFC 3339",
		`"1780000000000"`:                      "RFC 3339",
		`"2026-05-28"`:                         "RFC 3339",
		`"2026-05-28T20:26:40"`:                "RFC 3339",
		`"2026-05-28 20:26:40Z"`:               "RFC 3339",
		`"2026-05-28T2:26:40Z"`:                "RFC 3339",
		`"2026-02-30T20:26:40Z"`:               "RFC 3339",
		`"2026-05-28T20:26:40,5Z"`:             "RFC 3339",
		`"` + strings.Repeat("9", 1<<20) + `"`: "RFC 3339",
	} {
		t.Run(text[:min(len(text), 30)], func(t *testing.T) {
			requireFault(t, d, with("timestamp", text), click.InvalidField, words)
		})
	}
}

func TestJSONStrings(t *testing.T) {
	d := decode.NewJSON()
	for text, want := range map[string]string{
		`""`:                       "",
		`"/a b?c=d&e#f"`:           "/a b?c=d&e#f",
		`"\"\\\/\b\f\n\r\t\u00e9"`: "\"\\/\b\f\n\r\té",
		`"é😀"`:                     "é😀",
		`"\ud83d\ude00"`:           "😀",
		`"\u0000"`:                 "\x00",
		"\"\x7f\u2028\"":           "\x7f\u2028",
	} {
		t.Run(text, func(t *testing.T) {
			assert.Equal(t, want, requireClick(t, d, with("page_url", text)).PageURL)
			assert.Equal(t, want, requireClick(t, d, with("session_id", text)).SessionID)
		})
	}
	t.Run("escaped strings do not share memory", func(t *testing.T) {
		first := requireClick(t, d, with("page_url", `"\/first"`))
		requireClick(t, d, with("page_url", `"\/other"`))
		assert.Equal(t, "/first", first.PageURL)
	})
	t.Run("large", func(t *testing.T) {
		assert.Len(t, requireClick(t, d, with("page_url", `"`+strings.Repeat("p", 1<<20)+`"`)).PageURL, 1<<20)
		assert.Len(t, requireClick(t, d, with("user_id", `"\n`+strings.Repeat("u", 10<<20)+`"`)).UserID, 10<<20+1)
		requireClick(t, d, []byte(`{"x":[`+strings.Repeat(`"1",`, 2<<20)+`1],`+typicalJSON[1:]))
	})
}

func TestJSONFaults(t *testing.T) {
	d := decode.NewJSON()
	for name, c := range map[string]struct {
		value  string
		reason click.Reason
		words  string
	}{
		"empty":              {"", click.JSON, "tombstone"},
		"white space":        {" \n", click.JSON, "only white space"},
		"null":               {"null", click.JSON, "the value is null, an object is wanted"},
		"an array":           {"[" + typicalJSON + "]", click.JSON, "an array"},
		"a string":           {`"x"`, click.JSON, "a string"},
		"a number":           {"1", click.JSON, "a number"},
		"true":               {"true", click.JSON, "a boolean"},
		"Avro":               {"\x00\x00\x00\x00\x07\x02x", click.JSON, "invalid character"},
		"byte order mark":    {"\ufeff" + typicalJSON, click.JSON, "invalid character"},
		"cut off":            {typicalJSON[:len(typicalJSON)-1], click.JSON, "EOF"},
		"single quotes":      {strings.ReplaceAll(typicalJSON, `"`, `'`), click.JSON, "invalid character"},
		"a comma too many":   {typicalJSON[:len(typicalJSON)-1] + ",}", click.JSON, "invalid character"},
		"a comment":          {"{/**/" + typicalJSON[1:], click.JSON, "invalid character"},
		"NaN":                {string(with("timestamp", "NaN")), click.JSON, "invalid character"},
		"leading zero":       {string(with("timestamp", "01")), click.JSON, "invalid character"},
		"plus":               {string(with("timestamp", "+1")), click.JSON, "invalid character"},
		"raw newline":        {string(with("page_url", "\"a\nb\"")), click.JSON, "invalid character"},
		"unknown escape":     {string(with("page_url", `"\x"`)), click.JSON, "escape"},
		"wrong, in unknown":  {`{"x":[1,}],` + typicalJSON[1:], click.JSON, "invalid character"},
		"a name twice":       {`{"page_url":"p",` + typicalJSON[1:], click.JSON, "page_url is there twice"},
		"null and a value":   {`{"session_id":null,` + typicalJSON[1:], click.JSON, "session_id is there twice"},
		"escaped name twice": {`{"page\u005furl":"p",` + typicalJSON[1:], click.JSON, "page_url is there twice"},
		"nested too deep":    {`{"x":` + strings.Repeat("[", 1_000_000) + strings.Repeat("]", 1_000_000) + "," + typicalJSON[1:], click.JSON, "depth"},

		"two objects":      {typicalJSON + typicalJSON, click.TrailingBytes, "220 bytes"},
		"a byte after":     {typicalJSON + "\n\x00", click.TrailingBytes, "1 bytes"},
		"a comma after":    {typicalJSON + ",", click.TrailingBytes, "1 bytes"},
		"a form feed":      {typicalJSON + "\f", click.TrailingBytes, "1 bytes"},
		"invalid and more": {string(with("page_url", "1")) + "{", click.TrailingBytes, "1 bytes"},

		"empty object":    {"{}", click.MissingField, "the object has no event_id"},
		"no user":         {`{"event_id":"e","page_url":"p","timestamp":1}`, click.MissingField, "no user_id"},
		"no page":         {`{"event_id":"e","user_id":"u","timestamp":1}`, click.MissingField, "no page_url"},
		"no time":         {`{"event_id":"e","user_id":"u","page_url":"p"}`, click.MissingField, "no timestamp"},
		"null page":       {string(with("page_url", "null")), click.MissingField, "page_url is null"},
		"null time":       {string(with("timestamp", "null")), click.MissingField, "timestamp is null"},
		"another case":    {strings.Replace(typicalJSON, "page_url", "page_URL", 1), click.MissingField, "page_url"},
		"nested in other": {`{"click":` + typicalJSON + `}`, click.MissingField, "event_id"},

		"page a number":     {string(with("page_url", "1")), click.InvalidField, "page_url is a number, a string is wanted"},
		"page an object":    {string(with("page_url", "{}")), click.InvalidField, "page_url is an object"},
		"user a boolean":    {string(with("user_id", "false")), click.InvalidField, "user_id is a boolean"},
		"session a number":  {string(with("session_id", "1.5")), click.InvalidField, "session_id is a number"},
		"invalid, missing":  {`{"event_id":1}`, click.InvalidField, "event_id"},
		"invalid, cut off":  {`{"event_id":1`, click.JSON, "EOF"},
		"invalid, repeated": {`{"event_id":1,"event_id":1}`, click.JSON, "twice"},

		"page not UTF-8":            {string(with("page_url", "\"\xff\"")), click.InvalidField, "page_url is not valid UTF-8"},
		"page overlong":             {string(with("page_url", "\"\xc0\xaf\"")), click.InvalidField, "page_url"},
		"session a raw surrogate":   {string(with("session_id", "\"\xed\xa0\x80\"")), click.InvalidField, "session_id"},
		"page a lone surrogate":     {string(with("page_url", `"\ud800"`)), click.InvalidField, "page_url"},
		"page a surrogate and else": {string(with("page_url", `"\ud800\u0041"`)), click.InvalidField, "page_url"},
		"event a low surrogate":     {string(with("event_id", `"\udc00"`)), click.InvalidField, "event_id"},
		"time not UTF-8":            {string(with("timestamp", "\"\xff\"")), click.InvalidField, "timestamp"},
		"unknown not UTF-8":         {"{\"x\":\"\xff\"," + typicalJSON[1:], click.JSON, "UTF-8"},
		"unknown lone surrogate":    {`{"x":"\ud800",` + typicalJSON[1:], click.JSON, "surrogate"},
		"name not UTF-8":            {"{\"\xff\":1," + typicalJSON[1:], click.JSON, "UTF-8"},
		"not UTF-8 and cut off":     {"{\"page_url\":\"\xff\",", click.JSON, "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			requireFault(t, d, []byte(c.value), c.reason, c.words)
			requireClick(t, d, []byte(typicalJSON)) // the next record is not concerned
		})
	}
}

// Whatever encoding/json writes for a click is read as that click.
func TestJSONReadsWhatIsWritten(t *testing.T) {
	d := decode.NewJSON()
	rapid.Check(t, func(rt *rapid.T) {
		want := click.Click{
			EventID: rapid.String().Draw(rt, "event"), UserID: rapid.String().Draw(rt, "user"), PageURL: rapid.String().Draw(rt, "page"),
			Timestamp: rapid.Int64().Draw(rt, "time"), SessionID: rapid.String().Draw(rt, "session"),
		}
		fields := map[string]any{"event_id": want.EventID, "user_id": want.UserID, "page_url": want.PageURL, "timestamp": want.Timestamp, "session_id": want.SessionID}
		for range rapid.IntRange(0, 3).Draw(rt, "extras") {
			fields["x"+rapid.String().Draw(rt, "name")] = []any{rapid.Float64().Draw(rt, "number"), map[string]any{"page_url": nil}, rapid.String().Draw(rt, "string")}
		}
		value, err := json.Marshal(fields)
		require.NoError(rt, err)
		var got click.Click
		fault, err := d.Decode(t.Context(), value, 0, &got)
		require.NoError(rt, err)
		require.Nil(rt, fault)
		require.Equal(rt, want, got)
	})
}

// FuzzJSON reads any bytes as a click. encoding/json must take what is taken, and read the same; what it
// takes, and holds a click, must be taken, unless it is lax about it.
func FuzzJSON(f *testing.F) {
	for _, value := range []string{
		typicalJSON, `{"event_id":"e","user_id":"u","page_url":"\/\u00e9","timestamp":"2026-05-28T20:26:40Z","session_id":null}`,
		`{"event_id":"e","user_id":"u","page_url":"p","timestamp":1e3,"x":[{"y":[]}]} `, "{}", "", `{"page_url":"\ud800"}`,
		"{\"event_id\":\"\xff\",\"user_id\":\"u\",\"page_url\":\"p\",\"timestamp\":1}{}", `{"event_id":"e","event_id":"f"}`,
	} {
		f.Add([]byte(value))
	}
	d := decode.NewJSON()
	f.Fuzz(func(t *testing.T, value []byte) {
		before := string(value)
		var c click.Click
		fault, err := d.Decode(t.Context(), value, 0, &c)
		require.NoError(t, err)
		require.Equal(t, before, string(value))
		var fields map[string]any
		oracleErr := json.Unmarshal(value, &fields)
		if fault == nil {
			require.NoError(t, oracleErr)
			require.True(t, utf8.Valid(value))
			require.Equal(t, fields["event_id"], c.EventID)
			require.Equal(t, fields["user_id"], c.UserID)
			require.Equal(t, fields["page_url"], c.PageURL)
			require.Equal(t, textOf(fields["session_id"]), c.SessionID)
			if n, ok := fields["timestamp"].(float64); ok && math.Abs(n) < 1<<53 { // beyond, encoding/json's is not exact
				require.Zero(t, n-math.Trunc(n))
				require.Equal(t, int64(n), c.Timestamp)
			}
			return
		}
		require.Contains(t, []click.Reason{click.JSON, click.TrailingBytes, click.MissingField, click.InvalidField}, fault.Reason)
		switch fault.Reason {
		case click.TrailingBytes:
			require.Error(t, oracleErr)
		case click.JSON:
			lax := fields == nil || !utf8.Valid(value) || strings.Contains(fault.Detail, "twice") || strings.Contains(fault.Detail, "surrogate")
			require.True(t, oracleErr != nil || lax, "%v", fault)
		case click.MissingField:
			require.NoError(t, oracleErr)
			missing := false
			for _, name := range []string{"event_id", "user_id", "page_url", "timestamp"} {
				missing = missing || fields[name] == nil
			}
			require.True(t, missing, "%v", fault)
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	ctx := b.Context()
	for name, value := range map[string]string{
		"175 bytes": `{"event_id":"6f1a1c0e-8f0a-4b7e-9c62-0d8f5a1b2c3d","user_id":"2b9d7c51-33","page_url":"/products/shoes/page-42.html","timestamp":1780000000000,"session_id":"a0b1c2d3-e4f5-4"}`,
		"typical":   typicalJSON,
	} {
		value, d := []byte(value), decode.NewJSON()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var c click.Click
			for b.Loop() {
				if fault, err := d.Decode(ctx, value, 0, &c); fault != nil || err != nil {
					b.Fatal(fault, err)
				}
			}
		})
	}
	// What the decoder is chosen over.
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		value := []byte(typicalJSON)
		for b.Loop() {
			var c struct {
				EventID   string  `json:"event_id"`
				UserID    string  `json:"user_id"`
				PageURL   string  `json:"page_url"`
				Timestamp int64   `json:"timestamp"`
				SessionID *string `json:"session_id"`
			}
			if err := json.Unmarshal(value, &c); err != nil {
				b.Fatal(err)
			}
		}
	})
}
