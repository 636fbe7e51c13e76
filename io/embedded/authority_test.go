package embedded_test

import (
	"crypto/tls"
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/embedded"
)

func TestAuthority(t *testing.T) {
	ours, err := embedded.NewAuthority()
	require.NoError(t, err)
	theirs, err := embedded.NewAuthority()
	require.NoError(t, err)
	server, err := ours.Server()
	require.NoError(t, err)
	b := start(t, kfake.TLS(server))
	ping := func(config *tls.Config) error {
		return client(t, b, kgo.DialTLSConfig(config), kgo.RequestRetries(0)).Ping(t.Context())
	}
	certified := func(a *embedded.Authority) *tls.Config {
		cert, key, err := a.Issue("clickstream")
		require.NoError(t, err)
		pair, err := tls.X509KeyPair(cert, key)
		require.NoError(t, err)
		config := ours.Client()
		config.Certificates = []tls.Certificate{pair}
		return config
	}

	require.NoError(t, ping(ours.Client()))
	require.NoError(t, ping(certified(ours)))
	require.Error(t, ping(certified(theirs)), "a certificate that is shown has to be the authority's")
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, ping(theirs.Client()), &unknown)
}
