// Package kafka reaches a Kafka cluster: connection, topics, and the reader's core.
package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

const dialTimeout = 5 * time.Second

// DefaultRetryTimeout is how long a broker may be out of reach where a Connection names no limit.
const DefaultRetryTimeout = 30 * time.Second

// Mechanisms lists the SASL mechanisms that a Connection can use.
var Mechanisms = []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"}

// Connection says how to reach a Kafka cluster. It is serialized into the pipeline's graph: it holds paths
// of secrets, never secrets. The files are read again whenever a connection is opened, so that rotated
// passwords, tokens and certificates are taken up.
type Connection struct {
	Brokers []string // host:port; the port may be left out and is then 9092

	TLS     bool   // use TLS; naming any of the files below means it as well
	TLSCA   string // path of the PEM file of the authorities to trust; the system's where empty
	TLSCert string // path of the client's PEM certificate
	TLSKey  string // path of the client's PEM key

	SASLMechanism    string // one of Mechanisms, or empty for none
	SASLUser         string // not used by OAUTHBEARER
	SASLPasswordFile string // path of the password, or of the token with OAUTHBEARER

	RetryTimeout time.Duration // how long a broker may be out of reach before giving up; 0 is DefaultRetryTimeout
}

// Options returns the options of a franz-go client for c, after reading every file once, so that a missing
// or malformed one is an error here and not at the first connection.
func (c Connection) Options() ([]kgo.Opt, error) {
	opts, _, err := c.options()
	return opts, err
}

func (c Connection) options() ([]kgo.Opt, *logger, error) {
	seeds, err := c.seeds()
	if err != nil {
		return nil, nil, err
	}
	log := &logger{}
	opts := []kgo.Opt{
		kgo.SeedBrokers(seeds...),
		kgo.ClientID("clickstream"),
		kgo.RetryTimeout(c.retryTimeout()),
		kgo.DialTimeout(dialTimeout),
		kgo.WithLogger(log),
	}
	if c.usesTLS() {
		conf, err := c.tlsConfig()
		if err != nil {
			return nil, nil, err
		}
		opts = append(opts, kgo.Dialer(tlsDialer(conf)))
	}
	if c.SASLMechanism != "" {
		m, err := c.mechanism()
		if err != nil {
			return nil, nil, err
		}
		opts = append(opts, kgo.SASL(m))
	}
	return opts, log, nil
}

// Client returns a client with c's options and the extra ones. It does not connect: see Connect.
func (c Connection) Client(extra ...kgo.Opt) (*kgo.Client, error) {
	opts, err := c.Options()
	if err != nil {
		return nil, err
	}
	return newClient(append(opts, extra...))
}

func newClient(opts []kgo.Opt) (*kgo.Client, error) {
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("cannot set up the Kafka client: %w", err)
	}
	return cl, nil
}

// Connect returns a client that has reached the cluster. It fails as Ping does.
func (c Connection) Connect(ctx context.Context, extra ...kgo.Opt) (*kgo.Client, error) {
	opts, log, err := c.options()
	if err != nil {
		return nil, err
	}
	cl, err := newClient(append(opts, extra...))
	if err != nil {
		return nil, err
	}
	log.hushed.Store(true) // reach reports for itself
	if err := c.reach(ctx, cl); err != nil {
		cl.Close()
		return nil, err
	}
	log.hushed.Store(false)
	return cl, nil
}

// Ping reaches the cluster. It tries again until the retry timeout while no broker answers, and warns now
// and then; wrong credentials and mismatched TLS are told at once. Its errors are those of Explain.
func (c Connection) Ping(ctx context.Context) error {
	cl, err := c.Connect(ctx)
	if err != nil {
		return err
	}
	cl.Close()
	return nil
}

// answers asks the cluster's brokers for a sign of life: a seed for the list of them, then one of that list,
// since it may name addresses that cannot be reached from here.
func answers(ctx context.Context, cl *kgo.Client) error {
	if err := cl.Ping(ctx); err != nil {
		return err
	}
	var last error
	for _, b := range cl.DiscoveredBrokers() {
		if _, last = b.Request(ctx, kmsg.NewPtrApiVersionsRequest()); last == nil {
			return nil
		}
	}
	return last
}

func (c Connection) retryTimeout() time.Duration {
	if c.RetryTimeout <= 0 {
		return DefaultRetryTimeout
	}
	return c.RetryTimeout
}

