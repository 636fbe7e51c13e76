package objects

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob/s3blob"
)

const (
	// singlePut is the largest object that S3 takes in one request, in bytes.
	singlePut = 5 << 30
	// anyRegion is signed for where an endpoint is given and no region: such stores mostly have none.
	anyRegion = "us-east-1"
	// directoryBucket ends the names of S3's directory buckets.
	directoryBucket = "--x-s3"
)

// openS3 connects by what the environment and the files of the AWS tools say: AWS_REGION, AWS_PROFILE,
// AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL_S3 and so on.
func openS3(ctx context.Context, bucket, folder string) (*Bucket, error) {
	url := "s3://" + bucket
	if strings.HasSuffix(bucket, directoryBucket) {
		return nil, fmt.Errorf("%s: a directory bucket lists its objects in no order, take a general purpose bucket", url)
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, newFailure(fmt.Sprintf("%s: read the settings of AWS: %s: check AWS_PROFILE and ~/.aws/config", url, oneLine(err)), err)
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		// S3 answers so while another request for the object goes on, and then it is to be asked again.
		o.Retryer = retry.AddWithErrorCodes(o.Retryer, conflictCode)
		if o.BaseEndpoint == nil {
			return
		}
		o.UsePathStyle = true // a host's name of the bucket's own is rare where the endpoint is given
		if o.Region == "" {
			o.Region = anyRegion
		}
		// Several of these stores reject the checksums that the library adds unasked.
		if cfg.RequestChecksumCalculation == aws.RequestChecksumCalculationUnset {
			o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		}
		if cfg.ResponseChecksumValidation == aws.ResponseChecksumValidationUnset {
			o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		}
	})
	options := client.Options()
	if options.Region == "" {
		return nil, fmt.Errorf("%s: no region is given: set AWS_REGION to the bucket's", url)
	}
	const credentials = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
	if _, err := options.Credentials.Retrieve(ctx); err != nil {
		return nil, newFailure(fmt.Sprintf("%s: no credentials are found: set %s (%s)", url, credentials, oneLine(err)), err)
	}
	blobs, err := s3blob.OpenBucket(ctx, client, bucket, &s3blob.Options{RequestChecksumCalculation: options.RequestChecksumCalculation})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	uploads := transfermanager.New(client, func(o *transfermanager.Options) {
		o.RequestChecksumCalculation = options.RequestChecksumCalculation
		o.MultipartUploadThreshold = singlePut + 1
	})
	return newBucket("s3", folder, provider{
		blobs: blobs,
		name:  bucket,
		inOneRequest: func(as func(any) bool) error {
			// An upload in parts leaves them behind, unseen and paid for, when the process is killed. And few
			// stores heed a condition on it.
			var manager *transfermanager.Client
			if !as(&manager) {
				return fmt.Errorf("%s: gocloud uploads by other means than the transfer manager", url)
			}
			*manager = *uploads
			return nil
		},
		listFrom: func(key string) func(func(any) bool) error {
			return func(as func(any) bool) error {
				var input *s3.ListObjectsV2Input
				if as(&input) {
					input.StartAfter = aws.String(key)
				}
				return nil // what comes before is left out anyway
			}
		},
		endpoint:    aws.ToString(options.BaseEndpoint),
		endpointBy:  "AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL",
		credentials: credentials,
		rights:      "s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on its objects",
	}), nil
}
