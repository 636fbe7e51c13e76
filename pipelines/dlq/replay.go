package dlq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/io/kafka"
	"clickstream/io/version"
	"clickstream/pipelines/audit"
	"clickstream/pipelines/settings"
	"clickstream/transforms/click"
	"clickstream/transforms/replay"
)

// How large a transaction becomes. Whoever reads the topics waits for its end.
const (
	batchRecords = 20_000
	batchBytes   = 16 << 20
	batchTime    = time.Second
)

// Replayed is what Replay did, or would do.
type Replayed struct {
	Topic           string `json:"topic"`
	DeadLetterTopic string `json:"dead_letter_topic"`
	DryRun          bool   `json:"dry_run"`

	Read         int64                  `json:"read"` // dead letters
	Replayed     int64                  `json:"replayed"`
	Reasons      map[click.Reason]int64 `json:"reasons"` // of those
	Transactions int64                  `json:"transactions"`
	Skipped      Skipped                `json:"skipped"`
	Foreign      Foreign                `json:"foreign"`

	Rebuild *audit.TakenIn `json:"rebuild,omitempty"`

	Seconds float64 `json:"seconds"` // of the replay alone
}

// Skipped is dead letters that are left alone, by why.
type Skipped struct {
	Unchosen    int64 `json:"unchosen"`     // the filters leave them out
	OtherTopic  int64 `json:"other_topic"`  // their records came from another topic
	Replayed    int64 `json:"replayed"`     // before
	Copies      int64 `json:"copies"`       // of a dead letter that is replayed
	MaxAttempts int64 `json:"max_attempts"` // replayed as often as they may be
	TooLarge    int64 `json:"too_large"`    // with their headers, larger than the topic takes
}

// replayer is a Replay that is under way.
type replayer struct {
	*settings.DLQReplay
	*topic
	connection kafka.Connection
	choice     *choice
	subject    subject
	ends       map[int32]int64 // of the source topic
	maxBytes   int

	tx      *kafka.Transactor // nil for a dry run
	before  []*done           // what is replayed already
	own     *done             // what this replay adds
	offends []letter          // that cannot be of the topic
	witness map[int32]letter  // newest that can, by partition

	mu      sync.Mutex // of batch.landed
	batch   *batch
	reasons map[click.Reason]int64 // of the batch
	begun   time.Time
	taken   int64
	failed  error // of a commit between records
	report  *Replayed
}

// Replay puts records that were rejected back on their topic, each once, whatever becomes of the process: markers in the
// dead letter topic say which they were, and are committed in one transaction with them. What was done up to an error
// comes with it. tell is called as the dead letter topic is read, and as the topic is.
func Replay(ctx context.Context, s *settings.DLQReplay, tell Tell) (*Replayed, error) {
	r := &replayer{
		DLQReplay: s, connection: s.Audit.Kafka.Connection(), choice: choose(&s.Letters, "", s.Offsets),
		own: &done{records: places{}, landed: map[int32][]click.OffsetRange{}}, batch: newBatch(), reasons: map[click.Reason]int64{},
		report: &Replayed{
			Topic: s.Audit.Topic, DeadLetterTopic: s.Letters.DeadLetterTopic, DryRun: s.DryRun,
			Reasons: map[click.Reason]int64{}, Foreign: Foreign{First: []string{}},
		},
	}
	if s.Rebuild { // before anything is changed
		if err := audit.Check(ctx, &s.Audit); err != nil {
			return nil, err
		}
	}
	var err error
	if r.topic, err = open(ctx, r.connection, s.Letters.DeadLetterTopic); err != nil {
		return nil, err
	}
	defer r.close()
	if err := r.lookUp(ctx); err != nil {
		return nil, err
	}
	if !s.DryRun {
		limit := int32(r.maxBytes) //nolint:gosec // it was one
		limits := kafka.Limits{r.Audit.Topic: limit, r.Letters.DeadLetterTopic: limit}
		if r.tx, err = kafka.OpenTransactor(ctx, r.connection, r.transactionalID(), limits, kgo.ManualPartitioner()); err != nil {
			return nil, r.explain(err)
		}
		defer r.tx.Close()
		if err := r.bound(ctx); err != nil { // what an earlier replay has committed lies before these ends
			return nil, err
		}
	}
	if err := r.reach(ctx); err != nil { // later than what the dead letters are of
		return nil, err
	}
	if err := r.survey(ctx, tell); err != nil {
		return nil, err
	}
	if err := r.run(ctx, tell); err != nil {
		return r.report, r.explain(err)
	}
	if s.Rebuild {
		r.report.Rebuild, err = audit.TakeIn(ctx, &s.Audit, r.landed(), s.DryRun, tell)
	}
	return r.report, err
}

