package dashboard

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTexts(t *testing.T) {
	plain := func(s string) string { return strings.ReplaceAll(s, thin, "_") }
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1_000", 1234567: "1_234_567", -1000: "-1_000"} {
		assert.Equal(t, want, plain(number(n)))
	}
	for d, want := range map[time.Duration]string{
		0: "0_ms", 340 * time.Millisecond: "340_ms", 1200 * time.Millisecond: "1.2_s", 2 * time.Second: "2_s", 59 * time.Second: "59_s",
		time.Minute: "1_min", 272 * time.Second: "4_min 32_s", time.Hour: "1_h", 90 * time.Minute: "1_h 30_min", 50 * time.Hour: "2_d 2_h",
	} {
		assert.Equal(t, want, plain(span(d)))
	}
	assert.Equal(t, "29.6_s", plain(measure(29.6, "s")), "it is not 30")
	assert.Equal(t, "12_345 records", plain(measure(12345, "records")))
	assert.Equal(t, "1_%", plain(percent(0.01)))
	assert.Equal(t, "2.5_%", plain(percent(0.025)))
}

func TestCut(t *testing.T) {
	assert.Equal(t, "a\ufffdb\ufffd", cut("a\nb\xff"))
	long := strings.Repeat("ä", 5000) + "end"
	assert.Len(t, []rune(cut(long)), mostText+1)
	assert.True(t, strings.HasSuffix(cut(long), "end"))
}
