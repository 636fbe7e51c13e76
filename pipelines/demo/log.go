package demo

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"

	"clickstream/pipelines/launch"
	"clickstream/pipelines/settings"
)

// heldLog keeps the log back while the terminal shows the live view, and remembers the last warning for it.
type heldLog struct {
	before *slog.Logger

	mu      sync.Mutex
	lines   [][]byte
	dropped int
	warning string
}

// maxHeld is how many lines are kept back at most: the newest.
const maxHeld = 200

// holdLog makes slog's default write to the log that it returns, as common tells.
func holdLog(common *settings.Common) *heldLog {
	l := &heldLog{before: slog.Default()}
	slog.SetDefault(slog.New(launch.Logs(&noting{common.Logger(l).Handler(), l})))
	return l
}

// Write keeps a line, which a logger writes at once.
func (l *heldLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines = append(l.lines, bytes.Clone(line)); len(l.lines) > maxHeld {
		l.lines = l.lines[1:]
		l.dropped++
	}
	return len(line), nil
}

// lastWarning returns the last warning or error.
func (l *heldLog) lastWarning() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.warning
}

// release makes slog's default what it was, and writes what was held back to w.
func (l *heldLog) release(w io.Writer) {
	slog.SetDefault(l.before)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dropped > 0 {
		slog.Warn("the log was too long to keep during the live view; its beginning is lost", "lines", l.dropped)
	}
	_, _ = w.Write(bytes.Join(l.lines, nil)) // there is nowhere else to tell it
	l.lines = nil
}

// noting passes a log on, and notes its warnings.
type noting struct {
	slog.Handler
	log *heldLog
}

func (n *noting) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		text := r.Message
		r.Attrs(func(a slog.Attr) bool {
			text += " " + a.Key + "=" + a.Value.String()
			return true
		})
		n.log.mu.Lock()
		n.log.warning = settings.Redact(text)
		n.log.mu.Unlock()
	}
	return n.Handler.Handle(ctx, r)
}

func (n *noting) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &noting{n.Handler.WithAttrs(attrs), n.log}
}

func (n *noting) WithGroup(name string) slog.Handler {
	return &noting{n.Handler.WithGroup(name), n.log}
}

// logIfFailed warns of err, unless ctx has ended, which may be its cause.
func logIfFailed(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		slog.Warn("the demo goes on, but uses more and more memory", "error", err)
	}
}