// transactionalID is one for each pair of topics: their names hold no slash.
func (r *replayer) transactionalID() string {
	return "clickstream-replay/" + r.Letters.DeadLetterTopic + "/" + r.Audit.Topic
}

func (r *replayer) explain(err error) error {
	if errors.Is(err, kafka.ErrFenced) {
		return fmt.Errorf("another replay from %s into %s has begun, and this one ends (%w); what it has committed stays, and the other one goes on with the rest",
			r.Letters.DeadLetterTopic, r.Audit.Topic, err)
	}
	return err
}

// undone says that a transaction failed, where what failed does not say the way out.
func undone(err error) error {
	for _, said := range []error{nil, kafka.ErrFenced, kafka.ErrDenied, kafka.ErrNoTopic, kafka.ErrUnreachable, kafka.ErrRefused} {
		if errors.Is(err, said) {
			return err
		}
	}
	return fmt.Errorf("a transaction failed, and what was in it is replayed next time: %w; run it again", err)
}

// lookUp finds out what the source topic is.
func (r *replayer) lookUp(ctx context.Context) error {
	name := r.Audit.Topic
	doing := kafka.Doing{Operation: "Write", Topic: name}
	if r.DryRun {
		doing.Operation = "Describe"
	}
	is, err := r.connection.Identify(ctx, r.admin, doing)
	if err != nil {
		return err
	}
	r.subject = subject{name, is.Topic}
	r.maxBytes = int(r.connection.MaxMessageBytes(ctx, r.client, name))
	return nil
}

// reach looks up where the source topic ends.
func (r *replayer) reach(ctx context.Context) error {
	name := r.Audit.Topic
	ends, err := r.admin.ListEndOffsets(ctx, name)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return r.connection.Explain(err, kafka.Doing{Operation: "Describe", Topic: name})
	}
	r.ends = map[int32]int64{}
	for p, end := range ends[name] {
		r.ends[p] = end.Offset
	}
	return nil
}

// survey finds out what was replayed already, and whether what is to be replayed can be.
func (r *replayer) survey(ctx context.Context, tell Tell) error {
	said := progress{}
	r.witness = map[int32]letter{}
	check := func(l *letter) error {
		switch {
		case l.topic != r.Audit.Topic:
		case r.possible(l):
			if l.written > 0 && l.of >= r.witness[l.source].of {
				r.witness[l.source] = letter{of: l.of, written: l.written}
			}
		case r.choice.has(l) && len(r.offends) < 1000:
			x := *l
			x.record = nil // it is another's once this returns
			r.offends = append(r.offends, x)
		}
		return nil
	}
	markers := func(m marker, rec *kgo.Record) error { return said.add(m, rec.Timestamp) }
	if err := r.scan(ctx, r.extent, tell, check, markers, nil); err != nil {
		return err
	}
	for of, d := range said {
		switch {
		case of.topic != r.subject.topic:
		case kafka.SameID(of.id, r.subject.id):
			r.before = append(r.before, d)
		case r.choice.since.Before(d.last):
			return fmt.Errorf("topic %s was deleted and made again since the replay of %s: it was of id %s, and is of %s now; what was rejected before is not of it, so replay what came later with --since TIME",
				of.topic, d.last.UTC().Format(time.RFC3339), of.id, r.subject.id)
		}
	}
	same := false
	if len(r.offends) > 0 {
		var err error
		if same, err = r.sameTopic(ctx); err != nil {
			return err
		}
	}
	for _, l := range r.offends {
		end, ok := r.ends[l.source]
		switch {
		case same, r.known(&l): // somebody else has written it
		case !ok:
			return fmt.Errorf("dead letter %d:%d is of partition %d of topic %s, which has partitions 0 to %d now: it was deleted and made again; leave such dead letters out with --since TIME, or by --partition and --source",
				l.partition, l.offset, l.source, l.topic, len(r.ends)-1)
		default:
			return fmt.Errorf("dead letter %d:%d is of offset %d of topic %s partition %d, which ends at %d: it was deleted and made again, or cut; leave such dead letters out with --since TIME",
				l.partition, l.offset, l.of, l.topic, l.source, end)
		}
	}
	return nil
}

