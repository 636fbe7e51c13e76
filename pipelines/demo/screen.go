package demo

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"
)

// The terminal's sequences (xterm's ctlseqs). A terminal that does not know one leaves it out.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l" // other screen, no cursor, no wrapping of long lines
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	beginUpdate = "\x1b[?2026h\x1b[H" // hold what is shown until all is drawn; from the top
	endOfLine   = "\x1b[K\r\n"
	endUpdate   = "\x1b[K\x1b[J\x1b[?2026l"
)

// screen is the terminal while it shows frames.
type screen struct {
	file    *os.File
	colours bool
	entered bool
}

// newScreen returns the terminal that f is. Colours are left out where NO_COLOR is set, see no-color.org.
func newScreen(f *os.File) *screen {
	return &screen{file: f, colours: os.Getenv("NO_COLOR") == ""}
}

// size returns the terminal's columns and lines.
func (s *screen) size() (width, height int) {
	width, height, err := term.GetSize(int(s.file.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return 80, 24
	}
	return width, height
}

func (s *screen) enter() error {
	s.entered = true
	return s.write(enterScreen)
}

// leave gives the terminal back as it was.
func (s *screen) leave() error {
	if !s.entered {
		return nil
	}
	s.entered = false
	return s.write(leaveScreen)
}

// draw shows lines, by one write, so that nobody sees half a frame. On a terminal that was given back it does nothing.
func (s *screen) draw(lines []line) error {
	if !s.entered {
		return nil
	}
	rendered := make([]string, len(lines))
	for i, l := range lines {
		rendered[i] = l.render(s.colours)
	}
	return s.write(beginUpdate + strings.Join(rendered, endOfLine) + endUpdate)
}

func (s *screen) write(what string) error {
	if _, err := s.file.WriteString(what); err != nil {
		return fmt.Errorf("write to the terminal: %w", err)
	}
	return nil
}
