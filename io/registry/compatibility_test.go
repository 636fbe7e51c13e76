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

// TestIncompatible has a schema that fits the newest version, but not an older one: a field that is required in it has a
// default in the newest, and is not in the first. By each level, the registry does as Incompatible says.
func TestIncompatible(t *testing.T) {
	for _, c := range []struct {
		level, candidate string
		refused          []int // versions
	}{
		{"NONE", `{"name":"b","type":"string"}`, nil},
		{"BACKWARD", `{"name":"b","type":"int"}`, nil},
		{"BACKWARD_TRANSITIVE", `{"name":"b","type":"int"}`, []int{1}},
		{"BACKWARD", `{"name":"b","type":"int"},{"name":"c","type":"int"}`, []int{2}},
		{"BACKWARD_TRANSITIVE", `{"name":"b","type":"int"},{"name":"c","type":"int"}`, []int{1, 2}},
		{"FORWARD", `{"name":"d","type":"int"}`, nil},
		{"FORWARD_TRANSITIVE", `{"name":"d","type":"int"}`, nil},
		{"FULL", `{"name":"d","type":"int"}`, []int{2}},
		{"FULL_TRANSITIVE", `{"name":"d","type":"int"}`, []int{1, 2}},
	} {
		t.Run(c.level+" "+c.candidate, func(t *testing.T) {
			kafkatest.Each(t, func(t *testing.T, cluster *kafkatest.Cluster) {
				r := open(t, cluster.Registry, 5*time.Second)
				subject := cluster.Name(t) + "-value"
				with := func(more string) string { return strings.Replace(schema, `]`, `,`+more+`]`, 1) }
				for _, s := range []string{schema, with(`{"name":"b","type":"int","default":1}`)} {
					_, err := r.Register(t.Context(), subject, s)
					require.NoError(t, err)
				}
				cluster.Compatibility(t, subject, c.level)
				level, refusals, err := r.Incompatible(t.Context(), subject, with(c.candidate))
				require.NoError(t, err)
				assert.Equal(t, c.level, string(level))
				var versions []int
				for _, refusal := range refusals {
					versions = append(versions, refusal.Version)
					assert.NotContains(t, strings.Join(refusal.Reasons, ""), "\n")
				}
				assert.Equal(t, c.refused, versions)

				_, err = r.Register(t.Context(), subject, with(c.candidate))
				if len(c.refused) == 0 {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, subject)
				assert.NotContains(t, err.Error(), "\n")
			})
		})
	}
}

func TestLevels(t *testing.T) {
	for level, want := range map[registry.Level][3]bool{
		"NONE": {}, "BACKWARD": {true, false, false}, "BACKWARD_TRANSITIVE": {true, false, true}, "FORWARD": {false, true, false},
		"FORWARD_TRANSITIVE": {false, true, true}, "FULL": {true, true, false}, "FULL_TRANSITIVE": {true, true, true},
	} {
		assert.Equal(t, want, [3]bool{level.Backward(), level.Forward(), level.Transitive()}, level)
	}
}
