package dlq

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

const (
	chain = `{"type":"record","name":"R","fields":[{"name":"next","type":["null","R"]}]}`
	tree  = `{"type":"record","name":"R","fields":[{"name":"of","type":{"type":"array","items":"R"}}]}`
)

// TestDecodingEnds decodes bytes that say that they are billions of items, or that deep, as far as they go.
func TestDecodingEnds(t *testing.T) {
	billions := binary.AppendVarint(nil, 1<<31-1)
	blocks := strings.Repeat(string(binary.AppendVarint(nil, mostItems)), 1<<18)
	doubling := `{"type":"record","name":"R0","fields":[]}`
	for i := 1; i < 40; i++ {
		doubling = fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"a","type":%s},{"name":"b","type":"R%d"}]}`, i, doubling, i-1)
	}
	for name, c := range map[string]struct {
		schema, value, fault string
	}{
		"items":             {`{"type":"array","items":"long"}`, string(billions), "exceeds MaxBlockCount"},
		"entries":           {`{"type":"map","values":"long"}`, string(billions), "exceeds MaxBlockCount"},
		"items of a field":  {`{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array","items":"int"}}]}`, string(billions), "exceeds MaxBlockCount"},
		"nulls":             {`{"type":"array","items":"null"}`, blocks, "an array whose items take no bytes"},
		"empty records":     {`{"type":"array","items":{"type":"record","name":"E","fields":[{"name":"n","type":"null"}]}}`, blocks, "an array whose items take no bytes"},
		"a record in it":    {`{"type":"record","name":"R","namespace":"a.b","fields":[{"name":"r","type":"R"}]}`, "", "record a.b.R holds itself without end"},
		"records in it":     {`{"type":"record","name":"R","fields":[{"name":"r","type":{"type":"record","name":"S","fields":[{"name":"s","type":"R"}]}}]}`, "", "record R holds itself without end"},
		"doubling":          {doubling, "", "a value of 0 bytes may have"},
		"many of them":      {`{"type":"array","items":{"type":"record","name":"E","fields":[{"name":"a","type":"int"},{"name":"n","type":"null"}]}}`, blocks + blocks + blocks, "are decoded at most"},
		"a long chain":      {chain, strings.Repeat("\x02", 1<<20), "decoded up to 1024 bytes"},
		"a high tree":       {tree, strings.Repeat("\xfe\x7f", 1<<9), "io: short buffer|short buffer"},
		"a chain of levels": {chain, strings.Repeat("\x02", mostOwn-1) + "\x00", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			d := asAvro(c.schema, []byte(c.value))
			runtime.ReadMemStats(&after)
			if c.fault == "" {
				assert.Empty(t, d.Fault)
			} else {
				assert.Regexp(t, c.fault, d.Fault)
			}
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(256<<20))
		})
	}
}

func TestWhatHoldsItselfIsDecoded(t *testing.T) {
	d := asAvro(chain, []byte{2, 2, 0})
	assert.Empty(t, d.Fault)
	assert.Contains(t, d.Text, "\"next\": null")
	d = asAvro(`{"type":"array","items":"long"}`, append(binary.AppendVarint(nil, mostItems), append(make([]byte, mostItems), 0)...))
	assert.Empty(t, d.Fault)
}

// TestDeepJSON is not indented: that would make gigabytes of a megabyte.
func TestDeepJSON(t *testing.T) {
	deep := strings.Repeat("[", 9_000) + strings.Repeat("1,", 400_000) + "1" + strings.Repeat("]", 9_000)
	d := asJSON([]byte(deep))
	assert.Empty(t, d.Text)
	assert.Equal(t, "it is more than 100 levels deep", d.Fault)
	assert.NotEmpty(t, asJSON([]byte(`{"a":"\"[[[`+strings.Repeat("[", 200)+`"}`)).Text, "brackets in text are no levels")
}
