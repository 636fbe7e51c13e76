package kafka

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"clickstream/io/yamlfile"
)

// Topic is what a topic is to be.
type Topic struct {
	Name              string
	Partitions        int
	ReplicationFactor int               // 0 leaves it to the broker
	Config            map[string]string // the keys that are to be set; others are left as they are
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// CheckTopicName tells why name is no valid topic name, or returns nil. The rules are Kafka's
// (org.apache.kafka.common.internals.Topic).
func CheckTopicName(name string) error {
	switch {
	case name == "":
		return errors.New("a topic's name is empty")
	case name == "." || name == "..", !topicName.MatchString(name):
		return fmt.Errorf("%q is no valid topic name; it may hold letters, digits, '.', '_' and '-', 249 at most", name)
	}
	return nil
}

// ListConfigs are the topic configurations that are lists, whose order does not matter.
var listConfigs = []string{"cleanup.policy", "leader.replication.throttled.replicas", "follower.replication.throttled.replicas"}

// LoadTopics reads the topics of a YAML file: a list `topics` of name, partitions, replication_factor and
// config. Its error names the file and line of everything that is wrong in it, see errors.Join.
func LoadTopics(path string) ([]Topic, error) {
	f, err := yamlfile.Read(path)
	if err != nil {
		return nil, fmt.Errorf("topics file: %w", err)
	}
	entries, faults := f.Entries([]string{"topics"})
	var topics []Topic
	for _, e := range entries {
		if e.Value.Kind != yaml.SequenceNode {
			faults = append(faults, f.Errorf(e.Value, "topics must be a list; write each topic as «- name: …»"))
			continue
		}
		seen := map[string]int{}
		for _, n := range e.Value.Content {
			t, wrong := loadTopic(f, n)
			if before := seen[t.Name]; before > 0 {
				wrong = append(wrong, f.Errorf(n, "topic %s is described already in line %d", t.Name, before))
			}
			if t.Name != "" {
				seen[t.Name] = n.Line
			}
			faults = append(faults, wrong...)
			topics = append(topics, t)
		}
	}
	if len(faults) == 0 && len(topics) == 0 {
		faults = append(faults, fmt.Errorf("%s: it describes no topic; write a list «topics:» of name, partitions, replication_factor and config", path))
	}
	return topics, errors.Join(faults...)
}

func loadTopic(f *yamlfile.File, n *yaml.Node) (Topic, []error) {
	t := Topic{Config: map[string]string{}}
	entries, faults := f.Mapping(n, "a topic", []string{"name", "partitions", "replication_factor", "config"})
	given := func(key string) bool {
		return slices.ContainsFunc(entries, func(e yamlfile.Entry) bool { return e.Key == key })
	}
	for _, e := range entries {
		var err error
		switch e.Key {
		case "name":
			t.Name, err = e.Value.Value, CheckTopicName(e.Value.Value)
		case "partitions":
			t.Partitions, err = count(e, 100_000)
		case "replication_factor":
			t.ReplicationFactor, err = count(e, 1<<15-1)
		case "config":
			var wrong []error
			t.Config, wrong = loadConfig(f, e.Value)
			faults = append(faults, wrong...)
		}
		if err != nil {
			faults = append(faults, f.Errorf(e.Value, "%w", err))
		}
	}
	switch {
	case len(faults) > 0: // what is missing may be what is misspelt
	case !given("name"):
		faults = append(faults, f.Errorf(n, "the topic has no name"))
	case !given("partitions"):
		faults = append(faults, f.Errorf(n, "topic %s has no partitions; say how many it is to have", t.Name))
	}
	return t, faults
}

func count(e yamlfile.Entry, most int) (int, error) {
	n, err := strconv.Atoi(e.Value.Value)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%s is %q; it must be a whole number from 1 to %d", e.Key, e.Value.Value, most)
	}
	return n, nil
}

// loadConfig reads a topic's configuration. Its keys are the broker's: it knows them, this program does not.
func loadConfig(f *yamlfile.File, n *yaml.Node) (map[string]string, []error) {
	config := map[string]string{}
	if n.Tag == "!!null" {
		return config, nil
	}
	if n.Kind != yaml.MappingNode {
		return config, []error{f.Errorf(n, "config must be a list of «key: value» lines")}
	}
	var faults []error
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		value, ok := configValue(v)
		switch _, twice := config[k.Value]; {
		case twice:
			faults = append(faults, f.Errorf(k, "config %s is set twice", k.Value))
		case !ok:
			faults = append(faults, f.Errorf(v, "config %s must be one value, or a list of them", k.Value))
		default:
			config[k.Value] = value
		}
	}
	return config, faults
}

func configValue(n *yaml.Node) (string, bool) {
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag != "!!null":
		return n.Value, true
	case n.Kind == yaml.SequenceNode:
		var values []string
		for _, v := range n.Content {
			if v.Kind != yaml.ScalarNode {
				return "", false
			}
			values = append(values, v.Value)
		}
		return strings.Join(values, ","), true
	}
	return "", false
}
