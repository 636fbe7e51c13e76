package kafka_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/io/kafka"
	"clickstream/testing/kafkatest"
)

func TestJavaPropertiesOfAPlainConnection(t *testing.T) {
	p, err := kafka.Connection{Brokers: []string{"a", "b:1"}}.JavaProperties()
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"bootstrap.servers": "a:9092,b:1", "client.id": "clickstream"}, p)
}

// javaSecrets writes files as the flags name them, and returns their folder.
func javaSecrets(t *testing.T) (dir string, tls *kafkatest.TLS) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "password"), []byte("secret word\n"), 0o600))
	return dir, kafkatest.StartEmbedded(t).TLS(t)
}

func TestJavaPropertiesNameFilesAndHoldNoSecret(t *testing.T) {
	dir, tls := javaSecrets(t)
	c := kafka.Connection{
		Brokers: []string{"a"}, TLSCA: tls.CAFile, TLSCert: tls.CertFile, TLSKey: tls.KeyFile,
		SASLMechanism: "scram-sha-512", SASLUser: `al"ice\`, SASLPasswordFile: filepath.Join(dir, "password"),
	}
	p, err := c.JavaProperties()
	require.NoError(t, err)
	at := "${dir:" + filepath.Dir(tls.CAFile) + ":"
	assert.Equal(t, map[string]string{
		"bootstrap.servers": "a:9092", "client.id": "clickstream", "security.protocol": "SASL_SSL",
		"config.providers": "dir", "config.providers.dir.class": "org.apache.kafka.common.config.provider.DirectoryConfigProvider",
		"ssl.truststore.type": "PEM", "ssl.truststore.certificates": at + filepath.Base(tls.CAFile) + "}",
		"ssl.keystore.type": "PEM", "ssl.keystore.certificate.chain": at + filepath.Base(tls.CertFile) + "}", "ssl.keystore.key": at + filepath.Base(tls.KeyFile) + "}",
		"sasl.mechanism":   "SCRAM-SHA-512",
		"sasl.jaas.config": `org.apache.kafka.common.security.scram.ScramLoginModule required username="al\"ice\\" password="${dir:` + dir + `:password}` + "\n;",
	}, p)

	c = kafka.Connection{Brokers: []string{"a"}, TLS: true, SASLMechanism: "OAUTHBEARER", SASLPasswordFile: filepath.Join(dir, "password")}
	p, err = c.JavaProperties()
	require.NoError(t, err)
	assert.Equal(t, "file://"+dir+"/password", p["sasl.oauthbearer.token.endpoint.url"])
	assert.NotContains(t, p, "config.providers")

	c.SASLMechanism, c.SASLUser, c.TLS = "PLAIN", "alice", false
	p, err = c.JavaProperties()
	require.NoError(t, err)
	assert.Equal(t, "SASL_PLAINTEXT", p["security.protocol"])
	assert.Contains(t, p["sasl.jaas.config"], "plain.PlainLoginModule required")
}

func TestJavaPropertiesRefuseWhatJavaCannotRead(t *testing.T) {
	dir, tls := javaSecrets(t)
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	colon := file("pass:word", "secret")
	key, err := os.ReadFile(tls.KeyFile)
	require.NoError(t, err)
	for want, c := range map[string]kafka.Connection{
		"holds a quote, a backslash or a line break within the password": {SASLMechanism: "PLAIN", SASLUser: "u", SASLPasswordFile: file("quoted", "sec\"ret\n")},
		"has a colon or a brace in it":                                   {SASLMechanism: "PLAIN", SASLUser: "u", SASLPasswordFile: colon},
		"cannot read --sasl-password-file":                               {SASLMechanism: "PLAIN", SASLUser: "u", SASLPasswordFile: filepath.Join(dir, "none")},
		"cannot use --tls-cert":                                          {TLSCert: tls.CertFile, TLSKey: file("key", "nonsense "+string(key[:10]))},
	} {
		c.Brokers = []string{"a"}
		_, err := c.JavaProperties()
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "sec\"ret")
	}
}
