package kafka

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// JavaProperties returns c as the properties of Kafka's Java client, 3.9 or later. They hold no secret: where one
// belongs they name its file, which the client reads itself (KIP-421, DirectoryConfigProvider) on whatever machine it
// runs. It fails for what Java cannot read and Go can.
func (c Connection) JavaProperties() (map[string]string, error) {
	if _, err := c.Options(); err != nil { // what is missing or malformed for both
		return nil, err
	}
	seeds, err := c.seeds()
	if err != nil {
		return nil, err
	}
	p := map[string]string{"bootstrap.servers": strings.Join(seeds, ","), "client.id": "clickstream"}
	protocol := map[[2]bool]string{{false, false}: "PLAINTEXT", {true, false}: "SSL", {false, true}: "SASL_PLAINTEXT", {true, true}: "SASL_SSL"}
	if used := protocol[[2]bool{c.usesTLS(), c.SASLMechanism != ""}]; used != "PLAINTEXT" {
		p["security.protocol"] = used
	}
	if err := c.javaTLS(p); err != nil {
		return nil, err
	}
	if err := c.javaSASL(p); err != nil {
		return nil, err
	}
	for _, value := range p {
		if strings.HasPrefix(value, "${dir:") || strings.Contains(value, "\"${dir:") {
			p["config.providers"], p["config.providers.dir.class"] = "dir", "org.apache.kafka.common.config.provider.DirectoryConfigProvider"
		}
	}
	return p, nil
}

// fileReference returns what stands for a file's content.
func fileReference(flag, path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("--%s: %w", flag, err)
	}
	if strings.ContainsAny(path, ":{}") {
		return "", fmt.Errorf("--%s %s has a colon or a brace in it, which Kafka's Java client takes for the end of the name; give the file another name", flag, path)
	}
	return fmt.Sprintf("${dir:%s:%s}", filepath.Dir(path), filepath.Base(path)), nil
}

func (c Connection) javaTLS(p map[string]string) (err error) {
	if c.TLSCA != "" {
		p["ssl.truststore.type"] = "PEM"
		if p["ssl.truststore.certificates"], err = fileReference("tls-ca", c.TLSCA); err != nil {
			return err
		}
	}
	if c.TLSCert == "" {
		return nil
	}
	key, err := os.ReadFile(c.TLSKey)
	if err != nil {
		return fmt.Errorf("cannot read --tls-key: %w", err)
	}
	if block, _ := pem.Decode(key); block == nil || block.Type != "PRIVATE KEY" {
		return fmt.Errorf("--tls-key %s is not in PKCS #8, which is all that Kafka's Java client reads; openssl pkcs8 -topk8 -nocrypt makes it so", c.TLSKey)
	}
	p["ssl.keystore.type"] = "PEM"
	if p["ssl.keystore.certificate.chain"], err = fileReference("tls-cert", c.TLSCert); err != nil {
		return err
	}
	p["ssl.keystore.key"], err = fileReference("tls-key", c.TLSKey)
	return err
}

func (c Connection) javaSASL(p map[string]string) error {
	if c.SASLMechanism == "" {
		return nil
	}
	mechanism := strings.ToUpper(c.SASLMechanism)
	p["sasl.mechanism"] = mechanism
	const security = "org.apache.kafka.common.security."
	if mechanism == "OAUTHBEARER" {
		path, err := filepath.Abs(c.SASLPasswordFile)
		if err != nil {
			return fmt.Errorf("--sasl-password-file: %w", err)
		}
		p["sasl.jaas.config"] = security + "oauthbearer.OAuthBearerLoginModule required;"
		p["sasl.login.callback.handler.class"] = security + "oauthbearer.OAuthBearerLoginCallbackHandler"
		p["sasl.oauthbearer.token.endpoint.url"] = "file://" + path
		return nil
	}
	secret, err := os.ReadFile(c.SASLPasswordFile)
	if err != nil {
		return fmt.Errorf("cannot read --sasl-password-file: %w", err)
	}
	if bytes.ContainsAny(bytes.TrimRight(secret, "\r\n"), "\"\\\r\n") {
		return fmt.Errorf("--sasl-password-file %s holds a quote, a backslash or a line break within the password, which Kafka's Java client does not read from a file; choose another password, or --source native", c.SASLPasswordFile)
	}
	reference, err := fileReference("sasl-password-file", c.SASLPasswordFile)
	if err != nil {
		return err
	}
	module := "plain.PlainLoginModule"
	if mechanism != "PLAIN" {
		module = "scram.ScramLoginModule"
	}
	user := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(c.SASLUser)
	// A line break ends a quoted word, too. So the password may have one at its end, as editors put there, or not.
	p["sasl.jaas.config"] = fmt.Sprintf("%s required username=\"%s\" password=\"%s\n;", security+module, user, reference)
	return nil
}
