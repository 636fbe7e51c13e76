package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/table"
	"clickstream/testing/oracle"
	"clickstream/transforms/click"
)

// judge returns in what the table and the dead letters differ from what they are to be, or nil.
func (p *play) judge(ctx context.Context) error {
	if err := p.sameRows(ctx); err != nil {
		return err
	}
	if err := p.sameLetters(ctx); err != nil {
		return err
	}
	return p.verify(ctx)
}

// counts returns what the oracle counts. Whether a click came too late is what a topic does not tell, and the case
// does.
func (p *play) counts(ctx context.Context) (*oracle.Counts, error) {
	return oracle.Count(ctx, p.topic.name, oracle.Rules{
		Format: p.golden.format, Registry: p.registry, Window: p.golden.window, ClockSkew: p.golden.skew,
		Except: func(at oracle.Place) bool { return p.topic.rejects[at] == click.TooLate },
	}, kgo.SeedBrokers(p.connection.Brokers...))
}

// sameRows compares every row of the table with the oracle's.
func (p *play) sameRows(ctx context.Context) error {
	want, err := p.counts(ctx)
	if err != nil {
		return err
	}
	for _, place := range want.Invalid {
		if p.topic.rejects[place] == "" {
			return fmt.Errorf("the case is wrong: it counts the record at partition %d offset %d, and the oracle does not", place.Partition, place.Offset)
		}
	}
	got, err := p.rows(ctx)
	if err != nil {
		return err
	}
	if diff := oracle.Diff(want.Views, got); len(diff) > 0 {
		return fmt.Errorf("%d rows differ: %s", len(diff), strings.Join(diff[:min(3, len(diff))], "; "))
	}
	return nil
}

// rows returns the table's rows.
func (p *play) rows(ctx context.Context) (map[oracle.Key]int64, error) {
	t, err := table.View(ctx, p.table)
	if err != nil {
		return nil, err
	}
	got := map[oracle.Key]int64{}
	for v, err := range t.Scan(ctx, table.Filter{}) {
		if err != nil {
			return nil, err
		}
		key := oracle.Key{WindowStart: v.WindowStart.UnixMilli(), Page: v.PageURL}
		if _, twice := got[key]; twice {
			return nil, fmt.Errorf("the table has two rows of %s %s", v.WindowStart, v.PageURL)
		}
		got[key] = v.ViewCount
	}
	return got, nil
}

// letter is a dead letter.
type letter struct {
	reason click.Reason
	value  string
}

// sameLetters compares the dead letters with the records that are to be some: each there, with its reason and its
// bytes, and no other. One may be there twice.
func (p *play) sameLetters(ctx context.Context) error {
	got, err := p.letters(ctx)
	if err != nil {
		return err
	}
	var differ []string
	for place, reason := range p.topic.rejects {
		where := fmt.Sprintf("partition %d offset %d", place.Partition, place.Offset)
		if len(got[place]) == 0 {
			differ = append(differ, fmt.Sprintf("%s: want %s, there is no dead letter", where, reason))
		}
		for _, l := range got[place] {
			if l.reason != reason {
				differ = append(differ, fmt.Sprintf("%s: want %s, its dead letter says %s", where, reason, l.reason))
			} else if l.value != p.topic.values[place] {
				differ = append(differ, where+": its dead letter has other bytes")
			}
		}
		delete(got, place)
	}
	for place, letters := range got {
		differ = append(differ, fmt.Sprintf("partition %d offset %d: is to be counted, and is a dead letter, %s", place.Partition, place.Offset, letters[0].reason))
	}
	if len(differ) == 0 {
		return nil
	}
	slices.Sort(differ)
	return fmt.Errorf("%d dead letters differ: %s", len(differ), strings.Join(differ[:min(3, len(differ))], "; "))
}

// letters returns the dead letters, by where their records stood.
func (p *play) letters(ctx context.Context) (map[oracle.Place][]letter, error) {
	client, err := p.connection.Client(kgo.ConsumeTopics(p.topic.letters()), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, p.topic.letters())
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("ends of the dead letters: %w", err)
	}
	var left int64
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	all := map[oracle.Place][]letter{}
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("read the dead letters: %w", err)
		}
		for _, r := range fetches.Records() {
			left--
			h := map[string]string{}
			for _, header := range r.Headers {
				h[header.Key] = string(header.Value)
			}
			partition, err := strconv.ParseInt(h["dlq.partition"], 10, 32)
			offset, err2 := strconv.ParseInt(h["dlq.offset"], 10, 64)
			if err := cmp.Or(err, err2); err != nil {
				return nil, fmt.Errorf("a dead letter does not say where it stood: %w: its headers are %v", err, slices.Sorted(maps.Keys(h)))
			}
			place := oracle.Place{Partition: int32(partition), Offset: offset}
			all[place] = append(all[place], letter{click.Reason(h["dlq.reason"]), string(r.Value)})
		}
	}
	return all, nil
}

// verify lets the program itself hold the table against the topic.
func (p *play) verify(ctx context.Context) error {
	out, err := p.command(ctx, "table", "verify", "--quiet", "--topic", p.topic.name, "--format", p.golden.format,
		"--clock-skew", p.golden.skew.String(), "--allowed-lateness", p.golden.lateness.String(),
		"--dead-letter-topic", p.topic.letters(), "--table", p.table).CombinedOutput()
	if err != nil {
		return errors.Join(fmt.Errorf("table verify: %w", err), errors.New(strings.TrimSpace(string(out))))
	}
	return nil
}
