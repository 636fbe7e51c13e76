// Package enrich adds to a click what follows from it: the page without what does not matter, its host and path, the
// campaign that brought the visitor, the day and the hour.
package enrich

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Page is what a click's URL says. Host and Path are empty where it is none.
type Page struct {
	URL      string  // normalized; what is no URL stays as it is
	Host     string  // in lower case, in ASCII (IDNA), with the port if it is not the scheme's own
	Path     string  // with its percent-encoding; / where there is none
	Campaign []Param // utm_source and its like, decoded, by name; of one that stands twice, the first
}

// Param is a parameter of a URL's query.
type Param struct {
	Name  string `avro:"name"`
	Value string `avro:"value"`
}

// trackers are parameters that say who brought the visitor, and nothing of the page, beside those that begin with utm_.
var trackers = map[string]bool{
	"gclid": true, "gclsrc": true, "dclid": true, "gbraid": true, "wbraid": true, "_ga": true, "_gl": true, // Google
	"fbclid": true, "igshid": true, "msclkid": true, "twclid": true, "ttclid": true, "li_fat_id": true, "yclid": true,
	"mc_cid": true, "mc_eid": true, "_hsenc": true, "_hsmi": true, "mkt_tok": true, // mailings
}

// defaultPorts are the ports that a URL means without naming them.
var defaultPorts = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21"}

// ParsePage reads a URL, absolute or from a /, and normalizes it: scheme and host in lower case; no user, no port that is
// the scheme's own, no fragment; the query sorted by name, without the parameters of trackers. Its path, and what is left of
// the query, keep their bytes: what two servers take for different pages stays so. Nothing fails: what is no URL is a page
// of that name.
func ParsePage(raw string) Page {
	scheme, rest, absolute := strings.Cut(raw, "://")
	if !absolute || !isScheme(scheme) {
		if !strings.HasPrefix(raw, "/") {
			return Page{URL: raw}
		}
		scheme, rest = "", raw
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	var p Page
	p.Path = rest
	if scheme != "" {
		authority := rest
		if slash := strings.IndexByte(rest, '/'); slash >= 0 {
			authority, p.Path = rest[:slash], rest[slash:]
		} else {
			p.Path = "/"
		}
		scheme = strings.ToLower(scheme)
		var ok bool
		if p.Host, ok = host(scheme, authority); !ok {
			return Page{URL: raw}
		}
		p.URL = scheme + "://" + p.Host
	}
	p.URL += p.Path
	query, p.Campaign = parameters(query)
	if query != "" {
		p.URL += "?" + query
	}
	return p
}

// isScheme tells whether s may stand before ://, as RFC 3986 has it.
func isScheme(s string) bool {
	for i, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}

// No host is longer, in ASCII (RFC 1035, 2.3.4), nor comes of a name that is this long: reading one takes time by the square
// of its length.
const (
	maxHost = 253
	maxName = 4 * maxHost
)

// host returns the normalized host and port of an authority, or false if that holds none.
func host(scheme, authority string) (string, bool) {
	name := authority[strings.LastIndexByte(authority, '@')+1:]
	port := ""
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, ']') {
		name, port = name[:colon], name[colon+1:]
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return "", false
		}
		port = strconv.FormatUint(n, 10)
	}
	name, ok := hostName(name)
	if !ok {
		return "", false
	}
	if port != "" && port != defaultPorts[scheme] {
		name += ":" + port
	}
	return name, true
}

// hostName returns a name in lower case and in ASCII, as browsers do (UTS 46), without the root that every name ends at. Of
// one that its rules do not take, as it has an underscore, only the case is changed: browsers take it as well.
func hostName(name string) (string, bool) {
	if len(name) > maxName || !utf8.ValidString(name) {
		return "", false
	}
	if address, ok := strings.CutPrefix(name, "["); ok {
		address, ok = strings.CutSuffix(address, "]")
		is, err := netip.ParseAddr(address)
		return "[" + is.String() + "]", ok && err == nil && is.Is6() && is.Zone() == ""
	}
	if strings.ContainsFunc(name, noHost) {
		return "", false
	}
	name = strings.TrimRight(name, ".")
	ascii, err := idna.Lookup.ToASCII(name)
	if err != nil {
		if ascii, err = idna.Lookup.ToASCII(strings.ToLower(name)); err != nil {
			ascii = strings.ToLower(name)
		}
	}
	ascii = strings.TrimRight(ascii, ".") // as there are other dots
	return ascii, ascii != "" && len(ascii) <= maxHost
}

// noHost tells of what no name of a host holds (WHATWG URL, 3.5, but for %, which is left as it is).
func noHost(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune("\"#/:<>?@[\\]^`{|}", r)
}

// parameter is a part of a query between two &.
type parameter struct {
	name string // decoded
	text string
}

// parameters returns a query without the parameters of trackers, sorted by name, and those of campaigns among them. Of
// those of one name the order stays, as it does in browsers (WHATWG URL, 6.2, sort): it may mean something.
func parameters(query string) (string, []Param) {
	if query == "" {
		return "", nil
	}
	var campaign []Param
	var few [8]parameter
	kept, length := few[:0], 0
	for text := range strings.SplitSeq(query, "&") {
		raw, value, _ := strings.Cut(text, "=")
		p := parameter{decoded(raw), text}
		switch name := strings.ToLower(p.name); {
		case text == "", trackers[name]:
		case strings.HasPrefix(name, "utm_"):
			campaign = append(campaign, Param{name, decoded(value)})
		default:
			kept = append(kept, p)
			length += len(text) + 1
		}
	}
	slices.SortStableFunc(kept, func(a, b parameter) int { return strings.Compare(a.name, b.name) })
	slices.SortStableFunc(campaign, func(a, b Param) int { return strings.Compare(a.Name, b.Name) })
	campaign = slices.CompactFunc(campaign, func(a, b Param) bool { return a.Name == b.Name })
	var sorted strings.Builder
	sorted.Grow(length)
	for i, p := range kept {
		if i > 0 {
			sorted.WriteByte('&')
		}
		sorted.WriteString(p.text)
	}
	return sorted.String(), campaign
}

// decoded returns what an encoded text stands for, or the text where it does not decode, or not to UTF-8.
func decoded(text string) string {
	if !strings.ContainsAny(text, "%+") {
		return text
	}
	plain, err := url.QueryUnescape(text)
	if err != nil || strings.ToValidUTF8(plain, "") != plain {
		return text
	}
	return plain
}