// possible tells whether a dead letter can be of the topic as it is.
func (r *replayer) possible(l *letter) bool {
	end, ok := r.ends[l.source]
	return ok && l.of < end
}

// sameTopic tells whether the topic is surely the one that dead letters are of: whether it has a record of just the time of
// one of them, no later than that. Topics that are made again have the same offsets, but not the same times.
func (r *replayer) sameTopic(ctx context.Context) (bool, error) {
	for partition, l := range r.witness {
		found, err := r.admin.ListOffsetsAfterMilli(ctx, l.written, r.Audit.Topic)
		if err == nil {
			err = found.Error()
		}
		if err != nil {
			return false, r.connection.Explain(err, kafka.Doing{Operation: "Describe", Topic: r.Audit.Topic})
		}
		if at, ok := found.Lookup(r.Audit.Topic, partition); ok && at.Timestamp == l.written && at.Offset <= l.of {
			return true, nil
		}
	}
	return false, nil
}

// known tells whether a record was replayed before.
func (r *replayer) known(l *letter) bool {
	return slices.ContainsFunc(r.before, func(d *done) bool { return d.records.has(l.source, l.of) })
}

// run replays.
func (r *replayer) run(ctx context.Context, tell Tell) error {
	r.begun = time.Now()
	defer func() { r.report.Seconds = time.Since(r.begun).Seconds() }()
	var only *int32
	if !r.choice.source {
		only = r.choice.partition
	}
	part, err := r.part(ctx, r.choice.since, only)
	if err != nil {
		return err
	}
	lasting := context.WithoutCancel(ctx) // who is told to stop ends what is begun
	told := func(read, of int64) {
		if tell != nil {
			tell(read, of)
		}
		if r.failed == nil && r.batch.count > 0 && time.Since(r.batch.begun) > batchTime {
			r.failed = r.commit(lasting)
		}
	}
	err = r.scan(ctx, part, told, func(l *letter) error { return r.take(ctx, lasting, l) }, nil, &r.report.Foreign)
	if err != nil && ctx.Err() == nil {
		return err
	}
	if committed := r.commit(lasting); committed != nil {
		return committed
	}
	if err != nil {
		return fmt.Errorf("stopped after %d records were replayed; run it again, and it goes on with the others", r.report.Replayed)
	}
	return nil
}

