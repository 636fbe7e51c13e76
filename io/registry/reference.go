package registry

import (
	"context"
	"fmt"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
)

// resolve returns the text of s with the schemas that it refers to inside, at their first use. A schema
// that does not parse is returned as it is: whoever decodes with it tells what is wrong.
func (r *Registry) resolve(ctx context.Context, s sr.Schema) (string, error) {
	if len(s.References) == 0 {
		return s.Schema, nil
	}
	// A reference may have been deleted since; it is still what the schema was written with.
	ctx = sr.WithParams(ctx, sr.ShowDeleted)
	types := new(avro.SchemaCache)
	if err := r.collect(ctx, s.References, types, map[string]bool{}); err != nil {
		return "", err
	}
	whole, err := types.Parse(s.Schema, avro.WithLaxNames(nil))
	if err != nil {
		return s.Schema, nil
	}
	root := whole.Root()
	inlined, err := root.Schema(avro.WithLaxNames(nil))
	if err != nil {
		return s.Schema, nil
	}
	return inlined.String(), nil
}

// collect parses the referred schemas into types, each after those that it refers to itself.
func (r *Registry) collect(ctx context.Context, refs []sr.SchemaReference, types *avro.SchemaCache, seen map[string]bool) error {
	for _, ref := range refs {
		key := fmt.Sprintf("%q %d", ref.Subject, ref.Version)
		if seen[key] {
			continue
		}
		seen[key] = true
		s, err := r.client.SchemaByVersion(ctx, ref.Subject, ref.Version)
		if err != nil {
			return fmt.Errorf("reference to subject %q version %d: %w", ref.Subject, ref.Version, told(err))
		}
		if err := r.collect(ctx, s.References, types, seen); err != nil {
			return err
		}
		// What does not parse is missed, if it is needed at all, when the whole is parsed.
		_, _ = types.Parse(s.Schema.Schema, avro.WithLaxNames(nil))
	}
	return nil
}
