package kafka_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"clickstream/io/embedded"
	"clickstream/io/kafka"
)

// broker starts a broker for the test and returns its address.
func broker(t *testing.T, opts ...kfake.Opt) *embedded.Broker {
	t.Helper()
	b, err := embedded.StartBroker(opts...)
	require.NoError(t, err)
	t.Cleanup(b.Close)
	return b
}

// file writes a file for the test and returns its path.
func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func tlsBroker(t *testing.T, opts ...kfake.Opt) (*embedded.Authority, *embedded.Broker) {
	t.Helper()
	ca, err := embedded.NewAuthority()
	require.NoError(t, err)
	server, err := ca.Server()
	require.NoError(t, err)
	return ca, broker(t, append(opts, kfake.TLS(server))...)
}

// answering accepts connections at a free port and hands each to serve.
func answering(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
		}
	}()
	t.Cleanup(func() { assert.NoError(t, l.Close()); <-done })
	return l.Addr().String()
}

func TestPing(t *testing.T) {
	t.Run("plaintext", func(t *testing.T) {
		c := kafka.Connection{Brokers: []string{broker(t).Addr()}}
		require.NoError(t, c.Ping(t.Context()))
	})
	t.Run("one seed of two is down", func(t *testing.T) {
		c := kafka.Connection{Brokers: []string{"127.0.0.1:1", broker(t).Addr()}}
		require.NoError(t, c.Ping(t.Context()))
	})
	t.Run("TLS", func(t *testing.T) {
		ca, b := tlsBroker(t)
		c := kafka.Connection{Brokers: []string{b.Addr()}, TLSCA: file(t, "ca.pem", string(ca.PEM))}
		require.NoError(t, c.Ping(t.Context()))
	})
	t.Run("a client certificate", func(t *testing.T) {
		ca, b := tlsBroker(t)
		cert, key, err := ca.Issue("alice")
		require.NoError(t, err)
		c := kafka.Connection{
			Brokers: []string{b.Addr()}, TLSCA: file(t, "ca.pem", string(ca.PEM)),
			TLSCert: file(t, "cert.pem", string(cert)), TLSKey: file(t, "key.pem", string(key)),
		}
		require.NoError(t, c.Ping(t.Context()))
	})
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			b := broker(t, kfake.EnableSASL(), kfake.Superuser(mechanism, "alice", "s3cret"))
			c := kafka.Connection{
				Brokers: []string{b.Addr()}, SASLMechanism: strings.ToLower(mechanism),
				SASLUser: "alice", SASLPasswordFile: file(t, "password", "s3cret\n"),
			}
			require.NoError(t, c.Ping(t.Context()))
		})
	}
}

