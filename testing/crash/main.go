// Command crash kills the pipeline, again and again, while clicks come, and compares what the table holds at the
// end with what the topic holds. scripts/crash.sh starts what it needs.
//
// It tells stories: a topic, a table, a producer, and a run that is killed some times. All that happens by chance
// in a story comes from its seed, which is printed: -seed and -stories 1 tell one story again.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"

	"clickstream/io/kafka"
)

// suite is what all stories share.
type suite struct {
	connection  kafka.Connection
	registry    string
	components  string // folder of scripts/components/up, to restart them; empty: they are left alone
	clickstream string // path of the binary, built with the tag crash
	formats     []string
	kills       int // of each story
	rate        float64
	keep        bool
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

func run() error {
	var (
		brokers     = flag.String("brokers", "localhost:9092", "Kafka broker")
		registry    = flag.String("registry", "", "schema registry's URL")
		components  = flag.String("components", "", "folder of scripts/components/up, whose broker and registry may be restarted")
		clickstream = flag.String("clickstream", "", "path of a clickstream binary that was built with -tags crash")
		stories     = flag.Int("stories", 20, "stories to tell")
		kills       = flag.Int("kills", 10, "kills of each story")
		seed        = flag.Uint64("seed", uint64(time.Now().UnixNano()), "seed of the first story; the next ones follow it")
		rate        = flag.Float64("rate", 20_000, "clicks a second")
		keep        = flag.Bool("keep", false, "keep the tables")
	)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	s := &suite{
		connection: kafka.Connection{Brokers: []string{*brokers}, RetryTimeout: patience}, registry: *registry, components: *components,
		clickstream: *clickstream, formats: []string{"delta", "parquet"}, kills: *kills, rate: *rate, keep: *keep,
	}
	begin := time.Now()
	var total result
	for i := range *stories {
		r, err := s.tell(ctx, *seed+uint64(i))
		if err != nil {
			return fmt.Errorf("story of seed %d: %w", *seed+uint64(i), err)
		}
		total.add(r)
	}
	fmt.Printf("%d stories, %d kills, %d failures made, %d restarts of broker or registry in %s: %d clicks in %d rows, 0 rows different; 0 of %d live files deleted, 0 orphans after %d files were vacuumed\n",
		*stories, total.killed, total.failures, total.restarts, time.Since(begin).Round(time.Second), total.clicks, total.rows, total.files, total.vacuumed)
	return nil
}

// result is what a story came to.
type result struct {
	killed, failures, restarts int
	clicks                     int64
	rows                       int
	files, vacuumed            int // that the logs name, and that were removed as they name them no more
}

func (r *result) add(o result) {
	r.killed += o.killed
	r.failures += o.failures
	r.restarts += o.restarts
	r.clicks += o.clicks
	r.rows += o.rows
	r.files += o.files
	r.vacuumed += o.vacuumed
}

// plot is what chance has decided of a story.
type plot struct {
	seed    uint64
	random  *rand.Rand
	format  string // of the table
	records string // avro or json
	start   string // earliest or latest
	bounded bool   // each run reads to the ends as they are, in place of running on
	shards  int
}

// plotOf lets the kinds of story take turns from seed to seed, and chance decide within them.
func (s *suite) plotOf(seed uint64) plot {
	turn := int(seed % 8) //nolint:gosec // less than eight
	p := plot{seed: seed, random: rand.New(rand.NewPCG(seed, 0x6b696c6c))}
	p.format = s.formats[turn%len(s.formats)]
	p.bounded = turn%4 == 3
	p.start = []string{"earliest", "latest"}[turn/4%2]
	p.records = []string{"avro", "json"}[turn/2%2]
	p.shards = []int{1, 1, 3}[p.random.IntN(3)]
	return p
}

func (p plot) String() string {
	mode := "live"
	if p.bounded {
		mode = "bounded"
	}
	return fmt.Sprintf("seed %d: %s, %s, %s, from %s, %d shards", p.seed, p.format, p.records, mode, p.start, p.shards)
}
