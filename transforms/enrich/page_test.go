package enrich

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestParsePage(t *testing.T) {
	for raw, want := range map[string]Page{
		"https://shop.example/":                               {URL: "https://shop.example/", Host: "shop.example", Path: "/"},
		"HTTPS://Shop.Example:443":                            {URL: "https://shop.example/", Host: "shop.example", Path: "/"},
		"http://shop.example:443/A/b":                         {URL: "http://shop.example:443/A/b", Host: "shop.example:443", Path: "/A/b"},
		"http://shop.example:80/#top":                         {URL: "http://shop.example/", Host: "shop.example", Path: "/"},
		"http://shop.example./a":                              {URL: "http://shop.example/a", Host: "shop.example", Path: "/a"},
		"http://user:secret@shop.example/a":                   {URL: "http://shop.example/a", Host: "shop.example", Path: "/a"},
		"https://shop.example/a?b=2&a=1&&b=1":                 {URL: "https://shop.example/a?a=1&b=2&b=1", Host: "shop.example", Path: "/a"},
		"https://shop.example?q=%zz#x?y":                      {URL: "https://shop.example/?q=%zz", Host: "shop.example", Path: "/"},
		"https://shop.example/%zz%41":                         {URL: "https://shop.example/%zz%41", Host: "shop.example", Path: "/%zz%41"},
		"https://shop.example/a?gclid=1&x=1&FBCLID=2&_ga=3":   {URL: "https://shop.example/a?x=1", Host: "shop.example", Path: "/a"},
		"https://BÜCHER.example/ä":                            {URL: "https://xn--bcher-kva.example/ä", Host: "xn--bcher-kva.example", Path: "/ä"},
		"https://xn--bcher-kva.example/":                      {URL: "https://xn--bcher-kva.example/", Host: "xn--bcher-kva.example", Path: "/"},
		"https://my_shop.example/":                            {URL: "https://my_shop.example/", Host: "my_shop.example", Path: "/"},
		"https://[2001:DB8::1]:8443/a":                        {URL: "https://[2001:db8::1]:8443/a", Host: "[2001:db8::1]:8443", Path: "/a"},
		"https://[2001:DB8::1]/":                              {URL: "https://[2001:db8::1]/", Host: "[2001:db8::1]", Path: "/"},
		"app+shop://Cart/1":                                   {URL: "app+shop://cart/1", Host: "cart", Path: "/1"},
		"/cart?utm_source=x&b=1&a=2#top":                      {URL: "/cart?a=2&b=1", Path: "/cart", Campaign: []Param{{"utm_source", "x"}}},
		"/go?to=https://other.example/":                       {URL: "/go?to=https://other.example/", Path: "/go"},
		"checkout, step 2?":                                   {URL: "checkout, step 2?"},
		"":                                                    {},
		"://":                                                 {URL: "://"},
		"1http://shop.example/":                               {URL: "1http://shop.example/"},
		"http://":                                             {URL: "http://"},
		"http://a b/":                                         {URL: "http://a b/"},
		"http://shop.example:port/":                           {URL: "http://shop.example:port/"},
		"mailto:somebody@shop.example":                        {URL: "mailto:somebody@shop.example"},
		"/a?utm_campaign=may+%26+june&UTM_Source=%zz&utm_id=": {URL: "/a", Path: "/a", Campaign: []Param{{"utm_campaign", "may & june"}, {"utm_id", ""}, {"utm_source", "%zz"}}},
		"/a?utm_source=1&utm_source=2&utm%5Fmedium=%ff":       {URL: "/a", Path: "/a", Campaign: []Param{{"utm_medium", "%ff"}, {"utm_source", "1"}}},
	} {
		assert.Equal(t, want, ParsePage(raw), raw)
	}
}

