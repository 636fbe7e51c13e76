package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestOwnMappingsAreThoseOfTheProgramThatNobodyHasChanged(t *testing.T) {
	const smaps = `00400000-0355a000 r-xp 00000000 fe:00 9986042                            /opt/bin/clickstream
Size:              50536 kB
Rss:               37180 kB
Private_Dirty:         0 kB
VmFlags: rd ex mr mw me sd
0355a000-09163000 r--p 0315a000 fe:00 9986042                            /opt/bin/clickstream
Private_Dirty:         0 kB
09163000-092d9000 rw-p 08d63000 fe:00 9986042                            /opt/bin/clickstream
Private_Dirty:         0 kB
092d9000-092da000 r--p 08d64000 fe:00 9986042                            /opt/bin/clickstream
Private_Dirty:         4 kB
7f2031d21000-7f2031e77000 r-xp 00026000 fe:00 326269                     /usr/lib/libc.so.6
Private_Dirty:         0 kB
7f2031e77000-7f2031e78000 r--p 00000000 00:00 0
Private_Dirty:         0 kB
`
	assert.Equal(t, []mapping{{0x400000, 0x355a000}, {0x355a000, 0x9163000}}, readMappings(strings.NewReader(smaps), "/opt/bin/clickstream"))
	assert.Empty(t, readMappings(strings.NewReader(smaps), "/opt/bin/other"))
}
