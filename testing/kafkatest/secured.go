package kafkatest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"clickstream/io/embedded"
)

// Mechanisms are the SASL mechanisms by which every user can log in, to either kind of cluster.
var Mechanisms = []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}

// The users of a listener that asks for one. scripts/components/up knows the same.
var (
	Admin   = User{"admin", "admin-secret"}     // may do everything
	Worker  = User{"worker", "worker-secret"}   // may read, write and commit, and make nothing
	Watcher = User{"watcher", "watcher-secret"} // sees topics and may not read them
	Nobody  = User{"nobody", "nobody-secret"}   // may do nothing
)

// User is a user's name and password.
type User struct{ Name, Password string }

// Allowed is that the user may do something, with what the test adds: resources of just those names, unless it says otherwise.
func (u User) Allowed(operations ...kadm.ACLOperation) *kadm.ACLBuilder {
	return kadm.NewACLs().Allow("User:" + u.Name).AllowHosts("*").ResourcePatternType(kadm.ACLPatternLiteral).Operations(operations...)
}

// Denied is that the user may not, whatever is allowed.
func (u User) Denied(operations ...kadm.ACLOperation) *kadm.ACLBuilder {
	return kadm.NewACLs().Deny("User:" + u.Name).DenyHosts("*").ResourcePatternType(kadm.ACLPatternLiteral).Operations(operations...)
}

// PasswordFile writes the user's password to a file that is removed with the test, and returns its path.
func (u User) PasswordFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(path, []byte(u.Password+"\n"), 0o600))
	return path
}

// Token returns an unsigned JSON web token that says who the user is, valid for an hour: what the real
// cluster takes by OAUTHBEARER. kfake does not know that mechanism.
func (u User) Token() string {
	part := func(json string) string { return base64.RawURLEncoding.EncodeToString([]byte(json)) }
	now := time.Now().Unix()
	return part(`{"alg":"none"}`) + "." + part(fmt.Sprintf(`{"sub":%q,"iat":%d,"exp":%d}`, u.Name, now, now+3600)) + "."
}

// TLS is a cluster whose brokers speak TLS. What a client needs lies in files, in PEM.
type TLS struct {
	*Cluster
	CAFile            string // the authority that signed the brokers' certificates
	CertFile, KeyFile string // a client's certificate by the same authority, which brokers do not ask for
}

// SASL returns the cluster with brokers that ask for a user. Its topics are made by Admin. An embedded
// cluster is another one than c, as kfake has one kind of listener; the registry is the same. It refuses a
// wrong password as Kafka does for PLAIN only: for SCRAM it closes the connection.
func (c *Cluster) SASL(t *testing.T) *Cluster {
	t.Helper()
	asAdmin := kgo.SASL(plain.Auth{User: Admin.Name, Pass: Admin.Password}.AsMechanism())
	if c.Kind == Real {
		same := &Cluster{Kind: Real, Brokers: strings.Split(named(t, saslVar), ","), Registry: c.Registry, admin: []kgo.Opt{asAdmin}}
		same.permit(t)
		return same
	}
	allow := func(r kmsg.ACLResourceType, op kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: r, Name: "*", Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op, Allow: true}
	}
	opts := []kfake.Opt{kfake.EnableSASL(), kfake.EnableACLs()}
	for _, m := range Mechanisms {
		opts = append(opts,
			kfake.Superuser(m, Admin.Name, Admin.Password),
			kfake.User(m, Worker.Name, Worker.Password,
				allow(kmsg.ACLResourceTypeTopic, kmsg.ACLOperationRead),
				allow(kmsg.ACLResourceTypeTopic, kmsg.ACLOperationWrite),
				allow(kmsg.ACLResourceTypeTopic, kmsg.ACLOperationDescribeConfigs),
				allow(kmsg.ACLResourceTypeGroup, kmsg.ACLOperationRead)),
			kfake.User(m, Watcher.Name, Watcher.Password, allow(kmsg.ACLResourceTypeTopic, kmsg.ACLOperationDescribe)),
			kfake.User(m, Nobody.Name, Nobody.Password))
	}
	b := c.beside(t, asAdmin, opts...)
	refusePlainly(b.Fakes.Broker)
	return b
}

// refusePlainly makes the broker answer a wrong user or password of PLAIN as Kafka does. kfake closes the
// connection without a word, and still does so for SCRAM.
func refusePlainly(b *embedded.Broker) {
	b.ControlKey(kmsg.SASLAuthenticate.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		message := bytes.Split(req.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes, []byte{0}) // authorization id, user, password
		if len(message) != 3 {
			return nil, nil, false
		}
		user := User{string(message[1]), string(message[2])}
		if slices.Contains([]User{Admin, Worker, Watcher, Nobody}, user) {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
		resp.ErrorMessage = kmsg.StringPtr("Authentication failed: Invalid username or password")
		return resp, nil, true
	})
}

