package parquet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"

	"clickstream/transforms/click"
)

// ErrForeign is returned for a Parquet file whose footer does not say what Provenance holds: another program
// wrote it.
var ErrForeign = errors.New("not a file of clickstream")

// Provenance says where a window's rows came from, or those of all windows of a file. It lies in the footer's
// key-value metadata.
type Provenance struct {
	Topic   string        // clickstream.topic: the Kafka topic
	Cluster string        // clickstream.cluster: the Kafka cluster's id
	Window  time.Duration // clickstream.window: the window's length, as «1m0s»
	Start   time.Time     // clickstream.window_start: RFC 3339, UTC
	End     time.Time     // clickstream.window_end: RFC 3339, UTC, exclusive
	Shard   int           // clickstream.shard: which of the shards, from 0
	Shards  int           // clickstream.shards: how many shards the window is cut into
	Events  int64         // clickstream.events: the events counted, the sum of view_count where rows tell of all

	click.Steps       // clickstream.dedupe, clickstream.top, clickstream.unique_users: those of the table; no such keys where they are not taken
	Duplicates  int64 // clickstream.duplicates: of Events, those that rows leave out as counted already, where Dedupe is taken

	// Offsets covers the records that the events were read from, by partition.
	// clickstream.offsets: a JSON object, {"partition":[first,next]}; no such key where it is nil, which is when
	// another program has merged files and only left the rows.
	Offsets map[int32]click.OffsetRange
	Schemas []int32 // clickstream.schemas: ids of the schemas the events were written with, a JSON array
	Version string  // clickstream.version: of the program that wrote the file

	// Consumed is there where the window was rebuilt, beside the runs that read the topic: up to where those
	// had come, by partition. Its Offsets go past that and say nothing of it.
	// clickstream.consumed: a JSON object, {"partition":next}; no such key where it is nil.
	Consumed map[int32]int64

	// What Write finds itself:

	Checksum uint64 // clickstream.checksum: what Checksum says of the rows, 16 hexadecimal digits
	Rows     int64  // how many rows there are; Parquet's footer has a field of its own for it
}

// field is how one part of a Provenance is written to the footer and read from it.
type field struct {
	key   string
	write func(*Provenance) (string, error) // an empty text is not written, where the field is optional
	read  func(*Provenance, string) error
}

// optional is the keys that a footer may be without.
var optional = map[string]bool{offsetsKey: true, consumedKey: true, dedupeKey: true, duplicatesKey: true, topKey: true, usersKey: true}

const (
	offsetsKey    = "clickstream.offsets"
	consumedKey   = "clickstream.consumed"
	dedupeKey     = "clickstream.dedupe"
	duplicatesKey = "clickstream.duplicates"
	topKey        = "clickstream.top"
	usersKey      = "clickstream.unique_users"
)

var fields = []field{
	text("clickstream.topic", func(p *Provenance) *string { return &p.Topic }),
	text("clickstream.cluster", func(p *Provenance) *string { return &p.Cluster }),
	{
		"clickstream.window",
		func(p *Provenance) (string, error) { return p.Window.String(), nil },
		func(p *Provenance, s string) (err error) { p.Window, err = time.ParseDuration(s); return err },
	},
	instant("clickstream.window_start", func(p *Provenance) *time.Time { return &p.Start }),
	instant("clickstream.window_end", func(p *Provenance) *time.Time { return &p.End }),
	number("clickstream.shard", func(p *Provenance) *int { return &p.Shard }),
	number("clickstream.shards", func(p *Provenance) *int { return &p.Shards }),
	{
		"clickstream.events",
		func(p *Provenance) (string, error) { return strconv.FormatInt(p.Events, 10), nil },
		func(p *Provenance, s string) (err error) { p.Events, err = strconv.ParseInt(s, 10, 64); return err },
	},
	text(dedupeKey, func(p *Provenance) *string { return &p.Dedupe }),
	{
		duplicatesKey,
		func(p *Provenance) (string, error) {
			if p.Dedupe == "" {
				return "", nil
			}
			return strconv.FormatInt(p.Duplicates, 10), nil
		},
		func(p *Provenance, s string) (err error) { p.Duplicates, err = strconv.ParseInt(s, 10, 64); return err },
	},
	{
		topKey,
		func(p *Provenance) (string, error) {
			if p.Top == 0 {
				return "", nil
			}
			return strconv.Itoa(p.Top), nil
		},
		func(p *Provenance, s string) (err error) { p.Top, err = strconv.Atoi(s); return err },
	},
	{
		usersKey,
		func(p *Provenance) (string, error) {
			if !p.Users {
				return "", nil
			}
			return strconv.FormatBool(p.Users), nil
		},
		func(p *Provenance, s string) (err error) { p.Users, err = strconv.ParseBool(s); return err },
	},
	{offsetsKey, writeOffsets, readOffsets},
	{
		"clickstream.schemas",
		func(p *Provenance) (string, error) {
			ids, err := json.Marshal(append([]int32{}, p.Schemas...))
			return string(ids), err
		},
		func(p *Provenance, s string) error { return json.Unmarshal([]byte(s), &p.Schemas) },
	},
	{consumedKey, writeConsumed, readConsumed},
	text("clickstream.version", func(p *Provenance) *string { return &p.Version }),
	{
		"clickstream.checksum",
		func(p *Provenance) (string, error) { return fmt.Sprintf("%016x", p.Checksum), nil },
		func(p *Provenance, s string) (err error) { p.Checksum, err = strconv.ParseUint(s, 16, 64); return err },
	},
}

