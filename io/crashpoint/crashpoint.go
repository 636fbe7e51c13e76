// Package crashpoint names the places in a commit where it matters that the process may die. In a binary that is
// built with the tag «crash», and in no other, the environment can make it die there.
package crashpoint

// The points, in the order in which a commit passes them.
const (
	BeforeUpload      = "before-upload"       // nothing is written yet
	AfterUpload       = "after-upload"        // the files are complete, and no reader sees them
	AfterRename       = "after-rename"        // a file is in its place, and the next may not be
	AfterLogEntry     = "after-log-entry"     // the log names the files
	BeforeGroupCommit = "before-group-commit" // all is in the table, and the consumer group is not told
)

// Points lists them.
var Points = []string{BeforeUpload, AfterUpload, AfterRename, AfterLogEntry, BeforeGroupCommit}
