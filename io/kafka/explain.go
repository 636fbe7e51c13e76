package kafka

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What an error of Explain is about, for errors.Is.
var (
	// ErrUnreachable is returned when no broker answers. It may pass.
	ErrUnreachable = errors.New("kafka is out of reach")
	// ErrRefused is returned when a broker answers but TLS or SASL do not fit. Trying again does not help.
	ErrRefused = errors.New("kafka refused the connection")
	// ErrDenied is returned when a permission is missing. Trying again does not help.
	ErrDenied = errors.New("kafka denied the operation")
	// ErrNoTopic is returned when a topic does not exist.
	ErrNoTopic = errors.New("kafka has no such topic")
)

// Doing says what was being done, and to what, when an error came.
type Doing struct {
	Operation string // in Kafka's words: Read, Write, Describe, Create, Alter, Delete, AlterConfigs, DescribeConfigs
	Topic     string
	Flag      string // the option that names Topic, where it is not --topic
	Group     string
}

// fault is a translated error: one line, its kind, and the error that it was made of.
type fault struct {
	line  string
	kind  error // one of the sentinels, or nil
	err   error
	short string // line without the way out, where it has a long one
}

func (f *fault) Error() string { return f.line }
func (f *fault) Unwrap() []error {
	if f.kind == nil {
		return []error{f.err}
	}
	return []error{f.kind, f.err}
}

// Explain turns an error of the client into one line that names the thing, the value and the way out. An
// error that it does not know comes back with what was being done before it; nil comes back as nil, and an
// error that it made already as it is.
func (c Connection) Explain(err error, d Doing) error {
	if err == nil || isExplained(err) {
		return err
	}
	for _, about := range []func(error, Doing) *fault{c.aboutSASL, c.aboutAccess, c.aboutSize, c.aboutTLS, c.aboutClosing, c.aboutReach} {
		if f := about(err, d); f != nil {
			return f
		}
	}
	line := fmt.Sprintf("kafka at %s", c.where())
	switch {
	case d.Topic != "" && d.Operation != "":
		line = fmt.Sprintf("cannot %s topic %s", inWords(d.Operation), d.Topic)
	case d.Group != "":
		line = "consumer group " + d.Group
	}
	return &fault{line: line + ": " + err.Error(), err: err}
}

func isExplained(err error) bool {
	var f *fault
	return errors.As(err, &f)
}

func (c Connection) where() string {
	seeds, err := c.seeds()
	if err != nil {
		return "no broker"
	}
	return strings.Join(seeds, ",")
}

func (c Connection) refused(err error, format string, args ...any) *fault {
	return &fault{fmt.Sprintf("Kafka at %s: ", c.where()) + fmt.Sprintf(format, args...), ErrRefused, err, ""}
}

func (c Connection) aboutSASL(err error, _ Doing) *fault {
	switch {
	case strings.EqualFold(c.SASLMechanism, "OAUTHBEARER") && (errors.Is(err, kerr.SaslAuthenticationFailed) || strings.Contains(err.Error(), "oauth response")):
		// A refused token comes with the broker's reasons, which the client does not expect (RFC 7628, 3.2.2).
		return c.refused(err, "wrong SASL token (OAUTHBEARER); has the token in --sasl-password-file %s expired?", c.SASLPasswordFile)
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return c.wrongPassword(err, "wrong SASL user or password")
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return c.refused(err, "the broker does not offer SASL mechanism %s; set --sasl-mechanism to one that its listener offers (of %s)",
			c.SASLMechanism, strings.Join(Mechanisms, ", "))
	case errors.Is(err, kerr.IllegalSaslState) && c.SASLMechanism != "":
		return c.refused(err, "the broker's listener does not use SASL; leave out --sasl-mechanism, or use the port of a SASL listener")
	case errors.Is(err, kerr.IllegalSaslState):
		return c.needsSASL(err)
	}
	return nil
}

func (c Connection) wrongPassword(err error, what string) *fault {
	return c.refused(err, "%s for user %s (%s); check --sasl-user, --sasl-mechanism and the content of --sasl-password-file %s",
		what, c.SASLUser, c.SASLMechanism, c.SASLPasswordFile)
}

