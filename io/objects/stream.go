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
	// blob.Upload closes what it has written where r fails, and half an object is there (gocloud.dev 0.47). A writer
	// whose context is done leaves nothing.
	ctx, give := context.WithCancel(ctx)
	defer give()
	w, err := b.blobs.NewWriter(ctx, b.prefix+name, &blob.WriterOptions{ContentType: "application/octet-stream"})
	if err != nil {
		return b.failure("put", name, err)
	}
	if _, err := io.Copy(w, r); err != nil {
		give()
		_ = w.Close() // it says that its context is done
		return b.failure("put", name, err)
	}
	if err := w.Close(); err != nil {
		return b.failure("put", name, err)
	}
	return nil
}
