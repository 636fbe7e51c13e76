package oracle_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/testing/kafkatest"
	"clickstream/testing/oracle"
)

// minute is where the windows of these tests start.
var minute = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

const skew = 5 * time.Minute

func rules(c *kafkatest.Cluster, format string) oracle.Rules {
	return oracle.Rules{Format: format, Registry: c.Registry, Window: time.Minute, ClockSkew: skew}
}

func count(t *testing.T, c *kafkatest.Cluster, topic string, r oracle.Rules) *oracle.Counts {
	t.Helper()
	counts, err := oracle.Count(t.Context(), topic, r, kgo.SeedBrokers(c.Brokers...))
	require.NoError(t, err)
	return counts
}

// with returns a good JSON click, changed.
func with(change func(click map[string]any)) string {
	click := map[string]any{"event_id": "e", "user_id": "u", "page_url": "/", "timestamp": minute.UnixMilli()}
	change(click)
	text, err := json.Marshal(click)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func set(name string, value any) string { return with(func(c map[string]any) { c[name] = value }) }
func without(name string) string        { return with(func(c map[string]any) { delete(c, name) }) }

var goodJSON = map[string]string{
	"plain":                       set("page_url", "/"),
	"without a user's name":       set("user_id", ""),
	"session null":                set("session_id", nil),
	"with a session":              set("session_id", "s"),
	"unknown field":               set("extra", []any{1, map[string]any{"event_id": 7}}),
	"RFC 3339":                    set("timestamp", "2024-05-01T14:00:00.5+02:00"),
	"white space around":          " \n" + set("page_url", "/") + "\t",
	"exponent":                    strings.Replace(set("timestamp", 0), ":0", ":17145648e5", 1),
	"replacement character":       set("event_id", "\uFFFD"),
	"escaped surrogates":          strings.Replace(set("event_id", "X"), "X", `\ud83d\ude00`, 1),
	"exactly at the clock's skew": set("timestamp", minute.Add(skew).UnixMilli()),
}

var badJSON = map[string]string{
	"tombstone":             "",
	"no object":             `[]`,
	"cut off":               `{"event_id":"e"`,
	"two objects":           set("user_id", "u") + set("user_id", "u"),
	"empty event":           set("event_id", ""),
	"empty page":            set("page_url", ""),
	"no event":              without("event_id"),
	"no user":               without("user_id"),
	"no page":               without("page_url"),
	"no timestamp":          without("timestamp"),
	"user null":             set("user_id", nil),
	"page a number":         set("page_url", 1),
	"session a number":      set("session_id", 1),
	"timestamp of words":    set("timestamp", "noon"),
	"timestamp in fraction": set("timestamp", float64(minute.UnixMilli())+0.5),
	"seconds":               set("timestamp", minute.Unix()),
	"zero":                  set("timestamp", 0),
	"before 2000":           set("timestamp", time.Date(1999, 12, 31, 23, 59, 59, 999e6, time.UTC).UnixMilli()),
	"the future":            set("timestamp", minute.Add(skew).UnixMilli()+1),
	"page too long":         set("page_url", strings.Repeat("x", 8193)),
	"not UTF-8":             strings.Replace(set("page_url", "X"), "X", "\xff", 1),
	"half a character":      strings.Replace(set("page_url", "X"), "X", `\ud800`, 1),
	"a name twice":          `{"page_url":"/a",` + set("page_url", "/")[1:],
	"a name in capitals":    strings.Replace(set("page_url", "/"), "page_url", "PAGE_URL", 1),
}

func TestJSON(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Topic(t, 1)
		for name, value := range goodJSON {
			produced := &kgo.Record{Value: []byte(value), Timestamp: minute, Key: []byte(name)}
			c.Produce(t, topic, produced)
			before := count(t, c, topic, rules(c, "json"))
			assert.Equal(t, produced.Offset+1, before.Valid, name)
			assert.Empty(t, before.Invalid, name)
		}
		for name, value := range badJSON {
			produced := &kgo.Record{Value: []byte(value), Timestamp: minute, Key: []byte(name)}
			c.Produce(t, topic, produced)
			assert.Contains(t, count(t, c, topic, rules(c, "json")).Invalid, oracle.Place{Offset: produced.Offset}, name)
		}
		counts := count(t, c, topic, rules(c, "json"))
		assert.EqualValues(t, len(goodJSON), counts.Valid)
		assert.Len(t, counts.Invalid, len(badJSON))
	})
}

