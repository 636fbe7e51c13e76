package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/testing/kafkatest"
)

// fails runs the command, which is to fail with that code, and returns the one line that it says.
func fails(t *testing.T, code int, args ...string) string {
	t.Helper()
	c := begin(t, args...)
	select {
	case <-c.ended:
	case <-time.After(patience):
		require.Fail(t, "it does not end")
	}
	var said []string
	for line := range c.lines {
		said = append(said, line)
	}
	require.Equal(t, code, c.ProcessState.ExitCode(), "%s\n%s", strings.Join(said, "\n"), c.out.String())
	require.Len(t, said, 1, "%s", strings.Join(said, "\n"))
	require.True(t, strings.HasPrefix(said[0], "clickstream: "), said[0])
	return said[0]
}

// tree returns a hash of each file below a folder.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	hashes := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		hashes[strings.TrimPrefix(path, dir)] = fmt.Sprintf("%x", sha256.Sum256(content))
		return err
	}))
	return hashes
}

// tableOf makes a topic, and a table of it by three runs: windows of 8:00 and 8:01, which are final, 8:10, and 8:11.
// There is a click more than they have counted. It returns the table, and flags of a run that counts it into another.
func tableOf(t *testing.T, c *kafkatest.Cluster, format string) (table string, flags []string) {
	t.Helper()
	topic, letters := c.Topic(t, 1), c.Name(t)
	eight := time.Now().UTC().Truncate(24 * time.Hour).Add(-16 * time.Hour)
	flags = []string{"--brokers", strings.Join(c.Brokers, ","), "--topic", topic, "--dead-letter-topic", letters, "--group", c.Name(t),
		"--format", "json", "--start", "earliest", "--until", "latest", "--quiet", "--table-format", format}
	table = filepath.Join(t.TempDir(), "views")
	for _, minutes := range [][]int{{0, 1}, {10}, {11}} {
		for _, m := range minutes {
			for i := range 3 {
				c.Produce(t, topic, &kgo.Record{Value: jsonClick(t, fmt.Sprintf("/%d/%d", m, i), eight.Add(time.Duration(m)*time.Minute))})
			}
		}
		run(t, append([]string{"run", "--table", table}, flags...)...)
	}
	c.Produce(t, topic, &kgo.Record{Value: jsonClick(t, "/more", eight.Add(12*time.Minute))})
	return table, flags
}

// copied returns a copy of a table.
func copied(t *testing.T, table string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "views")
	require.NoError(t, os.CopyFS(to, os.DirFS(table)))
	return to
}

// rewrite changes a file of a table.
func rewrite(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	changed := change(text)
	require.NotEqual(t, string(text), string(changed))
	require.NoError(t, os.WriteFile(path, changed, 0o600))
}

func half(text []byte) []byte { return text[:len(text)/2] }

func with(text string) func([]byte) []byte { return func([]byte) []byte { return []byte(text) } }

func appended(line string) func([]byte) []byte {
	return func(text []byte) []byte { return append(slices.Clone(text), line+"\n"...) }
}

func replaced(old, by string) func([]byte) []byte {
	return func(text []byte) []byte { return bytes.Replace(text, []byte(old), []byte(by), 1) }
}

// entry returns the path of a version.
func entry(table string, version int) string {
	return filepath.Join(table, "_delta_log", fmt.Sprintf("%020d.json", version))
}

// dataFile returns the path of the file of the window that starts so many minutes past eight.
func dataFile(t *testing.T, table string, minute int) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(table, "window_date=*", fmt.Sprintf("*T08%02d00Z-*.parquet", minute)))
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

// damage is what is wrong with a table, or with what a run is told of it.
type damage struct {
	do    func(t *testing.T, table string)
	flags []string // of the run, besides
	code  int      // of the run; 1 if not set
	run   []string // what the run's line says
	show  []string // what the line of table show says; nil: it shows the rows
}

const (
	second = "_delta_log/00000000000000000001.json"
	newest = "_delta_log/00000000000000000003.json"
)

