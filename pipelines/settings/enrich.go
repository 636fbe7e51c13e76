package settings

import "time"

const longestGap = 30 * 24 * time.Hour

func (e *Enrich) check(c *checks) {
	c.choices(e)
	e.checkInput(c)
	c.topic("enriched-topic", e.EnrichedTopic)
	switch e.EnrichedTopic {
	case e.Topic:
		c.add("--enriched-topic is --topic, %s: what is written would be read again without end; name another", e.Topic)
	case e.DeadLetterTopic:
		c.add("--enriched-topic is --dead-letter-topic, %s; name another", e.EnrichedTopic)
	}
	if e.Format == "json" && e.Registry == "" { // all else is said of the input
		c.add("--registry is missing: the enriched topic is Avro, whatever --format is; set --registry http://host:8081")
	}
	c.group(e.Group)
	c.start(e.Start, e.Until)
	c.length("session-gap", e.SessionGap, time.Second, "")
	if e.SessionGap > longestGap {
		c.add("--session-gap is %s; it must be at most %s, as sessions are kept for twice that long", duration(e.SessionGap), duration(longestGap))
	}
	e.checkJob(c, &e.Input)
	if e.Sessions && e.Runner == "spark" {
		c.add("--sessions are found by state and timers, which --runner spark does not have for Go pipelines; say --no-sessions, or name another runner")
	}
}
