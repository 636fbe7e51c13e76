package pageviews_test

import (
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/version"
	"clickstream/testing/kafkatest"
	"clickstream/testing/oracle"
	"clickstream/transforms/click"
)

// reject is a value that is no click, and what its dead letter has to say.
type reject struct {
	value  []byte
	reason click.Reason
	stage  string
	says   string // a part of dlq.error
}

// sent is what every record of a test has beside its value.
var sent = []kgo.RecordHeader{
	{Key: "trace", Value: []byte("\x00\xff")}, {Key: "dlq.reason", Value: []byte("of an earlier time")},
	{Key: "trace", Value: []byte("again")}, {Key: "dlq.note", Value: []byte("is kept")}, {Key: "null", Value: nil}, {Key: "", Value: []byte{}},
}

// rejected runs the job on records of those values, two good clicks among them, and checks their dead letters.
func rejected(j *job, all map[string]reject) {
	j.Helper()
	var records []*kgo.Record
	names := map[string]string{}
	for name, r := range all {
		rec := &kgo.Record{Partition: int32(len(records) % 2), Timestamp: noon.Add(time.Duration(len(records)) * time.Millisecond), Key: []byte(name), Value: r.value, Headers: sent}
		if len(records)%3 == 0 {
			rec.Key = nil
		}
		records = append(records, rec)
		names[string(rec.Value)] = name
	}
	require.Len(j, names, len(all), "each value is another")
	j.produce(j.click(0, "/", noon), j.click(1, "/", noon))
	j.produce(records...)
	p := j.run()
	j.exact()
	assert.Equal(j, map[oracle.Key]int64{j.row("/", noon): 2}, j.rows())

	byPlace := map[oracle.Place]*kgo.Record{}
	for _, rec := range records {
		byPlace[oracle.Place{Partition: rec.Partition, Offset: rec.Offset}] = rec
	}
	counted := map[click.Reason]int64{}
	letters := j.letters()
	require.Len(j, letters, len(records))
	for _, l := range letters {
		rec := byPlace[l.place()]
		require.NotNil(j, rec, "%v", l.dlq)
		want := all[names[string(rec.Value)]]
		same(j, rec, l)
		assert.Contains(j, l.dlq["error"], want.says, names[string(rec.Value)])
		assert.NotEmpty(j, l.dlq["error"])
		delete(l.dlq, "error")
		assert.Equal(j, map[string]string{
			"reason": string(want.reason), "stage": want.stage, "topic": j.settings.Topic, "note": "is kept",
			"partition": strconv.Itoa(int(rec.Partition)), "offset": strconv.FormatInt(rec.Offset, 10),
			"timestamp": strconv.FormatInt(rec.Timestamp.UnixMilli(), 10), "version": version.Own(),
		}, l.dlq, names[string(rec.Value)])
		counted[want.reason]++
	}
	assert.Equal(j, counted, p.Progress().Rejected)
}

// same checks that a dead letter has the key, the value and the headers that its record has.
func same(j *job, rec *kgo.Record, l letter) {
	j.Helper()
	assert.Equal(j, rec.Key == nil, l.Key == nil, "a key is null, or not")
	assert.Equal(j, string(rec.Key), string(l.Key))
	assert.Equal(j, rec.Value == nil, l.Value == nil, "a value is null, or not")
	if string(rec.Value) != string(l.Value) {
		assert.Fail(j, "a value has changed", "%d bytes are %d: %.80q", len(rec.Value), len(l.Value), l.Value)
	}
	var want, got []string
	for _, h := range rec.Headers {
		if h.Key != "dlq.reason" {
			want = append(want, fmt.Sprintf("%q %q %t", h.Key, h.Value, h.Value == nil))
		}
	}
	for _, h := range l.Headers {
		if !strings.HasPrefix(h.Key, "dlq.") || h.Key == "dlq.note" {
			got = append(got, fmt.Sprintf("%q %q %t", h.Key, h.Value, h.Value == nil))
		}
	}
	assert.Equal(j, want, got, "the original headers, in their order")
}

