package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
)

// compatible answers in place of srfake, which takes any schema, whether one may be a subject's next version, and keeps
// those from being registered that may not. All else is rest's.
// https://docs.confluent.io/platform/current/schema-registry/develop/api.html#compatibility
func (r *Registry) compatible(rest http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", rest)
	check := func(w http.ResponseWriter, req *http.Request) {
		s, err := requested(req)
		if err != nil {
			rest.ServeHTTP(w, req) // which tells what is wrong with it
			return
		}
		conflicts, err := r.conflicts(req.Context(), req.PathValue("subject"), req.PathValue("version"), s)
		if err != nil {
			answer(w, http.StatusNotFound, map[string]any{"error_code": sr.ErrVersionNotFound.Code, "message": err.Error()})
			return
		}
		is := map[string]any{"is_compatible": len(conflicts) == 0}
		if req.URL.Query().Get("verbose") == "true" {
			is["messages"] = conflicts
		}
		answer(w, http.StatusOK, is)
	}
	mux.HandleFunc("POST /compatibility/subjects/{subject}/versions/{version}", check)
	mux.HandleFunc("POST /compatibility/subjects/{subject}/versions", check)
	mux.HandleFunc("POST /subjects/{subject}/versions", func(w http.ResponseWriter, req *http.Request) {
		subject := req.PathValue("subject")
		if s, err := requested(req); err == nil {
			if conflicts, err := r.conflicts(req.Context(), subject, "", s); err == nil && len(conflicts) > 0 {
				answer(w, http.StatusConflict, map[string]any{
					"error_code": http.StatusConflict,
					"message":    fmt.Sprintf("Schema being registered is incompatible with an earlier schema for subject %q, details: %s", subject, strings.Join(conflicts, "; ")),
				})
				return
			}
		}
		rest.ServeHTTP(w, req)
	})
	return mux
}

// requested returns the schema that a request brings, which can be read again.
func requested(req *http.Request) (s sr.Schema, err error) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	if err != nil {
		return s, err
	}
	req.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), req.Body))
	return s, json.Unmarshal(body, &s)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // whoever asked has gone
}

// conflicts returns why a schema is not compatible with a version of a subject, or where none is named with those that
// the subject's level means. A schema that the subject has already, and one that is not understood, has none.
func (r *Registry) conflicts(ctx context.Context, subject, version string, s sr.Schema) ([]string, error) {
	own := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	client, err := sr.NewClient(sr.URLs(r.URL()), sr.HTTPClient(own))
	if err != nil {
		return nil, err
	}
	level := client.Compatibility(sr.WithParams(ctx, sr.DefaultToGlobal), subject)[0].Level.String()
	versions, err := client.SubjectVersions(ctx, subject)
	if err != nil || len(versions) == 0 || level == sr.CompatNone.String() {
		return nil, nil //nolint:nilerr // there is no such subject
	}
	slices.Sort(versions)
	switch n, err := strconv.Atoi(version); {
	case err == nil:
		versions = []int{n}
	case version == "latest" || !strings.HasSuffix(level, "_TRANSITIVE"):
		versions = versions[len(versions)-1:]
	}
	if _, err := client.LookupSchema(ctx, subject, s); err == nil && version == "" {
		return nil, nil
	}
	conflicts := []string{}
	for _, v := range versions {
		old, err := client.SchemaByVersion(ctx, subject, v)
		if err != nil {
			return nil, fmt.Errorf("version %d not found", v)
		}
		conflicts = append(conflicts, between(level, old.Schema, s)...)
	}
	return conflicts, nil
}

// between returns why two versions are not compatible.
func between(level string, older, newer sr.Schema) []string {
	from, err := avro.Parse(older.Schema, avro.WithLaxNames(nil))
	if err != nil {
		return nil
	}
	to, err := avro.Parse(newer.Schema, avro.WithLaxNames(nil))
	if err != nil {
		return nil
	}
	var words []string
	full := strings.HasPrefix(level, "FULL")
	if full || strings.HasPrefix(level, "BACKWARD") {
		if err := avro.CheckCompatibility(from, to); err != nil {
			words = append(words, "the new schema cannot read the old one: "+err.Error())
		}
	}
	if full || strings.HasPrefix(level, "FORWARD") {
		if err := avro.CheckCompatibility(to, from); err != nil {
			words = append(words, "the old schema cannot read the new one: "+err.Error())
		}
	}
	return words
}
