// Package schemas registers, checks and compares the schemas that clicks are written with.
package schemas

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"clickstream/io/registry"
	"clickstream/transforms/click"
	"clickstream/transforms/decode"
)

// Own is what the program's own schema, which its readers resolve to and generate writes with, is called.
const Own = "click"

// Schema is one that was asked for.
type Schema struct {
	Name string // as it is called in messages
	Text string
	ID   int // 0: it is of no registry
}

// without returns what is wrong with the schema, without the number that it has in the decoder's words.
func (s Schema) without(f *click.Fault) string {
	return strings.TrimPrefix(f.Detail, fmt.Sprintf("schema %d ", s.ID))
}

// Load returns the schema of a reference: Own, a file, an id in the registry, or a subject, with @VERSION or its newest.
func Load(ctx context.Context, r *registry.Registry, reference string) (Schema, error) {
	if reference == Own {
		return Schema{Name: "the schema of click", Text: click.Schema}, nil
	}
	id, notID := strconv.Atoi(reference)
	if notID != nil {
		text, err := os.ReadFile(reference)
		switch {
		case err == nil:
			return Schema{Name: reference, Text: string(text)}, nil
		case errors.Is(err, syscall.EISDIR) && r != nil: // a subject may be called as a folder is
		case !errors.Is(err, fs.ErrNotExist), strings.ContainsRune(reference, os.PathSeparator), strings.HasSuffix(reference, ".avsc"), strings.HasSuffix(reference, ".json"):
			return Schema{}, fmt.Errorf("schema %s cannot be read: %w", reference, err)
		}
	}
	if r == nil {
		return Schema{}, fmt.Errorf("schema %s is no file, and no registry is named that might know it; name one by --registry", reference)
	}
	if notID == nil {
		text, err := r.Schema(ctx, id, time.Now())
		return Schema{Name: "schema " + reference, Text: text, ID: id}, err
	}
	subject, number, ok := strings.Cut(reference, "@")
	version := registry.Latest
	if ok {
		var err error
		if version, err = strconv.Atoi(number); err != nil || version < 1 {
			return Schema{}, fmt.Errorf("schema %s is none: after the @ stands a version, from 1", reference)
		}
	}
	v, err := r.Version(ctx, subject, version)
	return Schema{Name: fmt.Sprintf("%s version %d", subject, v.Version), Text: v.Schema, ID: v.ID}, err
}

// Verdict is what is to be said of a schema that is to be the next version of a subject.
type Verdict struct {
	Subject  string
	Schema   Schema
	Newest   *registry.Version // of the subject; nil: there is none
	Changes  []string          // from that one
	Refusals []string          // why the registry would not take it, by version
	Fault    *click.Fault      // why no record of it would be a click; nil: they would
}

// Check finds out whether the registry would take a schema as the next version of a subject, and whether its records
// would be clicks.
func Check(ctx context.Context, r *registry.Registry, subject string, s Schema) (Verdict, error) {
	v := Verdict{Subject: subject, Schema: s, Fault: decode.CheckSchema(uint32(s.ID), s.Text)}
	newest, err := r.Version(ctx, subject, registry.Latest)
	switch {
	case errors.Is(err, registry.ErrNoVersion):
	case err != nil:
		return v, err
	default:
		compared, err := decode.Compare(newest.Schema, s.Text)
		if err != nil {
			return v, fmt.Errorf("%s, beside version %d of subject %s: %w", s.Name, newest.Version, subject, err)
		}
		v.Newest, v.Changes = &newest, compared.Changes
	}
	level, refusals, err := r.Incompatible(ctx, subject, s.Text)
	if err != nil {
		return v, err
	}
	for _, refusal := range refusals {
		words, err := inWords(ctx, r, subject, s, level, refusal)
		if err != nil {
			return v, err
		}
		v.Refusals = append(v.Refusals, fmt.Sprintf("with version %d, by %s: %s", refusal.Version, level, words))
	}
	return v, nil
}

