package kafka

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// health notices when the brokers stop answering: it is a hook of the client.
type health struct {
	since atomic.Int64 // when failing began, nanoseconds since the epoch; 0: answers come
	last  atomic.Pointer[error]
}

func (h *health) fail(err error) {
	if errors.Is(err, context.Canceled) {
		return // our own doing
	}
	h.last.Store(&err)
	h.since.CompareAndSwap(0, time.Now().UnixNano())
}

// failing returns since when, and why, no broker has answered.
func (h *health) failing() (time.Duration, error) {
	since := h.since.Load()
	if since == 0 {
		return 0, nil
	}
	return time.Since(time.Unix(0, since)), *h.last.Load()
}

// OnBrokerConnect implements kgo.HookBrokerConnect.
func (h *health) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err != nil {
		h.fail(err)
	}
}

// OnBrokerRead implements kgo.HookBrokerRead.
func (h *health) OnBrokerRead(_ kgo.BrokerMetadata, _ int16, _ int, _, _ time.Duration, err error) {
	if err != nil {
		h.fail(err)
		return
	}
	h.since.Store(0)
}
