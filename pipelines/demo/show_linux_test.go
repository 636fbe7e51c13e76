package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"clickstream/pipelines/settings"
)

// openTerminal returns a pseudo-terminal of 80 by 24 (pty(7)): what a program has, and all that it has shown so far.
func openTerminal(t *testing.T) (*os.File, *writer) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	unlocked := 0
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, unlocked))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	resize(t, slave, 80, 24)

	shown, done := &writer{}, make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(shown, master) // it ends with an error as the other side is closed
	}()
	t.Cleanup(func() {
		require.NoError(t, slave.Close())
		<-done
		require.NoError(t, master.Close())
	})
	return slave, shown
}

func resize(t *testing.T, terminal *os.File, width, height uint16) {
	t.Helper()
	require.NoError(t, unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: width, Row: height}))
}

func TestLiveView(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	t.Setenv("NO_COLOR", "")
	terminal, shown := openTerminal(t)
	s := &settings.Demo{Table: filepath.Join(t.TempDir(), "views"), Rate: 500}
	ctx, stop := within(t)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, s, plainly(), terminal) }()
	require.Eventually(t, func() bool { return strings.Contains(shown.String(), "read from the table") }, patience, frameInterval)
	resize(t, terminal, 132, 43)
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGWINCH))
	require.Eventually(t, func() bool { return strings.Contains(shown.String(), "Beam on Prism → Parquet") }, patience, frameInterval)
	stop()
	require.NoError(t, <-ended)

	const closes = "\r\nRead "
	require.Eventually(t, func() bool { return strings.Contains(shown.String(), "pandas as pd") }, patience, frameInterval)
	text := shown.String()
	require.True(t, strings.HasPrefix(text, enterScreen+beginUpdate), "%q", text[:min(100, len(text))])
	view, rest, found := strings.Cut(text, leaveScreen)
	require.True(t, found)
	assert.True(t, strings.HasPrefix(rest, closes), "nothing but the closing lines follows: %q", rest[:min(200, len(rest))])
	assert.NotContains(t, rest, "\x1b")
	assert.NotContains(t, view, "level=", "no log in the view")
	for frame := range strings.SplitSeq(strings.TrimPrefix(view, enterScreen), beginUpdate) {
		if frame != "" {
			assert.True(t, strings.HasSuffix(frame, endUpdate), "frames are whole, and nothing is between them: %q", frame)
		}
	}
	assert.Contains(t, view, "\x1b[36m", "bars have a colour")
}

func TestNoColour(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	terminal, shown := openTerminal(t)
	s := newScreen(terminal)
	require.NoError(t, s.enter())
	require.NoError(t, s.draw([]line{{{"bold", bold}}, {{"plain", plain}}}))
	require.NoError(t, s.leave())
	require.NoError(t, s.draw([]line{{{"not drawn", plain}}}))
	require.Eventually(t, func() bool { return strings.HasSuffix(shown.String(), leaveScreen) }, patience, frameInterval)
	assert.Equal(t, enterScreen+beginUpdate+"bold"+"\x1b[K\r\r\n"+"plain"+endUpdate+leaveScreen, shown.String(), "the terminal puts a \\r before each \\n")
}

// TestTerminalIsGivenBack lets the view fail at its first frame, as the table cannot be read.
func TestTerminalIsGivenBack(t *testing.T) {
	terminal, shown := openTerminal(t)
	s := newScreen(terminal)
	d := &demo{settings: &settings.Demo{}, common: plainly(), out: terminal}
	broken := errors.New("broken")
	err := d.showView(context.Background(), s, func(context.Context) (snapshot, error) { return snapshot{}, broken })
	require.ErrorIs(t, err, broken)
	require.Eventually(t, func() bool { return shown.String() == enterScreen+leaveScreen }, patience, frameInterval)
}
