// Package yamlfile reads YAML written by hand: every mistake is told with its file and line, and an unknown
// key with the nearest known one.
package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Entry is one key of a mapping and its value.
type Entry struct {
	Key   string
	Line  int
	Value *yaml.Node
}

// File is a YAML file with one document.
type File struct {
	Path string
	root *yaml.Node
}

// Read reads the file at path. A file without content has no entries.
func Read(path string) (*File, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read it: %w", err)
	}
	f := &File{Path: path}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return f, nil
	case err != nil:
		return nil, fmt.Errorf("%s: %s", path, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	f.root = doc.Content[0]
	if dec.Decode(&yaml.Node{}) == nil {
		return nil, fmt.Errorf("%s: it holds a second document after ---; one is read", path)
	}
	return f, nil
}

// Entries returns the keys of the file's mapping, see Mapping.
func (f *File) Entries(known []string) ([]Entry, []error) {
	if f.root == nil || f.root.Tag == "!!null" {
		return nil, nil
	}
	return f.Mapping(f.root, "the file", known)
}

// Mapping returns the keys of a mapping that are known, with '_' for '-', and what is wrong with it: that it
// is none, unknown keys, and keys that come twice. what names the mapping in errors.
func (f *File) Mapping(n *yaml.Node, what string, known []string) ([]Entry, []error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return nil, []error{f.Errorf(n, "%s must be a list of «key: value» lines", what)}
	}
	var (
		entries []Entry
		faults  []error
		lines   = map[string]int{}
	)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if v.Kind == yaml.AliasNode {
			v = v.Alias
		}
		key := normal(k.Value)
		at := slices.IndexFunc(known, func(s string) bool { return normal(s) == key })
		switch {
		case at < 0:
			faults = append(faults, f.Errorf(k, "unknown key %s%s", k.Value, Suggestion(k.Value, known)))
		case lines[key] > 0:
			faults = append(faults, f.Errorf(k, "%s is set already in line %d", k.Value, lines[key]))
		default:
			lines[key] = k.Line
			entries = append(entries, Entry{known[at], k.Line, v})
		}
	}
	return entries, faults
}

// Errorf returns an error at n's place in the file.
func (f *File) Errorf(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d: "+format, append([]any{f.Path, n.Line}, args...)...)
}

func normal(key string) string { return strings.ReplaceAll(key, "_", "-") }

// Suggestion returns «; did you mean X?» with the known word nearest to word, or nothing where none is near.
func Suggestion(word string, known []string) string {
	if near := Nearest(word, known); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// Nearest returns the known word that takes the fewest insertions, deletions, replacements and swaps of letters
// to make of word, or the shortest that holds it or is held by it; nothing where half of the word would change. One
// that has word as one of its parts, as allowed-lateness has lateness, is nearer than one that takes more than two.
// The first of equals wins; '_' and '-', and capitals, make no difference.
func Nearest(word string, known []string) string {
	w := strings.ToLower(normal(strings.TrimLeft(word, "-")))
	best, least := "", len(w)/2+1
	for _, k := range known {
		if d := distance(w, strings.ToLower(normal(strings.TrimLeft(k, "-")))); d < least {
			best, least = k, d
		}
	}
	if least > 2 {
		for _, k := range known {
			if strings.Contains("-"+strings.ToLower(normal(strings.TrimLeft(k, "-")))+"-", "-"+w+"-") {
				return k
			}
		}
	}
	if best != "" || len(w) < 3 {
		return best
	}
	for _, k := range known {
		n := strings.ToLower(normal(k))
		if (strings.Contains(n, w) || strings.Contains(w, n)) && n != "" && (best == "" || len(k) < len(best)) {
			best = k
		}
	}
	return best
}

// distance is Levenshtein's with swaps of neighbours (optimal string alignment), by rows.
func distance(a, b string) int {
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, above, row = above, row, before
		row[0] = i + 1
		for j := range len(b) {
			change := above[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, row[j]+1, above[j+1]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
