package kafka

import (
	"encoding/binary"
	"errors"
	"time"
)

// followerVersion is the first byte of a follower's state.
const followerVersion = 1

// State returns what f has to go on with, as bytes: a version; the watermark that was reported; the number of
// partitions, and of each the next offset, the largest event time, when it was last active, and when it was last known
// to be caught up (0: never), times in milliseconds. Numbers are varints.
func (f *Follower) State() []byte {
	w := f.Watermark
	b := append(make([]byte, 0, 16+32*len(f.next)), followerVersion)
	b = binary.AppendVarint(b, w.reported)
	b = binary.AppendUvarint(b, uint64(len(f.next)))
	for i, next := range f.next {
		p := &w.partitions[i]
		b = binary.AppendVarint(b, next)
		b = binary.AppendVarint(b, p.seen)
		b = binary.AppendVarint(b, p.active.UnixMilli())
		var caughtUp int64
		if !p.caughtUp.IsZero() {
			caughtUp = p.caughtUp.UnixMilli()
		}
		b = binary.AppendVarint(b, caughtUp)
	}
	return b
}

var errFollowerState = errors.New("the runner kept the state of another assignment, or of another version: start the job anew without its checkpoint or savepoint, the table says where to go on")

func (f *Follower) restore(b []byte) error {
	if len(b) == 0 || b[0] != followerVersion {
		return errFollowerState
	}
	b = b[1:]
	failed := false
	take := func() int64 {
		v, n := binary.Varint(b)
		if n <= 0 {
			b, failed = nil, true
			return 0
		}
		b = b[n:]
		return v
	}
	f.Watermark.reported = take()
	n, size := binary.Uvarint(b)
	if size <= 0 || n != uint64(len(f.next)) {
		return errFollowerState
	}
	b = b[size:]
	for i := range f.next {
		p := &f.Watermark.partitions[i]
		f.next[i], p.seen, p.active, p.caughtUp = take(), take(), time.UnixMilli(take()), time.Time{}
		if caughtUp := take(); caughtUp != 0 {
			p.caughtUp = time.UnixMilli(caughtUp)
		}
	}
	if failed || len(b) > 0 {
		return errFollowerState
	}
	return nil
}