// take replays a dead letter, unless it is to be left alone.
func (r *replayer) take(ctx, lasting context.Context, l *letter) error {
	if r.failed != nil {
		return r.failed
	}
	r.report.Read++
	skipped := &r.report.Skipped
	switch {
	case l.topic != r.Audit.Topic:
		skipped.OtherTopic++
		return nil
	case !r.choice.has(l):
		skipped.Unchosen++
		return nil
	case r.known(l):
		skipped.Replayed++
		return nil
	case !r.possible(l): // or survey had said so
		r.report.Read--
		r.report.Foreign.add(l.record)
		return nil
	case l.attempt >= r.MaxAttempts:
		skipped.MaxAttempts++
		return nil
	}
	origin := replay.Origin{
		Topic: r.Letters.DeadLetterTopic, Partition: l.partition, Offset: l.offset,
		SourcePartition: l.source, SourceOffset: l.of, Timestamp: l.written, Attempt: l.attempt + 1, Reason: l.reason,
	}
	// It bears the time of its replay: the topic's retention would soon take an old one away again.
	rec := &kgo.Record{Topic: r.Audit.Topic, Partition: l.source, Key: l.record.Key, Value: l.record.Value, Headers: origin.Headers(l.record.Headers)}
	if size(rec) > r.maxBytes {
		skipped.TooLarge++
		return nil
	}
	if !r.own.records.add(l.source, l.of) {
		skipped.Copies++
		return nil
	}
	if r.tx == nil {
		r.report.Replayed++
		r.report.Reasons[l.reason]++
		return nil
	}
	if err := r.pace(ctx, lasting); err != nil {
		return err
	}
	r.batch.add(l)
	r.reasons[l.reason]++
	r.taken++
	if err := r.tx.Write(lasting, rec, r.arrived); err != nil {
		return undone(err)
	}
	if r.batch.count >= batchRecords || r.batch.bytes >= batchBytes || time.Since(r.batch.begun) > batchTime {
		return r.commit(lasting)
	}
	return nil
}

// size is at least what a record takes in a batch of its own.
func size(rec *kgo.Record) int {
	n := 100 + len(rec.Key) + len(rec.Value)
	for _, h := range rec.Headers {
		n += 10 + len(h.Key) + len(h.Value)
	}
	return n
}

// pace waits until the next record is due by --rate. No transaction is open for long meanwhile.
func (r *replayer) pace(ctx, lasting context.Context) error {
	if r.Rate <= 0 {
		return nil
	}
	for {
		wait := time.Until(r.begun.Add(time.Duration(float64(r.taken) / r.Rate * float64(time.Second))))
		if wait <= 0 {
			return nil
		}
		if r.batch.count > 0 && time.Since(r.batch.begun)+wait > batchTime {
			if err := r.commit(lasting); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

// arrived notes where a replayed record landed.
func (r *replayer) arrived(rec *kgo.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := click.OffsetRange{First: rec.Offset, Next: rec.Offset + 1}
	if had, ok := r.batch.landed[rec.Partition]; ok {
		at = at.Union(had)
	}
	r.batch.landed[rec.Partition] = at
}

// commit ends the transaction: the records, and the markers that say which they were.
func (r *replayer) commit(ctx context.Context) error {
	if r.batch.count == 0 {
		return nil
	}
	if err := r.tx.Flush(ctx); err != nil { // until then it is not known where all have landed
		return undone(err)
	}
	markers, err := r.batch.markers(r.Letters.DeadLetterTopic, marker{Topic: r.subject.topic, TopicID: r.subject.id, Program: version.Own()})
	if err != nil {
		return err
	}
	for _, m := range markers {
		if err := r.tx.Write(ctx, m, nil); err != nil {
			return undone(err)
		}
	}
	if err := r.tx.Commit(ctx); err != nil {
		return undone(err)
	}
	for p, at := range r.batch.landed {
		r.own.landed[p] = append(r.own.landed[p], at)
	}
	for reason, n := range r.reasons {
		r.report.Reasons[reason] += n
	}
	r.report.Replayed += int64(r.batch.count)
	r.report.Transactions++
	r.batch, r.reasons = newBatch(), map[click.Reason]int64{}
	return nil
}

// landed returns where replayed records stand by now, those of earlier replays too: they may have ended before their
// windows were rebuilt.
func (r *replayer) landed() map[int32][]click.OffsetRange {
	all := &done{landed: maps.Clone(r.own.landed)}
	for _, d := range r.before {
		for p, landed := range d.landed {
			all.landed[p] = append(slices.Clone(landed), all.landed[p]...)
		}
	}
	return all.joined()
}
