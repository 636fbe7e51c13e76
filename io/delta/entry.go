package delta

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Entry is one version of the log: what changed from the version before.
type Entry struct {
	Version  int64
	Info     *CommitInfo
	Protocol *Protocol
	Metadata *Metadata
	Txns     []Txn
	Adds     []Add
	Removes  []Remove

	// Unknown names the actions that this package does not know. The protocol lets a reader ignore them, as
	// a table that needs them for reading has a newer protocol.
	Unknown []string
}

// line is one action, a line of an entry's file.
type line struct {
	CommitInfo jsontext.Value `json:"commitInfo,omitzero"`
	Protocol   *Protocol      `json:"protocol,omitzero"`
	Metadata   *Metadata      `json:"metaData,omitzero"`
	Txn        *Txn           `json:"txn,omitzero"`
	Add        *Add           `json:"add,omitzero"`
	Remove     *Remove        `json:"remove,omitzero"`

	// Changes are for readers of changes alone. No other program's settings concern the table's files.
	Change jsontext.Value `json:"cdc,omitzero"`
	Domain jsontext.Value `json:"domainMetadata,omitzero"`

	Unknown map[string]jsontext.Value `json:",embed"`
}

// ParseEntry reads the file of a version: lines of JSON objects, each one action. Unknown fields are ignored,
// as the protocol demands. An error names the line.
func ParseEntry(version int64, data []byte) (*Entry, error) {
	e := &Entry{Version: version}
	for n := 1; len(data) > 0; n++ {
		var text []byte
		text, data, _ = bytes.Cut(data, []byte("\n"))
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		if err := e.parseLine(text); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if e.Info == nil && e.isEmpty() {
		return nil, errors.New("it holds no action")
	}
	return e, nil
}

func (e *Entry) isEmpty() bool {
	return e.Protocol == nil && e.Metadata == nil && len(e.Txns)+len(e.Adds)+len(e.Removes)+len(e.Unknown) == 0
}

func (e *Entry) parseLine(text []byte) error {
	if text[0] != '{' {
		return fmt.Errorf("it is no action in JSON: it begins with %q", text[:min(len(text), 8)])
	}
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return fmt.Errorf("it is no action in JSON: %w", err)
	}
	if err := l.check(); err != nil {
		return err
	}
	switch {
	case l.CommitInfo != nil:
		e.Info = parseInfo(l.CommitInfo)
	case l.Protocol != nil && e.Protocol != nil, l.Metadata != nil && e.Metadata != nil:
		return errors.New("there is a protocol or metadata before it already")
	case l.Protocol != nil:
		e.Protocol = l.Protocol
	case l.Metadata != nil:
		e.Metadata = l.Metadata
	case l.Txn != nil:
		e.Txns = append(e.Txns, *l.Txn)
	case l.Add != nil:
		e.Adds = append(e.Adds, *l.Add)
	case l.Remove != nil:
		e.Removes = append(e.Removes, *l.Remove)
	}
	for name := range l.Unknown {
		e.Unknown = append(e.Unknown, name)
	}
	return nil
}

// check returns an error when the line is not one action, or lacks what makes it one.
func (l *line) check() error {
	actions := len(l.Unknown)
	for _, is := range []bool{l.CommitInfo != nil, l.Protocol != nil, l.Metadata != nil, l.Txn != nil,
		l.Add != nil, l.Remove != nil, l.Change != nil, l.Domain != nil} {
		if is {
			actions++
		}
	}
	switch {
	case actions != 1:
		return fmt.Errorf("it holds %d actions, not one", actions)
	case l.Protocol != nil && (l.Protocol.MinReaderVersion < 1 || l.Protocol.MinWriterVersion < 1):
		return errors.New("the protocol names no versions")
	case l.Txn != nil && l.Txn.AppID == "":
		return errors.New("the txn names no application")
	case l.Add != nil:
		return checkPath(l.Add.Path)
	case l.Remove != nil:
		return checkPath(l.Remove.Path)
	}
	return nil
}

func checkPath(path string) error {
	if path == "" {
		return errors.New("it names no file")
	}
	_, err := UnescapePath(path)
	return err
}

// parseInfo reads what it can of a commitInfo: it is free text to the protocol, and programs differ.
func parseInfo(text jsontext.Value) *CommitInfo {
	var fields map[string]jsontext.Value
	info := &CommitInfo{}
	if json.Unmarshal(text, &fields) != nil {
		return info
	}
	var read int64
	if json.Unmarshal(fields["readVersion"], &read) == nil {
		info.ReadVersion = &read
	}
	for name, to := range map[string]any{
		"timestamp": &info.Timestamp, "inCommitTimestamp": &info.InCommitTimestamp, "operation": &info.Operation,
		"isolationLevel": &info.IsolationLevel, "isBlindAppend": &info.IsBlindAppend, "engineInfo": &info.EngineInfo, "txnId": &info.TxnID,
	} {
		_ = json.Unmarshal(fields[name], to) // what is not there, or of another type, is not known
	}
	info.OperationParameters = textMap(fields["operationParameters"])
	info.OperationMetrics = textMap(fields["operationMetrics"])
	return info
}

// textMap reads an object whose values are texts, or any JSON, which is then the text.
func textMap(object jsontext.Value) map[string]string {
	var values map[string]jsontext.Value
	if json.Unmarshal(object, &values) != nil || len(values) == 0 {
		return nil
	}
	m := make(map[string]string, len(values))
	for name, value := range values {
		text := string(value)
		_ = json.Unmarshal(value, &text)
		m[name] = text
	}
	return m
}

// Format returns the file of the version: the commit's provenance first, then what removes, then what adds.
func (e *Entry) Format() ([]byte, error) {
	if len(e.Unknown) != 0 {
		return nil, fmt.Errorf("actions %v are not known", e.Unknown)
	}
	var lines []any
	object := func(name string, action any) { lines = append(lines, map[string]any{name: action}) }
	if e.Info != nil {
		object("commitInfo", e.Info)
	}
	if e.Protocol != nil {
		object("protocol", e.Protocol)
	}
	if e.Metadata != nil {
		object("metaData", e.Metadata)
	}
	for i := range e.Txns {
		object("txn", &e.Txns[i])
	}
	for i := range e.Removes {
		object("remove", &e.Removes[i])
	}
	for i := range e.Adds {
		object("add", &e.Adds[i])
	}
	var out bytes.Buffer
	for _, l := range lines {
		if err := json.MarshalWrite(&out, l, json.Deterministic(true)); err != nil {
			return nil, err
		}
		out.WriteByte('\n')
	}
	return out.Bytes(), nil
}

// MarshalJSONTo writes the values, null for the empty text.
func (v Values) MarshalJSONTo(to *jsontext.Encoder) error {
	if err := to.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for _, column := range sortedKeys(v) {
		value := jsontext.Null
		if v[column] != "" {
			value = jsontext.String(v[column])
		}
		if err := to.WriteToken(jsontext.String(column)); err != nil {
			return err
		}
		if err := to.WriteToken(value); err != nil {
			return err
		}
	}
	return to.WriteToken(jsontext.EndObject)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
