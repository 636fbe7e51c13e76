package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/table"
	"clickstream/testing/kafkatest"
	"clickstream/testing/oracle"
	"clickstream/transforms/click"
	"clickstream/transforms/replay"
)

// shop is a topic of clicks that two programs write, and what the command says of it.
type shop struct {
	*testing.T
	cluster *kafkatest.Cluster
	topic   string
	letters string
	table   string
}

var (
	opening = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clicks  = func() *goavro.Codec {
		codec, err := goavro.NewCodec(click.Schema)
		if err != nil {
			panic(err)
		}
		return codec
	}()
)

// minutes has a program write clicks of every minute from one to another, with the schema of an id.
func (s *shop) minutes(schema int, program string, from, to int) (n int64) {
	s.Helper()
	var records []*kgo.Record
	for m := from; m < to; m++ {
		for p := range int32(2) {
			at := opening.Add(time.Duration(m)*time.Minute + time.Duration(10+20*p)*time.Second)
			for _, page := range []string{"/", fmt.Sprint("/", program, m%3)} {
				avro, err := clicks.BinaryFromNative(nil, map[string]any{
					"event_id": fmt.Sprint(program, page, m, p), "user_id": "u", "page_url": page, "timestamp": at.UnixMilli(), "session_id": nil,
				})
				require.NoError(s, err)
				records = append(records, &kgo.Record{Partition: p, Timestamp: at, Value: kafkatest.Frame(schema, avro)})
			}
		}
	}
	s.cluster.Produce(s.T, s.topic, records...)
	return int64(len(records))
}

// version registers that version of the shop app's schema, which no other test has, and returns its id.
func (s *shop) version(n int) int {
	s.Helper()
	return s.cluster.Register(s.T, s.topic+"-app", strings.Replace(click.Schema, `"fields": [`, fmt.Sprintf(`"doc": "version %d of %s", "fields": [`, n, s.topic), 1))
}

// versions registers one version of the shop app's schema after the other, from the number given on, until the registry has
// given the id away that is wanted, and tells whether it is that of one of them. Other tests may register schemas as well.
func (s *shop) versions(from, until int) bool {
	s.Helper()
	got := false
	for id := 0; id < until; from++ {
		id = s.version(from)
		got = got || id == until
	}
	return got
}

// says runs a command of words that name the topics and the table where they say TOPIC, LETTERS and TABLE.
func (s *shop) says(words string) string {
	s.Helper()
	words = strings.NewReplacer("TOPIC", s.topic, "LETTERS", s.letters, "TABLE", s.table, "REGISTRY", s.cluster.Registry).Replace(words)
	return run(s.T, append(strings.Fields(words), "--brokers", strings.Join(s.cluster.Brokers, ","))...)
}

// right holds the table against the oracle's count of what should have been: each click once, as if all had been told in time.
func (s *shop) right() {
	s.Helper()
	again := map[oracle.Place]bool{}
	for _, rec := range s.cluster.Read(s.T, s.topic) {
		if _, ok := replay.Of(rec.Headers); ok {
			again[oracle.Place{Partition: rec.Partition, Offset: rec.Offset}] = true
		}
	}
	counts, err := oracle.Count(s.Context(), s.topic, oracle.Rules{
		Format: "avro", Registry: s.cluster.Registry, Window: time.Minute, ClockSkew: 5 * time.Minute,
		Except: func(p oracle.Place) bool { return again[p] },
	}, s.cluster.Options()...)
	require.NoError(s, err)
	view, err := table.View(s.Context(), s.table)
	require.NoError(s, err)
	rows := map[oracle.Key]int64{}
	for row, err := range view.Scan(s.Context(), table.Filter{}) {
		require.NoError(s, err)
		rows[oracle.Key{WindowStart: row.WindowStart.UnixMilli(), Page: row.PageURL}] += row.ViewCount
	}
	assert.Empty(s, oracle.Diff(counts.Views, rows))
}

