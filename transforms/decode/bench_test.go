package decode

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/avro"

	"clickstream/transforms/click"
)

type fixed string

func (s fixed) Schema(context.Context, int, time.Time) (string, error) { return string(s), nil }

func framed(b testing.TB, id uint32, schema string, event map[string]any) []byte {
	v := binary.BigEndian.AppendUint32([]byte{0}, id)
	v, err := avro.MustParse(schema).AppendEncode(v, event)
	require.NoError(b, err)
	return v
}

var event = map[string]any{
	"event_id": "6f1a1c0e-8f0a-4b7e-9c62-0d8f5a1b2c3d", "user_id": "2b9d7c51-33a8-4f0e-8a56-c7e1f2a3b4c5",
	"page_url": "/products/shoes/page-0000042.html", "timestamp": int64(1_780_000_000_000),
	"session_id": "a0b1c2d3-e4f5-4a6b-8c7d-9e8f7a6b5c4d",
}

func BenchmarkAvro(b *testing.B) {
	value := framed(b, 7, click.Schema, event)
	d := NewAvro(fixed(click.Schema))
	var c click.Click
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if f, err := d.Decode(b.Context(), value, 0, &c); f != nil || err != nil {
				b.Fatal(f, err)
			}
		}
	})
	b.Run("decode and check", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if f, err := d.Decode(b.Context(), value, 0, &c); f != nil || err != nil {
				b.Fatal(f, err)
			}
			if f := c.Check(1_900_000_000_000); f != nil {
				b.Fatal(f)
			}
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	d := NewJSON()
	var c click.Click
	for _, value := range []string{
		`{"event_id":"6f1a1c0e-8f0a-4b7e-9c62-0d8f5a1b2c3d","user_id":"2b9d7c51","page_url":"/products/shoes/page-42.html","timestamp":1780000000000,"session_id":"a0b1c2d3-e4f5"}`,
		`{"event_id":"6f1a1c0e-8f0a-4b7e-9c62-0d8f5a1b2c3d","user_id":"2b9d7c51-33a8-4f0e-8a56-c7e1f2a3b4c5","page_url":"/products/shoes/page-42.html","timestamp":1780000000000,"session_id":"a0b1c2d3-e4f5-4a6b-8c7d-9e8f7a6b5c4d"}`,
	} {
		value := []byte(value)
		b.Run("", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if f, err := d.Decode(b.Context(), value, 0, &c); f != nil || err != nil {
					b.Fatal(f, err)
				}
			}
		})
	}
}
