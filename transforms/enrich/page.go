// Package enrich adds to a click what follows from it: the page without what does not matter, its host and path, the
// campaign that brought the visitor, the day and the hour.
package enrich

import (
	"net/url"
	"slices"
	"strings"

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
var defaultPorts = map[string]string{"http": "80", "https": "443"}

// ParsePage reads a URL, absolute or from a /, and normalizes it: scheme and host in lower case; no user, no port that is
// the scheme's own, no fragment; the query sorted, without the parameters of trackers. Its path, and what is left of the
// query, keep their bytes: what two servers take for different pages stays so. Nothing fails: what is no URL is a page
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

// host returns the normalized host and port of an authority, or false if that holds none.
func host(scheme, authority string) (string, bool) {
	name := authority[strings.LastIndexByte(authority, '@')+1:]
	port := ""
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, ']') {
		name, port = name[:colon], name[colon+1:]
	}
	name = strings.TrimSuffix(name, ".") // the root, which every name ends at
	if name == "" || strings.ContainsAny(name, " \t\r\n\"<>\\^`{|}") {
		return "", false
	}
	for _, c := range []byte(port) {
		if c < '0' || c > '9' {
			return "", false
		}
	}
	ascii, err := idna.Lookup.ToASCII(name)
	if err != nil { // names with an underscore, or of other rules: browsers take them
		ascii = strings.ToLower(name)
	}
	if port != "" && port != defaultPorts[scheme] {
		ascii += ":" + port
	}
	return ascii, true
}

// parameters returns a query sorted and without the parameters of trackers, and those of campaigns among them.
func parameters(query string) (string, []Param) {
	if query == "" {
		return "", nil
	}
	var campaign []Param
	pairs := strings.Split(query, "&")
	kept := pairs[:0]
	for _, pair := range pairs {
		raw, value, _ := strings.Cut(pair, "=")
		name := strings.ToLower(decoded(raw))
		switch {
		case pair == "", trackers[name]:
		case strings.HasPrefix(name, "utm_"):
			if !slices.ContainsFunc(campaign, func(c Param) bool { return c.Name == name }) {
				campaign = append(campaign, Param{name, decoded(value)})
			}
		default:
			kept = append(kept, pair)
		}
	}
	slices.Sort(kept)
	slices.SortFunc(campaign, func(a, b Param) int { return strings.Compare(a.Name, b.Name) })
	return strings.Join(kept, "&"), campaign
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
