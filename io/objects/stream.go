package objects

import (
	"context"
	"io"

	"gocloud.dev/blob"
)

// Stream puts an object of any size, in parts. It replaces one that is there, and leaves none where r fails.
func (b *Bucket) Stream(ctx context.Context, name string, r io.Reader) error {
	if err := readyKey(ctx, name); err != nil {
		return err
	}
	if err := b.blobs.Upload(ctx, b.prefix+name, r, &blob.WriterOptions{ContentType: "application/octet-stream"}); err != nil {
		return b.failure("put", name, err)
	}
	return nil
}
