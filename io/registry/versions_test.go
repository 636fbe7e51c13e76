package registry_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/registry"
	"clickstream/testing/kafkatest"
)

func TestVersions(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		r := open(t, c.Registry, 5*time.Second)
		subject := c.Name(t) + "-value"
		_, err := r.Version(t.Context(), subject, registry.Latest)
		require.ErrorIs(t, err, registry.ErrNoVersion)
		require.ErrorContains(t, err, subject)
		_, refusals, err := r.Incompatible(t.Context(), subject, schema)
		require.NoError(t, err)
		assert.Empty(t, refusals, "it would be the first")

		first, err := r.Register(t.Context(), subject, schema)
		require.NoError(t, err)
		optional := strings.Replace(schema, `]`, `,{"name":"b","type":["null","int"],"default":null}]`, 1)
		_, refusals, err = r.Incompatible(t.Context(), subject, optional)
		require.NoError(t, err)
		assert.Empty(t, refusals)
		second, err := r.Register(t.Context(), subject, optional)
		require.NoError(t, err)

		for version, id := range map[int]int{1: first, 2: second, registry.Latest: second} {
			v, err := r.Version(t.Context(), subject, version)
			require.NoError(t, err)
			assert.Equal(t, id, v.ID)
			assert.Equal(t, subject, v.Subject)
			assert.NotZero(t, v.Version)
			assert.Equal(t, id == second, strings.Contains(v.Schema, `"b"`))
		}
		_, err = r.Version(t.Context(), subject, 9)
		require.ErrorIs(t, err, registry.ErrNoVersion)
	})
}
