package delta

import (
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

// EscapePath returns the path of a log's file action for a file of that name below the table's root. Paths
// there are URIs as RFC 2396 has them; what its paths may hold stays as it is, but for the colon, which could
// be taken for a scheme's.
func EscapePath(name string) string {
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; isAlphanumeric(c) || strings.IndexByte("/-_.!~*'()@&=+$,;", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// UnescapePath returns the name of the file that a log's path means: a path below the table's root, or an
// absolute path, or a URI of another scheme than file as it stands, unescaped. It is the same for all ways to
// write a path.
func UnescapePath(escaped string) (string, error) {
	name := escaped
	if strings.IndexByte(escaped, '%') >= 0 {
		var err error
		if name, err = unescape(escaped); err != nil {
			return "", err
		}
	}
	if !utf8.ValidString(name) {
		return "", fmt.Errorf("path %q is not UTF-8", escaped)
	}
	// The scheme ends where the path as written has it, not at a colon that was escaped.
	if scheme, _, ok := strings.Cut(escaped, ":"); ok && isScheme(scheme) {
		if !strings.EqualFold(scheme, "file") {
			return name, nil
		}
		name = name[len("file:"):]
		if rest, ok := strings.CutPrefix(name, "//"); ok { // file://host/path
			name = "/" + strings.TrimLeft(rest[max(0, strings.IndexByte(rest, '/')):], "/")
		}
	}
	if name = path.Clean(name); name == "." {
		return "", fmt.Errorf("path %q names no file", escaped)
	}
	return name, nil
}

func unescape(escaped string) (string, error) {
	b := make([]byte, 0, len(escaped))
	for i := 0; i < len(escaped); i++ {
		if escaped[i] != '%' {
			b = append(b, escaped[i])
			continue
		}
		if i+2 >= len(escaped) || digit(escaped[i+1]) < 0 || digit(escaped[i+2]) < 0 {
			return "", fmt.Errorf("path %q has a %% that escapes nothing", escaped)
		}
		b = append(b, byte(digit(escaped[i+1])<<4|digit(escaped[i+2])))
		i += 2
	}
	return string(b), nil
}

func digit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func isAlphanumeric(c byte) bool { return isLetter(c) || '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isScheme(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && (i == 0 || !isAlphanumeric(c) && strings.IndexByte("+-.", c) < 0) {
			return false
		}
	}
	return s != ""
}

// nullFolder is the value in the name of a partition's folder where the value is null.
const nullFolder = "__HIVE_DEFAULT_PARTITION__"

// PartitionFolder returns the name of the folder for the files with that value of a partition column, as Hive
// and Spark name it. The name may need EscapePath on its way into the log. The empty value is null.
func PartitionFolder(column, value string) string {
	if value == "" {
		return escapeHive(column) + "=" + nullFolder
	}
	return escapeHive(column) + "=" + escapeHive(value)
}

// escapeHive escapes what Spark's ExternalCatalogUtils.escapePathName does.
func escapeHive(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == 0x7f || strings.IndexByte("\"#%'*/:=?\\{[]^", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