func (c Connection) needsSASL(err error) *fault {
	return c.refused(err, "the broker seems to require SASL, and none is given; set --sasl-mechanism, --sasl-user and --sasl-password-file")
}

func (c Connection) aboutAccess(err error, d Doing) *fault {
	denied := func(what, resource string) *fault {
		principal := "User:" + c.SASLUser
		if c.SASLUser == "" {
			principal = "User:NAME"
		}
		op := cmp.Or(d.Operation, "Describe")
		if strings.HasPrefix(resource, "--group") && d.Operation != "Describe" && d.Operation != "Delete" { // what is done with its offsets
			op = "Read"
		}
		short := fmt.Sprintf("no permission to %s %s", inWords(op), what)
		return &fault{fmt.Sprintf("%s; it needs the ACL %s: kafka-acls.sh --bootstrap-server %s --add --allow-principal %s --operation %s %s",
			short, op, c.where(), principal, op, resource), ErrDenied, err, short}
	}
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return denied("topic "+d.Topic, "--topic "+d.Topic)
	case errors.Is(err, kerr.GroupAuthorizationFailed) && d.Operation == "Delete":
		return denied("consumer group "+d.Group, "--group "+d.Group)
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return denied("with consumer group "+d.Group, "--group "+d.Group)
	case d.Group != "" && (errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.IllegalGeneration) || errors.Is(err, kerr.RebalanceInProgress)):
		return &fault{line: fmt.Sprintf("consumer group %s has members of its own, which commit its offsets; name another with --group", d.Group), err: err}
	case errors.Is(err, kerr.ClusterAuthorizationFailed) && d.Topic != "":
		return denied("topic "+d.Topic, "--topic "+d.Topic)
	case errors.Is(err, kerr.ClusterAuthorizationFailed):
		return denied("the cluster", "--cluster")
	case (errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID)) && d.Topic != "" && d.Operation == "Write":
		return &fault{fmt.Sprintf("topic %s does not exist in Kafka at %s, or no longer; make it with: clickstream topics apply FILE", d.Topic, c.where()), ErrNoTopic, err, ""}
	case (errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID)) && d.Topic != "":
		return &fault{fmt.Sprintf("topic %s does not exist in Kafka at %s; make it with: clickstream topics apply FILE, or name another with %s",
			d.Topic, c.where(), cmp.Or(d.Flag, "--topic")), ErrNoTopic, err, ""}
	case errors.Is(err, kerr.InvalidTopicException) && d.Topic != "":
		return &fault{fmt.Sprintf("%q is no valid topic name; it may hold letters, digits, '.', '_' and '-', 249 at most", d.Topic), ErrNoTopic, err, ""}
	}
	return nil
}

// aboutSize reads the client's word that a record is larger than its topic takes, which tells how large it is.
func (c Connection) aboutSize(err error, d Doing) *fault {
	if !errors.Is(err, kerr.MessageTooLarge) || d.Topic == "" {
		return nil
	}
	size, wants := "", "BYTES"
	if found := recordSize.FindStringSubmatch(err.Error()); found != nil {
		size, wants = " of "+found[1]+" bytes", strconv.Itoa((atoi(found[1])/(1<<20)+1)<<20)
	}
	line := fmt.Sprintf("a record%s is larger than topic %s takes; let it take more: kafka-configs.sh --bootstrap-server %s --alter --topic %s --add-config %s=%s",
		size, d.Topic, c.where(), d.Topic, maxMessageBytes, wants)
	if size != "" && !strings.Contains(err.Error(), " compressed_bytes=") { // it was not even sent
		line += "; if it takes that already, this user needs the ACL DescribeConfigs to be told so"
	}
	return &fault{line: line, err: err}
}

var recordSize = regexp.MustCompile(`uncompressed_bytes=(\d{1,15})\b`)

