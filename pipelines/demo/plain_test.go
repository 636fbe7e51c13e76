package demo

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPlainLines(t *testing.T) {
	golden(t, "plain", begins.text(early())+goes.text(early())+closes.text(later())+goes.text(later()))
}

func TestLogLines(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
	for _, kind := range []plainLine{begins, goes, closes} {
		require.NoError(t, logLine(later(), kind))
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	require.Len(t, lines, 3)
	assert.Contains(t, lines[0], `"msg":"the demo begins","broker":"127.0.0.1:40001","registry":"http://127.0.0.1:40002","table":"./demo/page_views_1min"`)
	assert.Contains(t, lines[1], `"msg":"progress","events_per_s":500,"read":191503,"counted":190500,"lag":12,"watermark":"12:01:29 UTC"`)
	assert.Contains(t, lines[2], `"msg":"windows are in the table","windows":7,"rows":6871,"views":171113,"up_to":"2026-03-01T12:01:00Z"`)
}
