package decode_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/avro"

	"clickstream/io/registry"
	"clickstream/transforms/click"
	"clickstream/transforms/decode"
)

// schemas is a source of schemas by id that counts how often it is asked.
type schemas struct {
	byID  map[int]string
	err   error // returned for every id, if set
	asked []int
	at    time.Time
}

func (s *schemas) Schema(_ context.Context, id int, at time.Time) (string, error) {
	s.asked, s.at = append(s.asked, id), at
	if s.err != nil {
		return "", s.err
	}
	schema, ok := s.byID[id]
	if !ok {
		return "", fmt.Errorf("schema %d: %w", id, registry.ErrUnknown)
	}
	return schema, nil
}

// one is a source with one schema, of id 7.
func one(schema string) *schemas { return &schemas{byID: map[int]string{7: schema}} }

// frame puts the registry's header before an event.
func frame(id uint32, event []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, id), event...)
}

// encode returns a framed event of schema 7.
func encode(t testing.TB, schema string, event any) []byte {
	t.Helper()
	b, err := avro.MustParse(schema, avro.WithLaxNames(nil)).Encode(event)
	require.NoError(t, err)
	return frame(7, b)
}

// typical is an event of click.Schema, and typicalClick the click that it is.
var (
	typical = map[string]any{
		"event_id": "6f1a1c0e-8f0a-4b7e-9c62-0d8f5a1b2c3d", "user_id": "2b9d7c51-33a8-4f0e-8a56-c7e1f2a3b4c5",
		"page_url": "/products/shoes/page-42.html", "timestamp": int64(1_780_000_000_000),
		"session_id": "a0b1c2d3-e4f5-4a6b-8c7d-9e8f7a6b5c4d",
	}
	typicalClick = click.Click{
		EventID: "6f1a1c0e-8f0a-4b7e-9c62-0d8f5a1b2c3d", UserID: "2b9d7c51-33a8-4f0e-8a56-c7e1f2a3b4c5",
		PageURL: "/products/shoes/page-42.html", Timestamp: 1_780_000_000_000,
		SessionID: "a0b1c2d3-e4f5-4a6b-8c7d-9e8f7a6b5c4d",
	}
)

// requireClick decodes a value that is a click.
func requireClick(t *testing.T, d decode.Decoder, value []byte) click.Click {
	t.Helper()
	// What the decoder does not set must not show.
	c := click.Click{EventID: "old", UserID: "old", PageURL: "old", Timestamp: -1, SessionID: "old"}
	fault, err := d.Decode(t.Context(), value, 0, &c)
	require.NoError(t, err)
	require.Nil(t, fault)
	return c
}

// requireFault decodes a value that is none.
func requireFault(t *testing.T, d decode.Decoder, value []byte, reason click.Reason, words ...string) {
	t.Helper()
	var c click.Click
	fault, err := d.Decode(t.Context(), value, 0, &c)
	require.NoError(t, err)
	require.NotNil(t, fault, "decoded as %+v", c)
	require.Equal(t, reason, fault.Reason, fault.Detail)
	require.NotContains(t, fault.Detail, "\n")
	for _, w := range words {
		require.Contains(t, fault.Detail, w)
	}
}

func TestAvro(t *testing.T) {
	value := encode(t, click.Schema, typical)
	before := string(value)
	d := decode.NewAvro(one(click.Schema))
	assert.Equal(t, typicalClick, requireClick(t, d, value))
	assert.EqualValues(t, 7, d.Schema())

	without := typicalClick
	without.SessionID = ""
	assert.Equal(t, without, requireClick(t, d, encode(t, click.Schema, map[string]any{
		"event_id": without.EventID, "user_id": without.UserID, "page_url": without.PageURL,
		"timestamp": without.Timestamp, "session_id": nil,
	})))
	assert.Equal(t, before, string(value), "the record is left as it is")
}

// The hot path must not allocate, and the strings be those of the record.
func TestAvroAllocatesNothing(t *testing.T) {
	value := encode(t, click.Schema, typical)
	d := decode.NewAvro(one(click.Schema))
	c := requireClick(t, d, value)
	at := uintptr(unsafe.Pointer(unsafe.StringData(c.PageURL))) - uintptr(unsafe.Pointer(&value[0]))
	assert.Less(t, at, uintptr(len(value)))
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if fault, err := d.Decode(t.Context(), value, 0, &c); fault != nil || err != nil {
			t.Fatal(fault, err)
		}
	}))
}

func TestAvroFraming(t *testing.T) {
	d := decode.NewAvro(one(click.Schema))
	for name, c := range map[string]struct {
		value []byte
		words string
	}{
		"nil":         {nil, "tombstone"},
		"empty":       {[]byte{}, "tombstone"},
		"magic":       {[]byte{1, 0, 0, 0, 7, 2, 'x'}, "0x01"},
		"json":        {[]byte(`{"event_id":"x"}`), "0x7b"},
		"one byte":    {[]byte{0}, "1 bytes"},
		"four bytes":  {[]byte{0, 0, 0, 7}, "4 bytes"},
		"a wrong one": {[]byte{9}, "0x09"},
	} {
		t.Run(name, func(t *testing.T) { requireFault(t, d, c.value, click.BadMagic, c.words) })
	}
	requireFault(t, d, frame(7, nil), click.Avro, "event_id", "ends")
}

