package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/embedded"
	"clickstream/io/kafka"
	"clickstream/io/table"
	"clickstream/transforms/click"
)

// watched is what the monitor takes, beside a topic of many partitions and a table of many files that both change.
type watched struct {
	Partitions int     `json:"partitions"`
	Files      int     `json:"files"`
	Seconds    float64 `json:"seconds"`
	CPU        float64 `json:"cpu_cores"`         // once it has settled
	Memory     int64   `json:"rss_bytes"`         // the most resident bytes once it has settled
	Own        int64   `json:"anonymous_bytes"`   // of them those that are not the program's file
	Start      int64   `json:"peak_rss_bytes"`    // the most since the start
	Bare       int64   `json:"bare_rss_bytes"`    // the most of a process of the same program that only tells its version
	Scrape     float64 `json:"scrape_s"`          // the longest
	Told       int     `json:"scrape_bytes"`      // the largest
	Lag        int64   `json:"lag,omitempty"`     // as the monitor told it last
	Expected   int64   `json:"expected,omitzero"` // as it was
}

const (
	monitorPartitions = 1_000
	monitorFiles      = 10_000
	monitorSettle     = 20 * time.Second
	scrapeEvery       = 15 * time.Second // as Prometheus is told to
	commitEvery       = 10 * time.Second // of the table
	monitorTopic      = "watched"
	monitorGroup      = "watched-group"
)

// allMonitor measures the monitor, prints that, and writes it to a file if one is named.
func (b *bench) allMonitor(ctx context.Context, long time.Duration, file string) error {
	w, err := b.measureMonitor(ctx, long)
	if err != nil {
		return err
	}
	fmt.Printf("monitor, %d partitions and a table of %d files, for %.0f s: %.4f cores, %.1f MB resident, %.1f MB of them its own; at most %.1f MB, as it started (the bare program %.1f MB); a scrape takes %.0f ms for %d KB; lag %d of %d\n",
		w.Partitions, w.Files, w.Seconds, w.CPU, mb(w.Memory), mb(w.Own), mb(w.Start), mb(w.Bare), 1000*w.Scrape, w.Told>>10, w.Lag, w.Expected)
	if err := write(file, w); err != nil {
		return err
	}
	return judge(os.Stdout, // what of the program's file is in memory is the kernel's to take back
		goal{what: "MB of its own that the monitor takes", got: mb(w.Own), want: 50},
		goal{what: "cores that it takes", got: w.CPU, want: 0.02})
}

func mb(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func (b *bench) measureMonitor(ctx context.Context, long time.Duration) (w watched, err error) {
	w = watched{Partitions: monitorPartitions, Files: monitorFiles, Seconds: long.Seconds()}
	dir, err := os.MkdirTemp("", "clickstream-bench-")
	if err != nil {
		return w, fmt.Errorf("make a folder for the table: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	broker, err := embedded.StartBroker()
	if err != nil {
		return w, err
	}
	defer broker.Close()
	scene, err := openScene(ctx, b, broker.Addr(), filepath.Join(dir, "views"))
	if err != nil {
		return w, err
	}
	defer scene.close()
	bare, err := timed(ctx, "", b.clickstream, "version")
	if err != nil {
		return w, err
	}
	w.Bare = bare.memory
	listen, err := freeAddress()
	if err != nil {
		return w, err
	}
	watching := exec.CommandContext(ctx, b.clickstream, "monitor", "--brokers", broker.Addr(), "--topic", monitorTopic, "--group", monitorGroup,
		"--dead-letter-topic", monitorTopic+"-dlq", "--table", filepath.Join(dir, "views"), "--listen", listen, "--quiet")
	watching.Stderr = os.Stderr
	if err := watching.Start(); err != nil {
		return w, fmt.Errorf("start the monitor: %w", err)
	}
	defer abandon(watching)
	if err := scene.watch(ctx, watching.Process.Pid, "http://"+listen, &w, long); err != nil {
		return w, err
	}
	if err := watching.Process.Signal(syscall.SIGTERM); err != nil {
		return w, fmt.Errorf("stop the monitor: %w", err)
	}
	return w, watching.Wait()
}

// freeAddress returns one of this machine that nobody listens at.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// scene is what is watched: nobody reads the topic, but the group's offsets move as if somebody did.
type scene struct {
	*bench
	client *kgo.Client
	admin  *kadm.Client
	table  table.Table
	window time.Time // the next to be written
	read   int64     // of each partition
	end    int64
}

// openScene makes the topics and the table.
func openScene(ctx context.Context, b *bench, broker, where string) (*scene, error) {
	client, err := kafka.Connection{Brokers: []string{broker}}.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return nil, err
	}
	s := &scene{bench: b, client: client, admin: kadm.NewClient(client)}
	if err := s.fill(ctx, where); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *scene) close() {
	s.client.Close()
	if s.table != nil {
		_ = s.table.Close() // it goes with its folder
	}
}

func (s *scene) fill(ctx context.Context, where string) (err error) {
	for topic, partitions := range map[string]int32{monitorTopic: monitorPartitions, monitorTopic + "-dlq": 12} {
		if _, err := s.admin.CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
			return fmt.Errorf("make topic %s: %w", topic, err)
		}
	}
	if err := s.move(ctx); err != nil {
		return err
	}
	s.table, err = table.Open(ctx, table.Settings{
		Path: where, Format: table.Delta, Topic: monitorTopic, Window: time.Minute, Shards: 1, Version: "bench", Begin: map[int32]int64{0: 0},
	})
	if err != nil {
		return err
	}
	s.window = time.Now().Truncate(time.Minute).Add(-monitorFiles * time.Minute)
	const atOnce = 100
	for n := 0; n < monitorFiles; n += atOnce {
		if err := s.store(ctx, atOnce); err != nil {
			return err
		}
		s.say("\rfilling the table: %d of %d files", n+atOnce, monitorFiles)
	}
	s.say("\n")
	return nil
}

// store writes the next windows in one commit.
func (s *scene) store(ctx context.Context, n int) error {
	windows := make([]table.Window, n)
	for i := range windows {
		w := table.Window{Start: s.window, End: s.window.Add(time.Minute), Views: map[string]int64{}, Offsets: map[int32]click.OffsetRange{}}
		for page := range int64(200) {
			w.Views[fmt.Sprintf("https://shop.example/page/%d", page)] = page + 1
			w.Events += page + 1
		}
		for p := range int32(12) {
			w.Offsets[p] = click.OffsetRange{First: s.read, Next: s.read + 1_000}
		}
		w.Tally.Latency.Observe(300*time.Millisecond, w.Events)
		windows[i], s.window = w, w.End
	}
	_, err := s.table.Replace(ctx, windows)
	return err
}

// move writes a record into each partition, and has the group read the one before.
func (s *scene) move(ctx context.Context) error {
	records := make([]*kgo.Record, monitorPartitions)
	offsets := kadm.Offsets{}
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	for p := range records {
		records[p] = &kgo.Record{Topic: monitorTopic, Partition: int32(p), Value: []byte("{}")}
		offsets.Add(kadm.Offset{Topic: monitorTopic, Partition: int32(p), At: s.end, LeaderEpoch: -1, Metadata: "watermark=" + now})
	}
	if err := s.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("write records: %w", err)
	}
	s.read = s.end
	s.end++
	committed, err := s.admin.CommitOffsets(ctx, monitorGroup, offsets)
	if err == nil {
		err = committed.Error()
	}
	if err != nil {
		return fmt.Errorf("commit offsets: %w", err)
	}
	return nil
}

