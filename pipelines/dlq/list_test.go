package dlq_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/pipelines/dlq"
	"clickstream/pipelines/settings"
	"clickstream/testing/kafkatest"
	"clickstream/transforms/click"
)

// lines returns the records of each line, by its name.
func lines(l *dlq.Listing) map[string][2]int64 {
	all := map[string][2]int64{}
	for _, a := range l.Lines {
		name := a.Reason
		if a.Time != nil {
			name = a.Time.Format(time.TimeOnly)
		} else if a.Partition != nil {
			name = strconv.Itoa(int(*a.Partition))
		}
		all[name] = [2]int64{a.Records, a.Replayed}
	}
	return all
}

func TestListCountsRecords(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c, 3)
		letters := d.rejected(0, 6, click.JSON, click.JSON, click.Avro)
		d.rejected(1, 2, click.BadMagic)
		c.Produce(t, d.letters, copyOf(letters[0], 2), // a run that started again, and what somebody else wrote
			&kgo.Record{Partition: 2, Value: []byte("hello")},
			&kgo.Record{Partition: 2, Headers: []kgo.RecordHeader{{Key: "dlq.reason", Value: []byte("json")}}},
			&kgo.Record{Partition: 2, Headers: []kgo.RecordHeader{{Key: "clickstream.replay.marker", Value: []byte("1")}}, Value: []byte("{")})

		l := d.list()
		assert.Equal(t, map[string][2]int64{"json": {4, 0}, "avro": {2, 0}, "bad_magic": {2, 0}}, lines(l))
		assert.Equal(t, "json", l.Lines[0].Reason, "the most frequent one comes first")
		assert.InDelta(t, 0.5, l.Lines[0].Share, 1e-9)
		assert.EqualValues(t, 8, l.Total.Records)
		assert.EqualValues(t, 8, l.Total.Out)
		assert.EqualValues(t, 1, l.Copies)
		assert.Equal(t, dlq.Foreign{Count: 3, First: []string{"2:1", "2:2", "2:3"}}, l.Foreign)

		d.replay("--reason", "json")
		assert.Equal(t, map[string][2]int64{"json": {4, 4}, "avro": {2, 0}, "bad_magic": {2, 0}}, lines(d.list()))
		l = d.list("--by", "partition", "--source")
		assert.Equal(t, map[string][2]int64{"0": {6, 4}, "1": {2, 0}}, lines(l))
		assert.Equal(t, d.topic, l.Lines[0].Topic)
		assert.EqualValues(t, 1, l.Markers)
		assert.EqualValues(t, 3, l.Foreign.Count)
		l = d.list("--by", "partition", "--partition", "1")
		assert.Equal(t, map[string][2]int64{"1": {2, 0}}, lines(l))
		assert.Equal(t, d.letters, l.Lines[0].Topic)
		assert.Equal(t, map[string][2]int64{"avro": {2, 0}}, lines(d.list("--partition", "0", "--reason", "avro")))
		assert.Empty(t, d.list("--topic", "another").Lines)

		var text, csv, json strings.Builder
		l = d.list()
		require.NoError(t, l.WriteText(&text))
		assert.Contains(t, text.String(), "8 rejected records in topic "+d.letters)
		assert.Contains(t, text.String(), "3 records are no dead letter, and passed by: 2:1, 2:2, 2:3")
		require.NoError(t, l.WriteCSV(&csv))
		assert.Contains(t, csv.String(), "json,4,0.500000,0,4,0,")
		require.NoError(t, l.WriteJSON(&json))
		assert.Contains(t, json.String(), `"reason": "json"`)
	})
}

