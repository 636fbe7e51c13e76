package dashboard

import (
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/heapprofiler"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/testing/kafkatest"
)

// chromiumVar names a Chromium.
const chromiumVar = "CLICKSTREAM_TEST_CHROMIUM"

// patience is how long anything that is to come may take, on a machine that is busy with other tests.
const patience = time.Minute

// chromium returns the browser to test in.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv(chromiumVar), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return kafkatest.Named(t, chromiumVar, "and no chromium is installed: apt-get install chromium")
}

// tab is a browser's only tab, and what was said in it.
type tab struct {
	t   *testing.T
	ctx context.Context

	refusals bool // of connections are meant, and Chromium's words of them are none of ours

	mu       sync.Mutex
	faults   []string // on the console, of scripts, of the security policy
	requests []string
}

// open opens a page in a browser of its own.
func open(t *testing.T, url string, before ...action) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.NoFirstRun, chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.WindowSize(1280, 800),
	)
	// The limit is of the whole test: what it starts ends with it.
	limited, stop := context.WithTimeout(context.WithoutCancel(t.Context()), 5*patience)
	t.Cleanup(stop)
	allocator, end := chromedp.NewExecAllocator(limited, options...)
	t.Cleanup(end)
	ctx, _ := chromedp.NewContext(allocator)
	b := &tab{t: t, ctx: ctx}
	t.Cleanup(func() {
		faults, requests := b.heard()
		if b.refusals {
			faults = slices.DeleteFunc(faults, func(s string) bool { return strings.Contains(s, "net::ERR_") })
		}
		assert.Empty(t, faults, "nothing is on the console")
		for _, r := range requests {
			assert.True(t, strings.HasPrefix(r, url), "%s is not of the page's server", r)
		}
		assert.NoError(t, chromedp.Cancel(ctx))
	})
	require.NoError(t, chromedp.Listen(ctx, b.hear))
	b.run(before...)
	b.run(
		command(network.Enable, network.EnableParams{}), command(cdplog.Enable, cdp.Empty{}), command(runtime.Enable, cdp.Empty{}),
		chromedp.Navigate(url),
	)
	return b
}

type action = chromedp.Action[chromedp.Void]

// command is an action that gives the browser a command.
func command[P, R any](c cdp.Command[P, R], params P) action {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, c, params)
		return err
	})
}

func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *cdplog.EventEntryAdded:
		b.faults = append(b.faults, string(e.Entry.Level)+": "+e.Entry.Text+" "+e.Entry.URL)
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, e.ExceptionDetails.Text+" "+e.ExceptionDetails.Exception.Description)
	case *runtime.EventConsoleAPICalled:
		var words []string
		for _, a := range e.Args {
			words = append(words, string(a.Value))
		}
		b.faults = append(b.faults, "console: "+strings.Join(words, " "))
	}
}

func (b *tab) heard() (faults, requests []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.faults...), append([]string(nil), b.requests...)
}

func (b *tab) run(actions ...action) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, actions...))
}

// eval returns what an expression is in the page.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	is, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	require.NoError(b.t, err)
	return is
}

// until waits until an expression holds in the page.
func (b *tab) until(expression string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool { return eval[bool](b, "Boolean("+expression+")") }, patience, 20*time.Millisecond, "%s\n%s", expression, lazy(func() string {
		faults, _ := b.heard()
		return eval[string](b, "document.body.innerText") + "\n" + strings.Join(faults, "\n")
	}))
}

// lazy is a text that is made when it is printed.
type lazy func() string

func (l lazy) String() string { return l() }

// heap returns the bytes of what the page's scripts hold.
func (b *tab) heap() float64 {
	b.t.Helper()
	b.run(command(heapprofiler.CollectGarbage, cdp.Empty{}))
	usage, err := chromedp.Run(b.ctx, func(ctx context.Context, target *chromedp.Target) (runtime.GetHeapUsageResult, error) {
		return cdp.Call(ctx, target, runtime.GetHeapUsage, cdp.Empty{})
	})
	require.NoError(b.t, err)
	return usage.UsedSize
}

// says waits until the band says so.
func (b *tab) says(words string) {
	b.t.Helper()
	b.until("document.querySelector('#problems').innerText.includes(" + quoted(words) + ")")
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
	device := func(width, height int64, dark bool) []action {
		scheme := "light"
		if dark {
			scheme = "dark"
		}
		return []action{
			command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
				Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500,
			}),
			command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			}),
		}
	}
	well := func() *Dashboard { return told(newStory(12), 900) }
	for name, c := range map[string]struct {
		of    func() *Dashboard
		on    []action
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
			b.until("document.querySelector('#live').dataset.state === 'live'")
			shot := chromedp.CaptureScreenshot()
			if c.whole {
				shot = chromedp.FullScreenshot(100)
			}
			picture, err := chromedp.Run(b.ctx, shot)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(t.ArtifactDir(), name+".png"), picture, 0o600))
			assert.LessOrEqual(t, eval[int](b, "document.documentElement.scrollWidth"), eval[int](b, "innerWidth"), "nothing is off the side")
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
