package main

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/pipelines/settings"
	"clickstream/testing/kafkatest"
)

// permission is an ACL that a command needs.
type permission struct{ operation, resource string }

// permissionRow is a row of the README's table of permissions: the command, and what it needs.
var permissionRow = regexp.MustCompile("(?m)^\\| `([a-z ]+)`([^|]*)\\| ([^|]+) \\|$")

// needed is one of a row's permissions.
var needed = regexp.MustCompile(`(Read|Write|Create|Alter|Describe|DescribeConfigs|AlterConfigs) on the (topic|dead letter topic|enriched topic|group|transactional id)`)

// inWords is how an operation stands in errors.
var inWords = map[string]string{
	"Read": "read", "Write": "write to", "Create": "create", "Describe": "describe",
	"DescribeConfigs": "read the configuration of", "AlterConfigs": "change the configuration of",
}

// permissionsOf returns what the README says that commands need.
func permissionsOf(t *testing.T) map[string][]permission {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(text), "\n## Permissions\n")
	require.True(t, ok, "the README has no section on permissions")
	section, _, _ = strings.Cut(section, "\n## ")
	all := map[string][]permission{}
	for _, row := range permissionRow.FindAllStringSubmatch(section, -1) {
		command := row[1] + strings.TrimRight(row[2], " ")
		for _, p := range needed.FindAllStringSubmatch(row[3], -1) {
			all[command] = append(all[command], permission{p[1], p[2]})
		}
		require.NotEmpty(t, all[command], row[0])
	}
	return all
}

// lesser is what a permission includes.
var lesser = map[string]string{"Read": "Describe", "Write": "Describe", "AlterConfigs": "DescribeConfigs"}

// permitted is a command that needs permissions.
type permitted struct {
	words     string // TOPIC and its like stand for the test's own
	counted   bool   // there is a table
	letters   bool   // there is a dead letter topic
	none      bool   // there is no topic
	enriched  bool   // there is an enriched topic, and a run that has written to it
	retention string // of the topic, where it is not the file's
}

const countsAll = "run --quiet --format json --topic TOPIC --dead-letter-topic LETTERS --group GROUP --table TABLE --start earliest --until latest"

const enrichesAll = "enrich --quiet --format json --topic TOPIC --enriched-topic ENRICHED --dead-letter-topic LETTERS --group GROUP --registry REGISTRY --start earliest --until latest"

var commandsPermitted = map[string]permitted{
	"run":                                    {words: countsAll, letters: true},
	"run, which makes the dead letter topic": {words: countsAll},
	"generate":                               {words: "generate --quiet --format json --topic TOPIC --count 10 --rate 0"},
	"table verify":                           {words: "table verify --quiet --format json --topic TOPIC --dead-letter-topic LETTERS --table TABLE", counted: true},
	"table rebuild":                          {words: "table rebuild --quiet --format json --topic TOPIC --table TABLE --from FROM --to TO", counted: true},
	"dlq list":                               {words: "dlq list --quiet --dead-letter-topic LETTERS", counted: true},
	"dlq show":                               {words: "dlq show --quiet --source 0:0 --dead-letter-topic LETTERS", counted: true},
	"dlq replay":                             {words: "dlq replay --quiet --topic TOPIC --dead-letter-topic LETTERS", counted: true},
	"dlq replay, which rebuilds":             {words: "dlq replay --quiet --rebuild --format json --topic TOPIC --dead-letter-topic LETTERS --table TABLE", counted: true},
	"dlq replay, which changes nothing (`--dry-run`)": {words: "dlq replay --quiet --dry-run --topic TOPIC --dead-letter-topic LETTERS", counted: true},
	"enrich, without sessions":                        {words: enrichesAll + " --no-sessions", letters: true, enriched: true},
	"enrich, which makes the dead letter topic":       {words: enrichesAll, enriched: true},
	"enrich":                              {words: enrichesAll, letters: true, enriched: true},
	"monitor":                             {words: "monitor --quiet --once --topic TOPIC --group GROUP --dead-letter-topic LETTERS --table TABLE", counted: true},
	"topics check":                        {words: "topics check FILE"},
	"topics apply, which makes a topic":   {words: "topics apply FILE", none: true},
	"topics apply, which changes a topic": {words: "topics apply FILE", retention: "1000000"},
}

