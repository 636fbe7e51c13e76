package demo

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestBar(t *testing.T) {
	assert.Equal(t, "██████████", bar(100, 100, 10))
	assert.Equal(t, "█████", bar(50, 100, 10))
	assert.Equal(t, "█▎", bar(1, 8, 10))
	assert.Equal(t, "▏", bar(1, 1_000_000, 10), "anything is seen")
	assert.Empty(t, bar(0, 100, 10))
	assert.Empty(t, bar(1, 1, 0))
	assert.Empty(t, bar(1, 1, -3))
}

func TestNumber(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1_000: "1,000", 123_456: "123,456", 1_234_567: "1,234,567", -1_000: "-1,000", -999: "-999"} {
		assert.Equal(t, want, number(n))
	}
	assert.Equal(t, "1 window", windows(1))
	assert.Equal(t, "0 windows", windows(0))
}

func TestSpan(t *testing.T) {
	assert.Equal(t, "0 s", span(900*time.Millisecond))
	assert.Equal(t, "59 s", span(59*time.Second))
	assert.Equal(t, "1 min 00 s", span(time.Minute))
	assert.Equal(t, "2 h 05 min", span(2*time.Hour+5*time.Minute+59*time.Second))
}

func TestFit(t *testing.T) {
	l := line{{"ab", bold}, {"cdef", dim}}
	assert.Equal(t, "abcdef", l.fit(6).render(false))
	assert.Equal(t, "abcd…", l.fit(5).render(false))
	assert.Equal(t, "ab…", l.fit(3).render(false))
	assert.Equal(t, "a…", l.fit(2).render(false))
	assert.Equal(t, "…", l.fit(1).render(false))
	assert.Equal(t, "abcdef  ", l.fill(8).render(false))
	assert.Equal(t, "a… right", apart(l, line{{"right", plain}}, 8).render(false))
}

func TestMiddle(t *testing.T) {
	assert.Equal(t, "/products/1", middle("/products/1", 11))
	assert.Equal(t, "/pro…cts/1", middle("/products/1", 10))
	assert.Equal(t, "é…é", middle("éééé", 3))
	assert.Equal(t, "/p", middle("/products", 2))
	assert.Empty(t, middle("/products", -1))
}
