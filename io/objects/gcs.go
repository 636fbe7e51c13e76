package objects

import (
	"context"
	"fmt"
	"os"
	"time"

	"cloud.google.com/go/storage"
	"github.com/googleapis/gax-go/v2"
	"gocloud.dev/blob/gcsblob"
	"google.golang.org/api/option"
)

const (
	emulator = "STORAGE_EMULATOR_HOST"
	// gcsAttempts is how often a request is sent at most. The library's own default is without end, and who
	// mistyped an endpoint would wait forever. With the waits between them, attempts go on for up to 10 s.
	gcsAttempts = 5
)

// openGCS connects by the application's default credentials, GOOGLE_APPLICATION_CREDENTIALS for one, or to the
// emulator of STORAGE_EMULATOR_HOST without any.
func openGCS(ctx context.Context, bucket, folder string) (*Bucket, error) {
	url := "gs://" + bucket
	const credentials = "GOOGLE_APPLICATION_CREDENTIALS, or gcloud auth application-default login"
	// Reading by JSON reaches an emulator by any name; XML, the default, wants the one that it calls itself by.
	options := []option.ClientOption{storage.WithJSONReads()}
	host := os.Getenv(emulator)
	if host != "" {
		options = append(options, option.WithoutAuthentication())
	}
	client, err := storage.NewClient(ctx, options...)
	if err != nil {
		return nil, newFailure(fmt.Sprintf("%s: no credentials are found: set %s (%s)", url, credentials, oneLine(err)), err)
	}
	// All calls of a store may be repeated: a condition guards PutIfAbsent, and the others do the same again.
	client.SetRetry(
		storage.WithPolicy(storage.RetryAlways),
		storage.WithMaxAttempts(gcsAttempts),
		storage.WithBackoff(gax.Backoff{Initial: 250 * time.Millisecond, Max: 8 * time.Second, Multiplier: 3}),
	)
	blobs, err := gcsblob.OpenBucket(ctx, nil, bucket, &gcsblob.Options{Client: client})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	return newBucket("gs", folder, provider{
		blobs: blobs,
		name:  bucket,
		listFrom: func(key string) func(func(any) bool) error {
			return func(as func(any) bool) error {
				var query *storage.Query
				if as(&query) {
					query.StartOffset = key
				}
				return nil // what comes before is left out anyway
			}
		},
		endpoint:    host,
		endpointBy:  emulator,
		credentials: credentials,
		rights:      "storage.objects.list, get, create and delete, as the role Storage Object User does",
	}), nil
}
