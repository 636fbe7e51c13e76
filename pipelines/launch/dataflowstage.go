package launch

import (
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	df "google.golang.org/api/dataflow/v1b3"

	"clickstream/io/objects"
)

// program is what workers are to run.
type program struct {
	file string
	size int64
	hash string // SHA-256, in hexadecimal digits
}

// armMachines are the families of machines that are not of amd64, from
// https://cloud.google.com/compute/docs/instances/arm-on-compute.
var armMachines = []string{"t2a-", "c4a-", "n4a-"}

// programOf looks at a program, this one if none is named, and refuses one that workers on those machines cannot run.
func programOf(file, machines string) (program, error) {
	if file == "" {
		self, err := os.Executable()
		if err != nil {
			return program{}, fmt.Errorf("find this program's own file, which is to be the worker: %w", err)
		}
		file = self
	}
	want, arch := elf.EM_X86_64, "amd64"
	for _, family := range armMachines {
		if strings.HasPrefix(machines, family) {
			want, arch = elf.EM_AARCH64, "arm64"
		}
	}
	header, err := elf.Open(file)
	if err != nil || header.Machine != want {
		if err == nil {
			_ = header.Close() // it was only read
		}
		return program{}, fmt.Errorf("%s is no program for linux/%s, as Dataflow's workers need it; build one by CGO_ENABLED=0 GOOS=linux GOARCH=%s go build ./pipelines/clickstream, and name it by --worker-binary", file, arch, arch)
	}
	_ = header.Close() // it was only read
	f, err := os.Open(file)
	if err != nil {
		return program{}, fmt.Errorf("read the worker's program: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	hash := sha256.New()
	size, err := io.Copy(hash, f)
	if err != nil {
		return program{}, fmt.Errorf("read the worker's program: %w", err)
	}
	return program{file, size, hex.EncodeToString(hash.Sum(nil))}, nil
}

// stage puts the program where it is not yet: its name tells what is in it, so runs that are repeated need it once.
func (p program) stage(ctx context.Context, to *objects.Bucket, name string) error {
	for object, err := range to.List(ctx, name, "") {
		if err != nil {
			return err
		}
		if object.Name == name && object.Size == p.size {
			return nil
		}
	}
	f, err := os.Open(p.file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	return to.Stream(ctx, name, f)
}

func (d Dataflow) staging(ctx context.Context) (*objects.Bucket, error) {
	b, err := openBucket(ctx, d.StagingLocation)
	if err != nil {
		return nil, fmt.Errorf("--staging-location: %w", err)
	}
	return b, nil
}

func openBucket(ctx context.Context, url string) (*objects.Bucket, error) {
	store, err := objects.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	bucket, ok := store.(*objects.Bucket)
	if !ok {
		return nil, fmt.Errorf("%s is no bucket; name gs://bucket/path", url)
	}
	return bucket, nil
}

// write puts the job where the launcher of a flex template, which creates it, looks for it.
func (d Dataflow) write(ctx context.Context, job *df.Job) error {
	folder, name := path.Split(strings.TrimPrefix(d.Job.TemplateLocation, "gs://"))
	text, err := json.Marshal(job)
	if err != nil {
		return fmt.Errorf("encode the job: %w", err)
	}
	to, err := openBucket(ctx, "gs://"+folder)
	if err == nil {
		err = to.Put(ctx, name, text)
	}
	if err != nil {
		return fmt.Errorf("--template-location: %w", err)
	}
	return ErrLeft
}
