package delta

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What a table's configuration may say of its log, and what holds where it does not, as in Delta Lake.
const (
	checkpointIntervalKey  = "delta.checkpointInterval"
	logRetentionKey        = "delta.logRetentionDuration"
	tombstoneRetentionKey  = "delta.deletedFileRetentionDuration"
	cleanUpKey             = "delta.enableExpiredLogCleanup"
	appendOnlyKey          = "delta.appendOnly"
	defaultCheckpoint      = 10
	defaultLogRetention    = 30 * 24 * time.Hour
	defaultTombstoneRetain = 7 * 24 * time.Hour
)

// checkpointInterval returns after how many versions there is to be a checkpoint.
func (m *Metadata) checkpointInterval() int64 {
	n, err := strconv.ParseInt(m.Configuration[checkpointIntervalKey], 10, 64)
	if err != nil || n < 1 {
		return defaultCheckpoint
	}
	return n
}

// tombstoneRetention returns how long a removed file is remembered, and has to be kept. Where it cannot be
// read it is forever, nearly: remembering more harms nobody.
func (m *Metadata) tombstoneRetention() time.Duration {
	text, ok := m.Configuration[tombstoneRetentionKey]
	if !ok {
		return defaultTombstoneRetain
	}
	d, err := ParseInterval(text)
	if err != nil {
		return 1 << 62
	}
	return d
}

// TombstoneRetention returns how long a file must be kept after it was removed, for readers of earlier versions.
func (s *Snapshot) TombstoneRetention() time.Duration { return s.Metadata.tombstoneRetention() }

// logRetention returns how long versions are kept, and false when they are kept forever.
func (m *Metadata) logRetention() (time.Duration, bool, error) {
	if strings.EqualFold(m.Configuration[cleanUpKey], "false") {
		return 0, false, nil
	}
	text, ok := m.Configuration[logRetentionKey]
	if !ok {
		return defaultLogRetention, true, nil
	}
	d, err := ParseInterval(text)
	if err != nil {
		return 0, false, fmt.Errorf("%s: %w", logRetentionKey, err)
	}
	return d, true, nil
}

var units = map[string]time.Duration{
	"week": 7 * 24 * time.Hour, "day": 24 * time.Hour, "hour": time.Hour, "minute": time.Minute,
	"second": time.Second, "millisecond": time.Millisecond, "microsecond": time.Microsecond, "nanosecond": 1,
}

// ParseInterval reads an interval as Delta's configuration has it: "interval 30 days", "2 weeks 12 hours".
// Months and years are no fixed time, and refused there as well.
func ParseInterval(text string) (time.Duration, error) {
	words := strings.Fields(strings.ToLower(text))
	if len(words) > 0 && words[0] == "interval" {
		words = words[1:]
	}
	invalid := fmt.Errorf(`%q is no interval: write one like "interval 30 days"`, text)
	if len(words) == 0 || len(words)%2 != 0 {
		return 0, invalid
	}
	var sum time.Duration
	for i := 0; i < len(words); i += 2 {
		n, err := strconv.ParseInt(words[i], 10, 64)
		unit, ok := units[strings.TrimSuffix(words[i+1], "s")]
		if err != nil || !ok || n < 0 || n > int64((1<<62-sum)/unit) {
			return 0, invalid
		}
		sum += time.Duration(n) * unit
	}
	return sum, nil
}
