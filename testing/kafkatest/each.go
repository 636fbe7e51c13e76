package kafkatest

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"clickstream/io/embedded"
)

// The environment that names a real cluster, as scripts/components/up prints it.
const (
	kafkaVar    = "CLICKSTREAM_TEST_KAFKA"         // host:port,… where everything is allowed
	registryVar = "CLICKSTREAM_TEST_REGISTRY"      // URL of the Confluent API
	saslVar     = "CLICKSTREAM_TEST_KAFKA_SASL"    // host:port of the listener that asks for a user
	tlsVar      = "CLICKSTREAM_TEST_KAFKA_TLS"     // host:port of the listener that speaks TLS
	secretsVar  = "CLICKSTREAM_TEST_KAFKA_SECRETS" // folder with ca.pem, client.pem and client.key
)

// Each runs f as a subtest against every kind of cluster: Embedded, and Real where CLICKSTREAM_TEST_KAFKA
// names one. Where it does not, that subtest is skipped by name; under CI=true it fails.
func Each(t *testing.T, f func(t *testing.T, c *Cluster)) {
	t.Helper()
	t.Run(Embedded, func(t *testing.T) { f(t, StartEmbedded(t)) })
	t.Run(Real, func(t *testing.T) { f(t, FindReal(t)) })
}

// StartEmbedded starts a cluster in this process, which ends with the test.
func StartEmbedded(t *testing.T) *Cluster {
	t.Helper()
	b, err := embedded.StartBroker()
	require.NoError(t, err)
	t.Cleanup(b.Close)
	r, err := embedded.StartRegistry()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return &Cluster{
		Kind: Embedded, Brokers: b.Addrs(), Registry: r.URL(),
		Fakes: &Fakes{Broker: b, Registry: r},
	}
}

// FindReal returns the real cluster, and skips the test where there is none; under CI=true it fails it.
func FindReal(t *testing.T) *Cluster {
	t.Helper()
	return &Cluster{Kind: Real, Brokers: strings.Split(named(t, kafkaVar), ","), Registry: named(t, registryVar)}
}

// named returns what the environment says of the real cluster, and skips the test where it says nothing.
func named(t *testing.T, variable string) string {
	t.Helper()
	return Named(t, variable, "scripts/components/up starts a broker and a registry and writes the file that sets it")
}

// Named returns the value of a variable that says where a component is which a test needs. Where it is not set the
// test is skipped, or under CI=true fails, and says how to come by it.
func Named(t *testing.T, variable, how string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		missing := variable + " is not set; " + how
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	return value
}
