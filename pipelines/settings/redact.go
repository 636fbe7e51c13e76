package settings

import "regexp"

var (
	// What stands before the host of a URL: everything up to the last @ before a slash, or, as a password may
	// hold an unescaped slash, from a colon to the last @ of the word: rather too much than a password.
	userinfo = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)(?:[^/\s"']*|[^/\s"'@]*:[^\s"']*)@`)
	// A secret among a URL's parameters.
	parameter = regexp.MustCompile(`(?i)([?&](?:password|passwd|token|secret|api_?key)=)[^&\s"']+`)
)

// Redact hides the credentials of every URL in s.
func Redact(s string) string {
	return parameter.ReplaceAllString(userinfo.ReplaceAllString(s, "${1}***@"), "${1}***")
}
