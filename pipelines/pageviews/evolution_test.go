package pageviews_test

import (
	"strings"
	"testing"

	"github.com/linkedin/goavro/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/registry"
	"clickstream/pipelines/schemas"
	"clickstream/testing/kafkatest"
	"clickstream/testing/oracle"
)

// versions are those of a schema, each of which a registry takes after the one before: fields come, go, move, are promoted
// and renamed.
var versions = []struct {
	what   string
	fields []string
	event  map[string]any
}{
	{"as it begins", []string{idField, userField, pageField, timeField, sessionField}, event1("session_id", goavro.Union("string", "s"))},
	{"an optional field more", []string{idField, userField, pageField, timeField, sessionField, `{"name":"dwell","type":["null","int"],"default":null}`}, event1("session_id", nil, "dwell", goavro.Union("int", 7))},
	{"another order", []string{timeField, `{"name":"dwell","type":["null","int"],"default":null}`, pageField, sessionField, userField, idField}, event1("session_id", nil, "dwell", nil)},
	{"types are promoted", []string{idField, `{"name":"user_id","type":"bytes"}`, pageField, timeField, sessionField, `{"name":"dwell","type":["null","long"],"default":null}`}, event1("user_id", []byte("u"), "session_id", nil, "dwell", goavro.Union("long", int64(1)<<40))},
	{"optional fields less", []string{idField, `{"name":"user_id","type":"bytes"}`, pageField, timeField}, event1("user_id", []byte("u"))},
	{"a field has another name", []string{idField, `{"name":"user_id","type":"bytes"}`, `{"name":"href","aliases":["page_url"],"type":"string"}`, timeField}, event1("user_id", []byte("u"), "href", "/")},
}

const (
	idField      = `{"name":"event_id","type":"string"}`
	userField    = `{"name":"user_id","type":"string"}`
	pageField    = `{"name":"page_url","type":"string"}`
	timeField    = `{"name":"timestamp","type":{"type":"long","logicalType":"timestamp-millis"}}`
	sessionField = `{"name":"session_id","type":["null","string"],"default":null}`
)

// event1 returns an event of the page /, with other values of some fields.
func event1(others ...any) map[string]any {
	e := map[string]any{"event_id": "e", "user_id": "u", "page_url": "/", "timestamp": noon}
	for i := 0; i < len(others); i += 2 {
		e[others[i].(string)] = others[i+1]
	}
	return e
}

// framed returns an event, framed.
func framed(t *testing.T, id int, schema string, event map[string]any) []byte {
	t.Helper()
	codec, err := goavro.NewCodec(schema)
	require.NoError(t, err)
	value, err := codec.BinaryFromNative(nil, event)
	require.NoError(t, err)
	return kafkatest.Frame(id, value)
}

func recordOf(fields ...string) string {
	return `{"type":"record","name":"ClickEvent","namespace":"com.example.events","fields":[` + strings.Join(fields, ",") + `]}`
}

// TestSchemaEvolves deploys one version of a schema after the other in the middle of a topic, while a run goes on, and at last
// one that the registry would not take, and that is no click's.
func TestSchemaEvolves(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		j := newJob(t, c, 2, "--until", "never", "--idle-timeout", "1s", "--watermark-delay", "1s")
		subject := j.settings.Topic + "-value"
		reg, err := registry.New(registry.Settings{URL: c.Registry, RetryTimeout: patience})
		require.NoError(t, err)
		t.Cleanup(reg.Close)
		clicks := int64(0)
		var r *running
		for i, v := range versions {
			schema := recordOf(v.fields...)
			id, _, err := schemas.Register(t.Context(), reg, subject, schemas.Schema{Name: v.what, Text: schema})
			require.NoError(t, err, v.what)
			if i == 0 {
				c.Compatibility(t, subject, "BACKWARD") // whatever is the registry's own level
			}
			value := framed(t, id, schema, v.event)
			j.produce(&kgo.Record{Partition: 0, Timestamp: noon, Value: value}, &kgo.Record{Partition: 1, Timestamp: noon, Value: value})
			if clicks += 2; r == nil {
				r = j.start()
			}
			r.reads(clicks)
			assert.Equal(t, clicks, r.plan.Progress().Counted, v.what)
		}

		broken := recordOf(idField, `{"name":"user_id","type":"bytes"}`, `{"name":"page_url","type":"int"}`)
		_, verdict, err := schemas.Register(t.Context(), reg, subject, schemas.Schema{Name: "broken.avsc", Text: broken})
		require.Error(t, err, "a producer that asks is told")
		assert.NotNil(t, verdict.Fault)
		assert.NotEmpty(t, verdict.Refusals, "the registry enforces compatibility")
		c.Compatibility(t, subject, "NONE") // who is in a hurry does that
		id := c.Register(t, subject, broken)
		j.produce(&kgo.Record{Timestamp: noon, Value: framed(t, id, broken, map[string]any{"event_id": "e", "user_id": []byte("u"), "page_url": 1})})
		r.shows(map[oracle.Key]int64{j.row("/", noon): clicks})
		eventually(t, func() bool { return len(j.letters()) > 0 }, "there is no dead letter")
		r.stop()
		letters := j.letters()
		require.Len(t, letters, 1)
		assert.Equal(t, "missing_field", letters[0].dlq["reason"])
		assert.Contains(t, letters[0].dlq["error"], "has page_url of type int, string is wanted; no field timestamp")
	})
}
