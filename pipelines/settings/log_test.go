package settings_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/pipelines/settings"
)

func TestLogger(t *testing.T) {
	var out bytes.Buffer
	log := settings.Common{LogFormat: "json", LogLevel: "info"}.Logger(&out)
	log.Debug("not said")
	log.Info("hello", "url", "http://u:hunter2@h/", "error", errors.New("get http://u:hunter2@h/: refused"))
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	assert.Equal(t, "hello", line["msg"])
	assert.Equal(t, "http://***@h/", line["url"])
	assert.Equal(t, "get http://***@h/: refused", line["error"])

	out.Reset()
	log = settings.Common{LogFormat: "text", LogLevel: "debug", Quiet: true}.Logger(&out)
	log.Info("not said")
	log.Warn("said")
	assert.Contains(t, out.String(), "level=WARN msg=said")
	assert.NotContains(t, out.String(), "not said")
}
