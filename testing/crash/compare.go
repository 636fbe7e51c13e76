package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/table"
	"clickstream/testing/oracle"
)

// compare holds every row of the table against the oracle's.
func (st *story) compare(ctx context.Context) error {
	begun, err := st.begun(ctx)
	if err != nil {
		return err
	}
	late, err := st.tooLate(ctx)
	if err != nil {
		return err
	}
	counts, err := oracle.Count(ctx, st.topic, oracle.Rules{
		Format: st.records, Registry: st.suite.registry, Window: window, ClockSkew: clockSkew,
		Except: func(p oracle.Place) bool { return p.Offset < begun[p.Partition] || late[p] },
	}, kgo.SeedBrokers(st.connection.Brokers...))
	if err != nil {
		return err
	}
	same := func() (int, error) {
		got, err := st.read(ctx)
		if err != nil {
			return 0, err
		}
		if diff := oracle.Diff(counts.Views, got); len(diff) > 0 {
			return 0, fmt.Errorf("%d rows differ: %s", len(diff), strings.Join(diff[:min(5, len(diff))], "; "))
		}
		return len(got), nil
	}
	st.clicks = counts.Valid
	if st.rows, err = same(); err != nil {
		return err
	}
	// A bounded run closes its windows at the topic's ends: what a partition gets late from the producer, after the
	// broker was killed, is too late then.
	if len(late) > 0 && !st.bounded {
		return fmt.Errorf("%d clicks were too late, and none was: the jitter is %s", len(late), jitter)
	}
	if err := st.live(ctx); err != nil {
		return err
	}
	if err := st.vacuum(ctx); err != nil {
		return err
	}
	if _, err := same(); err != nil {
		return fmt.Errorf("after it was vacuumed: %w", err)
	}
	return st.nothingLeft()
}

// read returns the table's rows.
func (st *story) read(ctx context.Context) (map[oracle.Key]int64, error) {
	got := map[oracle.Key]int64{}
	t, err := table.View(ctx, st.table)
	if err != nil {
		return nil, err
	}
	for v, err := range t.Scan(ctx, table.Filter{}) {
		if err != nil {
			return nil, err
		}
		got[oracle.Key{WindowStart: v.WindowStart.UnixMilli(), Page: v.PageURL}] += v.ViewCount
	}
	return got, nil
}

// begun returns the offsets that the table began at.
func (st *story) begun(ctx context.Context) (begun map[int32]int64, err error) {
	t, err := table.Open(ctx, table.Settings{Path: st.table, Format: st.plot.format, Topic: st.topic, Window: window, Shards: st.shards})
	if err != nil {
		return nil, err
	}
	defer func() {
		if closed := t.Close(); err == nil {
			err = closed
		}
	}()
	state, err := t.State(ctx, allowedLateness)
	return state.Begun, err
}

// tooLate returns the clicks that the dead letters say came too late.
func (st *story) tooLate(ctx context.Context) (map[oracle.Place]bool, error) {
	late := map[oracle.Place]bool{}
	client, err := st.connection.Client(kgo.ConsumeTopics(st.topic+"-dlq"), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, st.topic+"-dlq")
	if err != nil {
		return nil, fmt.Errorf("ends of the dead letters: %w", err)
	}
	var left int64
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("read the dead letters: %w", err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			left--
			h := map[string]string{}
			for _, header := range r.Headers {
				h[header.Key] = string(header.Value)
			}
			if h["dlq.reason"] == "too_late" {
				p, _ := strconv.ParseInt(h["dlq.partition"], 10, 32)
				o, _ := strconv.ParseInt(h["dlq.offset"], 10, 64)
				late[oracle.Place{Partition: int32(p), Offset: o}] = true
			}
		})
	}
	return late, nil
}

// nothingLeft fails if a killed run has left files behind.
func (st *story) nothingLeft() error {
	return filepath.WalkDir(st.table, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (strings.HasSuffix(path, ".tmp") || strings.Contains(path, string(os.PathSeparator)+".")) {
			return fmt.Errorf("%s was left behind", path)
		}
		return err
	})
}
