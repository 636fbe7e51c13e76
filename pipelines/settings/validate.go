package settings

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"clickstream/io/kafka"
	"clickstream/io/yamlfile"
)

// Settings is one of this package's structs.
type Settings interface{ check(*checks) }

// Validate tells everything that is wrong with the settings as an *Error, or returns nil. It looks at the
// files that are named, and writes nothing. It is no method, as kong would call it, and end at what it says.
func Validate(all ...Settings) error {
	var c checks
	for _, s := range all {
		s.check(&c)
	}
	if len(c.faults) == 0 {
		return nil
	}
	return &Error{c.faults}
}

// checks gathers faults, so that all are told at once.
type checks struct{ faults []string }

func (c *checks) add(format string, args ...any) {
	c.faults = append(c.faults, Redact(fmt.Sprintf(format, args...)))
}

// choices checks every field with an enum tag, and those of embedded structs.
func (c *checks) choices(settings any) {
	v := reflect.Indirect(reflect.ValueOf(settings))
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if _, embedded := field.Tag.Lookup("embed"); embedded {
			c.choices(v.Field(i).Interface())
		}
		enum, ok := field.Tag.Lookup("enum")
		if value := v.Field(i).String(); ok && !slices.Contains(strings.Split(enum, ","), value) {
			words := slices.DeleteFunc(strings.Split(enum, ","), func(s string) bool { return s == "" })
			c.add("--%s is %q; it must be one of %s%s", field.Tag.Get("name"), value, strings.Join(words, ", "), yamlfile.Suggestion(value, words))
		}
	}
}

// length checks a duration. why says what its lower bound is for.
func (c *checks) length(flag string, d, least time.Duration, why string) {
	switch {
	case d < least && least == 0:
		c.add("--%s is %s; it must not be negative", flag, duration(d))
	case d < least:
		c.add("--%s is %s; it must be at least %s%s", flag, duration(d), duration(least), why)
	case d%time.Millisecond != 0:
		c.add("--%s is %s; it must be whole milliseconds, as event times are", flag, duration(d))
	}
}

func (c *checks) number(flag string, n, least, most int, why string) {
	if n < least || n > most {
		c.add("--%s is %d; it must be from %d to %d%s", flag, n, least, most, why)
	}
}

// time checks a moment that no word may stand for.
func (c *checks) time(flag string, m Moment) {
	if m.Word != "" {
		c.add("--%s is %q; it must be a time as 2026-01-31T08:00:00Z", flag, m.Word)
	}
}

func (c *checks) fraction(flag string, f float64) {
	if !(f >= 0 && f <= 1) { // as NaN is neither
		c.add("--%s is %v; it must be from 0 to 1", flag, f)
	}
}

func (c *checks) file(flag, path string) {
	if path == "" {
		return
	}
	f, err := os.Open(path)
	if err == nil {
		var info os.FileInfo
		if info, err = f.Stat(); err == nil && info.IsDir() {
			err = fmt.Errorf("%s is a directory, not a file", path)
		}
		_ = f.Close() // it was only opened to see whether it can be
	}
	if err != nil {
		c.add("--%s: %s", flag, err)
	}
}

func (c *checks) topic(flag, name string) {
	if err := kafka.CheckTopicName(name); err != nil {
		c.add("--%s: %s", flag, err)
	}
}

