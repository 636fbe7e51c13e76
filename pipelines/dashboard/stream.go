package dashboard

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	mostClients  = 100
	backlog      = 8                // messages that a client may be behind
	writeTimeout = 10 * time.Second // of a message, for a client that reads no more
	beatInterval = 15 * time.Second // longer silence looks like a lost connection, to the page and to proxies
	retry        = time.Second      // after which a browser connects again
)

// beat is the message that there is nothing new.
var beat = []byte("event: beat\ndata: {}\n\n")

// encode returns a server-sent event: https://html.spec.whatwg.org/multipage/server-sent-events.html.
func encode(id, event string, message any) []byte {
	data, err := json.Marshal(message)
	if err != nil {
		panic(err) // there is nothing in a message that JSON cannot say
	}
	return fmt.Appendf(nil, "id: %s\nevent: %s\ndata: %s\n\n", id, event, data)
}

// clients are those that look. They never make a sample wait.
type clients struct {
	mu     sync.Mutex
	all    map[*client]struct{}
	closed bool
}

type client struct {
	messages chan []byte // closed when it is to go
}

var (
	errTooMany = errors.New("too many look already")
	errOver    = errors.New("the server ends")
)

// join adds a client whose first message is what first returns.
func (c *clients) join(first []byte) (*client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, errOver
	case len(c.all) >= mostClients:
		return nil, errTooMany
	}
	one := &client{messages: make(chan []byte, backlog)}
	one.messages <- first
	c.all[one] = struct{}{}
	return one, nil
}

func (c *clients) leave(one *client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(one)
}

func (c *clients) drop(one *client) {
	if _, ok := c.all[one]; ok {
		delete(c.all, one)
		close(one.messages)
	}
}

// tell sends a message to everybody. Who is too far behind is let go, and catches up when it connects again.
func (c *clients) tell(message []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for one := range c.all {
		select {
		case one.messages <- message:
		default:
			c.drop(one)
		}
	}
}

func (c *clients) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for one := range c.all {
		c.drop(one)
	}
}

// join adds a client that has seen the samples up to the one of an ID, if that is of this run.
func (d *Dashboard) join(lastID string) (*client, error) {
	d.mu.Lock() // no sample comes between the history and the first increment
	defer d.mu.Unlock()
	return d.clients.join(d.hello(lastID))
}

// id names the last sample. It stays what the next connection of a browser begins with.
func (d *Dashboard) id() string { return d.run + "." + strconv.Itoa(d.seq) }

// missed returns how many samples there were since the one of an ID, and false where that cannot be made up for: it is of
// another run, too old, or from before the columns changed.
func (d *Dashboard) missed(id string) (int, bool) {
	run, number, _ := strings.Cut(id, ".")
	seq, err := strconv.Atoi(number)
	known := err == nil && run == d.run && seq >= d.changed && seq <= d.seq && d.seq-seq <= d.history.len()
	return d.seq - seq, known
}

// hello returns the first message to a client. It is made once for all that come between two samples and know nothing yet.
func (d *Dashboard) hello(lastID string) []byte {
	missed, resumes := d.missed(lastID)
	if !resumes && d.whole != nil {
		return d.whole
	}
	h := hello{
		Run: d.run, Resumes: resumes, Interval: d.interval.Milliseconds(), Capacity: len(d.history.rows),
		Runbook: d.runbook, Targets: d.judge.targets, Columns: d.history.names(), Rows: d.history.columns(0), Now: d.now,
	}
	if resumes {
		h.Rows = d.history.columns(d.history.len() - missed)
		return encode(d.id(), "hello", h)
	}
	d.whole = encode(d.id(), "hello", h)
	return d.whole
}

func (d *Dashboard) events(w http.ResponseWriter, r *http.Request) {
	one, err := d.join(r.Header.Get("Last-Event-ID"))
	if err != nil {
		w.Header().Set("Retry-After", "5")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer d.clients.leave(one)
	out := http.NewResponseController(w)
	write := func(message []byte) error {
		// Where there are no deadlines the client's end is noticed by its connection.
		if err := out.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if _, err := w.Write(message); err != nil {
			return err
		}
		return out.Flush()
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy is not to collect them
	if err := write(fmt.Appendf(nil, "retry: %d\n\n", retry.Milliseconds())); err != nil {
		return
	}
	silence := time.NewTimer(beatInterval)
	defer silence.Stop()
	for {
		message := beat
		select {
		case <-r.Context().Done():
			return
		case next, ok := <-one.messages:
			if !ok {
				return
			}
			message = next
		case <-silence.C:
		}
		if err := write(message); err != nil {
			return // it has gone
		}
		silence.Reset(beatInterval)
	}
}
