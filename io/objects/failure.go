package objects

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"cloud.google.com/go/storage"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	"google.golang.org/api/googleapi"
)

// The codes of S3's answers that tell more than their status, from
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
const (
	conflictCode     = "ConditionalRequestConflict"
	noBucketCode     = "NoSuchBucket"
	preconditionCode = "PreconditionFailed"
)

var (
	regionCodes     = map[string]bool{"PermanentRedirect": true, "AuthorizationHeaderMalformed": true, "IllegalLocationConstraintException": true}
	credentialCodes = map[string]bool{"InvalidAccessKeyId": true, "SignatureDoesNotMatch": true, "ExpiredToken": true, "InvalidToken": true}
)

// failure is an error that has one line for people, and is context.Canceled or context.DeadlineExceeded where
// that is why. It is nothing else: a file of credentials that is absent is fs.ErrNotExist deep within, and would
// be taken for an object.
type failure struct {
	line string
	why  error // may be nil
}

func (f *failure) Error() string { return f.line }
func (f *failure) Unwrap() error { return f.why }

func newFailure(line string, err error) error {
	for _, why := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, why) {
			return &failure{line, why}
		}
	}
	return &failure{line, nil}
}

// answer is what a store answered a request that failed.
type answer struct {
	status        int    // of HTTP; 0 when there was no answer
	code, message string // may be empty
}

func answerOf(err error) answer {
	var google *googleapi.Error
	if errors.As(err, &google) {
		return answer{status: google.Code, message: google.Message}
	}
	var a answer
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		a.status = response.HTTPStatusCode()
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		a.code, a.message = api.ErrorCode(), api.ErrorMessage()
	}
	return a
}

// isAbsent says whether a store answered that there is no such object, or perhaps no such bucket. It asks the
// answer and not gocloud, which takes a denied access to GCS for an absent object.
func isAbsent(err error) bool {
	a := answerOf(err)
	return errors.Is(err, storage.ErrObjectNotExist) || a.status == http.StatusNotFound && a.code != noBucketCode
}

// isPresent says whether a store answered that a condition does not hold.
func isPresent(err error) bool {
	a := answerOf(err)
	return a.status == http.StatusPreconditionFailed || a.code == preconditionCode
}

// failure says of a call that failed where it was, what it was and the way out, in one line.
func (b *Bucket) failure(op, name string, err error) error {
	line := op + " " + b.url
	if name != "" {
		line += "/" + name
	}
	return newFailure(line+": "+b.reason(err), err)
}

func (b *Bucket) reason(err error) string {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return oneLine(err)
	}
	a := answerOf(err)
	said := strings.TrimSpace(strings.Trim(a.code+": "+a.message, ": "))
	if said == "" {
		said = http.StatusText(a.status)
	}
	said = fmt.Sprintf("%d %s", a.status, printable(said))
	switch {
	case a.code == noBucketCode || a.status == http.StatusNotFound || errors.Is(err, storage.ErrBucketNotExist):
		return fmt.Sprintf("there is no bucket %q%s: create it, or name another", b.name, b.at())
	case regionCodes[a.code] || a.status == http.StatusMovedPermanently:
		return fmt.Sprintf("the bucket is in another region (%s): set AWS_REGION to the bucket's", said)
	case credentialCodes[a.code] || a.status == http.StatusUnauthorized:
		return fmt.Sprintf("the store does not take the credentials (%s): check %s", said, b.credentials)
	case a.status == http.StatusForbidden:
		return fmt.Sprintf("access is denied (%s): allow %s, or check %s", said, b.rights, b.credentials)
	case a.status == http.StatusNotImplemented:
		return fmt.Sprintf("the store%s lacks what this needs (%s): take another one", b.at(), said)
	case a.status == http.StatusTooManyRequests || a.status >= http.StatusInternalServerError:
		return fmt.Sprintf("the store%s fails (%s): try again later", b.at(), said)
	case a.status >= http.StatusBadRequest:
		return fmt.Sprintf("the store%s answers %s", b.at(), said)
	}
	var network net.Error
	var unknown *net.DNSError
	switch {
	case errors.As(err, &unknown):
		return b.unreachable("there is no host " + unknown.Name)
	case errors.As(err, &network):
		return b.unreachable(oneLine(network))
	}
	return oneLine(err)
}

// at says which endpoint is meant, where it is not the provider's own.
func (b *Bucket) at() string {
	if b.endpoint == "" {
		return ""
	}
	return " at " + printable(withoutUser(b.endpoint))
}

func (b *Bucket) unreachable(why string) string {
	if b.endpoint == "" {
		return fmt.Sprintf("the store is not reachable (%s): check the network, and %s", why, b.endpointBy)
	}
	return fmt.Sprintf("the store%s is not reachable (%s): check that it runs, and %s", b.at(), why, b.endpointBy)
}

// withoutUser returns an endpoint without the user and password that may stand in it.
func withoutUser(endpoint string) string {
	_, host, found := strings.Cut(endpoint, "@")
	if !found {
		return endpoint
	}
	scheme, _, _ := strings.Cut(endpoint, "//")
	return scheme + "//" + host
}

// oneLine returns an error's words in a line, without the address of the request: at GCS the address of an
// upload is as good as a password.
func oneLine(err error) string {
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	}
	return printable(err.Error())
}

// printable makes a line of a store's words.
func printable(text string) string {
	const most = 300 // bytes
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
