package dashboard

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"clickstream/pipelines/objectives"
)

// thin stands between groups of digits, and between a number and its unit (SI brochure, 9th edition, 5.4.3 and 5.4.4).
const thin = "\u202f"

// number writes n with its thousands apart.
func number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + thin + digits[i:]
	}
	return digits
}

// span writes a duration by its two largest units.
func span(d time.Duration) string {
	unit := func(n int64, u string) string { return strconv.FormatInt(n, 10) + thin + u }
	s := int64(d.Round(time.Second).Seconds())
	switch {
	case d < time.Second:
		return unit(d.Milliseconds(), "ms")
	case d < 10*time.Second:
		return strings.TrimSuffix(strconv.FormatFloat(d.Seconds(), 'f', 1, 64), ".0") + thin + "s"
	case s < 60:
		return unit(s, "s")
	case s < 3600 && s%60 == 0:
		return unit(s/60, "min")
	case s < 3600:
		return unit(s/60, "min") + " " + unit(s%60, "s")
	case s < 86400 && s/60%60 == 0:
		return unit(s/3600, "h")
	case s < 86400:
		return unit(s/3600, "h") + " " + unit(s/60%60, "min")
	}
	return unit(s/86400, "d") + " " + unit(s/3600%24, "h")
}

// measure writes a figure in its unit.
func measure(value float64, unit objectives.Unit) string {
	if unit == objectives.Seconds {
		if value >= 9.95 && value < 59.95 { // a target may be near
			return strings.TrimSuffix(strconv.FormatFloat(value, 'f', 1, 64), ".0") + thin + string(unit)
		}
		return span(time.Duration(value * float64(time.Second)))
	}
	return fmt.Sprintf("%s %s", number(int64(math.Round(value))), unit)
}

// percent writes a share of one.
func percent(share float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(100*share, 'f', 1, 64), ".0") + thin + "%"
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05") + " UTC" }

// cut returns s without its middle where it is long: what is read from outside has no end by itself.
func cut(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
	r := []rune(s)
	if len(r) <= mostText {
		return s
	}
	return string(r[:mostText/2]) + "…" + string(r[len(r)-mostText/2:])
}
