package alerts_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"clickstream/pipelines/objectives/files"
	"clickstream/testing/kafkatest"
)

// service is a program that runs beside the test.
type service struct {
	name  string
	cmd   *exec.Cmd
	said  *said
	ended chan struct{}
}

// said is what a service says.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// start starts a program. It is killed with the test, if it runs by then, and heard if that has failed.
func start(t *testing.T, name, program string, args ...string) *service {
	t.Helper()
	s := &service{name: name, cmd: exec.Command(program, args...), said: &said{}, ended: make(chan struct{})}
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = t.TempDir(), s.said, s.said
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "CLICKSTREAM_") {
			s.cmd.Env = append(s.cmd.Env, v)
		}
	}
	require.NoError(t, s.cmd.Start(), "start %s", name)
	go func() {
		defer close(s.ended)
		_ = s.cmd.Wait() // whoever asks sees its state
	}()
	t.Cleanup(func() {
		s.end(syscall.SIGKILL)
		if t.Failed() {
			text := s.said.String()
			t.Logf("%s says, at last:\n%s", name, text[max(0, len(text)-2000):])
		}
	})
	return s
}

// end sends the signal, and waits for the end.
func (s *service) end(signal os.Signal) {
	_ = s.cmd.Process.Signal(signal) // it may have ended
	<-s.ended
}

// runs tells whether the service has not ended.
func (s *service) runs() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// prometheus is a real one, with a real Alertmanager.
type prometheus struct {
	*testing.T
	url string
}

// startPrometheus starts both, on the configuration that is kept in scripts/monitoring but for places and a clock that goes faster.
func startPrometheus(t *testing.T, monitor string, pages *received[event], chats *received[message]) *prometheus {
	t.Helper()
	const how = "scripts/components/monitoring prometheus prints the lines that set it"
	program, manager := kafkatest.Named(t, "CLICKSTREAM_TEST_PROMETHEUS", how), kafkatest.Named(t, "CLICKSTREAM_TEST_ALERTMANAGER", how)
	dir, at, managerAt := t.TempDir(), "127.0.0.1:"+kafkatest.FreePort(t), "127.0.0.1:"+kafkatest.FreePort(t)
	write := func(name string, text []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	all, err := files.All(files.Options{Secrets: dir, Monitors: []string{monitor}, Alertmanager: managerAt, PagerDuty: pages.URL, Faster: faster})
	require.NoError(t, err)
	for _, f := range all {
		write(f.Name, f.Text)
	}
	write("pagerduty.key", []byte(routingKey))
	write("slack.url", []byte(chats.URL))
	alertmanager := start(t, "Alertmanager", manager, "--config.file="+filepath.Join(dir, "alertmanager.yml"), "--storage.path="+filepath.Join(dir, "silences"),
		"--web.listen-address="+managerAt, "--cluster.listen-address=")
	ready(t, alertmanager, "http://"+managerAt+"/-/ready")
	server := start(t, "Prometheus", program, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "tsdb"),
		"--web.listen-address="+at)
	ready(t, server, "http://"+at+"/-/ready")
	return &prometheus{t, "http://" + at}
}

// ready waits until the service says so.
func ready(t *testing.T, s *service, at string) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := get(at)
		return err == nil || !s.runs()
	}, patience, tick, "%s does not get ready", s.name)
	require.True(t, s.runs(), "%s has ended", s.name)
}

// get returns what a page holds.
func get(at string) ([]byte, error) {
	resp, err := http.Get(at) //nolint:gosec,noctx // it is the test's own
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", at, resp.Status, text)
	}
	return text, err
}

// sample is one of a query's result: its labels, and its time and value.
type sample struct {
	Metric map[string]string
	Value  [2]any
}

// query returns what an expression is now.
func (p *prometheus) query(expr string) ([]sample, error) {
	text, err := get(p.url + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Status string
		Data   struct{ Result []sample }
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, err
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("%s: %s", expr, text)
	}
	return answer.Data.Result, nil
}

// awaits waits until an expression is of something.
func (p *prometheus) awaits(expr string) {
	p.Helper()
	require.Eventually(p, func() bool {
		result, err := p.query(expr)
		return err == nil && len(result) > 0
	}, patience, tick, "there is no %s", expr)
}
