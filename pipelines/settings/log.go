package settings

import (
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"
)

// Logger returns a logger to w as o tells. It hides the credentials of URLs in whatever is logged.
func (o Common) Logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if level.UnmarshalText([]byte(o.LogLevel)) != nil {
		level = slog.LevelInfo // Validate reports it
	}
	if o.Quiet {
		level = max(level, slog.LevelWarn)
	}
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: redactAttr}
	if o.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// Terminal returns f where progress may be written over on it: a terminal, with a log for people to read; or nil.
func (o Common) Terminal(f *os.File) io.Writer {
	if o.LogFormat == "json" || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return f
}

func redactAttr(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(Redact(a.Value.String()))
	case slog.KindAny:
		if err, ok := a.Value.Any().(error); ok {
			a.Value = slog.StringValue(Redact(err.Error()))
		}
	}
	return a
}