// watch goes on with the scene for some time, and looks at the monitor.
func (s *scene) watch(ctx context.Context, pid int, url string, w *watched, long time.Duration) error {
	begin := time.Now()
	var cpu float64
	var since, scraped, stored time.Time
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for since.IsZero() || time.Since(since) < long {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := s.move(ctx); err != nil {
			return err
		}
		if time.Since(stored) >= commitEvery {
			stored = time.Now()
			if err := s.store(ctx, 1); err != nil {
				return err
			}
		}
		if time.Since(begin) > monitorSettle/4 && time.Since(scraped) >= scrapeEvery {
			scraped = time.Now()
			if err := scrape(ctx, url, w); err != nil {
				return err
			}
		}
		used, rss, err := usage(pid)
		if err != nil {
			return err
		}
		w.Start = max(w.Start, peak(pid))
		if since.IsZero() {
			if time.Since(begin) < monitorSettle {
				continue
			}
			cpu, since = used, time.Now()
		}
		w.Memory, w.Own = max(w.Memory, rss), max(w.Own, anonymous(pid))
		w.CPU = (used - cpu) / max(time.Since(since).Seconds(), 1)
		s.say("\rmonitor: %s of %s, %.4f cores, %.1f MB", time.Since(since).Round(time.Second), long, w.CPU, mb(rss))
	}
	s.say("\n")
	return s.settle(ctx, url, w)
}

// settle has the group read all, and waits until the monitor says so.
func (s *scene) settle(ctx context.Context, url string, w *watched) error {
	w.Expected = monitorPartitions // one of each partition is not read
	for until := time.Now().Add(time.Minute); ; {
		if err := scrape(ctx, url, w); err != nil {
			return err
		}
		if w.Lag == w.Expected {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("the monitor tells of a lag of %d, and it is %d", w.Lag, w.Expected)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// scrape does as Prometheus does.
func scrape(ctx context.Context, url string, w *watched) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/metrics", nil)
	if err != nil {
		return fmt.Errorf("scrape: %w", err)
	}
	request.Header.Set("Accept", "text/plain;version=0.0.4")
	begin := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("scrape: %w", err)
	}
	text, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return fmt.Errorf("scrape: %w", err)
	}
	w.Scrape, w.Told = max(w.Scrape, time.Since(begin).Seconds()), max(w.Told, len(text))
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), "} "); strings.HasPrefix(name, "clickstream_consumer_group_lag{") {
			var lag float64
			if _, err := fmt.Sscan(value, &lag); err != nil {
				return fmt.Errorf("scrape: %q is no lag: %w", line, err)
			}
			w.Lag = int64(lag)
		}
	}
	return nil
}

// anonymous returns the resident bytes of a process that are no file's, as Linux tells.
func anonymous(pid int) int64 { return statusBytes(pid, "RssAnon:") }
