package settings

import "time"

// checkInput checks what a pipeline reads.
func (i *Input) checkInput(c *checks) {
	c.kafka(i.Kafka)
	c.topic("topic", i.Topic)
	c.topic("dead-letter-topic", i.DeadLetterTopic)
	if i.Topic == i.DeadLetterTopic {
		c.add("--dead-letter-topic is --topic, %s: its rejects would be read again without end; name another", i.Topic)
	}
	c.registry(i.Format, i.Registry)
	if w := i.Until.Word; w != "" && w != Latest && w != Never || i.Until.IsZero() {
		c.add("--until is %q; it must be never, latest or a time as 2026-01-31T08:00:00Z", w)
	}
	c.number("readers", i.Readers, 1, 1024, "")
	c.length("watermark-delay", i.WatermarkDelay, 0, "")
	c.length("idle-timeout", i.IdleTimeout, time.Second, ", as a partition is silent that long between two fetches")
	c.length("clock-skew", i.ClockSkew, 0, "")
}

func (c *checks) group(name string) {
	if name == "" {
		c.add("--group is empty; name the consumer group whose offsets are committed")
	}
}

// start checks where a pipeline begins that ends at until.
func (c *checks) start(start, until Moment) {
	if w := start.Word; w != "" && w != Latest && w != Earliest || start.IsZero() {
		c.add("--start is %q; it must be latest, earliest or a time as 2026-01-31T08:00:00Z", w)
	}
	if !start.Time.IsZero() && !until.Time.IsZero() && !start.Time.Before(until.Time) {
		c.add("--start %s is not before --until %s; nothing would be read", start, until)
	}
}
