package embedded_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/sr"

	"clickstream/io/embedded"
)

func TestRegistryRestarts(t *testing.T) {
	r, err := embedded.StartRegistry()
	require.NoError(t, err)
	client, err := sr.NewClient(sr.URLs(r.URL()), sr.HTTPClient(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}))
	require.NoError(t, err)
	made, err := client.CreateSchema(t.Context(), "clicks-value", sr.Schema{Schema: `"string"`})
	require.NoError(t, err)

	require.NoError(t, r.Close())
	require.NoError(t, r.Close(), "closing twice does no harm")
	_, err = client.SchemaByID(t.Context(), made.ID)
	require.Error(t, err)

	url := r.URL()
	require.NoError(t, r.Restart())
	assert.Equal(t, url, r.URL())
	found, err := client.SchemaByID(t.Context(), made.ID)
	require.NoError(t, err)
	assert.Equal(t, `"string"`, found.Schema)
	require.NoError(t, r.Close())
}
