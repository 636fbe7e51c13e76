package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// frugalGC lets the heap grow by so many percent before it is collected: who watches makes little garbage.
const frugalGC = 20

// When what is no longer needed is given back: once the process has started, again after four times as long, and so on,
// until it is now and then.
const (
	firstSaving = 5 * time.Second
	savings     = 10 * time.Minute
)

// frugal keeps the process small, which is to be a bystander, until ctx ends. What a program of this size touches once, as
// it starts, is many times what it needs to go on.
func frugal(ctx context.Context) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(frugalGC)
	}
	var own []mapping
	for pause := firstSaving; ; pause = min(4*pause, savings) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		debug.FreeOSMemory()
		if own == nil {
			own = ownMappings()
			divide(own)
		}
		for _, m := range own {
			m.advise(unix.MADV_DONTNEED) // what is needed again comes back by itself, from the kernel's cache
		}
	}
}

// chunk is how much of the program's file comes into memory at once. The kernel brings what is around a page as well, up to
// the mapping's bounds: 64 KB, or 2 MB where its cache is in large folios.
const chunk = 16 << 10

// divide makes mappings of chunks: only every other one is left out of core dumps, in which the program's file is not anyway.
func divide(own []mapping) {
	for _, m := range own {
		for from := m.from; from < m.to; from += 2 * chunk {
			mapping{from, min(from+chunk, m.to)}.advise(unix.MADV_DONTDUMP)
		}
	}
}

// mapping is a range of addresses.
type mapping struct{ from, to uintptr }

// advise tells the kernel what a mapping is for. Where it does not listen, all stays as it is.
func (m mapping) advise(advice uintptr) {
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, advice)
}

// ownMappings returns where the program's file is mapped to be read alone, and was not changed; nothing where the system does
// not tell, as only Linux does.
func ownMappings() []mapping {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return nil
	}
	defer func() { _ = maps.Close() }()
	return readMappings(maps, program)
}

// readMappings reads the form of /proc/PID/smaps, see proc(5).
func readMappings(maps io.Reader, program string) (own []mapping) {
	var at mapping // that the lines are of; zero if it is none of those
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var next mapping
		var mode string
		if n, _ := fmt.Sscanf(lines.Text(), "%x-%x %s", &next.from, &next.to, &mode); n == 3 {
			at = mapping{}
			if strings.HasSuffix(lines.Text(), " "+program) && !strings.Contains(mode, "w") {
				at = next
			}
			continue
		}
		if dirty, ok := strings.CutPrefix(lines.Text(), "Private_Dirty:"); ok && at != (mapping{}) && strings.TrimSpace(dirty) == "0 kB" {
			own = append(own, at)
		}
	}
	return own
}
