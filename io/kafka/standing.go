package kafka

import (
	"strings"
	"time"
)

// The metadata of a reader's committed offset is «watermark=TIME», or «watermark=TIME idle»: where the partition's event
// time stands, for whoever watches the pipeline from outside. The time is of RFC 3339, in UTC, to the millisecond.
const (
	watermarkIs  = "watermark="
	standingTime = "2006-01-02T15:04:05.000Z07:00"
	isIdle       = " idle"
)

// standing returns the metadata of partition i, empty while its watermark is not known.
func (w *Watermark) standing(i int, now time.Time) string {
	millis, idle := w.Of(i, now)
	if millis == NoTime {
		return ""
	}
	text := watermarkIs + time.UnixMilli(millis).UTC().Format(standingTime)
	if idle {
		text += isIdle
	}
	return text
}

// ParseStanding reads the metadata of a committed offset. It returns the zero time where that does not tell a watermark:
// offsets of other programs have metadata of their own.
func ParseStanding(metadata string) (watermark time.Time, idle bool) {
	text, ok := strings.CutPrefix(metadata, watermarkIs)
	if !ok {
		return time.Time{}, false
	}
	text, idle = strings.CutSuffix(text, isIdle)
	watermark, err := time.Parse(standingTime, text)
	if err != nil {
		return time.Time{}, false
	}
	return watermark.UTC(), idle
}
