package delta_test

import (
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"clickstream/io/delta"
)

func TestPartitionFolder(t *testing.T) {
	// As the golden tables data-reader-escaped-chars and data-reader-partition-values have them.
	for want, from := range map[string][2]string{
		"_2=bar+%252521": {"_2", "bar+%21"},
		"as_timestamp=2021-09-08%2011%253A11%253A11": {"as_timestamp", "2021-09-08 11:11:11"},
		"as_int=__HIVE_DEFAULT_PARTITION__":          {"as_int", ""},
		"as_float=0.0":                               {"as_float", "0.0"},
		"window_date=2026-11-23":                     {"window_date", "2026-11-23"},
		"a%253Db=%255Bx%255D%257By%7D":               {"a=b", "[x]{y}"},
		"p=%257F%2501%C3%A9":                         {"p", "\x7f\x01é"},
	} {
		assert.Equal(t, want, delta.EscapePath(delta.PartitionFolder(from[0], from[1])))
	}
}

func TestUnescapePath(t *testing.T) {
	for escaped, want := range map[string]string{
		"part-0.parquet":                             "part-0.parquet",
		"special%20p@%23h":                           "special p@#h",
		"_2=bar+%252521/f":                           "_2=bar+%2521/f",
		"./a//b/../c":                                "a/c",
		"/some/absolute/path":                        "/some/absolute/path",
		"file:/some/absolute/path":                   "/some/absolute/path",
		"file:///some/absolute/path":                 "/some/absolute/path",
		"FILE://host/some/absolute/path":             "/some/absolute/path",
		"file:/some/unqualified/with%20space/p@%23h": "/some/unqualified/with space/p@#h",
		"/some/unqualified/with%20space/p@%23h":      "/some/unqualified/with space/p@#h",
		"s3://bucket/a%20b":                          "s3://bucket/a b",
		"a%3Ab/c":                                    "a:b/c",
		"p=12:30/c":                                  "p=12:30/c",
	} {
		got, err := delta.UnescapePath(escaped)
		require.NoError(t, err, escaped)
		assert.Equal(t, want, got, escaped)
	}
	for escaped, want := range map[string]string{
		"100%":   "a % that escapes nothing",
		"a%2":    "a % that escapes nothing",
		"a%zz/b": "a % that escapes nothing",
		"%FF":    "not UTF-8",
		"\xff":   "not UTF-8",
		"":       "names no file",
		"./":     "names no file",
	} {
		_, err := delta.UnescapePath(escaped)
		assert.ErrorContains(t, err, want, escaped)
	}
}

func TestEscapePathAndBack(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		checkEscape(r, rapid.String().Draw(r, "name"))
	})
}

func FuzzEscapePath(f *testing.F) {
	for _, name := range []string{"a", "p=x y/%41", "s3://b/k", "é:#?", "file:/x", "../a"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) { checkEscape(t, name) })
}

// checkEscape checks that a name survives the way into the log and back, and that whatever else is read as a
// path is read the same again.
func checkEscape(t require.TestingT, name string) {
	if utf8.ValidString(name) && path.Clean(name) == name && name != "." {
		escaped := delta.EscapePath(name)
		require.Equal(t, -1, strings.IndexFunc(escaped, func(c rune) bool { return c <= ' ' || c >= 0x7f }), escaped)
		back, err := delta.UnescapePath(escaped)
		require.NoError(t, err)
		require.Equal(t, name, back)
	}
	if read, err := delta.UnescapePath(name); err == nil {
		again, err := delta.UnescapePath(delta.EscapePath(read))
		require.NoError(t, err)
		require.Equal(t, path.Clean(read), again)
	}
}
