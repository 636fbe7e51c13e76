package click

import (
	"fmt"
	"strings"
)

// Steps are the optional steps of the count. A table is made with them, and all that is written to it goes through
// the same ones: windows that were counted in other ways must not stand side by side.
type Steps struct {
	Dedupe string // EventID: of a window's clicks with one event_id, the one whose page is the least counts; empty: all
	Users  bool   // a row says how many users viewed its page, nearly: see transforms/hyperloglog
	Top    int    // a window keeps its so many most viewed pages, the lesser by its bytes before one with as many; 0: all
}

// EventID is what Steps.Dedupe may tell clicks apart by.
const EventID = "event_id"

// String returns the steps as the options of run that they are.
func (s Steps) String() string {
	var options []string
	if s.Dedupe != "" {
		options = append(options, "--dedupe "+s.Dedupe)
	}
	if s.Users {
		options = append(options, "--unique-users")
	}
	if s.Top != 0 {
		options = append(options, fmt.Sprintf("--top %d", s.Top))
	}
	if len(options) == 0 {
		return "no optional step"
	}
	return strings.Join(options, " ")
}
