package count

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/transforms/click"
)

func TestEncodingRoundTrip(t *testing.T) {
	for name, c := range map[string]Counts{
		"empty": {Pages: []string{}, Views: []int64{}, Offsets: map[int32]click.OffsetRange{}},
		"full": {
			Pages: []string{"/a", "", "\xff"}, Views: []int64{1, 1 << 60, 127}, Events: 1<<60 + 128,
			Offsets: map[int32]click.OffsetRange{0: {First: 0, Next: 1}, 11: {First: 1 << 50, Next: 1 << 60}}, Schemas: []int32{1, 2},
		},
		"events": {
			Pages: []string{"/a", "/b"}, Events: 5, Offsets: map[int32]click.OffsetRange{},
			once: []run{newRun([]event{{1, 2, 1}, {1, 3, 0}, {2, 0, 1}})},
		},
		"tally": {
			Pages: []string{"/a"}, Views: []int64{3}, Events: 3, Offsets: map[int32]click.OffsetRange{},
			Tally: click.Tally{Latency: click.Durations{Buckets: [len(click.DurationBounds) + 1]int64{3: 1 << 40, len(click.DurationBounds): 1}, Millis: 1 << 50}, Skipped: 1, Deferred: 1 << 50},
		},
		"settled": {Pages: []string{"/a"}, Views: []int64{3}, Events: 5, Offsets: map[int32]click.OffsetRange{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Decode(Encode(c))
			require.NoError(t, err)
			assert.Equal(t, c, got)
		})
	}
}

func TestDecodeRefusesRecordsOutOfOrder(t *testing.T) {
	for name, events := range map[string][]event{
		"descending": {{2, 0, 0}, {1, 0, 0}}, "twice": {{1, 1, 0}, {1, 1, 0}}, "a page that is not there": {{1, 1, 0}, {1, 2, 1}},
	} {
		b := Encode(Counts{Pages: []string{"/"}, Events: 2, once: []run{newRun([]event{{1, 1, 0}, {1, 2, 0}})}})
		_, err := Decode(b)
		require.NoError(t, err)
		copy(b[len(b)-2*recordSize:], newRun(events).records)
		_, err = Decode(b)
		require.ErrorIs(t, err, errEncoding, name)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Encode(Counts{Pages: []string{"/a", "/b"}, Views: []int64{300, 2}, Offsets: map[int32]click.OffsetRange{1: {First: 2, Next: 3}}, Schemas: []int32{4}}))
	f.Add(Encode(Counts{Pages: []string{"/a", "/b"}, Events: 3, once: []run{newRun([]event{{1, 2, 1}, {1, 3, 0}})}}))
	p := NewPartial(minute, 1, false, true)
	p.Add(click.Batch{Pages: []string{"/"}, Times: []int64{0}, Events: []click.Event{{User: "u"}}, Next: 1})
	p.Take(func(_ int64, _ int32, c Counts) { f.Add(Encode(c)) })
	f.Add(Encode(Counts{Tally: click.Tally{Latency: click.Durations{Buckets: [len(click.DurationBounds) + 1]int64{2: 5}, Millis: 1000}, Skipped: 7}}))
	f.Add([]byte{})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Decode(b)
		if err != nil {
			require.ErrorIs(t, err, errEncoding)
			return
		}
		again, err := Decode(Encode(c))
		require.NoError(t, err)
		assert.Equal(t, c, again)
	})
}