var damagedDelta = map[string]damage{
	"hole": {do: func(t *testing.T, table string) { require.NoError(t, os.Remove(entry(table, 1))) },
		run: []string{"the log has a hole: version 1 is missing, and 3 is there: restore " + second + " from a copy"}, show: []string{"version 1 is missing"}},
	"no beginning": {do: func(t *testing.T, table string) { require.NoError(t, os.Remove(entry(table, 0))) },
		run: []string{"the log begins at version 1, with no checkpoint: restore the missing files of _delta_log/ from a copy"}, show: []string{"begins at version 1"}},
	"truncated": {do: func(t *testing.T, table string) { rewrite(t, entry(table, 3), half) },
		run: []string{"version 3 is damaged: " + newest + ": line ", "restore it from a copy"}, show: []string{"version 3 is damaged"}},
	"truncated long ago": {do: func(t *testing.T, table string) { rewrite(t, entry(table, 1), half) },
		run: []string{"version 1 is damaged: " + second + ": line ", "restore it from a copy"}, show: []string{"version 1 is damaged"}},
	"empty": {do: func(t *testing.T, table string) { rewrite(t, entry(table, 3), with("")) },
		run: []string{"version 3 is damaged: " + newest + ": it holds no action: restore it from a copy"}, show: []string{"version 3 is damaged"}},
	"not JSON": {do: func(t *testing.T, table string) { rewrite(t, entry(table, 3), with("PAR1\x00\xff\nPAR1")) },
		run: []string{"version 3 is damaged: " + newest + ": line 1: it is no action in JSON: it begins with \"PAR1", "restore it from a copy"}, show: []string{"version 3 is damaged"}},
	"not an action": {do: func(t *testing.T, table string) { rewrite(t, entry(table, 3), with("[1, 2]")) },
		run: []string{"version 3 is damaged: " + newest + ": line 1: it is no action in JSON: it begins with \"[1, 2]\": restore it from a copy"}, show: []string{"version 3 is damaged"}},
	"unknown action": {do: func(t *testing.T, table string) { rewrite(t, entry(table, 3), appended(`{"frobnicate":{"path":"x"}}`)) },
		run: []string{`version 3 has an action "frobnicate": write to it with a newer program`}},
	"unknown action long ago": {do: func(t *testing.T, table string) { rewrite(t, entry(table, 1), appended(`{"frobnicate":{}}`)) },
		run: []string{`version 1 has an action "frobnicate": write to it with a newer program`}},
	"newer protocol": {do: func(t *testing.T, table string) {
		rewrite(t, entry(table, 3), appended(`{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]}}`))
	}, run: []string{"version 3", "readers must know deletionVectors", "read it with a newer program"}, show: []string{"readers must know deletionVectors"}},
	"newer reader": {do: func(t *testing.T, table string) {
		rewrite(t, entry(table, 0), replaced(`"minReaderVersion":1`, `"minReaderVersion":4`))
	}, run: []string{"reader version 4, and this one knows version 1: read it with a newer program"}, show: []string{"reader version 4"}},
	"newer writer": {do: func(t *testing.T, table string) {
		rewrite(t, entry(table, 3), appended(`{"protocol":{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["rowTracking"]}}`))
	}, run: []string{"writers must know rowTracking", "choose another table"}},
	"file missing": {do: func(t *testing.T, table string) {
		require.NoError(t, os.Remove(dataFile(t, table, 11)))
	}, run: []string{"version 3 of its log names window_date=", "T081100Z-1m0s-00000-of-00001-", "which is not there; restore it from a copy, or count into another --table"},
		show: []string{"the log names window_date=", "T081100Z-1m0s-00000-of-00001-"}},
	"file truncated": {do: func(t *testing.T, table string) {
		rewrite(t, dataFile(t, table, 11), half)
	}, run: []string{"T081100Z-1m0s-00000-of-00001-", " bytes, and version 3 of the log says ", "; restore it from a copy, or count into another --table"},
		show: []string{"T081100Z-1m0s-00000-of-00001-", "is damaged"}},
	"no window": {do: func(t *testing.T, table string) {
		rewrite(t, entry(table, 0), replaced(`"clickstream.window":"1m0s"`, `"clickstream.window":"soon"`))
	}, run: []string{`the configuration in its metadata is damaged: window "soon"`, "restore _delta_log from a copy"}, show: []string{"is damaged"}},
	"another program's": {do: func(t *testing.T, table string) {
		rewrite(t, entry(table, 0), replaced(`"clickstream.topic":`, `"topic":`))
	}, run: []string{"was not made by clickstream", "choose another folder"}, show: []string{"was not made by clickstream"}},
	"no log": {do: func(t *testing.T, table string) { require.NoError(t, os.RemoveAll(filepath.Join(table, "_delta_log"))) },
		run: []string{"no _delta_log", "choose another folder"}, show: []string{"was not written by this program"}},
	"another format": {do: func(*testing.T, string) {}, flags: []string{"--table-format", "parquet"},
		run: []string{"the folder is a Delta table", "choose another one"}},
}

