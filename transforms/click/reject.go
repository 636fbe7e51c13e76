package click

import "fmt"

// Reason says, in the words of the dead letter topic's dlq.reason header, why a record is no click that
// can be counted.
type Reason string

// The reasons. They are part of the command's interface.
const (
	BadMagic        Reason = "bad_magic"        // not framed as the registry's producers do, or empty
	UnknownSchema   Reason = "unknown_schema"   // the registry has no schema of that id
	Avro            Reason = "avro"             // bytes that the writer's schema does not describe
	JSON            Reason = "json"             // not one JSON object
	TrailingBytes   Reason = "trailing_bytes"   // something follows the event
	MissingField    Reason = "missing_field"    // a required field is not there
	InvalidField    Reason = "invalid_field"    // a field's type or value is wrong
	FutureTimestamp Reason = "future_timestamp" // event time past the record's time plus the clock skew
	TooLate         Reason = "too_late"         // the window was final when the click arrived
	TooLarge        Reason = "too_large"        // a page or a record larger than what is kept
)

// Reasons lists every reason, in the order of the path that a record takes.
var Reasons = []Reason{BadMagic, UnknownSchema, Avro, JSON, TrailingBytes, MissingField, InvalidField, FutureTimestamp, TooLate, TooLarge}

// Fault is why one record is rejected. It is an error of the record, not of the program.
type Fault struct {
	Reason Reason
	Detail string // in words, with the field and the value
}

// Faultf returns a fault with its detail formatted.
func Faultf(r Reason, format string, args ...any) *Fault {
	return &Fault{r, fmt.Sprintf(format, args...)}
}

func (f *Fault) Error() string { return string(f.Reason) + ": " + f.Detail }

// Header is a record's header.
type Header struct {
	Key   string
	Value []byte
}

// Reject is a record that could not be counted: the original bytes, where they stood, and why.
type Reject struct {
	Fault     Fault
	Topic     string
	Partition int32
	Offset    int64
	Timestamp int64 // the record's, milliseconds since the epoch
	Key       []byte
	Value     []byte
	Headers   []Header
	Stage     string // the step that rejected it: decode, validate or window
}
