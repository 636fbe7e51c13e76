package kafkaio

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A chunk is records of one partition, in their order, as bytes: the partition, and of each record the offset, the
// timestamp in milliseconds, key, value, the number of headers, and their keys and values. Every number is a varint;
// bytes have their length and one before them, 0 for none at all. A chunk of no bytes is a seed.

// newChunk begins a chunk.
func newChunk(partition int32) []byte {
	return binary.AppendVarint(make([]byte, 0, 4<<10), int64(partition))
}

// appendRecord adds a record to a chunk.
func appendRecord(b []byte, r *Record) []byte {
	b = binary.AppendVarint(b, r.Offset)
	b = binary.AppendVarint(b, r.Timestamp)
	b = appendBytes(appendBytes(b, r.Key), r.Value)
	if r.Headers == nil {
		return binary.AppendUvarint(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(*r.Headers)))
	for i := range *r.Headers {
		h := &(*r.Headers)[i]
		b = binary.AppendUvarint(b, uint64(len(h.Key)))
		b = appendBytes(append(b, h.Key...), h.Value)
	}
	return b
}

func appendBytes(b []byte, value *[]byte) []byte {
	if value == nil {
		return append(b, 0)
	}
	return append(binary.AppendUvarint(b, uint64(len(*value))+1), *value...)
}

var errChunk = errors.New("these bytes are no chunk of records; are all workers of the same version?")

// decodeChunk reads a chunk that is no seed. The records point into b.
func decodeChunk(b []byte) (partition int32, records []*kgo.Record, err error) {
	d := decoder{rest: b}
	partition = int32(d.number())
	for len(d.rest) > 0 {
		r := &kgo.Record{Partition: partition, Offset: d.number(), Timestamp: time.UnixMilli(d.number()), Key: d.bytes(), Value: d.bytes()}
		n := d.length()
		for i := uint64(0); i < n && !d.failed; i++ {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: string(d.next(d.length())), Value: d.bytes()})
		}
		records = append(records, r)
	}
	if d.failed || len(records) == 0 {
		return 0, nil, errChunk
	}
	return partition, records, nil
}

// decoder takes values off the front of rest. Once that has failed, all are nothing.
type decoder struct {
	rest   []byte
	failed bool
}

func (d *decoder) fail() { d.rest, d.failed = nil, true }

func (d *decoder) number() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) length() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// bytes reads bytes, or nil where there are none at all.
func (d *decoder) bytes() []byte {
	n := d.length()
	if n == 0 {
		return nil
	}
	return d.next(n - 1)
}

func (d *decoder) next(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.fail()
		return nil
	}
	v := d.rest[:n:n]
	d.rest = d.rest[n:]
	return v
}
