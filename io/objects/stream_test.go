package objects_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/objects"
	"clickstream/testing/buckets"
)

// TestStream puts more than the parts of an upload hold, replaces it, and leaves it as it was where the reader fails.
func TestStream(t *testing.T) {
	for kind, start := range buckets.Kinds {
		t.Run(kind, func(t *testing.T) {
			bucket, ok := open(t, start(t)+"/programs").(*objects.Bucket)
			require.True(t, ok)
			large := bytes.Repeat([]byte("worker "), 5<<20)
			require.NoError(t, bucket.Stream(t.Context(), "a/worker", bytes.NewReader(large)))
			data, err := bucket.Read(t.Context(), "a/worker")
			require.NoError(t, err)
			assert.True(t, bytes.Equal(large, data))
			require.NoError(t, bucket.Stream(t.Context(), "a/worker", bytes.NewReader([]byte("small"))))

			broken := io.MultiReader(bytes.NewReader([]byte("half")), iotest.ErrReader(errors.New("disk is gone")))
			require.ErrorContains(t, bucket.Stream(t.Context(), "a/worker", broken), "disk is gone")
			data, err = bucket.Read(t.Context(), "a/worker")
			require.NoError(t, err)
			assert.Equal(t, "small", string(data))
			require.Error(t, bucket.Stream(t.Context(), "../worker", bytes.NewReader(nil)))
		})
	}
}
