package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// health notices when a broker does not answer, or a partition cannot be read, for long: the client itself goes on
// trying, as long as it takes. It is a hook of the client.
type health struct {
	mu       sync.Mutex
	ailments map[ailing]*ailment
}

// ailing is what fails: a broker, or a partition.
type ailing struct {
	is     string
	number int32
}

func broker(meta kgo.BrokerMetadata) ailing { return ailing{"broker", max(seeds, meta.NodeID)} }
func partition(p int32) ailing              { return ailing{"partition", p} }

// seeds stands for all the addresses to start from, which have numbers below 0 until they tell theirs.
const seeds = -1

// ailment is a row of failures without a success between them.
type ailment struct {
	since, last time.Time
	err         error
}

// forgotten is how long after its last failure an ailment is over: nobody asks what fails any more, as the
// partitions have moved to another broker.
const forgotten = 30 * time.Second

func (h *health) fail(what ailing, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return // our own doing
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	a := h.ailments[what]
	if a == nil || now.Sub(a.last) > forgotten {
		if h.ailments == nil {
			h.ailments = map[ailing]*ailment{}
		}
		a = &ailment{since: now}
		h.ailments[what] = a
	}
	a.last, a.err = now, err
}

func (h *health) recover(what ...ailing) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, w := range what {
		delete(h.ailments, w)
	}
}

// failing returns for how long, and why, something has failed again and again, if that is the limit or longer.
func (h *health) failing(limit time.Duration) (time.Duration, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for what, a := range h.ailments {
		if time.Since(a.last) > forgotten || a.last.Sub(a.since) < limit {
			continue
		}
		if what.is == "partition" {
			return time.Since(a.since), fmt.Errorf("partition %d: %w", what.number, a.err)
		}
		return time.Since(a.since), a.err
	}
	return 0, nil
}

// OnBrokerConnect implements kgo.HookBrokerConnect.
func (h *health) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err != nil {
		h.fail(broker(meta), err)
	}
}

// OnBrokerRead implements kgo.HookBrokerRead.
func (h *health) OnBrokerRead(meta kgo.BrokerMetadata, _ int16, _ int, _, _ time.Duration, err error) {
	if err != nil {
		h.fail(broker(meta), err)
		return
	}
	h.recover(broker(meta), ailing{"broker", seeds})
}
