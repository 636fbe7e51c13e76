package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"clickstream/pipelines/dlq"
)

// replayed is how dead letters are listed and put back, so many at a time. Each run has dead letters of its own, which the
// pipeline has made of a topic without a click.
type replayed struct {
	Letters   int64   `json:"dead_letters"`
	List      float64 `json:"list_s"` // by reason, start-up included, median
	ListRSS   int64   `json:"list_peak_rss_bytes"`
	Replay    float64 `json:"replay_records_per_s"` // start-up included, median
	ReplayRSS int64   `json:"replay_peak_rss_bytes"`
	Runs      int     `json:"runs"`

	lists, replays []float64
}

// heaps are how many dead letters there are: what is ten times as much is to take no more memory.
var heaps = []int64{100_000, 1_000_000}

// allReplay measures dlq list and dlq replay, prints that, and writes it to a file if one is named.
func (b *bench) allReplay(ctx context.Context, file string) error {
	var all []*replayed
	for _, n := range heaps {
		r := &replayed{Letters: n, Runs: b.runs}
		for turn := range b.runs + 1 {
			if err := b.measureReplay(ctx, r, turn); err != nil {
				return err
			}
		}
		r.List, r.Replay = median(r.lists), median(r.replays)
		all = append(all, r)
	}
	reportReplay(os.Stdout, all)
	return errors.Join(write(file, all), judge(os.Stdout, replayGoals(all)...))
}

// replayGoals are what listing and putting back are to reach. Ten times the dead letters take no more memory, but for the
// garbage of a process that lives longer.
func replayGoals(all []*replayed) (goals []goal) {
	few, many := all[0], all[len(all)-1]
	for _, r := range all {
		goals = append(goals, goal{fmt.Sprintf("records replayed a second, of %d", r.Letters), r.Replay, 50_000, true})
	}
	return append(goals, goal{fmt.Sprintf("seconds to list %d", many.Letters), many.List, 10, false},
		goal{fmt.Sprintf("memory to list %d, to that for %d", many.Letters, few.Letters), float64(many.ListRSS) / float64(few.ListRSS), 1.5, false})
}

// measureReplay makes dead letters, lists them, and puts them back. The first turn is the warm-up.
func (b *bench) measureReplay(ctx context.Context, r *replayed, turn int) (err error) {
	t := topic{Name: fmt.Sprintf("bench-replay-%s-%d-%d", stamp(), r.Letters, turn), Format: "avro", Pages: 1_000, Events: r.Letters, Bad: 1}
	letters := t.Name + "-dlq"
	dir, err := os.MkdirTemp("", "clickstream-bench-")
	if err != nil {
		return fmt.Errorf("make a folder for the table: %w", err)
	}
	defer func() {
		err = errors.Join(err, os.RemoveAll(dir), b.remove(context.WithoutCancel(ctx), t.Name, letters))
	}()
	if err := b.fill(ctx, t); err != nil {
		return err
	}
	if _, err := timed(ctx, "", b.clickstream, append(b.run(t, dir), "--until", "latest")...); err != nil {
		return err
	}
	where := []string{"--quiet", "--brokers", b.connection.Brokers[0], "--topic", t.Name, "--dead-letter-topic", letters}
	list, err := timed(ctx, "", b.clickstream, append([]string{"dlq", "list", "--by", "reason", "--output", "json"}, where...)...)
	if err != nil {
		return err
	}
	var listed dlq.Listing
	if err := json.Unmarshal([]byte(list.said), &listed); err != nil {
		return fmt.Errorf("list the dead letters of %s: %w", t.Name, err)
	}
	if listed.Total.Out != t.Events {
		return fmt.Errorf("%d dead letters are listed of %d", listed.Total.Out, t.Events)
	}
	replay, err := timed(ctx, "", b.clickstream, append([]string{"dlq", "replay", "--registry", b.registry}, where...)...)
	if err != nil {
		return err
	}
	if n, err := fetch(ctx, b.connection, t.Name, nil); err != nil || n != 2*t.Events {
		return errors.Join(err, fmt.Errorf("after the replay, topic %s holds %d records, not twice %d", t.Name, n, t.Events))
	}
	if turn == 0 {
		return nil
	}
	rate := float64(t.Events) / replay.wall.Seconds()
	r.lists, r.replays = append(r.lists, list.wall.Seconds()), append(r.replays, rate)
	r.ListRSS, r.ReplayRSS = max(r.ListRSS, list.memory), max(r.ReplayRSS, replay.memory)
	b.say("%d dead letters: listed in %.2f s, %d MB; replayed at %.0f records/s, %d MB\n", t.Events, list.wall.Seconds(), list.memory>>20, rate, replay.memory>>20)
	return nil
}

func reportReplay(w io.Writer, all []*replayed) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(tw, "dead letters\tlist s\tpeak MB\treplay records/s\tpeak MB\t")
	for _, r := range all {
		_, _ = fmt.Fprintf(tw, "%d\t%.2f\t%d\t%.0f\t%d\t\n", r.Letters, r.List, r.ListRSS>>20, r.Replay, r.ReplayRSS>>20)
	}
	_ = tw.Flush()
}
