package dashboard

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"clickstream/pipelines/vitals"
	"clickstream/transforms/click"
)

// mostLines is how many partitions are shown one by one. Where there are more, it is the worst and the middle one of
// all, by their figures, and these few, by name.
const mostLines = 12

// The columns of a row, in the page's words. What is not known is NaN. The reasons' and the partitions' follow.
const (
	colRead     = iota // records a second
	colCounted         // clicks a second
	colRejected        // records a second
	colLag             // records
	colP50             // seconds, as all that follow
	colP95
	colP99
	colWorst  // watermark delay of the partition furthest behind
	colMedian // of the partition in the middle
	colReasons
	colDelays = colReasons + reasons
	columns   = colDelays + mostLines

	reasons = 10 // click.Reasons, which a test holds to it
)

var columnNames = [colReasons]string{"read", "counted", "rejected", "lag", "p50", "p95", "p99", "worst", "median"}

// row is what the charts show of one moment.
type row struct {
	at     int64 // Unix milliseconds
	values [columns]float32
	lines  []int32 // the partitions of the last columns; shared by the rows that have the same
}

func newRow(v *vitals.Vitals, r *rates) row {
	w := row{at: v.At.UnixMilli()}
	for i := range w.values {
		w.values[i] = float32(math.NaN())
	}
	w.values[colRead], w.values[colCounted], w.values[colRejected] = float32(r.read), float32(r.counted), float32(r.rejected)
	if lag, ok := v.Lag(); ok {
		w.values[colLag] = float32(lag)
	}
	for col, q := range map[int]float64{colP50: 0.5, colP95: 0.95, colP99: 0.99} {
		if d, ok := r.latency.Quantile(q); ok {
			w.values[col] = float32(d.Seconds())
		}
	}
	for i := range click.Reasons {
		w.values[colReasons+i] = float32(r.reasons[i])
	}
	w.delays(v)
	return w
}

// delays fills in how far the watermarks are behind the clock.
func (w *row) delays(v *vitals.Vitals) {
	var all []float32
	for i, p := range v.Partitions {
		if len(v.Partitions) <= mostLines {
			w.lines = append(w.lines, p.Number)
		}
		if p.Idle || p.Watermark.IsZero() {
			continue
		}
		delay := float32(max(0, v.At.Sub(p.Watermark).Seconds()))
		all = append(all, delay)
		if w.lines != nil {
			w.values[colDelays+i] = delay
		}
	}
	if len(all) > 0 {
		slices.Sort(all)
		w.values[colWorst], w.values[colMedian] = all[len(all)-1], all[len(all)/2]
	}
}

// history is the rows of the last hour, in a ring that never grows.
type history struct {
	rows []row
	next int  // where the next one goes
	full bool // and the one that is there is the oldest
}

func newHistory(size int) history { return history{rows: make([]row, max(1, size))} }

func (h *history) len() int {
	if h.full {
		return len(h.rows)
	}
	return h.next
}

// at returns the i-th oldest row.
func (h *history) at(i int) *row {
	if h.full {
		i += h.next
	}
	return &h.rows[i%len(h.rows)]
}

func (h *history) last() (*row, bool) {
	if h.len() == 0 {
		return nil, false
	}
	return h.at(h.len() - 1), true
}

// add adds a row, and returns whether it has the partitions of the one before. Where it has not, the older rows' lines
// are of other partitions and are blotted out, but where there are only more of them now.
func (h *history) add(w row) (same bool) {
	last, ok := h.last()
	same = ok && slices.Equal(last.lines, w.lines)
	switch {
	case same:
		w.lines = last.lines
	case ok && (len(last.lines) > len(w.lines) || !slices.Equal(last.lines, w.lines[:len(last.lines)])):
		for i := range h.rows {
			for c := colDelays; c < columns; c++ {
				h.rows[i].values[c] = float32(math.NaN())
			}
		}
	}
	h.rows[h.next] = w
	h.next = (h.next + 1) % len(h.rows)
	h.full = h.full || h.next == 0
	return same
}

// names returns the columns' names, as the last row has them: time first, the reasons', and «delay:» and the partition.
func (h *history) names() []string {
	names := append([]string{"at"}, columnNames[:]...)
	for _, r := range click.Reasons {
		names = append(names, "reason:"+string(r))
	}
	if last, ok := h.last(); ok {
		for _, p := range last.lines {
			names = append(names, fmt.Sprintf("delay:%d", p))
		}
	}
	return names
}

// width returns how many values of a row there is something to say of.
func (h *history) width() int {
	if last, ok := h.last(); ok {
		return colDelays + len(last.lines)
	}
	return colDelays
}

// columns returns the rows from the from-th oldest on as JSON, an array for each column: time, then the values.
func (h *history) columns(from int) []byte {
	b := append(make([]byte, 0, 64+h.len()*h.width()*4), '[', '[')
	for i := from; i < h.len(); i++ {
		b = strconv.AppendInt(comma(b), h.at(i).at, 10)
	}
	b = append(b, ']')
	for c := range h.width() {
		b = append(b, ',', '[')
		for i := from; i < h.len(); i++ {
			b = figure(comma(b), h.at(i).values[c])
		}
		b = append(b, ']')
	}
	return append(b, ']')
}

// newest returns the last row as JSON: an array of time and the values.
func (h *history) newest() []byte {
	last := h.at(h.len() - 1)
	b := strconv.AppendInt([]byte{'['}, last.at, 10)
	for _, f := range last.values[:h.width()] {
		b = figure(comma(b), f)
	}
	return append(b, ']')
}

func comma(b []byte) []byte {
	if b[len(b)-1] != '[' {
		b = append(b, ',')
	}
	return b
}

// figure appends a number as JSON, as exactly as a chart can show it.
func figure(b []byte, f float32) []byte {
	if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
		return append(b, "null"...)
	}
	return strconv.AppendFloat(b, float64(f), 'g', 6, 32)
}