// address checks host:port. A port alone is not enough: it says where to listen or whom to call.
func (c *checks) address(flag, addr string, portNeeded bool) {
	if strings.Contains(addr, "://") {
		c.add("--%s is %q; write host:port without a scheme", flag, addr)
		return
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		if portNeeded || strings.Contains(strings.Trim(addr, "[]"), ":") && net.ParseIP(strings.Trim(addr, "[]")) == nil || addr == "" {
			c.add("--%s is %q; write host:port", flag, addr)
		}
		return
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 || n == 0 && !portNeeded {
		c.add("--%s is %q; its port must be from 1 to 65535", flag, addr)
	}
	if host == "" && !portNeeded {
		c.add("--%s is %q; it names no host", flag, addr)
	}
}

func (c *checks) registry(format, registry string) {
	if registry == "" {
		if format == "avro" {
			c.add("--format avro needs a schema registry; set --registry http://host:8081, or use --format json")
		}
		return
	}
	u, err := url.Parse(registry)
	switch {
	case err != nil:
		c.add("--registry is no URL; write http://host:8081, with %%-escapes for special characters in a password")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		c.add("--registry is %q; it must be an http:// or https:// URL with a host", registry)
	}
}

// certificate checks a certificate and its key, which come together. Their flags begin so.
func (c *checks) certificate(prefix, cert, key string) {
	c.file(prefix+"tls-cert", cert)
	c.file(prefix+"tls-key", key)
	switch {
	case cert != "" && key == "":
		c.add("--%stls-cert %s comes without its key; set --%stls-key", prefix, cert, prefix)
	case key != "" && cert == "":
		c.add("--%stls-key %s comes without its certificate; set --%stls-cert", prefix, key, prefix)
	}
}

func (c *checks) kafka(k Kafka) {
	if len(k.Brokers) == 0 {
		c.add("--brokers names no broker; write host:port, separated by commas")
	}
	for _, b := range k.Brokers {
		c.address("brokers", strings.TrimSpace(b), false)
	}
	c.file("tls-ca", k.TLSCA)
	c.certificate("", k.TLSCert, k.TLSKey)
	c.file("sasl-password-file", k.SASLPasswordFile)
	switch {
	case k.SASLMechanism == "" && k.SASLUser != "":
		c.add("--sasl-user %s is given without --sasl-mechanism; set it to one of %s", k.SASLUser, strings.Join(kafka.Mechanisms, ", "))
	case k.SASLMechanism == "" && k.SASLPasswordFile != "":
		c.add("--sasl-password-file %s is given without --sasl-mechanism; set it to one of %s", k.SASLPasswordFile, strings.Join(kafka.Mechanisms, ", "))
	case k.SASLMechanism != "":
		if k.SASLUser == "" && k.SASLMechanism != "OAUTHBEARER" {
			c.add("--sasl-mechanism %s needs a user; set --sasl-user", k.SASLMechanism)
		}
		if k.SASLPasswordFile == "" {
			c.add("--sasl-mechanism %s needs a secret; set --sasl-password-file", k.SASLMechanism)
		}
	}
	c.length("retry-timeout", k.RetryTimeout, time.Second, ", for one attempt takes about that long")
}

// table checks that a directory can be written to, or made, without doing so.
const noTable = "--table is empty; name a directory, or a URL"

func (c *checks) table(path, format string) {
	scheme, _, isURL := strings.Cut(path, "://")
	switch {
	case path == "":
		c.add(noTable)
		return
	case isURL && format == "parquet" && scheme != "file":
		c.add("--table %s is for --table-format delta; a table of Parquet files is a directory of this machine", path)
		return
	case isURL && scheme != "s3" && scheme != "gs" && scheme != "file":
		c.add("--table %s is of a kind that is not known, %s; name a directory, s3://bucket/path or gs://bucket/path", path, scheme)
		return
	case isURL:
		return
	}
	for dir := filepath.Clean(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		switch {
		case err == nil && !info.IsDir() && dir == filepath.Clean(path):
			c.add("--table %s is a file; name a directory", path)
		case err == nil && !info.IsDir():
			c.add("--table %s cannot be made, as %s is a file; name another directory", path, dir)
		case err == nil && unix.Access(dir, unix.W_OK|unix.X_OK) != nil:
			c.add("--table %s is not writable: no permission to write in %s; change its permissions or name another directory", path, dir)
		case err == nil:
		case filepath.Dir(dir) == dir:
			c.add("--table %s cannot be made: %s", path, err)
		default:
			continue // what is not there, or not to be seen, is looked for one up
		}
		return
	}
}
