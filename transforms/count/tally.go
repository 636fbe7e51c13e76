package count

import (
	"encoding/binary"
	"time"

	"clickstream/transforms/click"
)

// appendTally appends: how many buckets of the latency are not empty, and the number and the count of each; their sum in
// milliseconds; the skipped and the deferred clicks. A tally that tells nothing is one byte of zero.
func appendTally(b []byte, t *click.Tally) []byte {
	if *t == (click.Tally{}) {
		return append(b, 0)
	}
	n := 0
	for _, count := range t.Latency.Buckets {
		if count > 0 {
			n++
		}
	}
	b = binary.AppendUvarint(b, uint64(n+1))
	for i, count := range t.Latency.Buckets {
		if count > 0 {
			b = binary.AppendUvarint(b, uint64(i))
			b = binary.AppendUvarint(b, uint64(count))
		}
	}
	b = binary.AppendUvarint(b, uint64(t.Latency.Millis))
	b = binary.AppendUvarint(b, uint64(t.Skipped))
	return binary.AppendUvarint(b, uint64(t.Deferred))
}

// tally reads what appendTally wrote.
func (d *decoder) tally() (t click.Tally) {
	n := d.length()
	if n == 0 {
		return t
	}
	for range n - 1 {
		i, count := d.number(), d.number()
		if i < 0 || i >= int64(len(t.Latency.Buckets)) || count < 0 {
			d.failed = true
			return click.Tally{}
		}
		t.Latency.Buckets[i] = count
	}
	t.Latency.Millis = d.number()
	t.Skipped, t.Deferred = d.number(), d.number()
	return t
}

// seen is what the batches of a bundle tell beside their clicks.
type seen struct {
	written           map[int64]int64 // clicks, by when their records were written
	skipped, deferred int64
}

func (s *seen) reset() {
	clear(s.written)
	s.skipped, s.deferred = 0, 0
}

func (s *seen) note(b *click.Batch) {
	for _, w := range b.Written {
		s.written[w.Millis] += int64(w.Clicks)
	}
	s.skipped += b.Skipped
	s.deferred += b.Deferred
}

// tally returns what the bundle has to tell when its counts leave, now.
func (s *seen) tally(now time.Time) click.Tally {
	t := click.Tally{Skipped: s.skipped, Deferred: s.deferred}
	for millis, clicks := range s.written {
		t.Latency.Observe(now.Sub(time.UnixMilli(millis)), clicks)
	}
	return t
}