// inWords returns why a registry would not take a schema: what it says, or what is between the two where it says nothing.
func inWords(ctx context.Context, r *registry.Registry, subject string, s Schema, level registry.Level, refusal registry.Refusal) (string, error) {
	if len(refusal.Reasons) > 0 {
		return strings.Join(refusal.Reasons, "; "), nil
	}
	older, err := r.Version(ctx, subject, refusal.Version)
	if err != nil {
		return "", err
	}
	compared, err := decode.Compare(older.Schema, s.Text)
	if err != nil {
		return "", fmt.Errorf("%s, beside version %d of subject %s: %w", s.Name, refusal.Version, subject, err)
	}
	var words []string
	if compared.Backward != nil && level.Backward() {
		words = append(words, "its readers cannot read records of that: "+compared.Backward.Error())
	}
	if compared.Forward != nil && level.Forward() {
		words = append(words, "readers of that cannot read its records: "+compared.Forward.Error())
	}
	if len(words) == 0 {
		return "the registry says no, and not why", nil
	}
	return strings.Join(words, "; "), nil
}

// Err returns why the schema is not to be registered, or nil.
func (v Verdict) Err() error {
	switch {
	case len(v.Refusals) > 0:
		return fmt.Errorf("%s is not compatible with subject %s, %s; change it, or the subject's compatibility", v.Schema.Name, v.Subject, strings.Join(v.Refusals, "; "))
	case v.Fault != nil:
		return fmt.Errorf("%s %s: its records would be dead letters, of reason %s; change it", v.Schema.Name, v.Schema.without(v.Fault), v.Fault.Reason)
	}
	return nil
}

// WriteText writes the verdict for people.
func (v Verdict) WriteText(w io.Writer) error {
	var b strings.Builder
	if v.Newest == nil {
		fmt.Fprintf(&b, "subject %s: %s would be its first version\n", v.Subject, v.Schema.Name)
	} else {
		fmt.Fprintf(&b, "subject %s: version %d, id %d, is its newest; %s changes\n", v.Subject, v.Newest.Version, v.Newest.ID, v.Schema.Name)
		writeChanges(&b, v.Changes)
	}
	if v.Err() == nil {
		b.WriteString("fits: the registry takes it, and its records are clicks\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeChanges(b *strings.Builder, changes []string) {
	for _, c := range changes {
		fmt.Fprintf(b, "  %s\n", c)
	}
	if len(changes) == 0 {
		b.WriteString("  nothing\n")
	}
}

// Ensure returns the id that a schema has in a subject, and makes it the next version where it is in none: then as
// Register does.
func Ensure(ctx context.Context, r *registry.Registry, subject string, s Schema) (int, error) {
	if id, there, err := r.Has(ctx, subject, s.Text); err != nil || there {
		return id, err
	}
	id, _, err := Register(ctx, r, subject, s)
	return id, err
}

// Register makes a schema the next version of a subject, if Check finds nothing against it, and returns its id.
func Register(ctx context.Context, r *registry.Registry, subject string, s Schema) (int, Verdict, error) {
	v, err := Check(ctx, r, subject, s)
	if err == nil {
		err = v.Err()
	}
	if err != nil {
		return 0, v, err
	}
	id, err := r.Register(ctx, subject, s.Text)
	return id, v, err
}

// WriteDifferences writes what lies between two schemas, and who can read what.
func WriteDifferences(w io.Writer, older, newer Schema) error {
	compared, err := decode.Compare(older.Text, newer.Text)
	if err != nil {
		return fmt.Errorf("from %s to %s: %w", older.Name, newer.Name, err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "from %s to %s:\n", older.Name, newer.Name)
	writeChanges(&b, compared.Changes)
	verdict := func(reader, writer string, err error) {
		if err != nil {
			fmt.Fprintf(&b, "readers of %s cannot read records of %s: %s\n", reader, writer, err)
			return
		}
		fmt.Fprintf(&b, "readers of %s can read records of %s\n", reader, writer)
	}
	verdict("the new one", "the old one", compared.Backward)
	verdict("the old one", "the new one", compared.Forward)
	if fault := decode.CheckSchema(uint32(newer.ID), newer.Text); fault != nil {
		fmt.Fprintf(&b, "records of the new one are no clicks (%s): it %s\n", fault.Reason, newer.without(fault))
	} else {
		b.WriteString("records of the new one are clicks\n")
	}
	_, err = io.WriteString(w, b.String())
	return err
}
