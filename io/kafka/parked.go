package kafka

import (
	"fmt"
	"sync"
	"time"
)

// parked holds the readers that wait for their assignment's next bundle, by where they stand.
var parked = struct {
	sync.Mutex
	readers map[string]*Reader
	ended   map[string]bool // pipelines
}{readers: map[string]*Reader{}, ended: map[string]bool{}}

// parkingTime is how long a reader waits for its next bundle before its connections are closed.
const parkingTime = 2 * time.Minute

func (a Assignment) key(next []int64) string {
	return fmt.Sprint(a.Pipeline, a.Topic, a.Partitions, next)
}

// Park keeps r, with its client and its watermark, until its next bundle takes it back. There is none once the
// pipeline has ended.
func (r *Reader) Park() {
	parked.Lock()
	defer parked.Unlock()
	if parked.ended[r.assignment.Pipeline] {
		r.Close()
		return
	}
	key := r.assignment.key(r.next)
	parked.readers[key] = r
	r.parking = time.AfterFunc(parkingTime, func() {
		if r, ok := unpark(key); ok {
			r.Close()
		}
	})
}

func unpark(key string) (*Reader, bool) {
	parked.Lock()
	defer parked.Unlock()
	r, ok := parked.readers[key]
	delete(parked.readers, key)
	return r, ok
}

// Resume returns the parked reader of a that stands at next, or opens one. The offsets of what it read last are
// committed for the group.
func Resume(s ReaderSettings, a Assignment, next []int64, reported int64) (*Reader, error) {
	r, ok := unpark(a.key(next))
	if !ok {
		return OpenReader(s, a, next, reported)
	}
	r.parking.Stop()
	r.CommitOffsets()
	return r, nil
}

// CloseParked closes the readers that a pipeline, which has ended, left behind in this process. A cancelled one
// may still have a bundle under way: its reader is closed when it is to be parked.
func CloseParked(pipeline string) {
	parked.Lock()
	defer parked.Unlock()
	parked.ended[pipeline] = true
	for key, r := range parked.readers {
		if r.assignment.Pipeline == pipeline {
			r.parking.Stop()
			delete(parked.readers, key)
			r.Close()
		}
	}
}