func TestAvroTruncatedAndTrailing(t *testing.T) {
	value := encode(t, click.Schema, typical)
	d := decode.NewAvro(one(click.Schema))
	for n := 5; n < len(value); n++ {
		requireFault(t, d, value[:n], click.Avro, "ends within", "schema 7")
	}
	requireFault(t, d, append(value[:len(value):len(value)], 0, 0), click.TrailingBytes, "2 bytes")
}

func TestAvroBytesOfNoEvent(t *testing.T) {
	d := decode.NewAvro(one(click.Schema))
	for name, c := range map[string]struct{ event, words string }{
		"negative length":       {"\x01", "negative"},
		"length past the end":   {"\x7e", "ends"},
		"length of 2^62":        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", "ends"},
		"number of 11 bytes":    {strings.Repeat("\xff", 10) + "\x01", "too many bits"},
		"number of 65 bits":     {strings.Repeat("\xff", 9) + "\x02", "too many bits"},
		"number cut off":        {"\x80", "ends"},
		"branch past the last":  {"\x02e\x02u\x02p\x00\x04", "no such branch"},
		"branch below zero":     {"\x02e\x02u\x02p\x00\x01", "no such branch"},
		"branch of 2^62":        {"\x02e\x02u\x02p\x00\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", "no such branch"},
		"number in many bytes":  {"\x02e\x02u\x02p\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00\x00", "too many bits"},
		"string into the event": {"\x02e\x02u\x10p", "page_url"},
	} {
		t.Run(name, func(t *testing.T) { requireFault(t, d, frame(7, []byte(c.event)), click.Avro, c.words) })
	}
	assert.Equal(t, click.Click{EventID: "e", UserID: "u", PageURL: "p", Timestamp: -1},
		requireClick(t, d, frame(7, []byte("\x02e\x02u\x02p\x01\x00"))))
	assert.Equal(t, click.Click{}, requireClick(t, d, frame(7, make([]byte, 5))), "empty strings are for click.Check")
}

func TestAvroSchemasOfTheRegistry(t *testing.T) {
	value := encode(t, click.Schema, typical)
	source := one(click.Schema)
	d := decode.NewAvro(source)

	t.Run("asked once for each id", func(t *testing.T) {
		source.byID[8] = strings.Replace(click.Schema, "ClickEvent", "Renamed", 1)
		for range 3 {
			requireClick(t, d, value)
			requireClick(t, d, frame(8, value[5:]))
			assert.EqualValues(t, 8, d.Schema())
		}
		assert.Equal(t, []int{7, 8}, source.asked)
	})
	t.Run("unknown until it is registered", func(t *testing.T) {
		requireFault(t, d, frame(9, value[5:]), click.UnknownSchema, "9")
		requireClick(t, d, value)
		source.byID[9] = click.Schema
		requireClick(t, d, frame(9, value[5:]))
	})
	t.Run("asked for the time of the record", func(t *testing.T) {
		var c click.Click
		fault, err := d.Decode(t.Context(), frame(0xfffffff0, nil), 1_780_000_000_123, &c)
		require.NoError(t, err)
		assert.Equal(t, click.UnknownSchema, fault.Reason)
		assert.Equal(t, 0xfffffff0, source.asked[len(source.asked)-1])
		assert.Equal(t, int64(1_780_000_000_123), source.at.UnixMilli())
	})
	t.Run("not Avro", func(t *testing.T) {
		source.err = fmt.Errorf("schema 10 is of type PROTOBUF: %w", registry.ErrNotAvro)
		requireFault(t, d, frame(10, value[5:]), click.Avro, "PROTOBUF")
	})
	t.Run("a registry that is down rejects nothing", func(t *testing.T) {
		source.err = errors.New("connection refused")
		var c click.Click
		fault, err := d.Decode(t.Context(), frame(11, value[5:]), 0, &c)
		assert.Nil(t, fault)
		require.ErrorIs(t, err, source.err)
		requireClick(t, d, value)
		source.err = nil
		source.byID[11] = click.Schema
		requireClick(t, d, frame(11, value[5:]))
	})
}

func TestAvroLargeValues(t *testing.T) {
	d := decode.NewAvro(one(click.Schema))
	event := map[string]any{"event_id": "e", "user_id": strings.Repeat("u", 10<<20), "page_url": strings.Repeat("p", 1<<20), "timestamp": int64(1), "session_id": nil}
	c := requireClick(t, d, encode(t, click.Schema, event))
	assert.Len(t, c.UserID, 10<<20)
	assert.Len(t, c.PageURL, 1<<20)
}

func BenchmarkAvro(b *testing.B) {
	value := encode(b, click.Schema, typical)
	d := decode.NewAvro(one(click.Schema))
	ctx := b.Context()
	var c click.Click
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if fault, err := d.Decode(ctx, value, 0, &c); fault != nil || err != nil {
				b.Fatal(fault, err)
			}
		}
	})
	b.Run("decode and check", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			fault, err := d.Decode(ctx, value, 0, &c)
			if fault == nil {
				fault = c.Check(1_900_000_000_000)
			}
			if fault != nil || err != nil {
				b.Fatal(fault, err)
			}
		}
	})
}
