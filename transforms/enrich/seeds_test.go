package enrich

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/testing/kafkatest"
	"clickstream/transforms/click"
	"clickstream/transforms/sessions"
)

// TestSeeds takes sessions up from an enriched topic that holds other things too.
func TestSeeds(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		d := newDesk(t, c)
		at := int64(1_700_000_000_000)
		own, other := encoderOf(t, d.config.Source), encoderOf(t, "another source")
		record := func(e *encoder, user, session string, minutes int64, found bool) *kgo.Record {
			v := &click.Visit{Event: click.Event{ID: uuid.NewString(), User: user, Session: session, Timestamp: at}, Page: "/", Time: at + minutes*minute}
			r := &kgo.Record{Partition: int32(minutes % 2)}
			_, err := e.record(r, nil, v, found)
			require.NoError(t, err)
			return r
		}
		foreign := record(own, "f", uuid.NewString(), 0, true)
		foreign.Value[4]++ // the schema's id
		cut := record(own, "f", uuid.NewString(), 0, true)
		cut.Value = cut.Value[:20]
		one, two := uuid.NewString(), uuid.NewString()
		c.Produce(t, d.config.Topic,
			record(own, "u", one, 0, true), record(own, "u", two, 201, true), record(own, "u", one, 35, true), record(own, "u", one, 20, true),
			record(own, "v", two, 0, true),
			record(own, "f", uuid.NewString(), 0, false), record(own, "f", "named", 0, true), record(own, "f", "", 0, true), record(other, "f", uuid.NewString(), 0, true),
			foreign, cut, &kgo.Record{Key: []byte("deleted")}, &kgo.Record{Value: []byte{0, 0, 0, 0, 7}}, &kgo.Record{Value: []byte("text")})
		var err error
		d.config.Seeds, err = kafka.Resolve(t.Context(), d.admin, d.config.Topic, kafka.Instant{Word: "earliest"}, kafka.Instant{Word: "latest"})
		require.NoError(t, err)

		away := d.config
		away.Connection = kafka.Connection{Brokers: []string{"127.0.0.1:1"}, RetryTimeout: time.Second}
		_, err = away.seed(t.Context(), 0)
		require.ErrorContains(t, err, "look up the sessions that were found before: ")

		book := func(user string) *sessions.Book { // once the brokers are there again
			b, err := d.config.seed(t.Context(), d.config.bucket(user))
			require.NoError(t, err)
			return b
		}
		for minutes, want := range map[int64]string{0: one, 10: one, 64: one, -29: one, 230: two, 172: two} {
			assert.Equal(t, want, book("u").Enter("u", at+minutes*minute, "e").String(), "minute %d", minutes)
		}
		for _, minutes := range []int64{65, 171, 231, -30} {
			assert.NotContains(t, []string{one, two}, book("u").Enter("u", at+minutes*minute, "e").String(), "minute %d: what another bundle has entered is not there", minutes)
		}
		assert.Equal(t, two, book("v").Enter("v", at, "e").String())
		users := 0
		for bucket := range d.config.Buckets {
			b, err := d.config.seed(t.Context(), bucket)
			require.NoError(t, err)
			users += b.Len()
		}
		assert.Equal(t, 2, users, "of what is not ours nothing is taken up")
	})
}

// TestSeedsOfANewGroup has nothing looked up, and no broker asked.
func TestSeedsOfANewGroup(t *testing.T) {
	b, err := Config{Pipeline: t.Name(), Buckets: 2, Gap: time.Minute}.seed(t.Context(), 1)
	require.NoError(t, err)
	assert.Zero(t, b.Len())
}
