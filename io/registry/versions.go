package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/twmb/franz-go/pkg/sr"
)

// Latest stands for the newest version of a subject.
const Latest = -1

// Version is a version of a subject's schema.
type Version struct {
	Subject string
	Version int
	ID      int
	Schema  string // with the schemas that it refers to within
}

// ErrNoVersion is returned by Version when the registry answered that there is no such subject, or no such version.
var ErrNoVersion = errors.New("the registry has no such version")

// Version returns a version of a subject, or its Latest. It fails with ErrNoVersion or ErrNotAvro, or as Schema does.
func (r *Registry) Version(ctx context.Context, subject string, version int) (Version, error) {
	v := Version{Subject: subject}
	what := fmt.Sprintf("give version %d of subject %q", version, subject)
	if version == Latest {
		what = fmt.Sprintf("give the newest version of subject %q", subject)
	}
	err := r.retry(ctx, what, final, func(ctx context.Context) error {
		s, err := r.client.SchemaByVersion(ctx, subject, version)
		switch {
		case err != nil:
			return told(err)
		case s.Type != sr.TypeAvro:
			return fmt.Errorf("it is of type %s: %w", s.Type, ErrNotAvro)
		}
		v.Version, v.ID = s.Version, s.ID
		v.Schema, err = r.resolve(ctx, s.Schema)
		return err
	})
	if missing(err) {
		return v, fmt.Errorf("%w: %w", ErrNoVersion, err)
	}
	return v, err
}

// Has returns the id of a schema in a subject, if it is one of its versions.
func (r *Registry) Has(ctx context.Context, subject, schema string) (id int, is bool, err error) {
	err = r.retry(ctx, fmt.Sprintf("look for a schema in subject %q", subject), final,
		func(ctx context.Context) error {
			s, err := r.client.LookupSchema(ctx, subject, sr.Schema{Schema: schema})
			id = s.ID
			return told(err)
		})
	if missing(err) {
		return 0, false, nil
	}
	return id, err == nil, err
}

// missing reports whether the registry answered that it has no such subject or version, or no level of a subject.
func missing(err error) bool {
	var e *sr.ResponseError
	return errors.As(err, &e) && e.StatusCode == http.StatusNotFound &&
		slices.Contains([]int{sr.ErrSubjectNotFound.Code, sr.ErrVersionNotFound.Code, sr.ErrSchemaNotFound.Code, sr.ErrSubjectLevelCompatibilityNotConfigured.Code}, e.ErrorCode)
}