var damagedParquet = map[string]damage{
	"record truncated": {do: func(t *testing.T, table string) { rewrite(t, filepath.Join(table, "_table.json"), half) },
		run: []string{"_table.json is damaged", "restore it from a copy"}},
	"record not JSON": {do: func(t *testing.T, table string) { rewrite(t, filepath.Join(table, "_table.json"), with("PAR1\n\xff")) },
		run: []string{"_table.json is damaged", "restore it from a copy"}},
	"file truncated": {do: func(t *testing.T, table string) {
		rewrite(t, dataFile(t, table, 11), half)
	}, run: []string{"T081100Z-1m0s-00000-of-00001.parquet cannot be used", "remove the file and let its window be counted again"}, show: []string{"T081100Z-1m0s-00000-of-00001.parquet cannot be used"}},
	"file empty": {do: func(t *testing.T, table string) {
		rewrite(t, dataFile(t, table, 10), with(""))
	}, run: []string{"T081000Z-1m0s-00000-of-00001.parquet cannot be used", "remove the file"}, show: []string{"T081000Z"}},
	"another program's file": {do: func(t *testing.T, table string) {
		require.NoError(t, os.WriteFile(filepath.Join(table, "part-0.parquet"), []byte("PAR1"), 0o600))
	}, run: []string{"part-0.parquet was not written by this program: choose another folder, or move the file away"}, show: []string{"part-0.parquet"}},
	"another format": {do: func(*testing.T, string) {}, flags: []string{"--table-format", "delta"},
		run: []string{"no _delta_log: it is not a Delta table", "go on with --table-format parquet"}},
}

// unfit are flags that no table of these tests fits.
var unfit = map[string]damage{
	"another window": {flags: []string{"--window", "2m"}, run: []string{"1m0s, not 2m0s: choose another folder, or go on with 1m0s"}},
	"more shards":    {flags: []string{"--shards", "3"}, run: []string{"1, not 3: choose another folder, or go on with 1"}},
}

// TestDamagedTables has a run and table show look at tables with which something is wrong: they say so in one line that
// names the table and the way out, and leave it as it is.
func TestDamagedTables(t *testing.T) {
	t.Parallel()
	c := kafkatest.StartEmbedded(t)
	for format, damages := range map[string]map[string]damage{"delta": damagedDelta, "parquet": damagedParquet} {
		whole, flags := tableOf(t, c, format)
		other := c.Topic(t, 1)
		try := func(name string, d damage) {
			t.Run(format+" "+name, func(t *testing.T) {
				t.Parallel()
				table := copied(t, whole)
				if d.do != nil {
					d.do(t, table)
				}
				before := tree(t, table)
				said := fails(t, max(d.code, 1), append(append([]string{"run", "--table", table}, flags...), d.flags...)...)
				assert.True(t, strings.HasPrefix(said, "clickstream: table "+table+": "), said)
				for _, words := range d.run {
					assert.Contains(t, said, words)
				}
				if d.show != nil {
					said = fails(t, 1, "table", "show", "--table", table)
					assert.True(t, strings.HasPrefix(said, "clickstream: table "+table+": "), said)
					for _, words := range d.show {
						assert.Contains(t, said, words)
					}
				} else {
					assert.Contains(t, run(t, "table", "show", "--table", table), " /11/2\n")
				}
				assert.Equal(t, before, tree(t, table), "something was changed")
			})
		}
		for name, d := range damages {
			try(name, d)
		}
		for name, d := range unfit {
			try(name, d)
		}
		try("another topic", damage{flags: []string{"--topic", other}, run: []string{"not ", other, "choose another folder"}})
	}
}

