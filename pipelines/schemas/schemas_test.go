package schemas_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/registry"
	"clickstream/pipelines/schemas"
	"clickstream/testing/kafkatest"
	"clickstream/transforms/click"
)

// with returns the schema of clicks with another field.
func with(field string) schemas.Schema {
	end := strings.LastIndexByte(click.Schema, ']')
	return schemas.Schema{Name: "mine", Text: click.Schema[:end] + "," + field + click.Schema[end:]}
}

// TestCheckAsksAllVersions has a schema that fits the newest version, and not the first.
func TestCheckAsksAllVersions(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		r, err := registry.New(registry.Settings{URL: c.Registry, RetryTimeout: 5 * time.Second})
		require.NoError(t, err)
		t.Cleanup(r.Close)
		subject := c.Name(t) + "-value"
		c.Register(t, subject, click.Schema)
		c.Register(t, subject, with(`{"name":"tenant","type":"string","default":""}`).Text)
		required := with(`{"name":"tenant","type":"string"}`)

		c.Compatibility(t, subject, "BACKWARD_TRANSITIVE")
		verdict, err := schemas.Check(t.Context(), r, subject, required)
		require.NoError(t, err)
		require.Error(t, verdict.Err())
		assert.Regexp(t, `^mine is not compatible with subject `+subject+`, with version 1, by BACKWARD_TRANSITIVE: .*tenant.*; change it, or the subject's compatibility$`, verdict.Err().Error())
		_, _, err = schemas.Register(t.Context(), r, subject, required)
		require.Equal(t, verdict.Err(), err)

		c.Compatibility(t, subject, "BACKWARD")
		verdict, err = schemas.Check(t.Context(), r, subject, required)
		require.NoError(t, err)
		require.NoError(t, verdict.Err())
		_, _, err = schemas.Register(t.Context(), r, subject, required)
		require.NoError(t, err)

		c.Compatibility(t, subject, "FORWARD")
		verdict, err = schemas.Check(t.Context(), r, subject, schemas.Schema{Name: "mine", Text: click.Schema})
		require.NoError(t, err)
		require.ErrorContains(t, verdict.Err(), "with version 3, by FORWARD: ")
		assert.ErrorContains(t, verdict.Err(), "tenant")
	})
}