// TestPermissions runs each command with what the README says that it needs, which is enough, and without each of it, or
// with less, which is told.
func TestPermissions(t *testing.T) {
	t.Parallel()
	needs := permissionsOf(t)
	for name := range commandsPermitted {
		require.NotEmpty(t, needs[name], "the README does not say what %s needs", name)
	}
	require.Len(t, needs, len(commandsPermitted))
	kafkatest.Each(t, func(t *testing.T, c *kafkatest.Cluster) {
		t.Parallel() // each waits for its broker most of the time
		c = c.SASL(t)
		for name, command := range commandsPermitted {
			t.Run(name+"/with all", func(t *testing.T) {
				out, err := prepare(t, c, command).run(needs[name])
				require.NoError(t, err, "%s", out)
			})
			for i, missing := range needs[name] {
				others := slices.Delete(slices.Clone(needs[name]), i, i+1)
				t.Run(name+"/without "+missing.operation+" on the "+missing.resource, func(t *testing.T) {
					p := prepare(t, c, command)
					out, err := p.run(others)
					require.Error(t, err, "it did without: %s", out)
					assert.Regexp(t, "no permission to ("+inWords[missing.operation]+"|"+inWords[lesser[missing.operation]]+") "+p.name(missing.resource), out)
				})
				if less := lesser[missing.operation]; less != "" && missing.resource != "group" {
					t.Run(name+"/with "+less+" on the "+missing.resource, func(t *testing.T) {
						p := prepare(t, c, command)
						out, err := p.run(append(others, permission{less, missing.resource}))
						require.Error(t, err, "it did with less: %s", out)
						assert.Contains(t, out, "no permission to "+inWords[missing.operation]+" "+p.name(missing.resource))
					})
				}
			}
		}
	})
}

// needless is the sentence of the README that names the commands that need no permission.
var needless = regexp.MustCompile(`(?m)^None is needed by (.*?)\. `)

// TestPermissionsOfAllCommands wants each command to have a row, or to be among those that need nothing.
func TestPermissionsOfAllCommands(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	said := map[string]bool{}
	for name := range permissionsOf(t) {
		command, _, _ := strings.Cut(name, ",")
		said[command] = true
	}
	sentence := needless.FindStringSubmatch(string(text))
	require.NotNil(t, sentence)
	for _, word := range regexp.MustCompile("`([a-z ]+)`").FindAllStringSubmatch(sentence[1], -1) {
		require.False(t, said[word[1]], "%s is said to need permissions, and none", word[1])
		said[word[1]] = true
	}
	var cli commands
	k, err := settings.Parser(&cli, settings.NewSources(nil), kong.Name("clickstream"))
	require.NoError(t, err)
	for _, leaf := range k.Model.Leaves(true) {
		command := strings.TrimPrefix(leaf.FullPath(), "clickstream ")
		assert.True(t, said[command], "the README does not say which permissions %s needs", command)
		delete(said, command)
	}
	assert.Empty(t, said, "there are no such commands")
}

// prepared is a command that is to be run, with what it is about.
type prepared struct {
	*testing.T
	cluster *kafkatest.Cluster
	command permitted
	topic   string
	values  *strings.Replacer
}