// TestPingRefused pins the line of each refusal, and that none is tried for the whole retry timeout.
func TestPingRefused(t *testing.T) {
	scram := func(t *testing.T, c kafka.Connection) kafka.Connection {
		b := broker(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "alice", "s3cret"))
		c.Brokers = []string{b.Addr()}
		return c
	}
	for name, connection := range map[string]struct {
		make func(*testing.T) kafka.Connection
		want []string
	}{
		"wrong password, as Kafka answers it": {func(t *testing.T) kafka.Connection {
			b := broker(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "alice", "s3cret"))
			b.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
				b.KeepControl()
				resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
				resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
				return resp, nil, true
			})
			return kafka.Connection{Brokers: []string{b.Addr()}, SASLMechanism: "PLAIN", SASLUser: "alice", SASLPasswordFile: file(t, "password", "hunter2")}
		}, []string{": wrong SASL user or password for user alice (PLAIN)", "--sasl-password-file"}},
		"wrong token": {func(t *testing.T) kafka.Connection {
			b := broker(t, kfake.EnableSASL())
			b.ControlKey(int16(kmsg.SASLHandshake), func(req kmsg.Request) (kmsg.Response, error, bool) {
				b.KeepControl()
				return req.ResponseKind(), nil, true
			})
			b.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
				b.KeepControl()
				resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
				resp.SASLAuthBytes = []byte(`{"status":"invalid_token"}`) // as Kafka 4.4 answers
				return resp, nil, true
			})
			return kafka.Connection{Brokers: []string{b.Addr()}, SASLMechanism: "OAUTHBEARER", SASLPasswordFile: file(t, "token", "hunter2")}
		}, []string{": wrong SASL token (OAUTHBEARER); has the token in --sasl-password-file"}},
		"wrong password, hung up on": {func(t *testing.T) kafka.Connection {
			return scram(t, kafka.Connection{SASLMechanism: "SCRAM-SHA-256", SASLUser: "alice", SASLPasswordFile: file(t, "password", "hunter2")})
		}, []string{"wrong SASL user or password for user alice (SCRAM-SHA-256)", "--sasl-password-file"}},
		"mechanism not offered": {func(t *testing.T) kafka.Connection {
			return scram(t, kafka.Connection{SASLMechanism: "OAUTHBEARER", SASLPasswordFile: file(t, "token", "hunter2")})
		}, []string{"does not offer SASL mechanism OAUTHBEARER", "--sasl-mechanism"}},
		"SASL needed": {func(t *testing.T) kafka.Connection {
			return scram(t, kafka.Connection{})
		}, []string{"seems to require SASL, and none is given; set --sasl-mechanism"}},
		"SASL needed behind TLS": {func(t *testing.T) kafka.Connection {
			ca, b := tlsBroker(t, kfake.EnableSASL())
			return kafka.Connection{Brokers: []string{b.Addr()}, TLSCA: file(t, "ca.pem", string(ca.PEM))}
		}, []string{"seems to require SASL"}},
		"TLS at the broker only": {func(t *testing.T) kafka.Connection {
			_, b := tlsBroker(t)
			return kafka.Connection{Brokers: []string{b.Addr()}}
		}, []string{"TLS on this port", "set --tls or --tls-ca"}},
		"TLS at the client only": {func(t *testing.T) kafka.Connection {
			// As a broker does: a TLS greeting's first bytes are a length that it does not take.
			return kafka.Connection{TLS: true, Brokers: []string{answering(t, func(c net.Conn) { assert.NoError(t, c.Close()) })}}
		}, []string{"seems not to speak TLS on this port", "leave out --tls"}},
		"plaintext words to a TLS client": {func(t *testing.T) kafka.Connection {
			return kafka.Connection{TLS: true, Brokers: []string{answering(t, func(c net.Conn) {
				_, err := c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
				assert.NoError(t, errors.Join(err, c.Close()))
			})}}
		}, []string{"seems not to speak TLS on this port"}},
		"no broker at all": {func(t *testing.T) kafka.Connection {
			return kafka.Connection{Brokers: []string{answering(t, func(c net.Conn) {
				t.Cleanup(func() { assert.NoError(t, c.Close()) })
				n, _ := c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
				assert.Positive(t, n)
			})}}
		}, []string{"this is no Kafka broker", "--brokers"}},
		"unknown authority": {func(t *testing.T) kafka.Connection {
			_, b := tlsBroker(t)
			return kafka.Connection{TLS: true, Brokers: []string{b.Addr()}}
		}, []string{"signed by an authority that this machine does not trust", "--tls-ca"}},
		"another authority": {func(t *testing.T) kafka.Connection {
			_, b := tlsBroker(t)
			other, err := embedded.NewAuthority()
			require.NoError(t, err)
			return kafka.Connection{Brokers: []string{b.Addr()}, TLSCA: file(t, "ca.pem", string(other.PEM))}
		}, []string{"is not signed by the authority in --tls-ca", "ca.pem"}},
		"a certificate is wanted": {func(t *testing.T) kafka.Connection {
			ca, err := embedded.NewAuthority()
			require.NoError(t, err)
			server, err := ca.Server()
			require.NoError(t, err)
			server.ClientAuth = tls.RequireAndVerifyClientCert
			return kafka.Connection{Brokers: []string{broker(t, kfake.TLS(server)).Addr()}, TLSCA: file(t, "ca.pem", string(ca.PEM))}
		}, []string{"certificate required", "set --tls-cert and --tls-key"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := connection.make(t)
			start := time.Now()
			err := c.Ping(t.Context())
			require.ErrorIs(t, err, kafka.ErrRefused)
			for _, w := range append(connection.want, c.Brokers[0]) {
				assert.Contains(t, err.Error(), w)
			}
			assert.NotContains(t, err.Error(), "\n")
			assert.NotContains(t, err.Error(), "hunter2")
			assert.Less(t, time.Since(start), kafka.DefaultRetryTimeout/2, "it was told at once")
		})
	}
}