func (c Connection) aboutTLS(err error, _ Doing) *fault {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     = alertOf(err)
	)
	switch {
	case errors.As(err, &authority):
		if c.TLSCA == "" {
			return c.refused(err, "the broker's certificate is signed by an authority that this machine does not trust; name the authority's certificate with --tls-ca")
		}
		return c.refused(err, "the broker's certificate is not signed by the authority in --tls-ca %s", c.TLSCA)
	case errors.As(err, &host):
		return c.refused(err, "the broker's certificate is for another name: %s; name the broker in --brokers as its certificate does", host.Error())
	case errors.As(err, &invalid):
		return c.refused(err, "the broker's certificate is not valid: %s", invalid.Error())
	case errors.As(err, &record):
		return c.notTLS(err)
	case isOversized(err) && strings.Contains(err.Error(), "tls alert"):
		return c.refused(err, "the broker speaks TLS on this port; set --tls or --tls-ca, or use the port of a plaintext listener")
	case isOversized(err):
		return c.refused(err, "this is no Kafka broker, or not a plaintext listener of one; is the port in --brokers right?")
	case alert != "" && c.TLSCert == "":
		return c.refused(err, "the broker ended the TLS handshake (%s); if it wants a client certificate, set --tls-cert and --tls-key", alert)
	case alert != "":
		return c.refused(err, "the broker ended the TLS handshake (%s); is --tls-cert %s signed by an authority that it trusts?", alert, c.TLSCert)
	}
	return nil
}

// aboutClosing reads a connection that the broker closed before its first answer. Brokers do not say why,
// but when they do it tells TLS and SASL apart. A proxy with nobody behind it does the same, so it is only
// final when it happens again and again: see reach.
func (c Connection) aboutClosing(err error, _ Doing) *fault {
	if !closedAtOnce(err) {
		return nil
	}
	var first *kgo.ErrFirstReadEOF
	switch {
	case errors.As(err, &first) && strings.Contains(first.Error(), saslMissing) && c.SASLMechanism == "":
		return c.needsSASL(err)
	case c.usesTLS():
		return c.notTLS(err)
	}
	return c.refused(err, "the broker closed the connection at the first request; it seems to speak TLS on this port: "+
		"set --tls or --tls-ca, or use the port of a plaintext listener")
}

func (c Connection) notTLS(err error) *fault {
	return c.refused(err, "the broker does not answer the TLS handshake; it seems not to speak TLS on this port: "+
		"leave out --tls and the --tls- files, or use the port of a TLS listener")
}

// saslMissing is how the client marks a connection that was closed at the first request after its set-up.
const saslMissing = "is SASL missing?"

// closedAtOnce recognizes a connection that was made and then closed, reset or left without an answer in its
// first exchange.
func closedAtOnce(err error) bool {
	var (
		first     *kgo.ErrFirstReadEOF
		handshake *handshakeError
		op        *net.OpError
	)
	return errors.As(err, &first) || errors.As(err, &handshake) ||
		errors.As(err, &op) && op.Op == "read" && errors.Is(err, syscall.ECONNRESET)
}

// alertOf returns what the other side of a TLS connection gave as its reason to end it, or nothing. The
// alert's own type is not exported.
func alertOf(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return op.Err.Error()
	}
	return ""
}

// isOversized recognizes what is no answer of Kafka's, read as the length of one.
func isOversized(err error) bool {
	return strings.Contains(err.Error(), "invalid large response size")
}

func (c Connection) aboutReach(err error, _ Doing) *fault {
	why, addr := networkCause(err)
	if why == "" {
		return nil
	}
	seeds, _ := c.seeds()
	if addr != "" && !slices.Contains(seeds, addr) && !isLookedUp(seeds, addr) {
		return &fault{fmt.Sprintf("cannot reach Kafka at %s: %s; the brokers at %s give this address out: are their advertised.listeners right for this machine?",
			addr, why, c.where()), ErrUnreachable, err, ""}
	}
	return &fault{fmt.Sprintf("cannot reach Kafka at %s: %s; is the broker running, and is --brokers right?", c.where(), why), ErrUnreachable, err, ""}
}

