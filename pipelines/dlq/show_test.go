package dlq_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/pipelines/dlq"
	"clickstream/pipelines/settings"
	"clickstream/testing/kafkatest"
	"clickstream/transforms/click"
)

// show shows a dead letter, and returns it as text as well.
func (d *desk) show(flags ...string) (*dlq.Shown, string) {
	d.Helper()
	s, err := d.tryShow(flags...)
	require.NoError(d, err)
	var text, json strings.Builder
	require.NoError(d, s.WriteText(&text))
	require.NoError(d, s.WriteJSON(&json))
	return s, text.String()
}

func (d *desk) tryShow(flags ...string) (*dlq.Shown, error) {
	d.Helper()
	ctx, cancel := context.WithTimeout(d.Context(), patience)
	defer cancel()
	return dlq.Show(ctx, settle[settings.DLQShow](d, flags...), nil)
}

// put produces a record and its dead letter, and returns the place of that.
func (d *desk) put(rec *kgo.Record, reason click.Reason) string {
	d.Helper()
	d.cluster.Produce(d.T, d.topic, rec)
	letter := d.letter(rec, reason)
	d.cluster.Produce(d.T, d.letters, letter)
	return fmt.Sprintf("%d:%d", letter.Partition, letter.Offset)
}

func TestShow(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c, 2)
		schema := c.Register(t, d.topic+"-value", click.Schema)
		avro, err := clicks.BinaryFromNative(nil, map[string]any{"event_id": "e7", "user_id": "u", "page_url": "/cart", "timestamp": noon.UnixMilli(), "session_id": nil})
		require.NoError(t, err)
		value := kafkatest.Frame(schema, avro)

		s, text := d.show(d.put(&kgo.Record{Partition: 1, Key: []byte("k\x1b"), Value: append(value, 1, 2), Timestamp: noon,
			Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte("\x00")}}}, click.TrailingBytes), "--registry", c.Registry)
		assert.Equal(t, "trailing_bytes", s.Reason)
		assert.Equal(t, "it is trailing_bytes", s.Error)
		assert.Equal(t, "decode", s.Stage)
		assert.Equal(t, "clickstream/test", s.Version)
		assert.Equal(t, dlq.Where{Topic: d.topic, Partition: 1, Offset: 0, Time: noon}, s.Source)
		assert.Equal(t, []dlq.HeaderOf{{Key: "trace", Value: "\x00"}}, s.Headers)
		assert.True(t, s.Schema.Found)
		assert.EqualValues(t, schema, s.Schema.ID)
		assert.Contains(t, s.Decoded.Text, `"/cart"`)
		assert.Equal(t, "2 bytes more than the schema describes", s.Decoded.Fault)
		assert.Contains(t, text, `header        trace: "\x00"`)
		assert.Contains(t, text, "00000000  6b 1b ")
		assert.NotContains(t, text, "\x1b")
		assert.Contains(t, text, "state         out\n")
		assert.Empty(t, s.Schema.Changes)
		assert.Contains(t, s.Schema.Text, `"name":"ClickEvent"`)

		s, text = d.show(d.put(&kgo.Record{Value: value[:len(value)-3]}, click.Avro), "--registry", c.Registry)
		assert.Contains(t, s.Decoded.Text, `"event_id": "e7"`, "as far as it goes")
		assert.NotContains(t, s.Decoded.Text, "timestamp")
		assert.NotEmpty(t, s.Decoded.Fault)
		assert.Contains(t, text, "as avro, as far as it goes: ")
		assert.Contains(t, text, "key: none")

		s, _ = d.show(d.put(&kgo.Record{Value: kafkatest.Frame(1_999_999_999, nil)}, click.UnknownSchema), "--registry", c.Registry)
		assert.Equal(t, "the registry has no such schema", s.Schema.Note)
		s, _ = d.show("0:1")
		assert.Contains(t, s.Schema.Note, "--registry")

		s, _ = d.show(d.put(&kgo.Record{Value: []byte(`{"event_id":1}`)}, click.InvalidField))
		assert.Equal(t, "{\n  \"event_id\": 1\n}", s.Decoded.Text)
		s, _ = d.show(d.put(&kgo.Record{Value: []byte(`{"event_id":1`)}, click.JSON))
		assert.NotEmpty(t, s.Decoded.Fault)
		s, text = d.show(d.put(&kgo.Record{}, click.BadMagic))
		assert.Nil(t, s.Decoded)
		assert.Contains(t, text, "value: none")

		place := d.put(&kgo.Record{Value: make([]byte, 700)}, click.BadMagic)
		s, text = d.show(place)
		assert.Equal(t, 188, s.Value.Cut)
		assert.Contains(t, text, "and 188 bytes more; see all with --bytes 0")
		s, _ = d.show(place, "--bytes", "0")
		assert.Zero(t, s.Value.Cut)
	})
}

