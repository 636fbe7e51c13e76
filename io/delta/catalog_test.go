package delta_test

import (
	"context"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/delta"
	"clickstream/io/objects"
	"clickstream/testing/storetest"
)

// torn is a store whose listings lack some files: those put there while a listing went on, after it had passed their
// places.
type torn struct {
	*storetest.Memory
	lacks string
}

func (s torn) List(ctx context.Context, prefix, after string) iter.Seq2[objects.Info, error] {
	return func(yield func(objects.Info, error) bool) {
		for info, err := range s.Memory.List(ctx, prefix, after) {
			if lacks := err == nil && strings.Contains(s.lacks, info.Name); !lacks && !yield(info, err) {
				return
			}
		}
	}
}

func TestOpenTakesATornListingForNoHole(t *testing.T) {
	store := &storetest.Memory{}
	log := create(t, store, delta.Options{CheckpointInterval: -1})
	for _, name := range []string{"a", "b", "c", "d"} {
		commit(t, log, nil, name)
	}
	require.NoError(t, log.Close())
	entry := func(version string) string { return "_delta_log/0000000000000000000" + version + ".json" }

	for _, lacks := range []string{entry("0"), entry("3"), entry("1") + " " + entry("2") + " " + entry("3")} {
		opened, err := delta.Open(t.Context(), torn{store, lacks}, delta.Options{})
		require.NoError(t, err, lacks)
		assert.Equal(t, int64(4), opened.Snapshot().Version)
		assert.Equal(t, 4, opened.Snapshot().Len())
	}
	require.NoError(t, store.Delete(t.Context(), entry("2")))
	_, err := delta.Open(t.Context(), torn{store, entry("3")}, delta.Options{})
	require.ErrorContains(t, err, "the log has a hole: version 2 is missing")
}