// networkCause returns the innermost reason of a network error in words, and the address that was dialled
// where it is known; an empty reason for any other error.
func networkCause(err error) (why, addr string) {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" && op.Addr != nil {
		addr = op.Addr.String()
	}
	var (
		dns   *net.DNSError
		errno syscall.Errno
		netOp net.Error
	)
	switch {
	case errors.As(err, &dns):
		return "no such host: " + dns.Name, ""
	case errors.As(err, &errno):
		return errno.Error(), addr
	case errors.As(err, &netOp) && netOp.Timeout(), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer in time", addr
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return "the connection was closed", addr
	case op != nil:
		return op.Err.Error(), addr
	}
	return "", ""
}

// isLookedUp tells whether addr, an IP address and a port, is one that a seed's name may stand for. Only the
// port is compared: which addresses a name has is the resolver's business.
func isLookedUp(seeds []string, addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	return err != nil || slices.ContainsFunc(seeds, func(s string) bool { return strings.HasSuffix(s, ":"+port) })
}

// inWords returns an operation of Kafka's ACLs as a verb.
func inWords(operation string) string {
	switch operation {
	case "AlterConfigs":
		return "change the configuration of"
	case "DescribeConfigs":
		return "read the configuration of"
	case "Write":
		return "write to"
	}
	return strings.ToLower(operation)
}

const (
	firstPause  = 250 * time.Millisecond
	lastPause   = 5 * time.Second
	warnEvery   = 5 * time.Second
	closedTimes = 3 // a connection closed at once so many times in a row is a refusal
)

// reach waits until the cluster answers, see Ping.
func (c Connection) reach(ctx context.Context, cl *kgo.Client) error {
	var (
		start  = time.Now()
		limit  = c.retryTimeout()
		pause  = firstPause
		closed int
		before error // what the attempt before told
		warned time.Time
	)
	for {
		err := attempt(ctx, start.Add(limit), cl)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("stopped while reaching Kafka at %s: %w", c.where(), context.Cause(ctx))
		}
		final, explained := c.explainFirst(err)
		if before != nil && errors.Is(err, context.DeadlineExceeded) && time.Since(start) >= limit {
			return gaveUp(before, limit) // the limit cut this attempt short, and it tells less
		}
		before = explained
		if !final && errors.Is(explained, ErrRefused) {
			closed++
		} else {
			closed = 0
		}
		if final || closed == closedTimes {
			return explained
		}
		if time.Since(start)+pause >= limit {
			return gaveUp(explained, limit)
		}
		if errors.Is(explained, ErrUnreachable) && time.Since(warned) >= warnEvery {
			slog.Warn("waiting for Kafka", "error", explained, "gives_up_in", (limit - time.Since(start)).Round(time.Second).String())
			warned = time.Now()
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// attempt asks once, until the deadline at most: the client itself does not give up on a silent connection
// before its own timeouts.
func attempt(ctx context.Context, deadline time.Time, cl *kgo.Client) error {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- answers(ctx, cl) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// explainFirst explains an error of the first exchange with a broker, and tells whether trying again is of
// no use. A connection that was merely cut may be a mismatch or a broker that is just starting.
func (c Connection) explainFirst(err error) (final bool, explained error) {
	var (
		first  *kgo.ErrFirstReadEOF
		verify *tls.CertificateVerificationError
		record tls.RecordHeaderError
	)
	if c.SASLMechanism != "" && errors.Is(err, io.EOF) && (!errors.As(err, &first) || strings.Contains(first.Error(), saslMissing)) {
		// Kafka answers a wrong password, but some of its likes hang up.
		return false, c.wrongPassword(err, "the broker closed the connection in SASL authentication, most likely for a wrong SASL user or password")
	}
	explained = c.Explain(err, Doing{})
	cut := closedAtOnce(err) && !errors.As(err, &verify) && !errors.As(err, &record) && alertOf(err) == ""
	return !cut && !errors.Is(explained, ErrUnreachable), explained
}

// gaveUp puts how long it was tried behind the cause and before the way out.
func gaveUp(err error, limit time.Duration) error {
	var f *fault
	if !errors.As(err, &f) {
		return fmt.Errorf("%w (gave up after %s)", err, limit)
	}
	cause, out, _ := strings.Cut(f.line, "; ")
	line := fmt.Sprintf("%s (gave up after %s)", cause, limit)
	if out != "" {
		line += "; " + out
	}
	return &fault{line, f.kind, f.err, ""}
}