// TestHosts has what stands between :// and the path be a host in one form, or no host.
func TestHosts(t *testing.T) {
	for authority, want := range map[string]string{
		"a.example:":                    "a.example",
		"a.example:00443":               "a.example",
		"a.example:0":                   "a.example:0",
		"a.example:65535":               "a.example:65535",
		"a.example:65536":               "",
		"a.example:-1":                  "",
		"a.example:80:443":              "",
		"a:b:443":                       "",
		"a@b@Shop.example:443":          "shop.example",
		"user:@shop.example":            "shop.example",
		"@":                             "",
		"shop.example..":                "shop.example",
		"shop。example。":                 "shop.example", // other dots, see RFC 3490
		".":                             "",
		"。":                             "",
		"\u00ad":                        "", // nothing, as browsers read it
		"straße.example":                "xn--strae-oqa.example",
		"xn--strae-oqa.example":         "xn--strae-oqa.example",
		"XN--STRAE-OQA.example":         "xn--strae-oqa.example",
		"ｓｈｏｐ.example":                  "shop.example", // full width
		"İ.example":                     "xn--i-9bb.example",
		"☕.example":                     "xn--53h.example",
		"münchen_ost.example":           "münchen_ost.example",
		"MÜNCHEN_OST.example":           "münchen_ost.example",
		"\u2132.example":                "xn--73g.example", // which has no meaning but in lower case
		"xn--\u00fc.example":            "xn--\u00fc.example",
		"sh%6Fp.example":                "sh%6fp.example",
		"127.0.0.1":                     "127.0.0.1",
		"[::1]:443":                     "[::1]",
		"[2001:DB8:0:0:0:0:0:1]":        "[2001:db8::1]",
		"[::1":                          "",
		"::1]":                          "",
		"[]":                            "",
		"[fe80::1%25eth0]":              "",
		"[127.0.0.1]":                   "",
		"[::1]x":                        "",
		"a[::1]":                        "",
		"a\x00b":                        "",
		"a\x7fb":                        "",
		"a\tb":                          "",
		"a|b":                           "",
		"a\xffb":                        "",
		strings.Repeat("a.", 126):       strings.Repeat("a.", 125) + "a",
		strings.Repeat("a.", 127):       strings.Repeat("a.", 126) + "a",
		strings.Repeat("a.", 127) + "a": "", // 255 bytes
		strings.Repeat("\ufdfa", 2_000): "",
	} {
		raw := "https://" + authority + "/path?b&a"
		p := ParsePage(raw)
		if want == "" {
			assert.Equal(t, Page{URL: raw}, p, authority)
			continue
		}
		assert.Equal(t, Page{URL: "https://" + want + "/path?a&b", Host: want, Path: "/path"}, p, authority)
	}
	for scheme, port := range map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443", "FTP": "21"} {
		assert.Equal(t, "h", ParsePage(scheme+"://h:"+port).Host, scheme)
	}
	assert.Equal(t, "h:80", ParsePage("app://h:80").Host, "nobody's own port")
}

