package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/kafka"
	"clickstream/testing/kafkatest"
)

const howToRunners = "scripts/components/runners flink expansion spark starts them and writes the file that sets it"

// newSuite returns a suite on the real cluster, whose binary is built.
func newSuite(t *testing.T) *suite {
	t.Helper()
	c := kafkatest.FindReal(t)
	s := &suite{
		connection: kafka.Connection{Brokers: c.Brokers, RetryTimeout: time.Minute}, registry: c.Registry,
		clickstream: filepath.Join(t.TempDir(), "clickstream"),
	}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-tags", "crash", "-o", s.clickstream, "../../pipelines/clickstream").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, s.prepare(t.Context()))
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(s.dir)) })
	return s
}

// TestRunnersConform plays every case on every runner.
func TestRunnersConform(t *testing.T) {
	for name, runners := range map[string][]string{"prism": {"prism"}, "runners": {"flink", "flink-process", "flink-kafkaio", "spark"}} {
		t.Run(name, func(t *testing.T) {
			if name == "runners" {
				kafkatest.Named(t, flinkRESTVar, howToRunners)
				kafkatest.Named(t, sparkVar, howToRunners)
				kafkatest.Named(t, expansionVar, howToRunners)
			}
			s := newSuite(t)
			goldens, err := load(nil)
			require.NoError(t, err)
			on, err := runnersOf(runners, runner{})
			require.NoError(t, err)
			m := newMatrix(goldens, on)
			m.play(t.Context(), s, 4, func(*cell) {})
			var table bytes.Buffer
			require.NoError(t, m.writeText(&table))
			t.Log("\n" + table.String())
			for _, c := range m.cells {
				t.Run(strings.ReplaceAll(c.String(), ", ", "/"), func(t *testing.T) { assert.NoError(t, c.err) })
			}
		})
	}
}

// TestJudgeFindsWhatDiffers plays cases that say something else than what comes of them.
func TestJudgeFindsWhatDiffers(t *testing.T) {
	s := newSuite(t)
	on, err := runnersOf([]string{"prism"}, runner{})
	require.NoError(t, err)
	for text, want := range map[string]string{
		"format json\n0: /a@12:00:01 too_late:/a@12:00:02\nread":                             "1 rows differ: 2024-05-01T12:00:00Z \"/a\": want 1, got 2",
		"format json\n0: /a@12:00:01 json\nat 12:00\n1: future_timestamp:/a@12:00:02\nread":  "partition 1 offset 0: want future_timestamp, there is no dead letter",
		"format json\n0: /a@12:00:01 trailing_bytes\nat 12:00\n1: /a@12:09:00\nread":         "the case is wrong: it counts the record at partition 1 offset 0, and the oracle does not",
		"format json\n0: 2*/a@12:00:01\nat 12:00\n0: invalid_field:/a@12:09:00 json\nread\n": "partition 0 offset 2: want invalid_field, its dead letter says future_timestamp",
	} {
		g, err := parse("judge", strings.NewReader(text))
		require.NoError(t, err)
		require.ErrorContains(t, s.play(t.Context(), 0, g, on[0], whole), want)
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"at noon":                         `line 1: "noon" is no time`,
		"partitions 2\n2: /a@12:00\nread": `line 2: partition "2" is not one of 2`,
		"0: /a":                           `"/a" is neither page@time nor one of the kinds`,
		"0: many*/a@12:00":                `"many": invalid syntax`,
		"0: lost:/a@12:00":                `"lost" is none of the reasons`,
		"schema 9":                        "schema 9 is not one of 3",
		"sleep 1":                         `"sleep 1" is not understood`,
		"format xml":                      `"format xml" is not understood`,
		"window soon":                     `"soon"`,
		"0: /a@12:00":                     "it ends, and nobody has read what was written",
		"# nothing":                       "it ends, and nobody has read",
		"0: json\nread":                   "line 1: a record's time is not known: say it by at",
	} {
		_, err := parse("wrong", strings.NewReader(text))
		assert.ErrorContains(t, err, want)
	}
}

