package registry_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"

	"clickstream/io/registry"
)

func TestSchemaWithReferences(t *testing.T) {
	f, requests := fake(t)
	register := func(subject, schema string, refs ...sr.SchemaReference) int {
		id, _, err := f.RegisterSchema(subject, sr.Schema{Schema: schema, References: refs})
		require.NoError(t, err)
		return id
	}
	country := sr.SchemaReference{Name: "geo.Country", Subject: "country", Version: 1}
	place := sr.SchemaReference{Name: "geo.Place", Subject: "a place", Version: 1}
	register("country", `{"type":"enum","name":"Country","namespace":"geo","symbols":["DE","FR"]}`)
	register("a place", `{"type":"record","name":"Place","namespace":"geo","fields":[{"name":"country","type":"Country"},{"name":"since","type":"long","logicalType":"timestamp-micros"}]}`, country)
	id := register("clicks-value", `{"type":"record","name":"Click","fields":[{"name":"a","type":"geo.Place"},{"name":"b","type":["null","geo.Place"]},{"name":"c","type":"geo.Country"}]}`, place, country)

	requests.Store(0)
	r := open(t, f.URL(), time.Second)
	text, err := r.Schema(t.Context(), id, time.Now())
	require.NoError(t, err)
	root := avro.MustParse(text).Root()
	assert.Equal(t, "record", root.Fields[0].Type.Type)
	assert.Equal(t, "enum", root.Fields[0].Type.Fields[0].Type.Type)
	assert.Equal(t, "timestamp-micros", root.Fields[0].Type.Fields[1].Props["logicalType"], "attributes are kept")
	assert.EqualValues(t, 3, requests.Load(), "each reference is fetched once")
}

func TestSchemaWithUselessReferences(t *testing.T) {
	f, _ := fake(t)
	_, _, err := f.RegisterSchema("other", sr.Schema{Schema: schema})
	require.NoError(t, err)
	broken := `{"type":"record","name":"C","fields":[{"name":"a","type":"Nowhere"}]}`
	f.SeedSchema("clicks-value", 1, 9, sr.Schema{Schema: broken, References: []sr.SchemaReference{{Name: "R", Subject: "other", Version: 1}}})
	r := open(t, f.URL(), time.Second)
	text, err := r.Schema(t.Context(), 9, time.Now())
	require.NoError(t, err)
	assert.Equal(t, broken, text)
}

// A reference that the registry lost is the registry's fault, not the record's.
func TestSchemaWithLostReference(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if strings.HasPrefix(req.URL.Path, "/schemas/ids/") {
			answer(w, http.StatusOK, `{"schema":"{}","references":[{"name":"R","subject":"gone","version":3}]}`)
			return
		}
		answer(w, http.StatusNotFound, unknown)
	})
	_, err := open(t, url, 100*time.Millisecond).Schema(t.Context(), 1, time.Now())
	require.Error(t, err)
	require.NotErrorIs(t, err, registry.ErrUnknown)
	require.ErrorContains(t, err, `reference to subject "gone" version 3`)
}