func text(key string, of func(*Provenance) *string) field {
	return field{
		key,
		func(p *Provenance) (string, error) { return *of(p), nil },
		func(p *Provenance, s string) error { *of(p) = s; return nil },
	}
}

func number(key string, of func(*Provenance) *int) field {
	return field{
		key,
		func(p *Provenance) (string, error) { return strconv.Itoa(*of(p)), nil },
		func(p *Provenance, s string) (err error) { *of(p), err = strconv.Atoi(s); return err },
	}
}

func instant(key string, of func(*Provenance) *time.Time) field {
	return field{
		key,
		func(p *Provenance) (string, error) { return of(p).UTC().Format(time.RFC3339Nano), nil },
		func(p *Provenance, s string) (err error) {
			*of(p), err = time.Parse(time.RFC3339Nano, s)
			return err
		},
	}
}

func writeOffsets(p *Provenance) (string, error) {
	if p.Offsets == nil {
		return "", nil
	}
	b := []byte{'{'}
	for i, partition := range slices.Sorted(maps.Keys(p.Offsets)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `"%d":[%d,%d]`, partition, p.Offsets[partition].First, p.Offsets[partition].Next)
	}
	return string(append(b, '}')), nil
}

func readOffsets(p *Provenance, s string) error {
	var pairs map[int32][2]int64
	if err := json.Unmarshal([]byte(s), &pairs); err != nil {
		return err
	}
	p.Offsets = make(map[int32]click.OffsetRange, len(pairs))
	for partition, o := range pairs {
		p.Offsets[partition] = click.OffsetRange{First: o[0], Next: o[1]}
	}
	return nil
}

func writeConsumed(p *Provenance) (string, error) {
	if p.Consumed == nil {
		return "", nil
	}
	text, err := json.Marshal(p.Consumed)
	return string(text), err
}

func readConsumed(p *Provenance, s string) error { return json.Unmarshal([]byte(s), &p.Consumed) }

// ReadProvenance returns what the footer of the file in r, size bytes long, says of its rows, and reads
// nothing but the footer. The error is ErrForeign when the file is Parquet of another program.
func ReadProvenance(r io.ReaderAt, size int64) (Provenance, error) {
	f, err := openFile(r, size,
		parquet.SkipMagicBytes(true), parquet.SkipPageIndex(true), parquet.OptimisticRead(true), parquet.ReadBufferSize(4<<10))
	if err != nil {
		return Provenance{}, err
	}
	return provenanceOf(f)
}

func provenanceOf(f *parquet.File) (Provenance, error) {
	p := Provenance{Rows: f.NumRows()}
	for _, part := range fields {
		value, ok := f.Lookup(part.key)
		if !ok && optional[part.key] {
			continue
		}
		if !ok {
			return Provenance{}, fmt.Errorf("%w: its footer has no %s", ErrForeign, part.key)
		}
		if err := part.read(&p, value); err != nil {
			return Provenance{}, fmt.Errorf("%s in the parquet footer is %q: %w", part.key, value, err)
		}
	}
	return p, nil
}

// tagged are the keys that Tags has: what tells a file from the others of its table, but for what its name says.
var tagged = map[string]bool{
	"clickstream.events": true, duplicatesKey: true, offsetsKey: true, "clickstream.schemas": true, consumedKey: true,
	"clickstream.version": true, "clickstream.checksum": true,
}

const rowsKey = "clickstream.rows"

// Tags returns what a table's log may say of a file, for its footer not to be read: Events, Duplicates, Offsets,
// Schemas, Consumed, Version, Checksum and Rows, by the keys that the footer has them under.
func (p *Provenance) Tags() (map[string]string, error) {
	tags := map[string]string{rowsKey: strconv.FormatInt(p.Rows, 10)}
	for _, f := range fields {
		if !tagged[f.key] {
			continue
		}
		text, err := f.write(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.key, err)
		}
		if text != "" || !optional[f.key] {
			tags[f.key] = text
		}
	}
	return tags, nil
}

// ParseTags returns what Tags told. It is false where tags hold none of it.
func ParseTags(tags map[string]string) (p Provenance, ok bool, err error) {
	text, ok := tags[rowsKey]
	if !ok {
		return p, false, nil
	}
	if p.Rows, err = strconv.ParseInt(text, 10, 64); err != nil {
		return p, true, fmt.Errorf("%s is %q: %w", rowsKey, text, err)
	}
	for _, f := range fields {
		if !tagged[f.key] {
			continue
		}
		text, ok := tags[f.key]
		if !ok && optional[f.key] {
			continue
		}
		if err := f.read(&p, text); err != nil {
			return p, true, fmt.Errorf("%s is %q: %w", f.key, text, err)
		}
	}
	return p, true, nil
}
