package enrich

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestParsePage(t *testing.T) {
	for raw, want := range map[string]Page{
		"https://shop.example/":                               {URL: "https://shop.example/", Host: "shop.example", Path: "/"},
		"HTTPS://Shop.Example:443":                            {URL: "https://shop.example/", Host: "shop.example", Path: "/"},
		"http://shop.example:443/A/b":                         {URL: "http://shop.example:443/A/b", Host: "shop.example:443", Path: "/A/b"},
		"http://shop.example:80/#top":                         {URL: "http://shop.example/", Host: "shop.example", Path: "/"},
		"http://shop.example./a":                              {URL: "http://shop.example/a", Host: "shop.example", Path: "/a"},
		"http://user:secret@shop.example/a":                   {URL: "http://shop.example/a", Host: "shop.example", Path: "/a"},
		"https://shop.example/a?b=2&a=1&&b=1":                 {URL: "https://shop.example/a?a=1&b=1&b=2", Host: "shop.example", Path: "/a"},
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

// FuzzParsePage wants what is normalized to stay so, and to be no longer than two bytes of escapes can make it.
func FuzzParsePage(f *testing.F) {
	for _, raw := range []string{"https://Shop.Example:443/a?b=1&a=%zz#x", "http://[::1]:80/", "/a?utm_source=%41&&=", "ümlaut://ÄÖ.example./?", "http://a@b@c:1/"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		p := ParsePage(raw)
		again := ParsePage(p.URL)
		assert.Equal(t, p.URL, again.URL)
		assert.Equal(t, p.Host, again.Host)
		assert.Equal(t, p.Path, again.Path)
		assert.Empty(t, again.Campaign)
		assert.True(t, strings.HasSuffix(p.URL, p.Path) || strings.Contains(p.URL, p.Path+"?"))
		if utf8.ValidString(raw) {
			assert.True(t, utf8.ValidString(p.URL))
			for _, c := range p.Campaign {
				assert.True(t, utf8.ValidString(c.Name+c.Value))
			}
		}
	})
}

func BenchmarkParsePage(b *testing.B) {
	for b.Loop() {
		ParsePage("https://shop.example/blog/1?utm_source=mail&utm_campaign=may&b=2&a=1")
	}
}