func TestWindowsAndPages(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Topic(t, 3)
		click := func(partition int32, page string, after time.Duration) *kgo.Record {
			return &kgo.Record{Partition: partition, Timestamp: minute, Value: []byte(with(func(c map[string]any) {
				c["page_url"], c["timestamp"] = page, minute.Add(after).UnixMilli()
			}))}
		}
		c.Produce(t, topic,
			click(0, "/a", 0), click(0, "/a", time.Minute-time.Millisecond), click(0, "/a", time.Minute),
			click(1, "/a", -time.Millisecond), click(1, "/b\n=😀", 30*time.Second), click(1, "/a", time.Second))

		counts := count(t, c, topic, rules(c, "json"))
		at := func(after time.Duration, page string) oracle.Key {
			return oracle.Key{WindowStart: minute.Add(after).UnixMilli(), Page: page}
		}
		assert.Equal(t, map[oracle.Key]int64{
			at(-time.Minute, "/a"): 1,
			at(0, "/a"):            3,
			at(0, "/b\n=😀"):        1,
			at(time.Minute, "/a"):  1,
		}, counts.Views)
		assert.EqualValues(t, 6, counts.Valid)

		late := rules(c, "json")
		late.Except = func(p oracle.Place) bool { return p == oracle.Place{Partition: 1, Offset: 0} }
		counts = count(t, c, topic, late)
		assert.NotContains(t, counts.Views, at(-time.Minute, "/a"))
		assert.EqualValues(t, 5, counts.Valid)
	})
}

const (
	idsAndPage  = `{"name":"event_id","type":"string"},{"name":"user_id","type":"string"},{"name":"page_url","type":"string"}`
	sessionType = `{"name":"session_id","type":["null","string"],"default":null}`
)

func record(fields ...string) string {
	return `{"type":"record","name":"ClickEvent","namespace":"com.example.events","fields":[` + strings.Join(fields, ",") + `]}`
}

func TestAvro(t *testing.T) {
	millis := minute.UnixMilli()
	whole := map[string]any{"event_id": "e", "user_id": "u", "page_url": "/", "timestamp": millis, "session_id": goavro.Union("string", "s")}
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Topic(t, 1)
		subject := c.Name(t)
		frame := func(name, schema string, native map[string]any) []byte {
			codec, err := goavro.NewCodec(schema)
			require.NoError(t, err)
			avro, err := codec.BinaryFromNative(nil, native)
			require.NoError(t, err)
			return kafkatest.Frame(c.Register(t, subject+"-"+name, schema), avro)
		}
		changed := func(name string, value any) map[string]any {
			m := make(map[string]any)
			for k, v := range whole {
				m[k] = v
			}
			m[name] = value
			return m
		}
		atField := record(idsAndPage, `{"name":"timestamp","type":"long","logicalType":"timestamp-millis"}`, sessionType)
		good := frame("field", atField, whole)
		for name, value := range map[string][]byte{
			"beside the type": good,
			"session null":    frame("field", atField, changed("session_id", nil)),
			"in the type":     frame("type", record(idsAndPage, `{"name":"timestamp","type":{"type":"long","logicalType":"timestamp-millis"}}`, sessionType), changed("timestamp", minute)),
			"in micros":       frame("micros", record(idsAndPage, `{"name":"timestamp","type":"long","logicalType":"timestamp-micros"}`), changed("timestamp", millis*1000)),
			"no session":      frame("short", record(`{"name":"timestamp","type":"long"}`, idsAndPage), whole),
			"page in a union": frame("union", record(`{"name":"timestamp","type":"long"},{"name":"event_id","type":"string"},{"name":"user_id","type":"string"},{"name":"page_url","type":["null","string"]}`),
				changed("page_url", goavro.Union("string", "/"))),
		} {
			produced := &kgo.Record{Value: value, Timestamp: minute}
			c.Produce(t, topic, produced)
			counts := count(t, c, topic, rules(c, "avro"))
			require.Equal(t, produced.Offset+1, counts.Valid, name)
			require.Equal(t, counts.Valid, counts.Views[oracle.Key{WindowStart: millis, Page: "/"}], name)
		}
		valid := count(t, c, topic, rules(c, "avro")).Valid
		bad := map[string][]byte{
			"tombstone":      nil,
			"no frame":       []byte("{}"),
			"short frame":    good[:4],
			"unknown schema": kafkatest.Frame(999_999, good[5:]),
			"cut off":        good[:len(good)-1],
			"trailing bytes": append(good[:len(good):len(good)], 0),
			"lacks a page":   frame("lacks", record(`{"name":"event_id","type":"string"},{"name":"user_id","type":"string"},{"name":"timestamp","type":"long"}`), whole),
			"page a long":    frame("long", record(`{"name":"event_id","type":"string"},{"name":"user_id","type":"string"},{"name":"page_url","type":"long"},{"name":"timestamp","type":"long"}`), changed("page_url", 1)),
			"no page":        frame("field", atField, changed("page_url", "")),
			"the future":     frame("field", atField, changed("timestamp", minute.Add(skew).UnixMilli()+1)),
			"not UTF-8":      frame("field", atField, changed("user_id", "\xff")),
		}
		for name, value := range bad {
			produced := &kgo.Record{Value: value, Timestamp: minute}
			c.Produce(t, topic, produced)
			assert.Contains(t, count(t, c, topic, rules(c, "avro")).Invalid, oracle.Place{Offset: produced.Offset}, name)
		}
		counts := count(t, c, topic, rules(c, "avro"))
		assert.Equal(t, valid, counts.Valid)
		assert.Len(t, counts.Invalid, len(bad))
	})
}

