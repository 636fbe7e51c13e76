package decode

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/avro"

	"clickstream/io/avroschema"
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
	a, b := from.Root(), to.Root()
	d := newDifferences(a, b)
	d.compare("", a, b)
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
	words        []string
	older, newer scope
	met          map[string]bool // records that were compared: they may hold themselves
}

func newDifferences(from, to *avro.SchemaNode) *differences {
	return &differences{older: scope{types: avroschema.TypesOf(from)}, newer: scope{types: avroschema.TypesOf(to)}, met: map[string]bool{}}
}

func (d *differences) say(path, format string, args ...any) {
	if path != "" {
		path += ": "
	}
	d.words = append(d.words, path+fmt.Sprintf(format, args...))
}

// inside returns the path of what a path has within it.
func inside(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// compare compares two types at a path, as event.items.
func (d *differences) compare(path string, from, to *avro.SchemaNode) {
	from, to = cmp.Or(d.older.named(from), from), cmp.Or(d.newer.named(to), to)
	if from.Type != to.Type {
		d.say(path, "the type was %s, and is %s", describe(from), describe(to))
		if from.Type == "union" || to.Type == "union" { // it became optional, for example
			d.shared(path, branches(from), branches(to))
		}
		return
	}
	if from.Name != "" && avroschema.FullName(from) != avroschema.FullName(to) {
		d.say(path, "the %s was called %s, and is called %s", from.Type, avroschema.FullName(from), avroschema.FullName(to))
	}
	if from.LogicalType != to.LogicalType {
		d.say(path, "the logical type was %s, and is %s", orNone(from.LogicalType), orNone(to.LogicalType))
	}
	d.aliases(path, from.Aliases, to.Aliases, from.Name, avroschema.FullName(from))
	switch from.Type {
	case "record", "error":
		d.record(path, from, to)
	case "enum":
		d.lists(path, "symbol", from.Symbols, to.Symbols)
		if from.EnumDefault != to.EnumDefault {
			d.say(path, "the default symbol was %s, and is %s", orNone(from.EnumDefault), orNone(to.EnumDefault))
		}
	case "fixed":
		if from.Size != to.Size {
			d.say(path, "the size was %d, and is %d", from.Size, to.Size)
		}
	case "array":
		d.compare(inside(path, "items"), from.Items, to.Items)
	case "map":
		d.compare(inside(path, "values"), from.Values, to.Values)
	case "union":
		d.union(path, from.Branches, to.Branches)
	}
}

// record compares two records, unless they were compared before.
func (d *differences) record(path string, from, to *avro.SchemaNode) {
	both := avroschema.FullName(from) + " " + avroschema.FullName(to)
	if d.met[both] {
		return
	}
	d.met[both] = true
	older, newer := d.older.namespace, d.newer.namespace
	d.older.namespace, d.newer.namespace = avroschema.Namespace(from), avroschema.Namespace(to)
	d.fields(path, from.Fields, to.Fields)
	d.older.namespace, d.newer.namespace = older, newer
}

// branches returns those of a union, or the one type that n is.
func branches(n *avro.SchemaNode) []avro.SchemaNode {
	if n.Type == "union" {
		return n.Branches
	}
	return []avro.SchemaNode{*n}
}

// union compares the branches of two unions.
func (d *differences) union(path string, from, to []avro.SchemaNode) {
	kept := d.matches(from, to)
	for i := range to {
		if kept[i] < 0 {
			d.say(path, "branch %s was added", describe(&to[i]))
		}
	}
	for i := range from {
		if !slices.Contains(kept, i) {
			d.say(path, "branch %s was removed", describe(&from[i]))
		}
	}
	if !slices.IsSorted(slices.DeleteFunc(kept, func(at int) bool { return at < 0 })) {
		d.say(path, "the branches are in another order")
	}
	d.shared(path, from, to)
}

// shared compares the branches that are in both of two unions.
func (d *differences) shared(path string, from, to []avro.SchemaNode) {
	named := 0
	for i := range to {
		if cmp.Or(d.newer.named(&to[i]), &to[i]).Name != "" {
			named++
		}
	}
	for i, at := range d.matches(from, to) {
		if at < 0 {
			continue
		}
		here := path
		if name := cmp.Or(d.newer.named(&to[i]), &to[i]).Name; named > 1 && name != "" {
			here = inside(path, name) // of which one, if there are several
		}
		d.compare(here, &from[at], &to[i])
	}
}

// matches returns for each of the branches of a new union where it stands in the old one, or -1: the one of its type, and
// of its name if it has one, or of an alias of it.
func (d *differences) matches(from, to []avro.SchemaNode) []int {
	at := make([]int, len(to))
	for i := range to {
		n := cmp.Or(d.newer.named(&to[i]), &to[i])
		at[i] = slices.IndexFunc(from, func(o avro.SchemaNode) bool {
			was := cmp.Or(d.older.named(&o), &o)
			return was.Type == n.Type && (avroschema.FullName(was) == avroschema.FullName(n) || slices.Contains(n.Aliases, was.Name) || slices.Contains(n.Aliases, avroschema.FullName(was)))
		})
	}
	return at
}

// aliases compares the other names of a field or a type. That it was called so is told already.
func (d *differences) aliases(path string, from, to []string, told ...string) {
	to = slices.DeleteFunc(slices.Clone(to), func(a string) bool { return slices.Contains(told, a) && !slices.Contains(from, a) })
	d.lists(path, "alias", from, to)
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
		here := inside(path, f.Name)
		if at < 0 {
			d.say(here, "was added, %s%s", describeIn(f, &f.Type), defaultOf(f))
			continue
		}
		was := &from[at]
		kept = append(kept, at)
		if was.Name != f.Name {
			d.say(here, "was called %s", was.Name)
		}
		d.aliases(here, was.Aliases, f.Aliases, was.Name)
		d.compare(here, &was.Type, &f.Type)
		if old, now := defaultOf(was), defaultOf(f); old != now {
			d.say(here, "was%s, and is%s", old, now)
		}
	}
	for i := range from {
		if !slices.Contains(kept, i) {
			d.say(inside(path, from[i].Name), "was removed")
		}
	}
	if !slices.IsSorted(kept) {
		d.say(path, "the fields are in another order")
	}
}

// lists compares symbols, or aliases.
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
