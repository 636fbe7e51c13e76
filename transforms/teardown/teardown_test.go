package teardown_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/transforms/teardown"
)

func TestEnd(t *testing.T) {
	var closed []string
	opened := func(name string, err error) func() error {
		return func() error { closed = append(closed, name); return err }
	}
	broken := errors.New("broken")
	require.NoError(t, teardown.Later(t.Name(), opened("table", nil)))
	require.NoError(t, teardown.Later(t.Name(), opened("writer", broken)))
	require.NoError(t, teardown.Later("another", opened("another", nil)))

	require.ErrorIs(t, teardown.End(t.Name()), broken)
	assert.Equal(t, []string{"writer", "table"}, closed, "all are closed, though one fails")
	require.NoError(t, teardown.End(t.Name()), "nothing is closed twice")

	require.ErrorIs(t, teardown.Later(t.Name(), opened("straggler", nil)), teardown.ErrEnded)
	assert.Equal(t, []string{"writer", "table", "straggler"}, closed)
}
