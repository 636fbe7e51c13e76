package kafka

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// repeatAfter is how long the client's same message is kept back: it says so at each attempt, many a second.
const repeatAfter = 30 * time.Second

// toldByReader is part of a message that the reader has a line of its own for, with a way out.
const toldByReader = "the topic was deleted and recreated"

// logger takes the client's own log to slog's default: its errors and warnings as warnings, each message
// twice a minute at most; its chatter as debug.
type logger struct {
	hushed atomic.Bool // warnings are only debug, as somebody else reports them

	mu   sync.Mutex
	last map[string]time.Time
}

// Level is info even at slog's debug: the client's own debug level is a line per request.
func (l *logger) Level() kgo.LogLevel {
	if slog.Default().Enabled(context.Background(), slog.LevelDebug) {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelWarn
}

func (l *logger) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	to := slog.LevelDebug
	if level <= kgo.LogLevelWarn && !l.hushed.Load() && !strings.Contains(msg, toldByReader) && l.due(msg) {
		to = slog.LevelWarn
	}
	slog.Log(context.Background(), to, "kafka client: "+msg, keyvals...)
}

func (l *logger) due(msg string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if t, ok := l.last[msg]; ok && now.Sub(t) < repeatAfter {
		return false
	}
	if l.last == nil {
		l.last = map[string]time.Time{}
	}
	l.last[msg] = now
	return true
}