// ahead is how far ahead of the registry the app is, in schemas: more than other tests register meanwhile.
var ahead = map[string]int{kafkatest.Embedded: 3, kafkatest.Real: 300}

// TestTenMinutesOfABrokenSchema tells the story by the commands. For ten minutes, an app writes with a schema that is
// registered elsewhere alone. Its clicks become dead letters, which tell what happened. Then the schema is registered here as
// well, one command replays and rebuilds, and the table is what it should have been.
func TestTenMinutesOfABrokenSchema(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel()
		s := &shop{T: t, cluster: c, topic: c.Topic(t, 2), letters: c.Topic(t, 2), table: filepath.Join(t.TempDir(), "views")}
		const counts = "run --topic TOPIC --dead-letter-topic LETTERS --group LETTERS --table TABLE --registry REGISTRY --start earliest --until latest --allowed-lateness 1m"
		good := c.Register(t, s.topic+"-value", click.Schema)
		broken := s.version(0) + ahead[c.Kind]

		first := s.minutes(good, "site", 0, 25) / 2 // offset of the app's first, in both partitions
		bad := s.minutes(broken, "app", 10, 20)
		s.says(counts)
		s.minutes(good, "site", 25, 40) // and the windows of those minutes are closed
		s.says(counts)

		var listed struct {
			Total struct{ Records, Out int64 }
			Lines []struct {
				Reason  string
				Time    *time.Time
				Records int64
			}
		}
		require.NoError(t, json.Unmarshal([]byte(s.says("dlq list --dead-letter-topic LETTERS --output json")), &listed))
		require.Len(t, listed.Lines, 1)
		assert.Equal(t, "unknown_schema", listed.Lines[0].Reason)
		assert.Equal(t, bad, listed.Total.Out)
		out := s.says("dlq list --dead-letter-topic LETTERS --by time --reason unknown_schema")
		assert.Regexp(t, `(?m)^TIME +RECORDS +SHARE +OUT +REPLAYED +FIRST +LAST +RATE$`, out)
		assert.Contains(t, out, fmt.Sprintf("%d rejected records in topic %s, %d of them not replayed", bad, s.letters, bad))
		assert.Contains(t, s.says(fmt.Sprintf("dlq show --source 0:%d --topic TOPIC --dead-letter-topic LETTERS --registry REGISTRY", first)), fmt.Sprintf("schema        %d: the registry has no such schema", broken))
		assert.Contains(t, s.says("table verify --topic TOPIC --dead-letter-topic LETTERS --table TABLE --registry REGISTRY"), "clean: ", "what is out is accounted for")

		require.True(t, s.versions(1, broken), "another test has taken the app's id; run this one again")
		const replays = "dlq replay --reason unknown_schema --rebuild --topic TOPIC --dead-letter-topic LETTERS --table TABLE --registry REGISTRY"
		assert.Contains(t, s.says(replays+" --dry-run"), fmt.Sprintf("would replay %d records into topic %s: unknown_schema %d\n", bad, s.topic, bad))
		out = s.says(replays)
		assert.Contains(t, out, fmt.Sprintf("replayed %d records into topic %s: unknown_schema %d; in ", bad, s.topic, bad))
		assert.Contains(t, out, "rebuilt 10 of 10 windows of table "+s.table+", from 2026-03-01T12:10:00Z to 2026-03-01T12:20:00Z")
		assert.Contains(t, s.says("table verify --topic TOPIC --dead-letter-topic LETTERS --table TABLE --registry REGISTRY"), "clean: ")
		s.right()

		s.says(counts)
		assert.Contains(t, s.says("dlq list --dead-letter-topic LETTERS"), ", 0 of them not replayed")
		assert.Contains(t, s.says(replays), "replayed 0 records into topic "+s.topic+"\n")
		assert.Contains(t, s.says("table verify --topic TOPIC --dead-letter-topic LETTERS --table TABLE --registry REGISTRY"), "clean: ")
		s.right()
	})
}
