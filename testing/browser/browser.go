// Package browser is a real browser for a test: it opens a page, reads it, and holds it to what no page is to do: say
// something on its console, break its own security policy, or ask another server than its own.
package browser

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/testing/kafkatest"
)

// patience is how long anything that is to come may take, on a machine that is busy with other tests.
const patience = time.Minute

// chromiumVar names a Chromium.
const chromiumVar = "CLICKSTREAM_TEST_CHROMIUM"

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

// Tab is a browser's only tab, and what was said in it.
type Tab struct {
	Context context.Context // of what is done in it

	t *testing.T

	Refusals bool // of connections are meant, and Chromium's words of them are none of ours

	mu       sync.Mutex
	faults   []string // on the console, of scripts, of the security policy
	requests []string
}

// Open opens a page in a browser of its own.
func Open(t *testing.T, url string, before ...Action) *Tab {
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
	b := &Tab{t: t, Context: ctx}
	t.Cleanup(func() {
		faults, requests := b.heard()
		if b.Refusals {
			faults = slices.DeleteFunc(faults, func(s string) bool { return strings.Contains(s, "net::ERR_") })
		}
		assert.Empty(t, faults, "nothing is on the console")
		for _, r := range requests {
			assert.True(t, strings.HasPrefix(r, url), "%s is not of the page's server", r)
		}
		assert.NoError(t, chromedp.Cancel(ctx))
	})
	require.NoError(t, chromedp.Listen(ctx, b.hear))
	b.Run(before...)
	b.Run(
		Command(network.Enable, network.EnableParams{}), Command(cdplog.Enable, cdp.Empty{}), Command(runtime.Enable, cdp.Empty{}),
		chromedp.Navigate(url),
	)
	return b
}

// Action is something that is done in a tab.
type Action = chromedp.Action[chromedp.Void]

// Command is an action that gives the browser a command.
func Command[P, R any](c cdp.Command[P, R], params P) Action {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, c, params)
		return err
	})
}

func (b *Tab) hear(event any) {
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

func (b *Tab) heard() (faults, requests []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.faults...), append([]string(nil), b.requests...)
}

// Run does something in the page.
func (b *Tab) Run(actions ...Action) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.Context, actions...))
}

// Eval returns what an expression is in the page.
func Eval[T any](b *Tab, expression string) T {
	b.t.Helper()
	is, err := chromedp.Run(b.Context, chromedp.Evaluate[T](expression))
	require.NoError(b.t, err)
	return is
}

// Until waits until an expression holds in the page.
func (b *Tab) Until(expression string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool { return Eval[bool](b, "Boolean("+expression+")") }, patience, 20*time.Millisecond, "%s\n%s", expression, lazy(func() string {
		faults, _ := b.heard()
		return Eval[string](b, "document.body.innerText") + "\n" + strings.Join(faults, "\n")
	}))
}

// lazy is a text that is made when it is printed.
type lazy func() string

func (l lazy) String() string { return l() }

// Heap returns the bytes of what the page's scripts hold.
func (b *Tab) Heap() float64 {
	b.t.Helper()
	b.Run(Command(heapprofiler.CollectGarbage, cdp.Empty{}))
	usage, err := chromedp.Run(b.Context, func(ctx context.Context, target *chromedp.Target) (runtime.GetHeapUsageResult, error) {
		return cdp.Call(ctx, target, runtime.GetHeapUsage, cdp.Empty{})
	})
	require.NoError(b.t, err)
	return usage.UsedSize
}
