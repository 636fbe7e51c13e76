package demo

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"clickstream/pipelines/settings"
)

func TestHeldLog(t *testing.T) {
	before := slog.Default()
	held := holdLog(&settings.Common{LogFormat: "text", LogLevel: "info"})
	slog.Debug("not even kept")
	slog.Info("kept")
	assert.Empty(t, held.lastWarning())
	slog.With("a", 1).Warn("careful", "url", "http://user:secret@host")
	assert.Equal(t, "careful url=http://***@host", held.lastWarning())

	var out bytes.Buffer
	held.release(&out)
	assert.Same(t, before, slog.Default())
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	assert.Len(t, lines, 2)
	assert.Contains(t, lines[0], "level=INFO msg=kept")
	assert.Contains(t, lines[1], "level=WARN msg=careful a=1 url=")
	assert.NotContains(t, out.String(), "secret")
}

func TestHeldLogKeepsTheNewest(t *testing.T) {
	before := slog.Default()
	var told bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&told, nil)))
	defer slog.SetDefault(before)
	held := holdLog(&settings.Common{LogFormat: "text", LogLevel: "info"})
	for i := range maxHeld + 5 {
		slog.Info(fmt.Sprint("line ", i))
	}
	var out bytes.Buffer
	held.release(&out)
	assert.Equal(t, maxHeld, strings.Count(out.String(), "\n"))
	assert.Contains(t, out.String(), fmt.Sprintf(`"line %d"`, maxHeld+4))
	assert.NotContains(t, out.String(), `"line 4"`)
	assert.Contains(t, told.String(), "lines=5")
}
