package status_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"clickstream/pipelines/status"
	"clickstream/transforms/click"
	"clickstream/transforms/progress"
)

var written = status.Output{Words: "written", Key: "written", Count: func(s progress.Snapshot) int64 { return s.Forwarded }}

// progressOf returns a pipeline's progress, which is forgotten with the test.
func progressOf(t *testing.T) *progress.Progress {
	t.Helper()
	t.Cleanup(func() { progress.Forget(t.Name()) })
	return progress.Of(t.Name())
}

// report lets f act while a report goes on, and returns when that has ended. Time is the bubble's.
func report(t *testing.T, w io.Writer, p *progress.Progress, f func()) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			status.Report(ctx, w, p, written)
		}()
		synctest.Wait()
		f()
		cancel()
		<-ended
	})
}

// pass lets so much of the bubble's time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestReportOnATerminal(t *testing.T) {
	p := progressOf(t)
	var out bytes.Buffer
	report(t, &out, p, func() {
		pass(time.Second)
		p.Read(300, &click.Batch{Pages: make([]string, 200)})
		p.Forwarded(150)
		p.Rejected(click.JSON)
		p.At(0, 70, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMilli())
		pass(time.Second)
		p.Read(0, &click.Batch{Deferred: 4})
		pass(time.Second)
	})
	assert.Equal(t, []string{
		"", // it tells nothing before its first line
		"0 events/s · 0 read · lag 0 · 0 written · rejected 0 · watermark none",
		"300 events/s · 300 read · lag 70 · 150 written · rejected 1 (json 1) · watermark 2026-03-01T12:00:00Z",
		"0 events/s · 300 read · lag 70 · 150 written · rejected 1 (json 1) · deferred 4 · watermark 2026-03-01T12:00:00Z",
		"", // the line is left empty
	}, strings.Split(out.String(), "\r\x1b[K"))
}

func TestReportToTheLog(t *testing.T) {
	var out bytes.Buffer
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})))
	p := progressOf(t)
	report(t, nil, p, func() {
		pass(9 * time.Second)
		assert.Empty(t, out.String())
		p.Read(500, &click.Batch{Pages: make([]string, 400)})
		p.Forwarded(30)
		p.Rejected(click.TooLate)
		p.Rejected(click.JSON)
		pass(time.Second)
		pass(5 * time.Second)
	})
	assert.Equal(t, "level=INFO msg=progress events_per_s=50 read=500 counted=400 lag=0 written=30 rejected=\"2 (json 1, too_late 1)\" deferred=0 watermark=none\n", out.String())
}

func TestRejects(t *testing.T) {
	assert.Equal(t, "0", status.Rejects(progress.Snapshot{}))
	assert.Equal(t, "12 (json 10, too_late 2)", status.Rejects(progress.Snapshot{Rejected: map[click.Reason]int64{click.TooLate: 2, click.JSON: 10}}))
}

func TestDeferred(t *testing.T) {
	assert.Empty(t, status.Deferred(progress.Snapshot{}, "%d of them"))
	assert.Equal(t, "3 of them", status.Deferred(progress.Snapshot{Deferred: 3}, "%d of them"))
}
