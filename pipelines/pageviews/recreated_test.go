package pageviews_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/kafka"
	"clickstream/testing/kafkatest"
)

// topicID returns the id that the job's topic has now.
func (j *job) topicID() string {
	j.Helper()
	is, err := kafka.Connection{Brokers: j.settings.Kafka.Brokers}.Identify(j.Context(), j.admin(), kafka.Doing{Operation: "Read", Topic: j.settings.Topic})
	require.NoError(j, err)
	return is.Topic
}

// TestTopicIsAnother deletes the topic and makes it again between two runs. The second is refused, whether the topic
// has fewer records by then or more, and so is one that goes on with a table that holds nothing yet.
func TestTopicIsAnother(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		for format, flags := range formats {
			for name, test := range map[string]struct{ before, after int }{"fewer": {3, 1}, "more": {3, 9}, "empty": {0, 1}} {
				t.Run(format+" "+name, func(t *testing.T) {
					t.Parallel()
					j := newJob(t, c, 1, append([]string{"--format", "json"}, flags...)...)
					for range test.before {
						j.produce(j.click(0, "/", noon))
					}
					j.run()
					was, rows := j.topicID(), j.rows()
					c.MakeAgain(t, j.settings.Topic, 1)
					j.writer = nil // it knows the other one
					for range test.after {
						j.produce(j.click(0, "/", noon.Add(time.Hour)))
					}
					refused(t, j.attempt(), "table "+j.settings.Table+": ", "topic "+j.settings.Topic+" of id "+was+", which is of id "+j.topicID()+" now",
						"deleted and made again", "choose another folder")
					assert.Equal(t, rows, j.rows())
				})
			}
		}
	})
}

// TestTopicOfATableWithoutID goes on with a table that was made before tables told the topic's id; should the topic be
// another one, its end tells.
func TestTopicOfATableWithoutID(t *testing.T) {
	t.Parallel()
	c := kafkatest.StartEmbedded(t)
	for format, flags := range formats {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			j := newJob(t, c, 2, append([]string{"--format", "json"}, flags...)...)
			j.produce(j.click(0, "/", noon), j.click(0, "/", noon))
			j.run()
			j.forgetID()
			j.produce(j.click(1, "/", noon))
			j.run()
			j.exact()

			c.MakeAgain(t, j.settings.Topic, 1)
			j.writer = nil
			j.produce(j.click(0, "/", noon), j.click(0, "/", noon), j.click(0, "/", noon))
			err := j.attempt()
			refused(t, err, "topic "+j.settings.Topic+" partition 1 ends at offset 0", "table "+j.settings.Table+" was counted from it up to 1", "choose another --table")
			require.ErrorIs(t, err, kafka.ErrDataLoss)
		})
	}
}

// forgetID takes the topic's id out of what the table says of itself.
func (j *job) forgetID() {
	j.Helper()
	path := filepath.Join(j.settings.Table, "_table.json")
	if j.settings.TableFormat == "delta" {
		path = filepath.Join(j.settings.Table, "_delta_log", "00000000000000000000.json")
	}
	text, err := os.ReadFile(path)
	require.NoError(j, err)
	var without []string
	for line := range strings.Lines(string(text)) {
		if id := j.topicID(); strings.Contains(line, id) {
			line = strings.Replace(line, `"clickstream.topic_id":"`+id+`",`, "", 1)
			line = strings.Replace(line, `"topic_id": "`+id+`",`, "", 1)
			require.NotContains(j, line, id)
		}
		without = append(without, line)
	}
	require.NotEqual(j, string(text), strings.Join(without, ""))
	require.NoError(j, os.WriteFile(path, []byte(strings.Join(without, "")), 0o600))
}