func TestParse(t *testing.T) {
	g, err := parse("right", strings.NewReader("# About it.\nformat json\nidle 2s\n0: 2*/p#@12:00:01..12:00:03 json # and more\nfollow\nat 13:00\n1: too_late:/a@12:00:05\nread"))
	require.NoError(t, err)
	at := func(clock string) time.Time {
		t.Helper()
		moment, err := parseTime(clock)
		require.NoError(t, err)
		return moment
	}
	assert.Equal(t, "About it.", g.about)
	assert.Equal(t, 2*time.Second, g.idle)
	assert.Equal(t, []step{
		{follow: true, records: []record{
			{time: at("12:00:01"), schema: 1, page: "/p0", at: at("12:00:01")},
			{time: at("12:00:03"), schema: 1, page: "/p1", at: at("12:00:03")},
			{time: at("12:00:03"), schema: 1, kind: "json", reason: "json", at: at("12:00:03")},
		}},
		{records: []record{{partition: 1, time: at("13:00"), schema: 1, page: "/a", at: at("12:00:05"), reason: "too_late"}}},
	}, g.steps)
}

func TestCasesAreKnownByName(t *testing.T) {
	all, err := load(nil)
	require.NoError(t, err)
	for _, g := range all {
		assert.NotEmpty(t, g.about, "%s does not say what it is about", g.name)
	}
	one, err := load([]string{all[0].name})
	require.NoError(t, err)
	assert.Len(t, one, 1)
	_, err = load([]string{"early"})
	assert.ErrorContains(t, err, `there is no case "early": name some of bad-avro, `)
}

func TestRunnersAreKnownByName(t *testing.T) {
	t.Setenv(flinkVar, "")
	t.Setenv(sparkVar, "127.0.0.1:1")
	own := runner{endpoint: "flink:8099", rest: "http://flink:8081", environment: "external", config: "localhost:50000"}
	for name, want := range map[string]string{
		"storm": `there is no runner "storm": name some of prism`, "flink": "nobody says where flink is",
	} {
		_, err := runnersOf([]string{name}, runner{})
		require.ErrorContains(t, err, want)
	}
	_, err := runnersOf([]string{"flink-process"}, own)
	require.ErrorContains(t, err, "is for clusters of this machine")
	t.Setenv(expansionVar, "")
	t.Setenv(flinkVar, "127.0.0.1:2")
	_, err = runnersOf([]string{"flink-kafkaio"}, runner{})
	require.ErrorContains(t, err, "nobody says where an expansion service is that knows KafkaIO: CLICKSTREAM_TEST_EXPANSION has to")
	t.Setenv(expansionVar, "127.0.0.1:3")
	kafkaio, err := runnersOf([]string{"flink-kafkaio"}, runner{})
	require.NoError(t, err)
	assert.True(t, kafkaio[0].endless())
	assert.Contains(t, strings.Join(kafkaio[0].flags(), " "), "--source kafkaio --expansion-service 127.0.0.1:3")
	_, err = runnersOf([]string{"flink"}, runner{endpoint: "flink:8099"})
	require.ErrorContains(t, err, "name it by --flink-rest")

	on, err := runnersOf([]string{"prism", "flink"}, own)
	require.NoError(t, err)
	assert.Empty(t, on[0].flags())
	assert.Equal(t, "--runner flink --endpoint flink:8099 --readers 2 --parallelism 2 --poll-interval 1s --flink-rest http://flink:8081 --environment external --environment-config localhost:50000",
		strings.Join(on[1].flags(), " "))
	assert.True(t, on[1].apart())
	assert.Equal(t, []way{whole, runKilled}, on[1].ways())
}

func TestMatrixIsWritten(t *testing.T) {
	g := &golden{name: "late"}
	prism, process := runner{name: "prism"}, runner{name: "flink-process", environment: "process"}
	m := newMatrix([]*golden{g}, []runner{prism, process})
	require.Len(t, m.cells, 5)
	m.cells[1].err = errors.New("1 rows differ: 12:00 \"/a|b\":\nwant 1")
	var text, markdown bytes.Buffer
	require.NoError(t, m.writeText(&text))
	assert.Equal(t, `case                 prism  flink-process
late  whole          pass   FAIL
      run killed     pass   pass
      worker killed  –      pass

late, flink-process, whole: 1 rows differ: 12:00 "/a|b":
want 1
`, text.String())
	require.NoError(t, m.writeMarkdown(&markdown))
	assert.Equal(t, `| case | prism | flink-process |
|---|---|---|
| late | pass | whole: 1 rows differ: 12:00 "/a\|b": want 1 |
`, markdown.String())
}
