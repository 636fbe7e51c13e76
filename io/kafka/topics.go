package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Difference is one thing of a topic that is not as it is wanted.
type Difference struct {
	What string // partitions, replication factor, or config and its key
	Is   string
	Want string
	Why  string // why Apply leaves it so; empty where it does not
}

func (d Difference) String() string {
	s := fmt.Sprintf("%s: %s, want %s", d.What, d.Is, d.Want)
	if d.Why != "" {
		s += " (" + d.Why + ")"
	}
	return s
}

// Outcome is what Apply did with a topic, or what Check found. A topic that is as it is wanted has neither
// changes nor differences left.
type Outcome struct {
	Topic   string
	Missing bool         // it was not there
	Created bool         // and was made
	Changed []Difference // what was changed, from Is to Want
	Left    []Difference // what differs still
}

// Differs tells whether the topic is not as it is wanted.
func (o Outcome) Differs() bool { return o.Missing && !o.Created || len(o.Left) > 0 }

// ApplyOptions say how far Apply may go.
type ApplyOptions struct {
	RaisePartitions bool // add partitions where there are too few; keys then move to other partitions
	DryRun          bool // let the brokers check, and change nothing
}

// Check compares the cluster's topics with the wanted ones, in their order. Only the configuration that a
// Topic names is compared. Its errors are those of Explain.
func (c Connection) Check(ctx context.Context, cl *kgo.Client, topics []Topic) ([]Outcome, error) {
	adm := kadm.NewClient(cl)
	var outcomes []Outcome
	for _, t := range topics {
		d, err := c.describe(ctx, adm, t.Name)
		if errors.Is(err, ErrNoTopic) {
			outcomes = append(outcomes, Outcome{Topic: t.Name, Missing: true})
			continue
		}
		if err != nil {
			return outcomes, err
		}
		o := Outcome{Topic: t.Name}
		if is := len(d.Partitions); is != t.Partitions {
			o.Left = append(o.Left, Difference{What: "partitions", Is: strconv.Itoa(is), Want: strconv.Itoa(t.Partitions)})
		}
		if is := d.Partitions.NumReplicas(); t.ReplicationFactor > 0 && is != t.ReplicationFactor {
			o.Left = append(o.Left, Difference{What: "replication factor", Is: strconv.Itoa(is), Want: strconv.Itoa(t.ReplicationFactor)})
		}
		config, err := c.compareConfig(ctx, adm, t)
		if err != nil {
			return outcomes, err
		}
		o.Left = append(o.Left, config...)
		outcomes = append(outcomes, o)
	}
	return outcomes, nil
}

// describe returns what the cluster says of one topic. It is asked for one at a time, so that an error is known
// to be that topic's.
func (c Connection) describe(ctx context.Context, adm *kadm.Client, topic string) (kadm.TopicDetail, error) {
	// Asked without the permissions it would come from a cache that is as old as five seconds.
	details, err := adm.ListTopics(kadm.WithAuthorizedOps(ctx), topic)
	if err == nil {
		err = details[topic].Err
	}
	return details[topic], c.Explain(err, Doing{Operation: "Describe", Topic: topic})
}

const configWord = "config "

func (c Connection) compareConfig(ctx context.Context, adm *kadm.Client, t Topic) ([]Difference, error) {
	if len(t.Config) == 0 {
		return nil, nil
	}
	is, err := c.topicConfig(ctx, adm, t.Name)
	if err != nil {
		return nil, err
	}
	var differences []Difference
	for _, key := range slices.Sorted(maps.Keys(t.Config)) {
		want := t.Config[key]
		value, known := is[key]
		switch {
		case !known:
			differences = append(differences, Difference{What: configWord + key, Is: "unknown to the broker", Want: want})
		case !sameConfig(key, value, want):
			differences = append(differences, Difference{What: configWord + key, Is: value, Want: want})
		}
	}
	return differences, nil
}

// topicConfig returns a topic's configuration, defaults included.
func (c Connection) topicConfig(ctx context.Context, adm *kadm.Client, topic string) (map[string]string, error) {
	configs, err := adm.DescribeTopicConfigs(ctx, topic)
	if err == nil {
		var rc kadm.ResourceConfig
		if rc, err = configs.On(topic, nil); err == nil {
			err = rc.Err
		}
		if err == nil {
			is := map[string]string{}
			for _, e := range rc.Configs {
				is[e.Key] = e.MaybeValue()
			}
			return is, nil
		}
	}
	return nil, c.Explain(err, Doing{Operation: "DescribeConfigs", Topic: topic})
}

func sameConfig(key, a, b string) bool {
	if !slices.Contains(listConfigs, key) {
		return a == b
	}
	split := func(s string) []string {
		var words []string
		for w := range strings.SplitSeq(s, ",") {
			words = append(words, strings.TrimSpace(w))
		}
		slices.Sort(words)
		return words
	}
	return slices.Equal(split(a), split(b))
}

// Apply makes the topics that are missing and changes the configuration of the others. It never deletes a
// topic, never takes partitions away, and adds partitions only when told; what it leaves is in the outcomes
// with its reason. The outcomes up to an error come with it.
func (c Connection) Apply(ctx context.Context, cl *kgo.Client, topics []Topic, opts ApplyOptions) ([]Outcome, error) {
	adm := kadm.NewClient(cl)
	if err := c.enoughBrokers(ctx, adm, topics); err != nil {
		return nil, err
	}
	outcomes, err := c.Check(ctx, cl, topics)
	if err != nil {
		return nil, err
	}
	for i := range outcomes {
		if outcomes[i].Missing {
			err = c.create(ctx, adm, topics[i], opts.DryRun)
			outcomes[i].Created = err == nil
			if outcomes[i].Created && !opts.DryRun {
				err = c.settled(ctx, adm, topics[i])
			}
		} else {
			err = c.change(ctx, adm, topics[i], &outcomes[i], opts)
		}
		if err != nil {
			return outcomes[:i], err
		}
	}
	return outcomes, nil
}

