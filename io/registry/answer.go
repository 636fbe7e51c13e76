package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

// The wait before a request is made again doubles from the first to the last.
const (
	firstWait = 50 * time.Millisecond
	lastWait  = 2 * time.Second
)

// Redact returns a registry's URL without its user and password. It does not rely on the URL being valid:
// whatever stands before the last @ is left out.
func Redact(s string) string {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return s
	}
	scheme := ""
	if i := strings.Index(s[:at], "://"); i >= 0 {
		scheme = s[:i+len("://")]
	}
	return scheme + s[at+1:]
}

// parseURL returns a registry's URL without its user information, and that.
func parseURL(s string) (base string, user *url.Userinfo, err error) {
	base = Redact(s)
	u, err := url.Parse(s)
	switch {
	case err != nil:
		// The cause quotes the URL, with the password.
		return "", nil, fmt.Errorf("registry URL %q is not valid: give one like http://localhost:8081, with special characters in user and password escaped", base)
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return "", nil, fmt.Errorf("registry URL %q is not valid: give one like http://localhost:8081", base)
	case u.RawQuery != "" || u.Fragment != "":
		return "", nil, fmt.Errorf("registry URL %q is not valid: it must end with its path", base)
	}
	user, u.User = u.User, nil
	return u.String(), user, nil
}

// retry calls do until it succeeds, final says that its error will not go away, ctx is done, or the retry
// timeout is over. what is what the registry could not do, in words.
func (r *Registry) retry(ctx context.Context, what string, final func(error) bool, do func(context.Context) error) error {
	begin := time.Now()
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	var before error // what the attempt before told
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		err := do(limited)
		if limited.Err() != nil && before != nil && errors.Is(err, context.DeadlineExceeded) {
			err = before // the limit cut this attempt short, and it tells less
		}
		before = err
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("registry %s: %w", r.name, context.Cause(ctx))
		case final(err):
			return fmt.Errorf("registry %s cannot %s: %w%s", r.name, what, err, wayOut(err))
		}
		if wait == firstWait {
			slog.WarnContext(ctx, "the registry does not answer as it should, trying again", "registry", r.name, "error", err, "retry_timeout", r.timeout)
		}
		select {
		case <-limited.Done():
			if ctx.Err() != nil {
				return fmt.Errorf("registry %s: %w", r.name, context.Cause(ctx))
			}
			return fmt.Errorf("registry %s cannot %s, tried for %s: %w; is the registry up, and its URL right?",
				r.name, what, time.Since(begin).Round(time.Millisecond), err)
		case <-time.After(wait/2 + rand.N(wait/2)): // so that many readers do not ask in step
		}
	}
}

// isUnknown reports whether the registry answered that it has no such schema. A 404 without the registry's
// own code may come from a proxy or a wrong path.
func isUnknown(err error) bool {
	var e *sr.ResponseError
	return errors.As(err, &e) && e.StatusCode == http.StatusNotFound && e.ErrorCode == sr.ErrSchemaNotFound.Code
}

// refused reports whether the registry understood the request and will not do it, now or later.
func refused(err error) bool {
	switch code := status(err); code {
	case http.StatusNotFound, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	default:
		return code >= 400 && code < 500
	}
}

// status returns the HTTP status that err stands for, or 0.
func status(err error) int {
	var e *sr.ResponseError
	if errors.As(err, &e) {
		return e.StatusCode
	}
	return 0
}

// answer is an error that the registry answered with, on one line.
type answer struct{ *sr.ResponseError }

func (a answer) Error() string {
	s := fmt.Sprintf("HTTP %d %s", a.StatusCode, http.StatusText(a.StatusCode))
	if a.ErrorCode != 0 && a.Message != "" { // anything else is a page for a browser
		s += fmt.Sprintf(", %d %s", a.ErrorCode, strings.Join(strings.Fields(a.Message), " "))
	}
	return s
}

func (a answer) Unwrap() error { return a.ResponseError }

// told returns an error of sr's in words fit for a message: sr names the URL twice, and quotes pages.
func told(err error) error {
	var e *sr.ResponseError
	if errors.As(err, &e) {
		return answer{e}
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// wayOut returns what to do about a refusal.
func wayOut(err error) string {
	switch status(err) {
	case http.StatusUnauthorized:
		return "; give user and password in the registry's URL: https://USER:PASSWORD@HOST"
	case http.StatusForbidden:
		return "; grant the URL's user the right to it"
	default:
		return ""
	}
}