// TestTopicIsNotTheTables has a topic lose what the table needs of it, and then be made again.
func TestTopicIsNotTheTables(t *testing.T) {
	t.Parallel()
	c := kafkatest.StartEmbedded(t)
	for _, format := range []string{"delta", "parquet"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			table, flags := tableOf(t, c, format)
			topic := flags[3]
			before := tree(t, table)
			flags = append([]string{"run", "--table", table}, flags...)

			var gone kadm.Offsets
			gone.AddOffset(topic, 0, 8, -1)
			_, err := kadm.NewClient(c.Client(t)).DeleteRecords(t.Context(), gone)
			require.NoError(t, err)
			said := fails(t, 1, flags...)
			assert.Regexp(t, "^clickstream: data loss: topic "+topic+" partition 0 begins at offset 8, and table "+table+
				" needs it from [0-6]; raise the topic's retention, and go on without what is gone by --on-data-loss warn$", said)

			c.MakeAgain(t, topic, 1)
			said = fails(t, 1, flags...)
			assert.Regexp(t, "^clickstream: table "+table+": it was counted from topic "+topic+" of id [0-9A-Za-z_-]{22}, which is of id [0-9A-Za-z_-]{22} now: .*; choose another folder$", said)
			assert.Equal(t, before, tree(t, table), "something was changed")
			assert.Contains(t, run(t, "table", "show", "--table", table), " /11/2\n")
		})
	}
}

// TestClockJumpsBack has the newest version be a year ahead of the clock. The next one is later all the same, which
// is told, and each can be found by its time; nothing that is of the table is taken for garbage.
func TestClockJumpsBack(t *testing.T) {
	t.Parallel()
	c := kafkatest.StartEmbedded(t)
	table, flags := tableOf(t, c, "delta")
	ahead := time.Now().AddDate(1, 0, 0).UTC().Truncate(time.Second)
	rewrite(t, entry(table, 3), func(text []byte) []byte {
		return regexp.MustCompile(`"timestamp":\d+`).ReplaceAll(text, fmt.Appendf(nil, `"timestamp":%d`, ahead.UnixMilli()))
	})
	jumped := begin(t, append([]string{"run", "--table", table}, flags...)...)
	said := jumped.ends()
	require.Len(t, said, 1)
	assert.Contains(t, said[0], "level=WARN")
	assert.Contains(t, said[0], "the clock is behind that of the table's last version")
	text, err := os.ReadFile(entry(table, 4))
	require.NoError(t, err)
	assert.Contains(t, string(text), fmt.Sprintf(`"timestamp":%d,`, ahead.UnixMilli()+1))

	shown := func(at time.Time) string {
		return run(t, "table", "show", "--table", table, "--timestamp", at.Format(time.RFC3339Nano))
	}
	assert.NotContains(t, shown(ahead.Add(-time.Second)), "/11/2")
	assert.Contains(t, shown(ahead), "/11/2")
	assert.NotContains(t, shown(ahead), "/more")
	assert.Contains(t, shown(ahead.Add(time.Millisecond)), "/more")

	before := tree(t, table)
	assert.Equal(t, "removed 0 files, 0 bytes\n", run(t, "table", "vacuum", "--table", table, "--no-dry-run", "--force", "--retain", "0s"))
	assert.Equal(t, before, tree(t, table))
	assert.Contains(t, run(t, "table", "show", "--table", table), "/more")
}