// TestListOfATopicMadeAgain does not take its records for those of the same places that were replayed before.
func TestListOfATopicMadeAgain(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c, 1)
		d.rejected(0, 3, click.JSON)
		d.replay("--offsets", "0-1", "--partition", "0")
		c.MakeAgain(t, d.topic, 1)
		d.rejected(0, 3, click.Avro)
		assert.Equal(t, map[string][2]int64{"json": {3, 2}, "avro": {3, 0}}, lines(d.list()))
		assert.Zero(t, d.list().Copies)
		s, _ := d.show("0:0")
		assert.True(t, s.Replayed)
		letters := d.committed(d.letters)
		s, _ = d.show(fmt.Sprint("0:", letters[len(letters)-1].Offset))
		assert.False(t, s.Replayed)
	})
}

func TestListByTime(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c, 1)
		noon := time.Now().UTC().Truncate(24 * time.Hour).Add(-12 * time.Hour)
		var records []*kgo.Record
		for i := range 120 {
			bad := &kgo.Record{}
			c.Produce(t, d.topic, bad)
			require.EqualValues(t, i, bad.Offset)
			rec := d.letter(bad, click.JSON)
			rec.Timestamp = noon.Add(time.Duration(i) * time.Second)
			records = append(records, rec)
		}
		c.Produce(t, d.letters, records...)
		l := d.list("--by", "time")
		assert.Len(t, l.Lines, 12, "ten seconds each fit")
		assert.EqualValues(t, 10, l.Lines[3].Records)
		assert.InDelta(t, 1, l.Lines[3].PerSecond, 1e-9)
		assert.InDelta(t, 1, l.Total.PerSecond, 1e-9)
		assert.Equal(t, map[string][2]int64{"12:00:00": {60, 0}, "12:01:00": {60, 0}}, lines(d.list("--by", "time", "--every", "1m")))
		at := func(seconds int) string { return noon.Add(time.Duration(seconds) * time.Second).Format(time.RFC3339) }
		l = d.list("--since", at(30), "--until", at(40))
		assert.EqualValues(t, 10, l.Total.Records)
		assert.Equal(t, noon.Add(30*time.Second), l.Total.First)
		assert.Equal(t, noon.Add(39*time.Second), l.Total.Last)
		assert.InDelta(t, 1, l.Total.PerSecond, 1e-9, "one each second")
		assert.Zero(t, d.list("--since", at(30), "--until", at(31)).Total.PerSecond, "one alone has no rate")
		l = d.list("--by", "time", "--every", "1m", "--since", at(30), "--until", at(31))
		assert.InDelta(t, 1./60, l.Lines[0].PerSecond, 1e-9, "but there was one in that minute")
		done := d.replay("--since", at(30), "--until", at(40), "--dry-run")
		assert.EqualValues(t, 10, done.Replayed)
	})
}

// TestListOfManyNames takes no more memory for what foreign records name.
func TestListOfManyNames(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c, 1)
		d.rejected(0, 1, click.JSON)
		var records []*kgo.Record
		for i := range 1_500 {
			rec := d.letter(&kgo.Record{Topic: d.topic, Partition: int32(i), Offset: 1}, click.Reason(fmt.Sprint("reason-", i)))
			rec.Partition = 0
			records = append(records, rec)
		}
		records = append(records, d.letter(&kgo.Record{Topic: d.topic}, click.Reason(strings.Repeat("x", 1_000))))
		c.Produce(t, d.letters, records...)
		l := d.list()
		assert.Len(t, l.Lines, 1_001)
		assert.EqualValues(t, 501, lines(l)["(others)"][0])
		assert.EqualValues(t, 1_501, l.Total.Records)
		assert.EqualValues(t, 1, l.Foreign.Count)
		assert.Len(t, d.list("--by", "partition", "--source").Lines, 1_001)
	})
}

func TestListOfNothing(t *testing.T) {
	each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c, 1)
		l := d.list()
		assert.Zero(t, l.Total.Records)
		var text strings.Builder
		require.NoError(t, l.WriteText(&text))
		assert.Contains(t, text.String(), "0 rejected records in topic "+d.letters)

		d.letters = c.Name(t)
		_, err := dlq.List(t.Context(), settle[settings.DLQList](d), nil)
		refused(t, err, "topic "+d.letters+" does not exist", "or name another with --dead-letter-topic")
	})
}
