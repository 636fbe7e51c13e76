package main

import (
	"fmt"
	"io"
	"strings"
)

// goal is a figure that is to be reached.
type goal struct {
	what  string
	got   float64
	want  float64
	above bool // got is to be want or more, else less
}

func (g goal) reached() bool {
	if g.above {
		return g.got >= g.want
	}
	return g.got < g.want
}

// judge says of each goal whether it was reached, and fails unless all were.
func judge(w io.Writer, goals ...goal) error {
	var missed []string
	for _, g := range goals {
		verdict, bound := "PASS", "less than"
		if g.above {
			bound = "at least"
		}
		if !g.reached() {
			verdict = "FAIL"
			missed = append(missed, g.what)
		}
		if _, err := fmt.Fprintf(w, "%s  %s: %.4g, wanted %s %.4g\n", verdict, g.what, g.got, bound, g.want); err != nil {
			return err
		}
	}
	if len(missed) > 0 {
		return fmt.Errorf("not reached: %s", strings.Join(missed, "; "))
	}
	return nil
}
