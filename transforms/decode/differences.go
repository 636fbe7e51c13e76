package decode

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/avro"

	"clickstream/transforms/click"
)

// CheckSchema tells why no record that is written with the schema of an id is a click, or returns nil.
func CheckSchema(id uint32, schema string) *click.Fault { return compile(id, schema).fault }

// Comparison is what lies between two versions of a schema.
type Comparison struct {
	Changes  []string // what was changed, in words, in the order of the new version's fields
	Backward error    // why readers of the new version cannot read records of the old one; nil: they can
	Forward  error    // why readers of the old version cannot read records of the new one; nil: they can
}

// Compare compares an old version of an Avro schema with a new one. It fails if one of them does not parse.
func Compare(older, newer string) (Comparison, error) {
	from, err := avro.Parse(older, avro.WithLaxNames(nil))
	if err != nil {
		return Comparison{}, fmt.Errorf("the old schema does not parse: %w", err)
	}
	to, err := avro.Parse(newer, avro.WithLaxNames(nil))
	if err != nil {
		return Comparison{}, fmt.Errorf("the new schema does not parse: %w", err)
	}
	d := differences{met: map[string]bool{}}
	d.compare("", from.Root(), to.Root())
	return Comparison{
		Changes:  d.words,
		Backward: explained(avro.CheckCompatibility(from, to)),
		Forward:  explained(avro.CheckCompatibility(to, from)),
	}, nil
}

// explained returns why a schema cannot be read, on one line.
func explained(err error) error {
	var c *avro.CompatibilityError
	if errors.As(err, &c) && c.Path != "" && c.Detail != "" {
		return fmt.Errorf("%s: %s", c.Path, c.Detail)
	}
	return err
}

// differences gathers what differs.
type differences struct {
	words []string
	met   map[string]bool // records that were compared: they may hold themselves
}

func (d *differences) say(path, format string, args ...any) {
	if path != "" {
		path += ": "
	}
	d.words = append(d.words, path+fmt.Sprintf(format, args...))
}

// compare compares two types at a path, as event.items.
func (d *differences) compare(path string, from, to *avro.SchemaNode) {
	if from.Type != to.Type {
		d.say(path, "the type was %s, and is %s", describe(from), describe(to))
		return
	}
	if from.Name != "" && fullName(from) != fullName(to) {
		d.say(path, "the %s was called %s, and is called %s", from.Type, fullName(from), fullName(to))
	}
	if from.LogicalType != to.LogicalType {
		d.say(path, "the logical type was %s, and is %s", orNone(from.LogicalType), orNone(to.LogicalType))
	}
	switch from.Type {
	case "record", "error":
		if name := fullName(from); !d.met[name] {
			d.met[name] = true
			d.fields(path, from.Fields, to.Fields)
		}
	case "enum":
		d.lists(path, "symbol", from.Symbols, to.Symbols)
	case "fixed":
		if from.Size != to.Size {
			d.say(path, "the size was %d, and is %d", from.Size, to.Size)
		}
	case "array":
		d.compare(within(path, "items"), from.Items, to.Items)
	case "map":
		d.compare(within(path, "values"), from.Values, to.Values)
	case "union":
		d.lists(path, "branch", described(from.Branches), described(to.Branches))
	}
}

// fields compares the fields of a record. One of the new version is the old one of its name, or of an alias of its.
func (d *differences) fields(path string, from, to []avro.SchemaField) {
	var kept []int // where the old fields stand that the new ones are, in the new order
	for i := range to {
		f := &to[i]
		at := slices.IndexFunc(from, func(o avro.SchemaField) bool { return o.Name == f.Name })
		if at < 0 {
			at = slices.IndexFunc(from, func(o avro.SchemaField) bool { return slices.Contains(f.Aliases, o.Name) })
		}
		here := within(path, f.Name)
		if at < 0 {
			d.say(here, "was added, %s%s", describeIn(f, &f.Type), defaultOf(f))
			continue
		}
		was := &from[at]
		kept = append(kept, at)
		if was.Name != f.Name {
			d.say(here, "was called %s", was.Name)
		}
		d.compare(here, &was.Type, &f.Type)
		if old, now := defaultOf(was), defaultOf(f); old != now {
			d.say(here, "was%s, and is%s", old, now)
		}
	}
	for i := range from {
		if !slices.Contains(kept, i) {
			d.say(within(path, from[i].Name), "was removed")
		}
	}
	if !slices.IsSorted(kept) {
		d.say(path, "the fields are in another order")
	}
}

// lists compares symbols, or the branches of a union.
func (d *differences) lists(path, what string, from, to []string) {
	for _, s := range to {
		if !slices.Contains(from, s) {
			d.say(path, "%s %s was added", what, s)
		}
	}
	for _, s := range from {
		if !slices.Contains(to, s) {
			d.say(path, "%s %s was removed", what, s)
		}
	}
}

func described(types []avro.SchemaNode) []string {
	words := make([]string, len(types))
	for i := range types {
		words[i] = describe(&types[i])
	}
	return words
}

// defaultOf tells a field's default, as it follows in a sentence.
func defaultOf(f *avro.SchemaField) string {
	switch {
	case !f.HasDefault:
		return " without a default"
	case f.Default == nil:
		return " with the default null"
	}
	return fmt.Sprintf(" with the default %q", strings.TrimSpace(fmt.Sprint(f.Default)))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
