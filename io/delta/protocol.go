package delta

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The protocol that tables are made with.
const (
	readerVersion = 1
	writerVersion = 2
)

// Of the protocol with features, reader version 3 and writer version 7, these ask for nothing that is not
// looked after anyway: they are what writer version 2 consists of.
var writerFeatures = []string{"appendOnly", "invariants"}

// ErrProtocol is returned for a table that needs a newer protocol than this package has.
var ErrProtocol = errors.New("the table needs a protocol that this program does not have")

// checkReader returns an error when the table cannot be read.
func (p *Protocol) checkReader() error {
	switch {
	case p.MinReaderVersion == readerVersion:
		return nil
	case p.MinReaderVersion == 3 && len(p.ReaderFeatures) == 0:
		return nil
	case p.MinReaderVersion == 3:
		return fmt.Errorf("%w: readers must know %s, and this one knows reader version %d: "+
			"drop the features, or read it with a newer program", ErrProtocol, strings.Join(p.ReaderFeatures, ", "), readerVersion)
	case p.MinReaderVersion == 2:
		return fmt.Errorf("%w: reader version 2 (column mapping), and this one knows version %d: "+
			"copy the table without column mapping", ErrProtocol, readerVersion)
	}
	return fmt.Errorf("%w: reader version %d, and this one knows version %d: read it with a newer program",
		ErrProtocol, p.MinReaderVersion, readerVersion)
}

// CheckWriter returns ErrProtocol, with what the table needs, when it cannot be written to. Commits find that out by
// themselves; whoever writes files before may want to know it earlier.
func (s *Snapshot) CheckWriter() error {
	p := &s.Protocol
	unknown := slices.DeleteFunc(slices.Clone(p.WriterFeatures), func(f string) bool {
		return slices.Contains(writerFeatures, f)
	})
	switch {
	case p.MinWriterVersion == 7 && len(unknown) != 0:
		return fmt.Errorf("%w: writers must know %s, and this one knows writer version %d: "+
			"drop the features, or choose another table", ErrProtocol, strings.Join(unknown, ", "), writerVersion)
	case p.MinWriterVersion > writerVersion && p.MinWriterVersion != 7:
		return fmt.Errorf("%w: writer version %d, and this one knows version %d: choose another table",
			ErrProtocol, p.MinWriterVersion, writerVersion)
	case s.unknown != "":
		return fmt.Errorf("%w: %s: write to it with a newer program", ErrProtocol, s.unknown)
	case strings.Contains(s.Metadata.SchemaString, `"delta.invariants"`):
		return fmt.Errorf("%w: its columns have invariants, which this one does not check: choose another table", ErrProtocol)
	}
	return nil
}
