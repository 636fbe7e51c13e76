package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/pipelines/settings"
)

// TestPageOfTheDemo reads what a browser is told, until that is of windows in the table.
func TestPageOfTheDemo(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", settings.DemoListen)
	if err == nil { // else it is taken already
		defer func() { require.NoError(t, taken.Close()) }()
	}
	ctx, stop := within(t)
	defer stop()
	var out writer
	ended := make(chan error, 1)
	s := &settings.Demo{Table: filepath.Join(t.TempDir(), "views"), Rate: 500, Plain: true, Listen: settings.DemoListen}
	go func() { ended <- Run(ctx, s, plainly(), &out) }()
	printed := regexp.MustCompile(`see it at (http://127\.0\.0\.1:\d+)\n`)
	require.Eventually(t, func() bool { return printed.MatchString(out.String()) }, patience, frameInterval)
	url := printed.FindStringSubmatch(out.String())[1]
	assert.NotEqual(t, "http://"+settings.DemoListen, url, "it is taken")

	page := ask(ctx, t, url)
	assert.Equal(t, "text/html; charset=utf-8", page.Header.Get("Content-Type"))
	require.NoError(t, page.Body.Close())
	events := ask(ctx, t, url+"/events")
	lines := bufio.NewScanner(events.Body)
	lines.Buffer(nil, 4<<20)
	type told struct {
		Now *struct {
			Topic      string
			Totals     struct{ Read, Counted int64 }
			State      *struct{ Top []struct{ URL string } }
			Watermark  int64
			Partitions struct{ Count int }
			Tiles      []struct{ Value *float64 }
		}
	}
	var m told
	seen := false
	for !seen && lines.Scan() {
		data, is := strings.CutPrefix(lines.Text(), "data: ")
		if !is {
			continue
		}
		m = told{}
		require.NoError(t, json.Unmarshal([]byte(data), &m))
		seen = m.Now != nil && m.Now.State != nil && len(m.Now.State.Top) > 0 && m.Now.Totals.Counted > minHistory/2 &&
			m.Now.Watermark > 0 && m.Now.Partitions.Count == 12 && m.Now.Topic == rawTopic
	}
	require.True(t, seen, "%v", lines.Err())
	require.NotNil(t, m.Now.Tiles[1].Value)
	assert.Less(t, *m.Now.Tiles[1].Value, 60.0, "the history's records are not as old as their clicks")
	stop()
	require.NoError(t, <-ended, "who looks does not hold it up")
	require.NoError(t, events.Body.Close())
	assert.Contains(t, out.String(), "\nThe page at "+url+" has ended with the demo")
}

func ask(ctx context.Context, t *testing.T, url string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	require.NoError(t, err)
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	return answer
}

// TestAddressThatWasChosen is taken: that is the user's to settle.
func TestAddressThatWasChosen(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	var out writer
	ctx, stop := within(t)
	defer stop()
	err = Run(ctx, &settings.Demo{Table: filepath.Join(t.TempDir(), "views"), Rate: 500, Listen: taken.Addr().String()}, plainly(), &out)
	require.EqualError(t, err, "--listen "+taken.Addr().String()+" is in use by another program; end that, or name another port")
}
