package delta_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"clickstream/io/delta"
)

const aProtocol = `{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}`

func TestParseEntryRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":      "it holds no action",
		"\n \n": "it holds no action",
		"hello": "line 1: it is no action in JSON",
		aProtocol + "\n" + `{"add":{"path":"a","siz`: "line 2: it is no action in JSON",
		`[]`:           "line 1: it is no action in JSON",
		`{}`:           "line 1: it holds 0 actions",
		`{"add":null}`: "line 1: it holds 0 actions",
		`{"add":{"path":"a"},"txn":{"appId":"b","version":1}}`: "line 1: it holds 2 actions",
		`{"add":{}}`:                        "line 1: it names no file",
		`{"add":{"path":"%"}}`:              "line 1: path",
		`{"remove":{"dataChange":true}}`:    "line 1: it names no file",
		`{"add":{"path":"a","size":"1"}}`:   "line 1: it is no action in JSON",
		`{"add":{"path":"a","path":"b"}}`:   "line 1: it is no action in JSON",
		`{"add":{"path":"` + "\xff" + `"}}`: "line 1: it is no action in JSON",
		aProtocol + "\n" + aProtocol:        "line 2: there is a protocol",
		`{"protocol":{}}`:                   "line 1: the protocol names no versions",
		`{"txn":{"version":1}}`:             "line 1: the txn names no application",
	} {
		_, err := delta.ParseEntry(0, []byte(text))
		assert.ErrorContains(t, err, want, text)
	}
}

func TestParseEntryIsTolerantOfWhatTheProtocolAllows(t *testing.T) {
	e, err := delta.ParseEntry(7, []byte(`
{"commitInfo":{"timestamp":"soon","operation":"WRITE","operationMetrics":{"n":3,"s":"4","o":{"p":[]}},"txnId":"x","new":1}}
{"add":{"path":"a","partitionValues":{"p":null,"q":"1"},"size":1,"modificationTime":2,"dataChange":true,"tags":null,"clusteringProvider":null,"new":{}}}
{"cdc":{"path":"c"}}
{"domainMetadata":{"domain":"d","configuration":"","removed":false}}
{"invented":{"a":1}}
{"remove":{"path":"b","dataChange":false,"stats":"{}"}}`))
	require.NoError(t, err)
	assert.Equal(t, &delta.CommitInfo{Operation: "WRITE", TxnID: "x", OperationMetrics: map[string]string{"n": "3", "s": "4", "o": `{"p":[]}`}}, e.Info)
	require.Len(t, e.Adds, 1)
	assert.Equal(t, delta.Values{"p": "", "q": "1"}, e.Adds[0].PartitionValues)
	assert.Len(t, e.Removes, 1)
	assert.Equal(t, []string{"invented"}, e.Unknown)
	_, err = e.Format()
	assert.ErrorContains(t, err, "invented", "what is not understood is not written")
}

func TestEntryThereAndBack(t *testing.T) {
	text := rapid.StringN(0, 10, -1)
	values := rapid.MapOf(text, text)
	name := rapid.StringMatching(`[a-z%/ é:]{1,8}[a-z]`)
	rapid.Check(t, func(r *rapid.T) {
		e := &delta.Entry{Version: 3, Info: &delta.CommitInfo{
			Timestamp: rapid.Int64().Draw(r, "at"), Operation: text.Draw(r, "operation"), TxnID: text.Draw(r, "id"),
		}}
		for range rapid.IntRange(0, 3).Draw(r, "adds") {
			e.Adds = append(e.Adds, delta.Add{
				Path: delta.EscapePath(name.Draw(r, "path")), PartitionValues: values.Draw(r, "values"),
				Size: rapid.Int64().Draw(r, "size"), DataChange: rapid.Bool().Draw(r, "change"), Stats: text.Draw(r, "stats"),
			})
			e.Removes = append(e.Removes, e.Adds[0].Remove(time.UnixMilli(5), false))
		}
		data, err := e.Format()
		require.NoError(r, err)
		back, err := delta.ParseEntry(3, data)
		require.NoError(r, err)
		require.Equal(r, e, back)
	})
}

func FuzzParseEntry(f *testing.F) {
	f.Add([]byte(aProtocol))
	f.Add([]byte(`{"add":{"path":"a%20b","partitionValues":{"p":null},"size":1,"modificationTime":2,"dataChange":true}}` + "\n" +
		`{"remove":{"path":"b","dataChange":false}}`))
	f.Add([]byte(`{"metaData":{"id":"a","format":{"provider":"parquet","options":{}},"partitionColumns":[],"configuration":{}}}`))
	f.Add([]byte(`{"commitInfo":{"timestamp":1}}` + "\r\n" + `{"txn":{"appId":"a","version":-1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := delta.ParseEntry(1, data)
		if err != nil || len(e.Unknown) > 0 {
			return
		}
		text, err := e.Format()
		require.NoError(t, err)
		if len(text) == 0 {
			return // only actions that are of no concern
		}
		again, err := delta.ParseEntry(1, text)
		require.NoError(t, err)
		second, err := again.Format()
		require.NoError(t, err)
		require.Equal(t, string(text), string(second))
	})
}