func TestPingGivesUp(t *testing.T) {
	for name, c := range map[string]struct {
		broker string
		want   string
	}{
		"nobody listens": {"127.0.0.1:1", "cannot reach Kafka at 127.0.0.1:1: connection refused (gave up after 300ms); is the broker running, and is --brokers right?"},
		"no such host":   {"nosuch.invalid:9092", "cannot reach Kafka at nosuch.invalid:9092: no such host: nosuch.invalid (gave up after 300ms); is the broker running, and is --brokers right?"},
		"nobody speaks":  {answering(t, func(c net.Conn) { t.Cleanup(func() { assert.NoError(t, c.Close()) }) }), "no answer in time (gave up after 300ms)"},
	} {
		t.Run(name, func(t *testing.T) {
			err := kafka.Connection{Brokers: []string{c.broker}, RetryTimeout: 300 * time.Millisecond}.Ping(t.Context())
			require.ErrorIs(t, err, kafka.ErrUnreachable)
			assert.Contains(t, err.Error(), c.want)
		})
	}
}

// TestPingAdvertised has a broker that gives out an address where nobody is.
func TestPingAdvertised(t *testing.T) {
	b := broker(t)
	b.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		resp.Brokers = []kmsg.MetadataResponseBroker{{NodeID: 7, Host: "127.0.0.1", Port: 1}}
		return resp, nil, true
	})
	err := kafka.Connection{Brokers: []string{b.Addr()}, RetryTimeout: 300 * time.Millisecond}.Ping(t.Context())
	require.ErrorIs(t, err, kafka.ErrUnreachable)
	assert.Contains(t, err.Error(), "cannot reach Kafka at 127.0.0.1:1")
	assert.Contains(t, err.Error(), "advertised.listeners")
}

// TestPingWaits starts the broker after the first attempts.
func TestPingWaits(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	addr := l.Addr().String()
	require.NoError(t, l.Close())

	done := make(chan error, 1)
	go func() { done <- kafka.Connection{Brokers: []string{addr}}.Ping(t.Context()) }()
	select {
	case err := <-done:
		require.Fail(t, "it did not wait", "%v", err)
	case <-time.After(400 * time.Millisecond): // past the first attempt
	}
	broker(t, kfake.Ports(port))
	require.NoError(t, <-done)
}

func TestPingStops(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := kafka.Connection{Brokers: []string{"127.0.0.1:1"}}.Ping(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(start), 5*time.Second)
}

func TestOptionsRefuse(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for name, c := range map[string]struct {
		conn kafka.Connection
		want string
	}{
		"no broker":              {kafka.Connection{Brokers: []string{" "}}, "no Kafka broker is named; set --brokers"},
		"no authority":           {kafka.Connection{Brokers: []string{"b"}, TLSCA: missing}, missing},
		"an empty authority":     {kafka.Connection{Brokers: []string{"b"}, TLSCA: file(t, "ca.pem", "x")}, "holds no certificate"},
		"certificate, no key":    {kafka.Connection{Brokers: []string{"b"}, TLSCert: "c.pem"}, "set --tls-key"},
		"key, no certificate":    {kafka.Connection{Brokers: []string{"b"}, TLSKey: "k.pem"}, "set --tls-cert"},
		"certificate missing":    {kafka.Connection{Brokers: []string{"b"}, TLSCert: missing, TLSKey: missing}, missing},
		"mechanism unknown":      {kafka.Connection{Brokers: []string{"b"}, SASLMechanism: "KERBEROS"}, "--sasl-mechanism KERBEROS is unknown"},
		"no user":                {kafka.Connection{Brokers: []string{"b"}, SASLMechanism: "PLAIN"}, "set --sasl-user"},
		"no password file":       {kafka.Connection{Brokers: []string{"b"}, SASLMechanism: "PLAIN", SASLUser: "u"}, "set --sasl-password-file"},
		"password file missing":  {kafka.Connection{Brokers: []string{"b"}, SASLMechanism: "PLAIN", SASLUser: "u", SASLPasswordFile: missing}, missing},
		"an empty password file": {kafka.Connection{Brokers: []string{"b"}, SASLMechanism: "OAUTHBEARER", SASLPasswordFile: file(t, "p", "\n")}, "is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.conn.Options()
			require.ErrorContains(t, err, c.want)
			_, err = c.conn.Client()
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestOptionsDefaultPort(t *testing.T) {
	cl, err := kafka.Connection{Brokers: []string{"a", " b:1 ", "[::1]"}}.Client()
	require.NoError(t, err)
	defer cl.Close()
	assert.Equal(t, []string{"a:9092", "b:1", "[::1]:9092"}, cl.OptValue(kgo.SeedBrokers))
}