func (c Connection) usesTLS() bool {
	return c.TLS || c.TLSCA != "" || c.TLSCert != "" || c.TLSKey != ""
}

func (c Connection) seeds() ([]string, error) {
	var seeds []string
	for _, b := range c.Brokers {
		if b = strings.TrimSpace(b); b == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(b); err != nil {
			b = net.JoinHostPort(strings.Trim(b, "[]"), "9092")
		}
		seeds = append(seeds, b)
	}
	if len(seeds) == 0 {
		return nil, fmt.Errorf("no Kafka broker is named; set --brokers to host:port[,host:port...]")
	}
	return seeds, nil
}

func (c Connection) tlsConfig() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLSCA != "" {
		pem, err := os.ReadFile(c.TLSCA)
		if err != nil {
			return nil, fmt.Errorf("cannot read --tls-ca: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--tls-ca %s holds no certificate; it must be a PEM file", c.TLSCA)
		}
	}
	switch {
	case c.TLSCert == "" && c.TLSKey == "":
		return conf, nil
	case c.TLSKey == "":
		return nil, fmt.Errorf("--tls-cert %s comes without its key; set --tls-key", c.TLSCert)
	case c.TLSCert == "":
		return nil, fmt.Errorf("--tls-key %s comes without its certificate; set --tls-cert", c.TLSKey)
	}
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("cannot use --tls-cert %s with --tls-key %s: %w", c.TLSCert, c.TLSKey, err)
		}
		return &pair, nil
	}
	if _, err := load(); err != nil {
		return nil, err
	}
	conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	return conf, nil
}

// handshakeTimeout is short, as a plaintext listener may leave a TLS greeting unanswered.
const handshakeTimeout = 5 * time.Second

// handshakeError is a TLS handshake that failed on a connection that was made.
type handshakeError struct {
	addr string
	err  error
}

func (e *handshakeError) Error() string { return "TLS handshake with " + e.addr + ": " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

// tlsDialer does as kgo.DialTLSConfig, but tells a failed handshake from a failed dial.
func tlsDialer(conf *tls.Config) func(context.Context, string, string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: dialTimeout}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, fmt.Errorf("broker %s: %w", addr, err)
		}
		raw, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		own := conf.Clone()
		own.ServerName = host
		conn := tls.Client(raw, own)
		ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
		defer cancel()
		if err := conn.HandshakeContext(ctx); err != nil {
			return nil, &handshakeError{addr, errors.Join(err, raw.Close())}
		}
		return conn, nil
	}
}

func (c Connection) mechanism() (sasl.Mechanism, error) {
	name := strings.ToUpper(c.SASLMechanism)
	if !slices.Contains(Mechanisms, name) {
		return nil, fmt.Errorf("--sasl-mechanism %s is unknown; it is one of %s", c.SASLMechanism, strings.Join(Mechanisms, ", "))
	}
	if c.SASLUser == "" && name != "OAUTHBEARER" {
		return nil, fmt.Errorf("--sasl-mechanism %s needs a user; set --sasl-user", name)
	}
	if _, err := c.secret(); err != nil {
		return nil, err
	}
	switch name {
	case "PLAIN":
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			secret, err := c.secret()
			return plain.Auth{User: c.SASLUser, Pass: secret}, err
		}), nil
	case "OAUTHBEARER":
		return oauth.Oauth(func(context.Context) (oauth.Auth, error) {
			secret, err := c.secret()
			return oauth.Auth{Token: secret}, err
		}), nil
	}
	auth := func(context.Context) (scram.Auth, error) {
		secret, err := c.secret()
		return scram.Auth{User: c.SASLUser, Pass: secret}, err
	}
	if name == "SCRAM-SHA-256" {
		return scram.Sha256(auth), nil
	}
	return scram.Sha512(auth), nil
}

// secret reads the password or token. A line break at its end is the editor's, not the secret's.
func (c Connection) secret() (string, error) {
	if c.SASLPasswordFile == "" {
		return "", fmt.Errorf("--sasl-mechanism %s needs a secret; set --sasl-password-file", c.SASLMechanism)
	}
	b, err := os.ReadFile(c.SASLPasswordFile)
	if err != nil {
		return "", fmt.Errorf("cannot read --sasl-password-file: %w", err)
	}
	s := strings.TrimRight(string(b), "\r\n")
	if s == "" {
		return "", fmt.Errorf("--sasl-password-file %s is empty", c.SASLPasswordFile)
	}
	return s, nil
}
