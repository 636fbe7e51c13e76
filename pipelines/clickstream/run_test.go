package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sys/unix"

	"clickstream/testing/kafkatest"
)

// patience is how long anything that is to come may take, on a machine that is busy with other tests.
const patience = time.Minute

// command is the command in a process of its own.
type command struct {
	*testing.T
	*exec.Cmd
	lines chan string // of stderr
	out   bytes.Buffer
	ended chan struct{}
}

// begin starts the command. It ends with the test, if not before.
func begin(t *testing.T, args ...string) *command {
	t.Helper()
	return beginIn(t, t.TempDir(), exec.Command("clickstream", args...))
}

// beginIn starts any command in a folder.
func beginIn(t *testing.T, dir string, cmd *exec.Cmd) *command {
	t.Helper()
	c := &command{T: t, Cmd: cmd, lines: make(chan string, 10_000), ended: make(chan struct{})}
	c.Env = append(withoutSettings(os.Environ()), "GORACE=atexit_sleep_ms=0") // a second of each run that ends well
	c.Dir = dir
	c.Stdout = &c.out
	stderr, err := c.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	go func() {
		defer close(c.ended)
		defer close(c.lines)
		for scan := bufio.NewScanner(stderr); scan.Scan(); {
			c.lines <- scan.Text()
		}
		_ = c.Wait() // the state says how it ended
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill() // it may have ended
		<-c.ended
	})
	return c
}

// says waits for a line of stderr that holds the words.
func (c *command) says(words string) {
	c.Helper()
	var all []string
	for deadline := time.After(patience); ; {
		select {
		case line, ok := <-c.lines:
			all = append(all, line)
			if strings.Contains(line, words) {
				return
			}
			require.True(c, ok, "it ended and did not say %q, but:\n%s", words, strings.Join(all, "\n"))
		case <-deadline:
			require.Fail(c, "it does not speak", "%q is not among:\n%s", words, strings.Join(all, "\n"))
		}
	}
}

// ends waits for the end, which is to be a good one, and returns the rest of stderr.
func (c *command) ends() []string {
	c.Helper()
	select {
	case <-c.ended:
	case <-time.After(patience):
		require.Fail(c, "it does not end")
	}
	var rest []string
	for line := range c.lines {
		rest = append(rest, line)
	}
	require.Zero(c, c.ProcessState.ExitCode(), "%s:\n%s", c.ProcessState, strings.Join(rest, "\n"))
	return rest
}

// run runs the command to its end, which is to be good, and returns its output.
func run(t *testing.T, args ...string) string {
	t.Helper()
	c := begin(t, args...)
	c.ends()
	return c.out.String()
}

// jsonClick is the value of a click.
func jsonClick(t *testing.T, page string, at time.Time) []byte {
	t.Helper()
	value, err := json.Marshal(map[string]any{"event_id": "e", "user_id": "u", "page_url": page, "timestamp": at.UnixMilli()})
	require.NoError(t, err)
	return value
}

// lastHour is when clicks are made, one time for all: they are of one window.
var lastHour = time.Now().Add(-time.Hour).Truncate(time.Hour)

// topicOf makes a topic of clicks of those pages, and returns flags that read it.
func topicOf(t *testing.T, c *kafkatest.Cluster, pages ...string) []string {
	t.Helper()
	topic := c.Topic(t, 2)
	records := []*kgo.Record{{Value: []byte("no click")}}
	for i, page := range pages {
		records = append(records, &kgo.Record{Partition: int32(i % 2), Value: jsonClick(t, page, lastHour)})
	}
	c.Produce(t, topic, records...)
	letters := c.Name(t)
	c.RemoveTopic(t, letters)
	return []string{"--brokers", strings.Join(c.Brokers, ","), "--topic", topic, "--dead-letter-topic", letters, "--group", c.Name(t),
		"--format", "json", "--start", "earliest", "--table", filepath.Join(t.TempDir(), "views")}
}

