package settings

import "time"

// Schemas is what the commands about schemas can be told.
//
//nolint:lll // a setting is one line, its help included
type Schemas struct {
	Registry     string        `name:"registry" help:"Schema registry (Confluent's API)." placeholder:"URL" group:"source"`
	Topic        string        `name:"topic" help:"Topic that the schemas are of." default:"events.clickstream.raw" group:"source"`
	Subject      string        `name:"subject" help:"Subject in the registry; by default the topic's name and -value." placeholder:"NAME" group:"source"`
	RetryTimeout time.Duration `name:"retry-timeout" help:"How long the registry may be out of reach before giving up." default:"30s" group:"source"`

	Needed bool `kong:"-"` // nothing goes without a registry
}

// SubjectName returns the subject.
func (s *Schemas) SubjectName() string {
	if s.Subject != "" {
		return s.Subject
	}
	return s.Topic + "-value"
}

func (s *Schemas) check(c *checks) {
	if s.Needed && s.Registry == "" {
		c.add("--registry is missing; name the schema registry, as http://localhost:8081")
	}
	c.registry("", s.Registry)
	c.topic("topic", s.Topic)
	c.length("retry-timeout", s.RetryTimeout, 0, "")
}
