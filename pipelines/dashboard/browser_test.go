package dashboard

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/testing/browser"
)

// patience is how long anything that is to come may take, on a machine that is busy with other tests.
const patience = time.Minute

// tab is a browser's tab with the page.
type tab struct {
	t *testing.T
	*browser.Tab
}

func open(t *testing.T, url string, before ...browser.Action) tab {
	t.Helper()
	return tab{t, browser.Open(t, url, before...)}
}

// says waits until the band says so.
func (b tab) says(words string) {
	b.t.Helper()
	b.Until("document.querySelector('#problems').innerText.includes(" + quoted(words) + ")")
}

func quoted(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'" }

// serve serves a dashboard to the end of the test.
func serve(t *testing.T, d *Dashboard) string {
	t.Helper()
	server := httptest.NewServer(d)
	t.Cleanup(func() {
		d.clients.close()
		server.Close()
	})
	return server.URL + "/"
}

// TestScreens takes pictures of the page, to be looked at: go test -run Screens -artifacts -outputdir DIR.
func TestScreens(t *testing.T) {
	device := func(width, height int64, dark bool) []browser.Action {
		scheme := "light"
		if dark {
			scheme = "dark"
		}
		return []browser.Action{
			browser.Command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
				Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500,
			}),
			browser.Command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			}),
		}
	}
	well := func() *Dashboard { return told(newStory(12), 900) }
	for name, c := range map[string]struct {
		of    func() *Dashboard
		on    []browser.Action
		whole bool
	}{
		"desktop-light": {well, device(1280, 800, false), false},
		"desktop-dark":  {well, device(1280, 800, true), false},
		"whole-light":   {well, device(1280, 800, false), true},
		"whole-dark":    {well, device(1280, 800, true), true},
		"phone-light":   {well, device(390, 844, false), true},
		"phone-dark":    {well, device(390, 844, true), true},
		"small-phone":   {well, device(360, 740, false), false},
		"wrong-light":   {wrong, device(1280, 800, false), true},
		"wrong-dark":    {wrong, device(1280, 800, true), true},
		"wrong-phone":   {wrong, device(390, 844, false), true},
		"just-started":  {func() *Dashboard { return told(newStory(12), 3) }, device(1280, 800, false), true},
		"nothing-yet":   {func() *Dashboard { return New(newStory(0), Options{}) }, device(1280, 800, false), true},
		"thousand":      {func() *Dashboard { return told(newStory(1000), 900) }, device(1280, 800, false), true},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, serve(t, c.of()), c.on...)
			b.Until("document.querySelector('#live').dataset.state === 'live'")
			shot := chromedp.CaptureScreenshot()
			if c.whole {
				shot = chromedp.FullScreenshot(100)
			}
			picture, err := chromedp.Run(b.Context, shot)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(t.ArtifactDir(), name+".png"), picture, 0o600))
			assert.LessOrEqual(t, browser.Eval[int](b.Tab, "document.documentElement.scrollWidth"), browser.Eval[int](b.Tab, "innerWidth"), "nothing is off the side")
		})
	}
}

// wrong is a dashboard of a pipeline in trouble.
func wrong() *Dashboard {
	s := newStory(12)
	d := told(s, 500)
	s.change(func(s *story) { s.latency, s.rejected = 25*time.Second, 30 })
	for range 150 {
		s.pass(d.interval)
		d.sample()
	}
	s.change(func(s *story) { s.stalled = true; s.rate = 100 })
	for range 120 {
		s.pass(d.interval)
		d.sample()
	}
	s.change(func(s *story) {
		s.v.Parts[1].Up, s.v.Parts[1].Fault = false, "read s3://silver/page_views_1min/_delta_log: access denied: give the key s3:GetObject on silver"
	})
	s.pass(d.interval)
	d.sample()
	return d
}