// odd are pages that formats, folders and terminals would like to change.
var odd = []string{
	"/", "/a=b", "/a%2Fb%", `/"double" 'single'`, "/a,b;c", "/line\nbreak", "/cr\rlf\r\n", "/tab\t", "/esc\x1b[31m", "/nul\x00", "/ü/日本/😀",
	" lead and trail ", "window_date=2026-03-01", "<b>&amp;", "\\N", "null", "\u2028", "\ufeff", "/\u007f\u0085",
}

func TestRunAndShow(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		flags := topicOf(t, c, odd...)
		table := flags[len(flags)-1]
		first := begin(t, append([]string{"run", "--until", "latest", "--log-format", "json"}, flags...)...)
		said := strings.Join(first.ends(), "\n")
		assert.Contains(t, said, "the dead letter topic did not exist and was made")
		assert.Contains(t, said, fmt.Sprintf("read %d records in ", len(odd)+1))
		assert.Contains(t, said, "rejected 1 (json 1)")
		assert.Empty(t, first.out.String(), "stdout is for what is asked for")

		read := csv.NewReader(strings.NewReader(run(t, "table", "show", "--table", table, "--output", "csv")))
		rows, err := read.ReadAll()
		require.NoError(t, err)
		require.Equal(t, []string{"window_start", "window_end", "page_url", "view_count"}, rows[0])
		var fromCSV []string
		for _, row := range rows[1:] {
			assert.Equal(t, "1", row[3])
			fromCSV = append(fromCSV, row[2])
		}
		var want []string
		for _, page := range odd {
			want = append(want, strings.ReplaceAll(page, "\r\n", "\n")) // which RFC 4180's readers make of it
		}
		assert.ElementsMatch(t, want, fromCSV)

		var fromJSON []string
		for line := range strings.Lines(run(t, "table", "show", "--table", table, "--output", "json")) {
			var row struct {
				PageURL   string `json:"page_url"`
				ViewCount int    `json:"view_count"`
			}
			require.NoError(t, json.Unmarshal([]byte(line), &row))
			assert.Equal(t, 1, row.ViewCount)
			fromJSON = append(fromJSON, row.PageURL)
		}
		assert.ElementsMatch(t, odd, fromJSON)

		for line := range strings.Lines(run(t, "table", "show", "--table", table)) {
			assert.NotContains(t, line, "\x1b", "a page speaks to the terminal")
			assert.NotContains(t, line, "\r")
		}
		assert.Len(t, strings.Split(strings.TrimSpace(run(t, "table", "show", "--table", table)), "\n"), 1+len(odd), "a row is a line")
	})
}

// TestSignals stops runs by either signal, reading and waiting.
func TestSignals(t *testing.T) {
	c := kafkatest.StartEmbedded(t)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			flags := topicOf(t, c, "/")
			r := begin(t, append([]string{"run"}, flags...)...)
			r.says("reading")
			require.NoError(t, r.Process.Signal(signal))
			said := strings.Join(r.ends(), "\n")
			assert.Contains(t, said, "stopped; what is not in the table yet will be read again")
			assert.NotContains(t, said, "level=WARN")
			run(t, append([]string{"run", "--until", "latest"}, flags...)...)
			assert.Contains(t, run(t, "table", "show", "--output", "csv", "--table", flags[len(flags)-1]), ",/,1\n")
		})
		t.Run(signal.String()+" while it waits for Kafka", func(t *testing.T) {
			t.Parallel()
			r := begin(t, "run", "--brokers", "127.0.0.1:1", "--format", "json", "--retry-timeout", "10m")
			r.says("waiting for Kafka")
			require.NoError(t, r.Process.Signal(signal))
			assert.Empty(t, errorsAmong(r.ends()))
		})
		t.Run(signal.String()+" while it waits for the registry", func(t *testing.T) {
			t.Parallel()
			r := begin(t, "run", "--brokers", c.Brokers[0], "--registry", "http://127.0.0.1:1", "--retry-timeout", "10m")
			r.says("the registry does not answer")
			require.NoError(t, r.Process.Signal(signal))
			assert.Empty(t, errorsAmong(r.ends()))
		})
	}
}