// values are events that no format lets pass.
func values(j *job) map[string]reject {
	with := func(change func(*event)) []byte {
		e := event{id: "e", user: "u", page: "/", at: noon}
		change(&e)
		return j.value(e)
	}
	at := func(t time.Time) []byte { return with(func(e *event) { e.at = t }) }
	page := func(p string) []byte { return with(func(e *event) { e.page = p }) }
	return map[string]reject{
		"tombstone":               {nil, map[string]click.Reason{"json": click.JSON, "avro": click.BadMagic}[j.settings.Format], "decode", "tombstone"},
		"no event id":             {with(func(e *event) { e.id = "" }), click.InvalidField, "validate", "event_id is empty"},
		"no page":                 {page(""), click.InvalidField, "validate", "page_url is empty"},
		"page just too long":      {page(strings.Repeat("x", click.MaxPageURL+1)), click.TooLarge, "validate", "8193 bytes"},
		"page of 1 MB":            {page(strings.Repeat("x", 1<<20)), click.TooLarge, "validate", "1048576 bytes"},
		"time 0":                  {at(time.UnixMilli(0)), click.InvalidField, "validate", "timestamp 0"},
		"negative time":           {at(time.UnixMilli(-1)), click.InvalidField, "validate", "timestamp -1"},
		"seconds":                 {at(time.UnixMilli(noon.Unix())), click.InvalidField, "validate", "milliseconds"},
		"just before 2000":        {at(click.Earliest.Add(-time.Millisecond)), click.InvalidField, "validate", "2000-01-01"},
		"far future":              {at(time.UnixMilli(math.MaxInt64)), click.FutureTimestamp, "validate", "9223372036854775807"},
		"distant past":            {at(time.UnixMilli(math.MinInt64)), click.InvalidField, "validate", "-9223372036854775808"},
		"an hour ahead":           {at(noon.Add(time.Hour)), click.FutureTimestamp, "validate", "past the record's time"},
		"microseconds":            {at(time.UnixMilli(noon.UnixMicro())), click.FutureTimestamp, "validate", "timestamp 1772366400000000"},
		"page of no UTF-8":        {page("/\xff\xfe"), click.InvalidField, map[string]string{"json": "decode", "avro": "validate"}[j.settings.Format], "page_url"},
		"user of half a UTF-8":    {with(func(e *event) { e.user = "\xc3" }), click.InvalidField, map[string]string{"json": "decode", "avro": "validate"}[j.settings.Format], "user_id"},
		"session of a surrogate":  {with(func(e *event) { e.session = "\xed\xa0\x80" }), click.InvalidField, map[string]string{"json": "decode", "avro": "validate"}[j.settings.Format], "session_id"},
		"followed by a zero byte": {append(at(noon), 0), click.TrailingBytes, "decode", "1 bytes follow"},
		"followed by another":     {append(at(noon), at(noon)...), click.TrailingBytes, "decode", "follow"},
	}
}

