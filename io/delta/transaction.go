package delta

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// isolation is what commits are to each other, see Log.Commit.
const isolation = "Serializable"

// check returns an error when the transaction cannot be one, whatever others commit.
func (tx *Transaction) check() error {
	if tx.Read == nil {
		return errors.New("the transaction does not say what it was planned on")
	}
	if tx.Operation == "" {
		return errors.New("the transaction does not say what operation it is")
	}
	names := map[string]bool{}
	for i := range tx.Add {
		name, err := tx.Add[i].Name()
		if err != nil {
			return err
		}
		if names[name] || tx.Read.File(name) != nil {
			return fmt.Errorf("file %s would be in the table twice: give it another name", name)
		}
		names[name] = true
	}
	appendOnly := tx.Read.Metadata.Configuration[appendOnlyKey] == "true"
	for i := range tx.Remove {
		name, err := tx.Remove[i].Name()
		if err != nil {
			return err
		}
		if names[name] || tx.Read.File(name) == nil {
			return fmt.Errorf("file %s cannot be removed, version %d does not hold it", name, tx.Read.Version)
		}
		if appendOnly && tx.Remove[i].DataChange {
			return fmt.Errorf("file %s cannot be removed: the table's %s is true, set it to false", name, appendOnlyKey)
		}
		names[name] = true
	}
	return nil
}

// judge returns a *Conflict when the entry changes what the transaction was planned on, see Log.Commit.
func (tx *Transaction) judge(e *Entry) error {
	conflict := func(format string, args ...any) error {
		return &Conflict{Version: e.Version, Info: e.Info, Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case e.Protocol != nil:
		return conflict("it changes the table's protocol")
	case e.Metadata != nil:
		return conflict("it changes the table's metadata")
	}
	for _, theirs := range e.Txns {
		for _, mine := range tx.Txn {
			if theirs.AppID == mine.AppID {
				return conflict("it is of application %s, too", mine.AppID)
			}
		}
	}
	mine := make(map[string]bool, len(tx.Add)+len(tx.Remove))
	for i := range tx.Add {
		if name, err := tx.Add[i].Name(); err == nil {
			mine[name] = true
		}
	}
	for i := range tx.Remove {
		if name, err := tx.Remove[i].Name(); err == nil {
			mine[name] = true
		}
	}
	for i := range e.Removes {
		if name, err := e.Removes[i].Name(); err != nil || mine[name] || slices.Contains(tx.Keep, name) {
			return conflict("it removes %s", e.Removes[i].Path)
		}
	}
	for i := range e.Adds {
		name, err := e.Adds[i].Name()
		if err != nil || mine[name] || tx.Concerns != nil && tx.Concerns(&e.Adds[i]) {
			return conflict("it adds %s", e.Adds[i].Path)
		}
	}
	return nil
}

// entry returns the transaction as the version after at.
func (tx *Transaction) entry(at *Snapshot, id string, o Options) *Entry {
	read := tx.Read.Version
	info := &CommitInfo{
		Timestamp:           after(at, o.Now()),
		Operation:           tx.Operation,
		OperationParameters: tx.Parameters,
		ReadVersion:         &read,
		IsolationLevel:      isolation,
		IsBlindAppend:       len(tx.Remove) == 0 && tx.Concerns == nil && tx.Metadata == nil && tx.Protocol == nil,
		OperationMetrics:    tx.Metrics,
		EngineInfo:          o.Engine,
		TxnID:               id,
	}
	return &Entry{
		Version: at.Version + 1, Info: info, Protocol: tx.Protocol, Metadata: tx.Metadata,
		Txns: tx.Txn, Adds: tx.Add, Removes: tx.Remove,
	}
}

// after returns the time of the version after at, in milliseconds since 1970: now, or just after at's where the
// clock was put back, since times must ascend for a version to be found by its time.
func after(at *Snapshot, now time.Time) int64 {
	if ms := now.UnixMilli(); at == nil || at.Time.IsZero() || ms > at.Time.UnixMilli() {
		return ms
	}
	return at.Time.UnixMilli() + 1
}