// enoughBrokers finds a replication factor that the cluster cannot give, before anything is changed: brokers
// say so only of the topic that they are making.
func (c Connection) enoughBrokers(ctx context.Context, adm *kadm.Client, topics []Topic) error {
	brokers, err := adm.ListBrokers(ctx)
	if err != nil {
		return c.Explain(err, Doing{})
	}
	for _, t := range topics {
		if t.ReplicationFactor > len(brokers) {
			return fmt.Errorf("topic %s: a replication factor of %d needs %d brokers, and Kafka at %s has %d; give this cluster its own with --replication-factor %d",
				t.Name, t.ReplicationFactor, t.ReplicationFactor, c.where(), len(brokers), len(brokers))
		}
	}
	return nil
}

func (c Connection) create(ctx context.Context, adm *kadm.Client, t Topic, dry bool) error {
	config := map[string]*string{}
	for k, v := range t.Config {
		config[k] = kadm.StringPtr(v)
	}
	factor := int16(t.ReplicationFactor)
	if factor == 0 {
		factor = -1 // the broker's default
	}
	request := adm.CreateTopics
	if dry {
		request = adm.ValidateCreateTopics
	}
	responses, err := request(ctx, int32(t.Partitions), factor, config, t.Name)
	var message string
	if err == nil {
		r := responses[t.Name]
		err, message = r.Err, r.ErrMessage
	}
	return c.refusal(err, message, Doing{Operation: "Create", Topic: t.Name})
}

// refusal puts what the broker says beside the code of an error that Explain does not know better.
func (c Connection) refusal(err error, message string, d Doing) error {
	if err == nil {
		return nil
	}
	explained := c.Explain(err, d)
	if f := (*fault)(nil); message == "" || errors.As(explained, &f) && f.kind != nil {
		return explained
	}
	return fmt.Errorf("cannot %s topic %s: the broker refuses: %s (%w)", inWords(d.Operation), d.Topic, strings.ReplaceAll(message, "\n", " "), err)
}

// settled waits until every partition of a topic that was just made has its leader: the brokers tell one another only
// after they answered, which takes a busy one its time.
func (c Connection) settled(ctx context.Context, adm *kadm.Client, t Topic) error {
	for deadline := time.Now().Add(c.retryTimeout()); ; {
		d, err := c.describe(ctx, adm, t.Name)
		if err != nil && !errors.Is(err, ErrNoTopic) {
			return err
		}
		led := 0
		for _, p := range d.Partitions {
			if p.Err == nil && p.Leader >= 0 {
				led++
			}
		}
		if led >= t.Partitions {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("topic %s was made, and %d of its %d partitions have a leader after %s; look at the brokers of Kafka at %s, and run again",
				t.Name, led, t.Partitions, c.retryTimeout(), c.where())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stopped while topic %s gets its leaders: %w", t.Name, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// change moves from o.Left to o.Changed what it may change, and gives the rest its reason.
func (c Connection) change(ctx context.Context, adm *kadm.Client, t Topic, o *Outcome, opts ApplyOptions) error {
	var left []Difference
	var alter []kadm.AlterConfig
	for _, d := range o.Left {
		key, isConfig := strings.CutPrefix(d.What, configWord)
		switch {
		case isConfig:
			alter = append(alter, kadm.AlterConfig{Op: kadm.SetConfig, Name: key, Value: kadm.StringPtr(d.Want)})
			o.Changed = append(o.Changed, d)
			continue
		case d.What == "replication factor":
			d.Why = "it is not changed here; move the replicas with kafka-reassign-partitions.sh"
		case atoi(d.Is) > t.Partitions:
			d.Why = "partitions are never taken away, as their records would be lost"
		case !opts.RaisePartitions:
			d.Why = "add them with --raise-partitions; records of a key then move to another partition"
		default:
			if err := c.raise(ctx, adm, t, opts.DryRun); err != nil {
				return err
			}
			o.Changed = append(o.Changed, d)
			continue
		}
		left = append(left, d)
	}
	o.Left = left
	if len(alter) == 0 {
		return nil
	}
	request := adm.AlterTopicConfigs
	if opts.DryRun {
		request = adm.ValidateAlterTopicConfigs
	}
	responses, err := request(ctx, alter, t.Name)
	var message string
	if err == nil {
		var r kadm.AlterConfigsResponse
		if r, err = responses.On(t.Name, nil); err == nil {
			err, message = r.Err, r.ErrMessage
		}
	}
	return c.refusal(err, message, Doing{Operation: "AlterConfigs", Topic: t.Name})
}

func (c Connection) raise(ctx context.Context, adm *kadm.Client, t Topic, dry bool) error {
	request := adm.UpdatePartitions
	if dry {
		request = adm.ValidateUpdatePartitions
	}
	responses, err := request(ctx, t.Partitions, t.Name)
	var message string
	if err == nil {
		r := responses[t.Name]
		err, message = r.Err, r.ErrMessage
	}
	return c.refusal(err, message, Doing{Operation: "Alter", Topic: t.Name})
}

// atoi reads a number that this package wrote.
func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}
