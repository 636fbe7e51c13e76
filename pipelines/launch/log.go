package launch

import (
	"context"
	"log/slog"
	"runtime"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/log"
)

// Logs returns h with what Beam and its runner say demoted to debug: their errors reach the user as the error of
// the job, once and in one line. It makes Beam's own logger write to slog's default.
func Logs(h slog.Handler) slog.Handler {
	log.SetLogger(toSlog{})
	return &demoted{h}
}

type demoted struct{ slog.Handler }

func (d *demoted) Handle(ctx context.Context, r slog.Record) error {
	if r.Level > slog.LevelDebug && fromBeam(r.PC) {
		if !d.Enabled(ctx, slog.LevelDebug) {
			return nil
		}
		r.Level = slog.LevelDebug
	}
	return d.Handler.Handle(ctx, r)
}

func (d *demoted) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &demoted{d.Handler.WithAttrs(attrs)}
}

func (d *demoted) WithGroup(name string) slog.Handler { return &demoted{d.Handler.WithGroup(name)} }

func fromBeam(pc uintptr) bool {
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	return strings.HasPrefix(frame.Function, "github.com/apache/beam/")
}

// toSlog takes Beam's log to slog.
type toSlog struct{}

func (toSlog) Log(ctx context.Context, _ log.Severity, _ int, msg string) {
	slog.DebugContext(ctx, msg)
}