// TestQueries shows what is left of a query, and of which campaign it tells.
func TestQueries(t *testing.T) {
	for query, want := range map[string]struct {
		kept     string
		campaign []Param
	}{
		"":                     {},
		"&":                    {},
		"&&&":                  {},
		"=":                    {kept: "="},
		"?":                    {kept: "?"},
		"b&a":                  {kept: "a&b"},
		"b=&a":                 {kept: "a&b="},
		"sort=price&sort=name": {kept: "sort=price&sort=name"}, // the first by which it is sorted is not the second
		"x=2&a=3&x=1":          {kept: "a=3&x=2&x=1"},
		"%78=2&a=3&x=1":        {kept: "a=3&%78=2&x=1"}, // x
		"a-b=1&a=2":            {kept: "a=2&a-b=1"},     // by name
		"B=1&a=2&b=3":          {kept: "B=1&a=2&b=3"},
		"b=1;a=2":              {kept: "b=1;a=2"}, // one parameter, as browsers have it
		"a=1;utm_source=x":     {kept: "a=1;utm_source=x"},
		"q=%zz&%zz=q":          {kept: "%zz=q&q=%zz"},
		"q=%E4%BD%A0&q=%e4":    {kept: "q=%E4%BD%A0&q=%e4"},
		"q=a+b&q=a%20b":        {kept: "q=a+b&q=a%20b"},
		"q=a=b":                {kept: "q=a=b"},
		"_gl=1&gclid&fbclid=":  {},
		"%67clid=1&GCLID=2":    {},
		"gclid2=1":             {kept: "gclid2=1"},
		"utm=1&xutm_source=2":  {kept: "utm=1&xutm_source=2"},
		"utm_source":           {campaign: []Param{{"utm_source", ""}}},
		"utm_source=":          {campaign: []Param{{"utm_source", ""}}},
		"utm%5Fsource=a%2Bb+c": {campaign: []Param{{"utm_source", "a+b c"}}},
		"%75tm_source=1":       {campaign: []Param{{"utm_source", "1"}}},
		"UTM_SOURCE=2&utm_source=1&utm%5Fsource=3": {campaign: []Param{{"utm_source", "2"}}},
		"utm_term=b&utm_content=a=b&x":             {kept: "x", campaign: []Param{{"utm_content", "a=b"}, {"utm_term", "b"}}},
		"utm_source=%":                             {campaign: []Param{{"utm_source", "%"}}},
		"utm_source=%F0%9F%9B%92":                  {campaign: []Param{{"utm_source", "🛒"}}},
		"utm_source=%C3%28":                        {campaign: []Param{{"utm_source", "%C3%28"}}}, // no UTF-8
		"utm_source=a%00b":                         {campaign: []Param{{"utm_source", "a\x00b"}}},
		"utm_":                                     {campaign: []Param{{"utm_", ""}}},
	} {
		url := "/p"
		if want.kept != "" {
			url += "?" + want.kept
		}
		assert.Equal(t, Page{URL: url, Path: "/p", Campaign: want.campaign}, ParsePage("/p?"+query+"#f?x#y"), query)
	}
}

// TestNoURL has what is none stay as it is, to the byte.
func TestNoURL(t *testing.T) {
	for _, raw := range []string{
		"shop.example/a?b&a#c", " https://shop.example/", "?b&a", "#top", "about:blank", "data:text/html,a#b", "C:\\a\\b?c#d",
		"https:/shop.example/", "https:shop.example", "https//shop.example", "https://", "https://?b&a", "https:///a?b&a", "file:///etc/passwd?b&a",
		"https://:443/", "https://user@/", "ht tp://a/?b&a", "hättp://a/?b&a", "-a://b/?b&a", "\xff\xfe", "\x00", "урл",
		"%68ttps://shop.example/?b&a",
	} {
		assert.Equal(t, Page{URL: raw}, ParsePage(raw), "%q", raw)
	}
}

// TestPagesOfAMegabyte reads what nobody means to be read. That it ends is what is wanted: had one of them two loops, it would
// not within the time of a test.
func TestPagesOfAMegabyte(t *testing.T) {
	const n = 1 << 20
	many := func(part func(i int) string) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			b.WriteString(part(i))
		}
		return b.String()
	}
	for name, raw := range map[string]string{
		"a path":            "https://shop.example/" + strings.Repeat("x", n),
		"a host":            "https://" + strings.Repeat("x", n) + "/",
		"a host of letters": "https://" + many(func(i int) string { return string(rune(0x4e00 + i%20_000)) }) + "/",
		"labels":            "https://" + strings.Repeat("a.", n/2),
		"dots":              "https://" + strings.Repeat(".", n),
		"users":             "https://" + strings.Repeat("@", n) + "shop.example/",
		"a port":            "https://shop.example:" + strings.Repeat("0", n) + "443/",
		"parameters":        "/?" + many(func(i int) string { return fmt.Sprintf("%d&", i) }),
		"empty ones":        "/?" + strings.Repeat("&", n),
		"one name":          "/?" + strings.Repeat("a=1&", n/4),
		"campaigns":         "/?" + many(func(i int) string { return fmt.Sprintf("utm_%d&", i) }),
		"one campaign":      "/?" + strings.Repeat("utm_source=x&", n/13),
		"percent signs":     "/?" + strings.Repeat("%", n),
		"escapes":           "/?utm_source=" + strings.Repeat("%41", n/3),
		"slashes":           strings.Repeat("/", n),
		"fragments":         "/" + strings.Repeat("#", n),
		"a scheme":          strings.Repeat("a", n) + "://b/",
		"schemes":           strings.Repeat("a://", n/4),
	} {
		t.Run(name, func(t *testing.T) { isNormal(t, raw) })
	}
}

