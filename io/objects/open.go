package objects

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// schemes says what Open takes, for who gave it something else.
const schemes = "take a path, file:///path, s3://bucket/path or gs://bucket/path"

var (
	schemed = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*)://(.*)$`)
	// bucketName is what S3 and GCS allow, and nothing that could be a secret before an @.
	bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
)

// Open returns the store of the objects below a URL or a path:
//
//	a path, file:///path   files on this machine, see Folder
//	s3://bucket/path       S3, and stores that speak as it does, see Bucket
//	gs://bucket/path       Google Cloud Storage, see Bucket
//
// Whether the bucket is there shows at the first call. The error names the URL, but no secret in it.
func Open(ctx context.Context, where string) (Store, error) {
	if where == "" {
		return nil, fmt.Errorf("no place is named: %s", schemes)
	}
	parts := schemed.FindStringSubmatch(where)
	if parts == nil {
		return NewFolder(where), nil
	}
	switch scheme, rest := parts[1], parts[2]; scheme {
	case "file":
		u, err := url.Parse(where)
		if err != nil || u.Path == "" || u.Host != "" && u.Host != "localhost" || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("%q: a file's URL is file:/// and an absolute path", where)
		}
		return NewFolder(u.Path), nil
	case "s3", "gs":
		bucket, folder, err := splitBucket(scheme, rest)
		if err != nil {
			return nil, err
		}
		if scheme == "s3" {
			return openS3(ctx, bucket, folder)
		}
		return openGCS(ctx, bucket, folder)
	default:
		return nil, fmt.Errorf("%s:// is not known: %s", scheme, schemes)
	}
}

// splitBucket takes apart what follows s3:// or gs://. What does not fit is not repeated, it might be a secret.
func splitBucket(scheme, rest string) (bucket, folder string, err error) {
	bucket, folder, _ = strings.Cut(rest, "/")
	if !bucketName.MatchString(bucket) {
		return "", "", fmt.Errorf("%s://: after it comes a bucket's name, of letters, digits, dots, dashes and underscores, "+
			"and then a slash and a path; credentials come by the environment", scheme)
	}
	folder = strings.Trim(folder, "/")
	if folder == "" {
		return bucket, "", nil
	}
	// Programs differ in whether these characters mean themselves, and a table is there for all programs.
	if strings.ContainsAny(folder, "%?#") || checkKey(folder) != nil {
		return "", "", fmt.Errorf("%s://%s: the path in it is of names between slashes, none of them empty, . or .., "+
			"and without %%, ? and #", scheme, bucket)
	}
	return bucket, folder, nil
}