func TestRegistryDownIsAnError(t *testing.T) {
	c := kafkatest.StartEmbedded(t)
	topic := c.Topic(t, 1)
	c.Produce(t, topic, &kgo.Record{Value: kafkatest.Frame(1, nil), Timestamp: minute})
	c.Fakes.Registry.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	_, err := oracle.Count(t.Context(), topic, rules(c, "avro"), kgo.SeedBrokers(c.Brokers...))
	require.ErrorContains(t, err, "schema 1")
	require.ErrorContains(t, err, "503")
}

func TestUncommittedRecordsDoNotCount(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		topic := c.Topic(t, 2)
		client := c.Client(t, kgo.TransactionalID(c.Name(t)))
		for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
			require.NoError(t, client.BeginTransaction())
			require.NoError(t, client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte(set("user_id", "u")), Timestamp: minute}).FirstErr())
			c.EndTransaction(t, client, topic, end)
		}
		require.NoError(t, client.BeginTransaction())
		require.NoError(t, client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte(set("user_id", "open")), Timestamp: minute}).FirstErr())
		counts := count(t, c, topic, rules(c, "json"))
		assert.EqualValues(t, 1, counts.Valid)
		assert.Empty(t, counts.Invalid)
		require.NoError(t, client.EndTransaction(t.Context(), kgo.TryAbort))
	})
}

func TestEmptyAndMissingTopics(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		counts := count(t, c, c.Topic(t, 3), rules(c, "json"))
		assert.Zero(t, counts.Valid)
		assert.Empty(t, counts.Views)

		name := c.Name(t)
		_, err := oracle.Count(t.Context(), name, rules(c, "json"), kgo.SeedBrokers(c.Brokers...))
		require.ErrorContains(t, err, name)
	})
}

func TestDiff(t *testing.T) {
	at := func(page string) oracle.Key { return oracle.Key{WindowStart: minute.UnixMilli(), Page: page} }
	assert.Empty(t, oracle.Diff(map[oracle.Key]int64{at("/a"): 1}, map[oracle.Key]int64{at("/a"): 1}))
	assert.Equal(t, []string{
		`2024-05-01T12:00:00Z "/a": want 1, got 2`,
		`2024-05-01T12:00:00Z "/b": want 3, the row is missing`,
		`2024-05-01T12:00:00Z "/c": got 4, no such row is wanted`,
	}, oracle.Diff(
		map[oracle.Key]int64{at("/a"): 1, at("/b"): 3, at("/same"): 9},
		map[oracle.Key]int64{at("/a"): 2, at("/c"): 4, at("/same"): 9}))

	many := make(map[oracle.Key]int64)
	for i := range 100 {
		many[at(fmt.Sprint(i))] = 1
	}
	long := oracle.Diff(many, nil)
	assert.Len(t, long, 21)
	assert.Equal(t, "… 100 of 100 rows differ: want 100 views in all, got 0", long[20])
	assert.Len(t, oracle.Diff(nil, map[oracle.Key]int64{at("/zero"): 0}), 1, "a row of nothing is a row")
}

func TestTop(t *testing.T) {
	at := func(after time.Duration, page string) oracle.Key {
		return oracle.Key{WindowStart: minute.Add(after).UnixMilli(), Page: page}
	}
	rows := map[oracle.Key]int64{at(0, "/a"): 1, at(0, "/b"): 3, at(0, "/c"): 2, at(0, "/d"): 2, at(time.Minute, "/a"): 1}
	assert.Equal(t, rows, oracle.Top(rows, 0))
	assert.Equal(t, rows, oracle.Top(rows, 4))
	assert.Equal(t, map[oracle.Key]int64{at(0, "/b"): 3, at(0, "/c"): 2, at(time.Minute, "/a"): 1}, oracle.Top(rows, 2))
}