func TestRejectsOfJSON(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJob(t, c, 2, "--format", "json")
		good := string(j.value(event{id: "e", user: "u", page: "/", at: noon}))
		change := func(old, with string) []byte {
			require.Contains(t, good, old)
			return []byte(strings.Replace(good, old, with, 1))
		}
		all := values(j)
		maps.Copy(all, map[string]reject{
			"10 MB of no JSON":    {[]byte(strings.Repeat("x", 10<<20)), click.JSON, "decode", ""},
			"10 MB, cut off":      {change(`"user_id":"u"`, `"user_id":"`+noise10MB()), click.JSON, "decode", ""},
			"empty, but not null": {[]byte{}, click.JSON, "decode", "empty"},
			"white space":         {[]byte(" \n\t"), click.JSON, "decode", "white space"},
			"an array":            {[]byte("[" + good + "]"), click.JSON, "decode", "array"},
			"cut off":             {[]byte(good[:len(good)-1]), click.JSON, "decode", ""},
			"a field twice":       {change(`"user_id":"u"`, `"user_id":"u","user_id":"u"`), click.JSON, "decode", "user_id is there twice"},
			"no page_url at all":  {change(`"page_url":"/",`, ``), click.MissingField, "decode", "page_url"},
			"page_url is null":    {change(`"page_url":"/"`, `"page_url":null`), click.MissingField, "decode", "page_url is null"},
			"page_url is 7":       {change(`"page_url":"/"`, `"page_url":7`), click.InvalidField, "decode", "page_url"},
			"no timestamp":        {change(fmt.Sprintf(`"timestamp":%d,`, noon.UnixMilli()), ``), click.MissingField, "decode", "timestamp"},
			"half a millisecond":  {change(`2366400000`, `2366400000.5`), click.InvalidField, "decode", "timestamp"},
			"a time in words":     {change(fmt.Sprint(noon.UnixMilli()), `"noon"`), click.InvalidField, "decode", "timestamp"},
			"half a surrogate":    {change(`"page_url":"/"`, `"page_url":"\ud800"`), click.InvalidField, "decode", "page_url"},
			"a raw control":       {change(`"page_url":"/"`, "\"page_url\":\"\n\""), click.JSON, "decode", ""},
			"Avro":                {[]byte{0, 0, 0, 0, 1, 2, 'e'}, click.JSON, "decode", ""},
		})
		delete(all, "tombstone") // the empty value has the same bytes: it has a test of its own
		rejected(j, all)
	})
}

func TestRejectsOfAvro(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJob(t, c, 2, "--format", "avro")
		good := j.value(event{id: "e", user: "u", page: "/", at: noon})
		all := values(j)
		maps.Copy(all, map[string]reject{
			"JSON":                       {[]byte(`{"event_id":"e"}`), click.BadMagic, "decode", "0x7b"},
			"two bytes":                  {[]byte{0, 0}, click.BadMagic, "decode", "fewer than the 5"},
			"a frame alone":              {good[:5], click.Avro, "decode", "event_id"},
			"cut off":                    {good[:len(good)-1], click.Avro, "decode", "session_id"},
			"unknown schema":             {kafkatest.Frame(1_999_999_999, good[5:]), click.UnknownSchema, "decode", "1999999999"},
			"schema -1":                  {kafkatest.Frame(-1, good[5:]), click.UnknownSchema, "decode", "4294967295"},
			"10 MB behind the event":     {append(append([]byte{}, good...), noise10MB()...), click.TrailingBytes, "decode", fmt.Sprint(10<<20, " bytes follow")},
			"no page_url in the schema":  {j.other("lacking", `{"name":"event_id","type":"string"},{"name":"user_id","type":"string"},{"name":"timestamp","type":"long"}`, map[string]any{"event_id": "e", "user_id": "u", "timestamp": noon.UnixMilli()}), click.MissingField, "decode", "no field page_url"},
			"page_url is an int":         {j.other("int", `{"name":"event_id","type":"string"},{"name":"user_id","type":"string"},{"name":"page_url","type":"int"},{"name":"timestamp","type":"long"}`, map[string]any{"event_id": "e", "user_id": "u", "page_url": 7, "timestamp": noon.UnixMilli()}), click.InvalidField, "decode", "page_url"},
			"page_url is null":           {j.other("null", `{"name":"event_id","type":"string"},{"name":"user_id","type":"string"},{"name":"page_url","type":["null","string"]},{"name":"timestamp","type":"long"}`, map[string]any{"event_id": "e", "user_id": "u", "page_url": nil, "timestamp": noon.UnixMilli()}), click.MissingField, "decode", "page_url is null"},
			"timestamp is a string":      {j.other("text", `{"name":"event_id","type":"string"},{"name":"user_id","type":"string"},{"name":"page_url","type":"string"},{"name":"timestamp","type":"string"}`, map[string]any{"event_id": "e", "user_id": "u", "page_url": "/", "timestamp": "noon"}), click.InvalidField, "decode", "timestamp"},
			"a schema that is no record": {j.bare("enum", `{"type":"enum","name":"E","symbols":["A"]}`, "A"), click.Avro, "decode", "a record is wanted"},
		})
		rejected(j, all)
	})
}