// errorsAmong returns the lines by which the command tells that it failed.
func errorsAmong(lines []string) []string {
	var told []string
	for _, line := range lines {
		if strings.HasPrefix(line, "clickstream: ") {
			told = append(told, line)
		}
	}
	return told
}

// TestSecondSignal has the first stop hang, as nobody reads what the command says: the second ends it at once.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	c := kafkatest.StartEmbedded(t)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, errors.Join(r.Close(), w.Close())) }) // and not before
	cmd := exec.Command("clickstream", append([]string{"run"}, topicOf(t, c, "/")...)...)
	cmd.Env, cmd.Stderr = withoutSettings(os.Environ()), w
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })

	for scan := bufio.NewScanner(r); scan.Scan() && !strings.Contains(scan.Text(), "reading"); {
	}
	fill(t, w)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
		select {
		case err := <-ended:
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			status, ok := exit.Sys().(syscall.WaitStatus)
			require.True(t, ok)
			assert.True(t, status.Signaled(), "it ended with %s", exit)
			assert.Equal(t, syscall.SIGINT, status.Signal())
			return
		case <-deadline:
			require.Fail(t, "it does not end")
		case <-tick.C:
		}
	}
}

// fill makes every further write to the pipe wait.
func fill(t *testing.T, w *os.File) {
	t.Helper()
	fd := int(w.Fd())
	require.NoError(t, unix.SetNonblock(fd, true))
	for _, n := range []int{4096, 1} {
		for {
			_, err := unix.Write(fd, make([]byte, n))
			if errors.Is(err, unix.EAGAIN) {
				break
			}
			require.NoError(t, err)
		}
	}
	require.NoError(t, unix.SetNonblock(fd, false))
}

// TestDiskIsFull gives the table a file system of a few pages, where one may be mounted, and files of a few blocks.
// The run tells so, and another one that has room brings all.
func TestDiskIsFull(t *testing.T) {
	c := kafkatest.StartEmbedded(t)
	fulls := map[string]string{"limit": "file too large: raise the limit of files' sizes (ulimit -f) and start again, nothing is lost"}
	if mayMount() {
		fulls["mount"] = "no space left on device: free some space and start again, nothing is lost"
	}
	for full, says := range fulls {
		for _, format := range []string{"delta", "parquet"} {
			t.Run(full+" "+format, func(t *testing.T) { fillDisk(t, c, format, full, says) })
		}
	}
}

// mayMount tells whether this user may mount file systems, in a namespace of a process' own.
func mayMount() bool {
	try := exec.Command("mount", "-t", "tmpfs", "tmpfs", "/mnt")
	try.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	return try.Run() == nil
}

func fillDisk(t *testing.T, c *kafkatest.Cluster, format, full, says string) {
	t.Parallel()
	var pages []string
	for i := range 20_000 {
		pages = append(pages, fmt.Sprintf("/%d/%x", i, i*i*7919))
	}
	flags := append([]string{"--table-format", format}, topicOf(t, c, pages...)...)
	dir := t.TempDir()
	flags[len(flags)-1] = filepath.Join(dir, "disk", "views")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "disk"), 0o755))
	script := `
		if [ "$1" = mount ] && mount -t tmpfs -o size=64k tmpfs disk; then room='mount -o remount,size=64m disk'; else ulimit -S -f 8; room='ulimit -S -f unlimited'; fi
		shift
		clickstream run --until latest "$@"; echo "ended with $?" >&2
		$room
		clickstream run --until latest "$@" || exit
		clickstream table show --table disk/views --output csv`
	r := exec.Command("sh", append([]string{"-c", script, "sh", full}, flags...)...)
	if full == "mount" {
		r.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS} // for this process alone
	}
	both := beginIn(t, dir, r)
	said := both.ends()
	told := errorsAmong(said)
	require.Len(t, told, 1, "%s", strings.Join(said, "\n"))
	assert.Contains(t, told[0], "table "+flags[len(flags)-1])
	assert.Contains(t, told[0], says)
	assert.Contains(t, said, "ended with 1")
	assert.Len(t, strings.Split(strings.TrimSpace(both.out.String()), "\n"), 1+len(pages))
}