// prepare makes what a command is about.
func prepare(t *testing.T, c *kafkatest.Cluster, command permitted) *prepared {
	t.Helper()
	p := &prepared{T: t, cluster: c, command: command, topic: c.Name(t)}
	dir, now := t.TempDir(), time.Now()
	file := filepath.Join(dir, "topics.yaml")
	require.NoError(t, os.WriteFile(file, []byte("topics:\n  - {name: "+p.topic+", partitions: 1, replication_factor: 1, config: {retention.ms: 604800000}}\n"), 0o600))
	p.values = strings.NewReplacer("TOPIC", p.topic, "LETTERS", p.topic+"-dlq", "GROUP", p.topic+"-group", "TABLE", filepath.Join(dir, "views"), "FILE", file, "ENRICHED", p.topic+"-enriched", "REGISTRY", c.Registry,
		"FROM", now.Add(-2*time.Hour).Truncate(time.Minute).Format(time.RFC3339), "TO", now.Add(-time.Hour).Truncate(time.Minute).Add(time.Minute).Format(time.RFC3339))
	c.RemoveTopic(t, p.topic, p.topic+"-dlq", p.topic+"-enriched")
	if !command.none {
		c.MakeTopic(t, p.topic, 1, "retention.ms", cmp.Or(command.retention, "604800000"))
		p.produce(now)
	}
	if command.letters {
		c.MakeTopic(t, p.topic+"-dlq", 1)
	}
	if command.counted {
		run(t, append(strings.Fields(p.values.Replace(countsAll)), p.as(kafkatest.Admin)...)...)
	}
	if command.enriched {
		c.MakeTopic(t, p.topic+"-enriched", 1)
		words := enrichesAll
		if !command.letters { // of its own there is none yet
			words = strings.Replace(words, "LETTERS", "TOPIC-before", 1)
			c.RemoveTopic(t, p.topic+"-before")
		}
		run(t, append(strings.Fields(p.values.Replace(words)), p.as(kafkatest.Admin)...)...)
		p.produce(now)
	}
	return p
}

// produce puts something of everything into the topic.
func (p *prepared) produce(now time.Time) {
	p.Helper()
	p.cluster.Produce(p.T, p.topic, &kgo.Record{Value: []byte("no click")},
		&kgo.Record{Value: jsonClick(p.T, "/", now.Add(-time.Hour)), Timestamp: now}, &kgo.Record{Value: jsonClick(p.T, "/", now), Timestamp: now})
}

// as returns flags of who runs a command, and where.
func (p *prepared) as(u kafkatest.User) []string {
	return []string{"--brokers", strings.Join(p.cluster.Brokers, ","), "--retry-timeout", "5s",
		"--sasl-mechanism", "PLAIN", "--sasl-user", u.Name, "--sasl-password-file", u.PasswordFile(p.T)}
}

// transactionalID returns that of the command.
func (p *prepared) transactionalID() string {
	if p.command.enriched {
		return p.values.Replace("clickstream-enrich/GROUP/TOPIC/0")
	}
	return p.values.Replace("clickstream-replay/LETTERS/TOPIC")
}

// name returns how a resource is called in errors.
func (p *prepared) name(resource string) string {
	return p.values.Replace(map[string]string{
		"topic": "topic TOPIC", "dead letter topic": "topic LETTERS", "enriched topic": "topic ENRICHED", "group": "with consumer group GROUP",
		"transactional id": "transactional.id " + p.transactionalID(),
	}[resource])
}

// run runs the command by a user who has those permissions and no others.
func (p *prepared) run(has []permission) (string, error) {
	p.Helper()
	for _, h := range has {
		acl := kafkatest.Nobody.Allowed(operations[h.operation])
		switch h.resource {
		case "topic":
			acl = acl.Topics(p.topic)
		case "dead letter topic":
			acl = acl.Topics(p.topic + "-dlq")
		case "group":
			acl = acl.Groups(p.topic + "-group")
		case "transactional id":
			acl = acl.TransactionalIDs(p.transactionalID())
		case "enriched topic":
			acl = acl.Topics(p.topic + "-enriched")
		}
		p.cluster.AddACLs(p.T, acl)
	}
	cmd := exec.Command("clickstream", append(strings.Fields(p.values.Replace(p.command.words)), p.as(kafkatest.Nobody)...)...)
	cmd.Env, cmd.Dir = withoutSettings(os.Environ()), p.TempDir()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

var operations = map[string]kadm.ACLOperation{
	"Read": kadm.OpRead, "Write": kadm.OpWrite, "Create": kadm.OpCreate, "Alter": kadm.OpAlter, "Describe": kadm.OpDescribe,
	"DescribeConfigs": kadm.OpDescribeConfigs, "AlterConfigs": kadm.OpAlterConfigs,
}