// noise10MB returns 10 MB that do not compress to little.
func noise10MB() string { return strings.Repeat(noise, 10) }

// other returns an event of a record schema with those fields.
func (j *job) other(name, fields string, native map[string]any) []byte {
	j.Helper()
	return j.bare(name, `{"type":"record","name":"ClickEvent","namespace":"com.example.events","fields":[`+fields+`]}`, native)
}

// bare returns a value of a schema that is registered for it.
func (j *job) bare(name, schema string, native any) []byte {
	j.Helper()
	codec, err := goavro.NewCodec(schema)
	require.NoError(j, err)
	avro, err := codec.BinaryFromNative(nil, native)
	require.NoError(j, err)
	return kafkatest.Frame(j.cluster.Register(j.T, j.settings.Topic+"-"+name, schema), avro)
}

// TestTombstoneStaysNull has a null value beside an empty one, and a null key beside an empty one: the topic they
// go to is to tell them apart as well.
func TestTombstoneStaysNull(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		for _, format := range []string{"avro", "json"} {
			t.Run(format, func(t *testing.T) {
				t.Parallel()
				j := newJob(t, c, 1, "--format", format)
				records := []*kgo.Record{{}, {Value: []byte{}}, {Key: []byte{}}, {Key: []byte("k"), Headers: sent}}
				j.produce(records...)
				j.run()
				j.exact()
				letters := j.letters()
				require.Len(t, letters, len(records))
				for i, l := range letters {
					same(j, records[i], l)
					assert.Contains(t, l.dlq["error"], "tombstone")
				}
			})
		}
	})
}

// TestTooLate has a bundle end, with a watermark that makes windows final, before clicks of them are read.
func TestTooLate(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJob(t, c, 1, live...)
		r := j.start()
		j.produce(j.click(0, "/", noon.Add(100*time.Second)))
		eventually(t, func() bool { return !r.plan.Progress().Watermark.IsZero() }, "no watermark is reported")
		late := j.click(0, "/late", noon.Add(59*time.Second)) // 1:00 was final at 1:30; the watermark is 1:38
		late.Headers = sent
		j.produce(late, j.click(0, "/in time", noon.Add(60*time.Second)))
		r.reads(3)
		eventually(t, func() bool { return len(j.letters()) == 1 }, "there is no dead letter")
		r.stop()
		l := j.letters()[0]
		same(j, late, l)
		assert.Equal(t, string(click.TooLate), l.dlq["reason"])
		assert.Equal(t, "window", l.dlq["stage"])
		assert.Equal(t, oracle.Place{Offset: 1}, l.place())
		assert.Contains(t, l.dlq["error"], fmt.Sprint(late.Timestamp.UnixMilli()))
	})
}

// TestPagesComeBackAsTheyAre counts pages that formats, folders and shells would like to change.
func TestPagesComeBackAsTheyAre(t *testing.T) {
	t.Parallel()
	pages := []string{
		"/", "//", "/a/../b/./", "/a=b&c=d", "/a%2Fb%", "100%", "/новости/ü/日本", "/😀\U0001F3F4\U000E0067", "/line\nbreak", "/\r\n", "/tab\t",
		"/nul\x00", "/\x01\x1b[31m\x7f", "/\u0085\u2028\ufeff", `/"double"`, "/'single'", "/`back`", `/\backslash\\`, "/a,b;c|d", " ", " lead and trail ",
		"/<script>&amp;", "/$HOME$(id)", "*", "?", "#", "window_date=2026-03-01", "null", "NULL", "\\N", "true", "7", "-0", "NaN", "/e\u0301", "/\u00e9", "\ufffd",
		strings.Repeat("ü", click.MaxPageURL/2), strings.Repeat("/", click.MaxPageURL),
	}
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		for _, format := range []string{"avro", "json"} {
			t.Run(format, func(t *testing.T) {
				t.Parallel()
				j := newJob(t, c, 3, "--format", format, "--shards", "3")
				want := map[oracle.Key]int64{}
				for i, page := range pages {
					want[j.row(page, noon)]++
					j.produce(j.click(int32(i%3), page, noon))
				}
				require.Len(t, want, len(pages))
				j.run()
				j.exact()
				assert.Empty(t, oracle.Diff(want, j.rows()))
			})
		}
	})
}

