package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TransactionTimeout is how long a transaction may last. Whoever reads its topics waits that long behind one that was
// left open, unless its producer begins anew before.
const TransactionTimeout = 30 * time.Second

// abortTimeout is how long a transaction that failed is tried to be ended.
const abortTimeout = 5 * time.Second

// ErrFenced is returned when another producer of the same transactional id has begun.
var ErrFenced = errors.New("fenced by another producer")

// Transactor produces records in transactions: who reads what is committed sees all of one, or nothing. It is used by
// one goroutine at a time. Once it has failed it stays so, and is to be closed.
type Transactor struct {
	*Writer
	id   string
	open bool // a transaction is
}

// OpenTransactor returns the producer of a transactional id. It ends what an earlier producer of that id has left open,
// and waits until that is done; the earlier one, should it still be there, fails by ErrFenced from then on. Records go to
// the topics that they name, and to the partitions that the partitioner says.
func OpenTransactor(ctx context.Context, c Connection, id string, limits Limits, partitioner kgo.Partitioner) (*Transactor, error) {
	w, err := openWriter(c, "", limits,
		kgo.TransactionalID(id),
		kgo.TransactionTimeout(TransactionTimeout),
		kgo.RecordPartitioner(partitioner),
	)
	if err != nil {
		return nil, err
	}
	t := &Transactor{Writer: w, id: id}
	if err := c.reach(ctx, w.client); err != nil {
		t.Close()
		return nil, err
	}
	if _, _, err := w.client.ProducerID(ctx); err != nil {
		err = t.explain(err, "")
		t.Close()
		return nil, err
	}
	return t, nil
}

// Write sends r, in a transaction that it begins where none is open, and returns before it has arrived. landed is called
// once it has, with its offset; it may be nil.
func (t *Transactor) Write(ctx context.Context, r *kgo.Record, landed func(*kgo.Record)) error {
	if !t.open {
		if err := t.client.BeginTransaction(); err != nil {
			t.fail(t.explain(err, r.Topic))
			return t.Failed()
		}
		t.open = true
	}
	t.client.Produce(ctx, r, func(r *kgo.Record, err error) {
		switch {
		case err != nil:
			t.fail(t.explain(err, r.Topic))
		case landed != nil:
			landed(r)
		}
	})
	return t.Failed()
}

// Commit waits until all that was written has arrived, and ends the transaction. What an error of its leaves is not
// known: the transaction may have been committed.
func (t *Transactor) Commit(ctx context.Context) error { return t.commit(ctx, nil) }

// CommitAt is Commit, with how far a consumer group has come as a part of the transaction: both happen, or neither. Where
// nothing was written, there is no transaction, and the group stays where it is.
func (t *Transactor) CommitAt(ctx context.Context, p Position) error { return t.commit(ctx, &p) }

func (t *Transactor) commit(ctx context.Context, p *Position) error {
	if err := t.Flush(ctx); err != nil {
		return err
	}
	if !t.open {
		return nil
	}
	var err error
	if p != nil {
		err = t.advance(ctx, *p)
	}
	if err == nil {
		err = t.client.EndTransaction(ctx, kgo.TryCommit)
	}
	if err != nil {
		t.fail(t.explain(err, ""))
		return t.Failed()
	}
	t.open = false
	return nil
}

// Close gives up what is not committed, and ends the connections.
func (t *Transactor) Close() {
	if t.open && !errors.Is(t.Failed(), ErrFenced) { // who was fenced has nothing to end, and must not fence in turn
		ctx, cancel := context.WithTimeout(context.Background(), abortTimeout)
		defer cancel()
		if err := t.client.AbortBufferedRecords(ctx); err == nil {
			_ = t.client.EndTransaction(ctx, kgo.TryAbort) // else the broker ends it by its timeout, or the next producer does
		}
	}
	t.Writer.Close()
}

func (t *Transactor) explain(err error, topic string) error {
	return t.connection.explainTransaction(err, t.id, topic)
}

// explainTransaction is Explain, which knows no transactions, for one of a transactional id.
func (c Connection) explainTransaction(err error, id, topic string) error {
	switch {
	case err == nil || isExplained(err):
		return err
	case errors.Is(err, kerr.TransactionalIDAuthorizationFailed):
		principal := "User:" + c.SASLUser
		if c.SASLUser == "" {
			principal = "User:NAME"
		}
		short := "no permission to write to transactional.id " + id
		return &fault{fmt.Sprintf("%s; it needs the ACL Write: kafka-acls.sh --bootstrap-server %s --add --allow-principal %s --operation Write --operation Describe --transactional-id %s",
			short, c.where(), principal, id), ErrDenied, err, short}
	case errors.Is(err, kerr.ProducerFenced), errors.Is(err, kerr.InvalidProducerEpoch), errors.Is(err, kerr.InvalidProducerIDMapping):
		return &fault{"transactional.id " + id + " was taken over by another producer", ErrFenced, err, ""}
	}
	return c.Explain(err, Doing{Operation: "Write", Topic: topic})
}
