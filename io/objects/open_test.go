package objects_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/objects"
	"clickstream/testing/buckets"
)

func TestOpenChoosesByURL(t *testing.T) {
	buckets.AWS(t, "http://127.0.0.1:1")
	t.Setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:1")
	folder := t.TempDir()
	for where, want := range map[string]string{
		folder:                            folder,
		"./tables/views/":                 "tables/views",
		"file://" + folder + "/a%20table": filepath.Join(folder, "a table"),
		"file://localhost" + folder:       folder,
		"s3://bucket":                     "s3://bucket",
		"s3://bucket/":                    "s3://bucket",
		"s3://my.bucket-1/tables/views/":  "s3://my.bucket-1/tables/views",
		"gs://my_bucket/tables/a=1":       "gs://my_bucket/tables/a=1",
	} {
		assert.Equal(t, want, open(t, where).String(), where)
	}
}

func TestOpenRefuses(t *testing.T) {
	buckets.AWS(t, "http://127.0.0.1:1")
	t.Setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:1")
	for where, want := range map[string]string{
		"":                         "no place is named",
		"s3a://bucket/path":        "s3a:// is not known: take a path, file:///path, s3://bucket/path or gs://bucket/path",
		"https://host/path":        "https:// is not known",
		"file://host/path":         "a file's URL",
		"file://":                  "a file's URL",
		"s3://":                    "a bucket's name",
		"s3:///path":               "a bucket's name",
		"s3://key:well-kept@b/p":   "a bucket's name",
		"gs://bucket:80/p":         "a bucket's name",
		"s3://bucket/a/../b":       "names between slashes",
		"s3://bucket/a//b":         "names between slashes",
		"gs://bucket/a%20b":        "names between slashes",
		"gs://bucket/a?grpc=true":  "names between slashes",
		"s3://express--use1--x-s3": "directory bucket",
	} {
		store, err := objects.Open(t.Context(), where)
		assert.Nil(t, store, where)
		assertLine(t, err, want)
	}
}

func TestOpenNeedsRegionAndCredentials(t *testing.T) {
	buckets.AWS(t, "")
	_, err := objects.Open(t.Context(), "s3://bucket/path")
	assertLine(t, err, "s3://bucket: no region is given: set AWS_REGION")

	t.Setenv("AWS_REGION", "eu-central-1")
	_, err = objects.Open(t.Context(), "s3://bucket/path")
	require.NoError(t, err)

	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	_, err = objects.Open(t.Context(), "s3://bucket/path")
	assertLine(t, err, "s3://bucket: no credentials are found: set AWS_ACCESS_KEY_ID")

	t.Setenv("STORAGE_EMULATOR_HOST", "")
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "none.json"))
	_, err = objects.Open(t.Context(), "gs://bucket/path")
	assertLine(t, err, "gs://bucket: no credentials are found: set GOOGLE_APPLICATION_CREDENTIALS", "none.json")
}
