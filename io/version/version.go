// Package version says which program this is.
package version

import "runtime/debug"

// Own returns the version of the program: that of its module where it was built as one, the commit
// otherwise, with + where files differ from it, or devel where neither is known.
func Own() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	var revision, dirty string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+"
		}
	}
	if revision == "" {
		return "devel"
	}
	return revision + dirty
}
