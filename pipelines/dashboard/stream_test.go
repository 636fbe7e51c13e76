package dashboard

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"clickstream/pipelines/objectives"
)

// event is one of a stream.
type event struct{ id, name, data, retry string }

// watch connects to a dashboard's stream and returns what follows its events, one by one.
func watch(t *testing.T, url, lastID string) (next func() event, leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"events", nil)
	require.NoError(t, err)
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	client := &http.Client{Transport: &http.Transport{}}
	answer, err := client.Do(r)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	assert.Equal(t, "text/event-stream", answer.Header.Get("Content-Type"))
	assert.Equal(t, "no-store", answer.Header.Get("Cache-Control"))
	lines := bufio.NewReader(answer.Body)
	leave = func() {
		cancel()
		_ = answer.Body.Close()
		client.CloseIdleConnections()
	}
	t.Cleanup(leave)
	return func() event {
		t.Helper()
		var e event
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return event{name: "end"}
			}
			field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch field {
			case "":
				return e
			case "id":
				e.id = value
			case "event":
				e.name = value
			case "data":
				e.data = value
			case "retry":
				e.retry = value
			}
		}
	}, leave
}

type heardHello struct {
	Run     string              `json:"run"`
	Resumes bool                `json:"resumes"`
	Columns []string            `json:"columns"`
	Targets []objectives.Target `json:"targets"`
	Rows    [][]*float64        `json:"rows"`
	Now     *now                `json:"now"`
}

func take[T any](t *testing.T, e event) T {
	t.Helper()
	var m T
	require.NoError(t, json.Unmarshal([]byte(e.data), &m), e.data)
	return m
}

func TestHistoryThenIncrements(t *testing.T) {
	s := newStory(2)
	d := told(s, 5)
	url := serve(t, d)
	next, leave := watch(t, url, "")
	assert.Equal(t, "1000", next().retry)
	first := next()
	require.Equal(t, "hello", first.name)
	h := take[heardHello](t, first)
	assert.Equal(t, objectives.Targets, h.Targets)
	assert.Len(t, h.Rows[0], 5)
	assert.Len(t, h.Rows, len(h.Columns))
	require.NotNil(t, h.Now)
	assert.Len(t, h.Now.Tiles, len(h.Targets))

	for range 2 {
		s.pass(d.interval)
		d.sample()
		e := next()
		assert.Equal(t, "sample", e.name)
		row := take[struct{ Row []*float64 }](t, e).Row
		assert.Len(t, row, len(h.Columns))
		assert.InDelta(t, s.v.At.UnixMilli(), *row[0], 0)
	}
	d.sample()
	assert.Equal(t, "beat", next().name, "there is nothing new")

	// Who comes again, and says what it had, gets what it missed.
	had := d.id()
	leave()
	for range 3 {
		s.pass(d.interval)
		d.sample()
	}
	next, _ = watch(t, url, had)
	next()
	h = take[heardHello](t, next())
	assert.True(t, h.Resumes)
	assert.Len(t, h.Rows[0], 3)
	for _, other := range []string{"another.3", "nonsense", d.run + ".4000", d.run + ".-1", d.run + ".0"} {
		next, _ = watch(t, url, other)
		next()
		h = take[heardHello](t, next())
		assert.False(t, h.Resumes, other)
		assert.Len(t, h.Rows[0], 10)
	}
}

func TestPartitionsThatComeAreToldWhole(t *testing.T) {
	s := newStory(2)
	d := told(s, 5)
	next, _ := watch(t, serve(t, d), "")
	next()
	next()
	had := d.id()
	s.v.Partitions = newStory(3).v.Partitions
	s.pass(d.interval)
	d.sample()
	e := next()
	assert.Equal(t, "hello", e.name)
	h := take[heardHello](t, e)
	assert.Contains(t, h.Columns, "delay:2")
	assert.Len(t, h.Rows, len(h.Columns))
	_, resumes := d.missed(had)
	assert.False(t, resumes, "its columns are others")
}

// TestSlowClient lets one client read nothing: the others, and the sampling, go on.
func TestSlowClient(t *testing.T) {
	s := newStory(2)
	d := told(s, 2)
	slow, err := d.join("")
	require.NoError(t, err)
	quick, err := d.join("")
	require.NoError(t, err)
	<-quick.messages
	for range 3 * backlog {
		s.pass(d.interval)
		d.sample()
		_, ok := <-quick.messages
		require.True(t, ok)
	}
	held := 0
	for range slow.messages {
		held++
	}
	assert.Equal(t, backlog, held, "it is let go with what it was behind")
	assert.Len(t, d.clients.all, 1)
	d.clients.leave(slow)
	d.clients.leave(quick)
	assert.Empty(t, d.clients.all)
}

func TestTooManyClients(t *testing.T) {
	d := told(newStory(2), 2)
	var all []*client
	for range mostClients {
		one, err := d.join("")
		require.NoError(t, err)
		all = append(all, one)
	}
	assert.Same(t, &(<-all[0].messages)[0], &(<-all[1].messages)[0], "they share what they are told")
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/events", nil))
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Equal(t, "5", w.Header().Get("Retry-After"))
	d.clients.leave(all[5])
	_, err := d.join("")
	require.NoError(t, err)
}

// TestRunSamplesUntilItEnds runs by a clock of its own.
func TestRunSamplesUntilItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(2)
		d := New(s, Options{Interval: time.Second})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { d.Run(ctx) })
		synctest.Wait()
		one, err := d.join("")
		require.NoError(t, err)
		assert.Contains(t, string(<-one.messages), "event: hello\n")
		for range 3 {
			s.pass(time.Second)
			time.Sleep(time.Second) //nolint:forbidigo // of the bubble's clock
			synctest.Wait()
			assert.Contains(t, string(<-one.messages), "event: sample\n")
		}
		stop()
		running.Wait()
		_, open := <-one.messages
		assert.False(t, open)
		_, err = d.join("")
		require.ErrorIs(t, err, errOver)
	})
}

// TestSilence: where samples are rare, the connection is kept alive.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(newStory(2), Options{Interval: time.Hour})
		ctx, stop := context.WithCancel(t.Context())
		w := httptest.NewRecorder()
		var running sync.WaitGroup
		running.Go(func() { d.Run(ctx) })
		running.Go(func() { d.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/events", nil)) })
		time.Sleep(4 * beatInterval) //nolint:forbidigo // of the bubble's clock
		synctest.Wait()
		stop()
		running.Wait()
		assert.GreaterOrEqual(t, strings.Count(w.Body.String(), "event: beat\n"), 3)
	})
}

func TestNothingIsLeftRunning(t *testing.T) {
	before := goleak.IgnoreCurrent()
	s := newStory(2)
	d := New(s, Options{Interval: time.Second})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { d.Run(ctx) })
	server := httptest.NewServer(d)
	var nexts []func() event
	for range 10 {
		next, _ := watch(t, server.URL+"/", "")
		nexts = append(nexts, next)
	}
	_, leave := watch(t, server.URL+"/", "")
	leave()
	stop()
	running.Wait()
	for _, next := range nexts {
		for next().name != "end" {
			continue
		}
	}
	require.NoError(t, server.Config.Shutdown(context.WithoutCancel(t.Context())), "streams do not hold the server up")
	server.Close()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	require.NoError(t, goleak.Find(before))
}