// isNormal checks what holds for any text.
func isNormal(t require.TestingT, raw string) {
	p := ParsePage(raw)
	again := ParsePage(p.URL)
	assert.Equal(t, p.URL, again.URL, "what is normalized stays so")
	assert.Equal(t, p.Host, again.Host)
	assert.Equal(t, p.Path, again.Path)
	assert.Empty(t, again.Campaign)
	assert.Equal(t, raw == "", p.URL == "")
	assert.LessOrEqual(t, len(p.URL), len(raw)+maxHost+1)
	assert.True(t, strings.HasSuffix(p.URL, p.Path) || strings.Contains(p.URL, p.Path+"?"))
	for i, c := range p.Campaign {
		assert.True(t, strings.HasPrefix(c.Name, "utm_"))
		assert.True(t, i == 0 || p.Campaign[i-1].Name < c.Name, "each once, by name")
	}
	if p.Path == "" {
		assert.Equal(t, Page{URL: raw}, p, "it is no URL")
		return
	}
	if utf8.ValidString(raw) {
		assert.True(t, utf8.ValidString(p.URL))
		for _, c := range p.Campaign {
			assert.True(t, utf8.ValidString(c.Name+c.Value))
		}
	}
	whole, _, _ := strings.Cut(raw, "#")
	before, query, _ := strings.Cut(whole, "?")
	assert.True(t, strings.HasSuffix(before, p.Path) || p.Path == "/", "the path keeps its bytes")
	parts := map[string]int{}
	for _, part := range strings.Split(query, "&") {
		parts[part]++
	}
	_, kept, _ := strings.Cut(p.URL, "?")
	for _, part := range strings.Split(kept, "&") {
		parts[part]--
	}
	for part, n := range parts {
		switch name := strings.ToLower(decoded(strings.SplitN(part, "=", 2)[0])); {
		case part == "":
		case trackers[name] || strings.HasPrefix(name, "utm_"):
			assert.Positive(t, n, "%q is kept", part)
		default:
			assert.Zero(t, n, "%q is not kept as it is", part)
		}
	}
}

// TestParsePageOfPieces puts together what URLs are made of.
func TestParsePageOfPieces(t *testing.T) {
	pieces := []string{
		"http", "HTTPS", "a+b", "://", ":", "/", "//", "?", "#", "&", "=", ";", "@", "%", "%41", "%5F", "%ff", "+", ".", "。", "..", "[", "]", "[::1]", "[::FFFF:1.2.3.4]",
		"shop", "Shop.Example", "BÜCHER", "İ", "ẞ", "\u2132", "xn--", "xn--bcher-kva", "_", "-", ":80", ":443", ":080", "utm_source", "UTM%5FTerm", "gclid", "a=1", "b", " ", "\x00", "\xff", "א", "١", "\u200d",
	}
	rapid.Check(t, func(t *rapid.T) {
		isNormal(t, strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 20).Draw(t, "pieces"), ""))
		isNormal(t, "https://"+strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 6).Draw(t, "host"), "")+"/")
	})
}

// FuzzParsePage wants what is normalized to stay so.
func FuzzParsePage(f *testing.F) {
	for _, raw := range []string{"https://Shop.Example:443/a?b=1&a=%zz#x", "http://[::1]:80/", "/a?utm_source=%41&&=", "ümlaut://ÄÖ.example./?", "http://a@b@c:1/", "http://a:80:80/", "http://ä。/"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) { isNormal(t, raw) })
}

func BenchmarkParsePage(b *testing.B) {
	for b.Loop() {
		ParsePage("https://shop.example/blog/1?utm_source=mail&utm_campaign=may&b=2&a=1")
	}
}
