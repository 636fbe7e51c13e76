package registry

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"
)

// Level is which versions of a subject a new one has to be compatible with, and how, as BACKWARD_TRANSITIVE.
// https://docs.confluent.io/platform/current/schema-registry/fundamentals/schema-evolution.html#compatibility-types
type Level string

// Transitive tells whether all versions are meant, or the newest alone.
func (l Level) Transitive() bool { return strings.HasSuffix(string(l), "_TRANSITIVE") }

// Backward tells whether readers of the new version have to read records of the old ones.
func (l Level) Backward() bool {
	return strings.HasPrefix(string(l), "BACKWARD") || strings.HasPrefix(string(l), "FULL")
}

// Forward tells whether readers of the old versions have to read records of the new one.
func (l Level) Forward() bool {
	return strings.HasPrefix(string(l), "FORWARD") || strings.HasPrefix(string(l), "FULL")
}

// Refusal is why a registry would not take a schema as the next version of a subject.
type Refusal struct {
	Version int      // that it is not compatible with
	Reasons []string // in the registry's words; Apicurio says none
}

// Incompatible returns the level of a subject, and which of its versions keep a registry from taking a schema as the next
// one: any schema is the first of a subject that is new. Where the level is transitive each version is asked about, in
// turn: what registries answer that are asked about all at once differs.
func (r *Registry) Incompatible(ctx context.Context, subject, schema string) (level Level, refusals []Refusal, err error) {
	versions, err := r.versions(ctx, subject)
	if err != nil || len(versions) == 0 {
		return "", nil, err
	}
	if level, err = r.level(ctx, subject); err != nil {
		return "", nil, err
	}
	if !level.Transitive() {
		versions = versions[len(versions)-1:]
	}
	for _, version := range versions {
		refusal, err := r.refusal(ctx, subject, version, schema)
		if err != nil {
			return level, nil, err
		}
		if refusal != nil {
			refusals = append(refusals, *refusal)
		}
	}
	return level, refusals, nil
}

// versions returns the versions of a subject, ascending; none if there is no such subject.
func (r *Registry) versions(ctx context.Context, subject string) (versions []int, err error) {
	err = r.retry(ctx, fmt.Sprintf("list the versions of subject %q", subject), final, func(ctx context.Context) error {
		versions, err = r.client.SubjectVersions(ctx, subject)
		return told(err)
	})
	if missing(err) {
		return nil, nil
	}
	slices.Sort(versions)
	return versions, err
}

// level returns a subject's level, which is that of all where it has none of its own.
func (r *Registry) level(ctx context.Context, subject string) (level Level, err error) {
	for _, of := range []string{subject, sr.GlobalSubject} {
		err = r.retry(ctx, fmt.Sprintf("tell the compatibility level of subject %q", subject), final, func(ctx context.Context) error {
			answer := r.client.Compatibility(sr.WithParams(ctx, sr.DefaultToGlobal), of)[0]
			level = Level(answer.Level.String())
			return told(answer.Err)
		})
		if !missing(err) {
			break
		}
	}
	return level, err
}

// refusal returns why a schema is not compatible with a version, or nil if it is. A version that was deleted meanwhile
// refuses nothing.
func (r *Registry) refusal(ctx context.Context, subject string, version int, schema string) (refusal *Refusal, err error) {
	err = r.retry(ctx, fmt.Sprintf("compare a schema with version %d of subject %q", version, subject), final, func(ctx context.Context) error {
		answer, err := r.client.CheckCompatibility(sr.WithParams(ctx, sr.Verbose), subject, version, sr.Schema{Schema: schema})
		if err != nil {
			return told(err)
		}
		refusal = nil
		if !answer.Is {
			refusal = &Refusal{Version: version}
			for _, m := range answer.Messages {
				refusal.Reasons = append(refusal.Reasons, strings.Join(strings.Fields(m), " "))
			}
		}
		return nil
	})
	if missing(err) {
		return nil, nil
	}
	return refusal, err
}

// final reports whether an answer will not become another one.
func final(err error) bool { return refused(err) || missing(err) }
