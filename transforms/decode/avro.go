package decode

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"clickstream/io/registry"
	"clickstream/transforms/click"
)

// header is the length of the frame before the event: a zero byte and the schema's id, big-endian.
// https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
const header = 5

// SchemaSource gives the text of an Avro schema by its id, as registry.Registry does: the error is
// registry.ErrUnknown or registry.ErrNotAvro if the record is to blame, anything else if the world is.
type SchemaSource interface {
	Schema(ctx context.Context, id int, at time.Time) (string, error)
}

// Avro decodes Avro in the registry's framing. Each writer's schema is compiled once, into the steps that
// its records are read with.
type Avro struct {
	source SchemaSource
	plans  map[uint32]*plan
	last   *plan // of the record before, which is nearly always that of the next
	id     uint32
}

// NewAvro returns a decoder that takes the writers' schemas from source.
func NewAvro(source SchemaSource) *Avro {
	return &Avro{source: source, plans: map[uint32]*plan{}}
}

// Schema implements Decoder.
func (d *Avro) Schema() int32 { return int32(d.id) }

// Decode implements Decoder. It allocates nothing unless the record is at fault or its schema is new.
func (d *Avro) Decode(ctx context.Context, value []byte, at int64, c *click.Click) (*click.Fault, error) {
	if len(value) < header || value[0] != 0 {
		return unframed(value), nil
	}
	id := binary.BigEndian.Uint32(value[1:])
	if d.last == nil || id != d.id {
		p, fault, err := d.plan(ctx, id, at)
		if p == nil {
			return fault, err
		}
		d.last, d.id = p, id
	}
	return d.last.decode(value[header:], c), nil
}

// plan returns how to read the records of a schema, or why they cannot be read. That the registry has no
// such schema is not remembered here: the registry's client knows how long this holds.
func (d *Avro) plan(ctx context.Context, id uint32, at int64) (*plan, *click.Fault, error) {
	if p := d.plans[id]; p != nil {
		return p, nil, nil
	}
	schema, err := d.source.Schema(ctx, int(id), time.UnixMilli(at))
	var p *plan
	switch {
	case errors.Is(err, registry.ErrUnknown):
		return nil, click.Faultf(click.UnknownSchema, "the registry has no schema %d", id), nil
	case errors.Is(err, registry.ErrNotAvro):
		p = &plan{fault: click.Faultf(click.Avro, "%v", err)}
	case err != nil:
		return nil, nil, err
	default:
		p = compile(id, schema)
	}
	d.plans[id] = p
	return p, nil, nil
}

// unframed tells why a value has no header.
func unframed(value []byte) *click.Fault {
	switch {
	case len(value) == 0:
		return click.Faultf(click.BadMagic, tombstone)
	case value[0] != 0:
		return click.Faultf(click.BadMagic, "the value starts with byte 0x%02x, not with 0 and a schema id", value[0])
	default:
		return click.Faultf(click.BadMagic, "the value has %d bytes, fewer than the %d of 0 and a schema id", len(value), header)
	}
}