// permit gives the users of the real cluster what the embedded one gives them. It changes nothing where they have it, and
// they keep it: other tests on the same cluster go on.
func (c *Cluster) permit(t *testing.T) {
	t.Helper()
	adm := kadm.NewClient(c.Client(t))
	grant(t, adm, Worker.Allowed(kadm.OpRead, kadm.OpWrite, kadm.OpDescribeConfigs).Topics("*").Groups("*"))
	grant(t, adm, Watcher.Allowed(kadm.OpDescribe).Topics("*"))
}

// AddACLs permits or denies something for as long as the test lasts, and waits until the broker heeds it.
func (c *Cluster) AddACLs(t *testing.T, acl *kadm.ACLBuilder) {
	t.Helper()
	adm := kadm.NewClient(c.Client(t))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		revoke(ctx, t, adm, acl)
	})
	grant(t, adm, acl)
}

// RemoveACLs takes back what AddACLs has added, and waits until the broker heeds it.
func (c *Cluster) RemoveACLs(t *testing.T, acl *kadm.ACLBuilder) {
	t.Helper()
	ctx, cancel := within(t)
	defer cancel()
	adm := kadm.NewClient(c.Client(t))
	revoke(ctx, t, adm, acl)
	settle(t, adm, acl, 0)
}

// revoke takes ACLs back.
func revoke(ctx context.Context, t *testing.T, adm *kadm.Client, acl *kadm.ACLBuilder) {
	t.Helper()
	deleted, err := adm.DeleteACLs(ctx, acl)
	require.NoError(t, err)
	for _, d := range deleted {
		require.NoError(t, d.Err)
	}
}

// grant makes ACLs, and waits until the broker heeds them.
func grant(t *testing.T, adm *kadm.Client, acl *kadm.ACLBuilder) {
	t.Helper()
	ctx, cancel := within(t)
	defer cancel()
	created, err := adm.CreateACLs(ctx, acl)
	require.NoError(t, err)
	for _, a := range created {
		require.NoError(t, a.Err)
	}
	settle(t, adm, acl, 1)
}

// settle waits until the broker knows so many of each of the ACLs: it learns of a change after the answer.
func settle(t *testing.T, adm *kadm.Client, acl *kadm.ACLBuilder, each int) {
	t.Helper()
	ctx, cancel := within(t)
	defer cancel()
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		known, err := adm.DescribeACLs(ctx, acl)
		require.NoError(t, err)
		for _, k := range known {
			require.NoError(t, k.Err)
			assert.Len(t, k.Described, each, "%v", k.Operation)
		}
	}, patience, 20*time.Millisecond)
}

// TLS returns the cluster with brokers that speak TLS. An embedded cluster is another one than c; the
// registry is the same.
func (c *Cluster) TLS(t *testing.T) *TLS {
	t.Helper()
	if c.Kind == Real {
		return c.realTLS(t)
	}
	authority, err := embedded.NewAuthority()
	require.NoError(t, err)
	server, err := authority.Server()
	require.NoError(t, err)
	cert, key, err := authority.Issue("clickstream")
	require.NoError(t, err)

	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		return path
	}
	return &TLS{
		Cluster:  c.beside(t, kgo.DialTLSConfig(authority.Client()), kfake.TLS(server)),
		CAFile:   file("ca.pem", authority.PEM),
		CertFile: file("client.pem", cert),
		KeyFile:  file("client.key", key),
	}
}

func (c *Cluster) realTLS(t *testing.T) *TLS {
	t.Helper()
	secrets := named(t, secretsVar)
	ca := filepath.Join(secrets, "ca.pem")
	pem, err := os.ReadFile(ca)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(pem), "%s holds no certificate", ca)
	trust := kgo.DialTLSConfig(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})
	return &TLS{
		Cluster:  &Cluster{Kind: Real, Brokers: strings.Split(named(t, tlsVar), ","), Registry: c.Registry, admin: []kgo.Opt{trust}},
		CAFile:   ca,
		CertFile: filepath.Join(secrets, "client.pem"),
		KeyFile:  filepath.Join(secrets, "client.key"),
	}
}

// beside starts another embedded broker with c's registry.
func (c *Cluster) beside(t *testing.T, admin kgo.Opt, opts ...kfake.Opt) *Cluster {
	t.Helper()
	b, err := embedded.StartBroker(opts...)
	require.NoError(t, err)
	t.Cleanup(b.Close)
	return &Cluster{
		Kind: Embedded, Brokers: b.Addrs(), Registry: c.Registry,
		Fakes: &Fakes{Broker: b, Registry: c.Fakes.Registry},
		admin: []kgo.Opt{admin},
	}
}