// TestShowSchemas says what is between the schema that a record claims and that of a click, and shows the bytes where no
// registry answers.
func TestShowSchemas(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c, 1)
		broken := c.Register(t, d.topic+"-value", `{"type":"record","name":"ClickEvent","namespace":"com.example.events","fields":[{"name":"event_id","type":"string"},{"name":"page_url","type":"int"}]}`)
		place := d.put(&kgo.Record{Value: kafkatest.Frame(broken, []byte{2, 'e', 14})}, click.MissingField)
		s, text := d.show(place, "--registry", c.Registry)
		assert.Contains(t, s.Schema.Changes, "user_id: was removed")
		assert.Contains(t, text, "beside that of click: user_id: was removed")
		assert.Contains(t, text, "has no field user_id; page_url of type int, string is wanted")
		assert.Contains(t, text, `{"name":"page_url","type":"int"}`)
		assert.Contains(t, text, `"page_url": 7`)

		s, text = d.show(place, "--registry", "http://127.0.0.1:1", "--retry-timeout", "1s")
		assert.False(t, s.Schema.Found)
		assert.Contains(t, s.Schema.Note, "it is not known: ")
		assert.Contains(t, text, "00000000  00 00 00 ")
	})
}

func TestShowByTheRecordsPlace(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c, 2)
		letters := d.rejected(0, 3, click.JSON)
		c.Produce(t, d.letters, copyOf(letters[1], 1))
		s, text := d.show("--source", "0:1")
		assert.Equal(t, "0:1 is no click", string(s.Value.Shown))
		assert.Equal(t, 2, 1+len(s.Copies))
		assert.Contains(t, text, "also at")
		assert.False(t, s.Replayed)
		d.replay("--source", "--partition", "0", "--offsets", "1")
		s, text = d.show("--source", "0:1")
		assert.True(t, s.Replayed)
		assert.Contains(t, text, "state         replayed since\n")
		s, _ = d.show("0:1")
		assert.True(t, s.Replayed)
		s, _ = d.show("0:2")
		assert.False(t, s.Replayed)

		_, err := d.tryShow("--source", "0:9")
		refused(t, err, "topic "+d.letters+" has no dead letter of partition 0 offset 9 of topic "+d.topic)
		_, err = d.tryShow("0:99")
		refused(t, err, "topic "+d.letters+" has no record at 0:99: partition 0 begins at offset 0 and ends before")
		_, err = d.tryShow("5:0")
		refused(t, err, "has no partition 5")
		_, err = d.tryShow("0:3")
		refused(t, err, "is no dead letter, but a marker of what was replayed")
		_, err = d.tryShow("0:4")
		refused(t, err, "the end of a transaction")
		c.Produce(t, d.letters, &kgo.Record{Value: []byte("hello")})
		_, err = d.tryShow("0:5")
		refused(t, err, "is no dead letter, but a record without the headers of one")
	})
}
