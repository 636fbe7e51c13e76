package demo

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// How often the live view is drawn, and a plain line is written.
const (
	frameInterval = 250 * time.Millisecond
	lineInterval  = 2 * time.Second
	lookInterval  = 100 * time.Millisecond // for what deserves a line at once
	boardInterval = time.Second            // of what the page is told
)

// show shows how the demo goes until ctx ends.
func (d *demo) show(ctx context.Context) error {
	terminal, isFile := d.out.(*os.File)
	switch {
	case d.common.Quiet:
		return nil
	case d.common.LogFormat == "json":
		return d.showLines(ctx, logLine)
	case d.settings.Plain, !isFile, d.common.Terminal(terminal) == nil, os.Getenv("TERM") == "dumb":
		return d.showLines(ctx, func(s *snapshot, l plainLine) error {
			_, err := io.WriteString(d.out, l.text(s))
			return err
		})
	}
	return d.showView(ctx, newScreen(terminal), d.observe().snapshot)
}

// showView draws frames until ctx ends. However it ends, the terminal is as it was before; the log that was held
// back meanwhile follows.
func (d *demo) showView(ctx context.Context, s *screen, observe func(context.Context) (snapshot, error)) (err error) {
	held := holdLog(d.common)
	defer held.release(os.Stderr)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGCONT, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	defer func() { err = errors.Join(err, s.leave()) }()
	if err := s.enter(); err != nil {
		return err
	}
	tick := time.NewTicker(frameInterval)
	defer tick.Stop()
	for {
		now, err := observe(ctx)
		if err != nil {
			return unlessOver(ctx, err)
		}
		now.Warning = held.lastWarning()
		width, height := s.size()
		if err := s.draw(frame(&now, width, height)); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case sig := <-signals:
			if err := s.signalled(sig.(syscall.Signal)); err != nil {
				return err
			}
		}
	}
}

// signalled does what a signal means for the terminal: it is given back before the process is stopped or ended.
func (s *screen) signalled(sig syscall.Signal) error {
	switch sig {
	case syscall.SIGTSTP: // Ctrl-Z
		if err := s.leave(); err != nil {
			return err
		}
		return syscall.Kill(syscall.Getpid(), syscall.SIGSTOP) // another thread may take it: this one may go on
	case syscall.SIGCONT:
		return s.enter()
	case syscall.SIGHUP, syscall.SIGQUIT: // the terminal is gone, or Ctrl-\
		_ = s.leave() // it may be gone
		signal.Reset(sig)
		return syscall.Kill(syscall.Getpid(), sig)
	}
	return nil // SIGWINCH: the next frame has the new size
}

// showLines writes lines until ctx ends: one when it begins, one when a minute has closed, and one now and then.
func (d *demo) showLines(ctx context.Context, write func(*snapshot, plainLine) error) error {
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	observer := d.observe()
	var told time.Time
	var closed time.Time
	for kind := begins; ; {
		now, err := observer.snapshot(ctx)
		if err != nil {
			return unlessOver(ctx, err)
		}
		switch {
		case now.Table.To.After(closed):
			closed, kind = now.Table.To, closes
		case told.IsZero():
			told = now.Now
		case now.Now.Sub(told) >= lineInterval:
			told, kind = now.Now, goes
		}
		if kind != nothing {
			if err := write(&now, kind); err != nil {
				return err
			}
		}
		kind = nothing
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// logLine writes a line to the log.
func logLine(s *snapshot, l plainLine) error {
	slog.Info(l.message(), l.attributes(s)...)
	return nil
}
