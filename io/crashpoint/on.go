//go:build crash

package crashpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// The variables that say where, as «after-rename:3» for the third time that this point is passed.
const (
	dieAt  = "CLICKSTREAM_TEST_DIE_AT"  // as by kill -9
	failAt = "CLICKSTREAM_TEST_FAIL_AT" // with an error, although what was to be done is done
)

var (
	mu     sync.Mutex
	passed = map[string]int{}
)

// Reach dies, or returns an error, if this is where the environment says so.
func Reach(point string) error {
	mu.Lock()
	defer mu.Unlock()
	passed[point]++
	switch {
	case isAt(dieAt, point):
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case isAt(failAt, point):
		return fmt.Errorf("made to fail at %s", point)
	}
	return nil
}

func isAt(variable, point string) bool {
	name, times, _ := strings.Cut(os.Getenv(variable), ":")
	n, _ := strconv.Atoi(times)
	return name == point && passed[point] == max(n, 1)
}