// TestWritersOfManySchemas counts the clicks of producers that each have a schema of their own, which says more
// than ours, in another order, or otherwise.
func TestWritersOfManySchemas(t *testing.T) {
	t.Parallel()
	const id, user, page = `{"name":"event_id","type":"string"},`, `{"name":"user_id","type":"string"},`, `{"name":"page_url","type":"string"},`
	millis := noon.UnixMilli()
	native := func(timestamp any, more ...any) map[string]any {
		all := map[string]any{"event_id": "e", "user_id": "u", "page_url": "/", "timestamp": timestamp}
		for i := 0; i < len(more); i += 2 {
			all[more[i].(string)] = more[i+1]
		}
		return all
	}
	writers := map[string]struct {
		fields string
		native map[string]any
	}{
		"no session":      {id + user + page + `{"name":"timestamp","type":"long"}`, native(millis)},
		"nested type":     {id + user + page + `{"name":"timestamp","type":{"type":"long","logicalType":"timestamp-millis"}}`, native(noon)},
		"microseconds":    {id + user + page + `{"name":"timestamp","type":{"type":"long","logicalType":"timestamp-micros"}}`, native(noon)},
		"another order":   {`{"name":"timestamp","type":"long"},` + page + user + `{"name":"event_id","type":"string"}`, native(millis)},
		"nullable":        {id + user + `{"name":"page_url","type":["null","string"]},{"name":"timestamp","type":["null","long"]}`, native(goavro.Union("long", millis), "page_url", goavro.Union("string", "/"))},
		"bytes for text":  {id + user + `{"name":"page_url","type":"bytes"},{"name":"timestamp","type":"long"}`, native(millis, "page_url", []byte("/"))},
		"more before":     {`{"name":"tags","type":{"type":"map","values":{"type":"array","items":"double"}}},` + id + user + page + `{"name":"timestamp","type":"long"}`, native(millis, "tags", map[string]any{"a": []any{1.5}})},
		"more in between": {id + `{"name":"geo","type":["null",{"type":"record","name":"Geo","fields":[{"name":"lat","type":"float"}]}]},` + user + page + `{"name":"timestamp","type":"long"}`, native(millis, "geo", goavro.Union("com.example.events.Geo", map[string]any{"lat": 1.0}))},
		"session first":   {`{"name":"session_id","type":["string","null"]},` + id + user + page + `{"name":"timestamp","type":"long"}`, native(millis, "session_id", goavro.Union("string", "s"))},
	}
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJob(t, c, 2, "--format", "avro")
		j.settings.Registry += "/"
		for range 3 {
			for name, w := range writers {
				j.produce(&kgo.Record{Partition: int32(len(name) % 2), Timestamp: noon, Value: j.other(strings.ReplaceAll(name, " ", "-"), w.fields, w.native)})
			}
		}
		j.run()
		j.exact()
		assert.Equal(t, map[oracle.Key]int64{j.row("/", noon): 3 * int64(len(writers))}, j.rows())
	})
}

// TestLargeClicks counts clicks whose records are large for what is not counted in them.
func TestLargeClicks(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		for _, format := range []string{"avro", "json"} {
			t.Run(format, func(t *testing.T) {
				t.Parallel()
				j := newJob(t, c, 1, "--format", format)
				j.produce(&kgo.Record{Timestamp: noon, Value: j.value(event{id: "e", user: noise10MB(), page: "/", at: noon})})
				j.run()
				j.exact()
				assert.Equal(t, map[oracle.Key]int64{j.row("/", noon): 1}, j.rows())
			})
		}
	})
}
