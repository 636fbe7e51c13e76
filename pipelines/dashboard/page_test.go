package dashboard

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/pipelines/vitals"
	"clickstream/testing/browser"
)

// texts returns what elements say.
func (b tab) texts(selector string) []string {
	b.t.Helper()
	return browser.Eval[[]string](b.Tab, "[...document.querySelectorAll("+quoted(selector)+")].map(e => e.textContent)")
}

// move lets a story go on by n samples.
func move(d *Dashboard, s *story, n int) {
	for range n {
		s.pass(d.interval)
		d.sample()
	}
}

func TestPageShowsAll(t *testing.T) {
	s := newStory(12)
	d := told(s, 100)
	b := open(t, serve(t, d))
	b.says("All is well")
	assert.Equal(t, []string{"Consumer lag", "Processing latency, p95", "Throughput", "Checkpoint duration"}, b.texts(".tile h3"))
	for _, grade := range b.texts(".tile .grade span") {
		assert.Equal(t, "on target", grade)
	}
	assert.Equal(t, []string{"Throughput", "Consumer lag", "Processing latency", "Watermark delay", "Dead letters"}, b.texts("figure h3"))
	assert.Equal(t, 5, browser.Eval[int](b.Tab, "document.querySelectorAll('figure canvas').length"))
	for i, inked := range browser.Eval[[]bool](b.Tab, `[...document.querySelectorAll('figure canvas')].map(c => new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer).some(p => p !== 0))`) {
		assert.True(t, inked, "chart %d is drawn", i)
	}
	assert.Len(t, b.texts("#pages tbody tr"), 10)
	assert.Len(t, b.texts("#partitions tbody tr"), 12)
	assert.Equal(t, []string{"Version", "Files", "Size", "Last commit", "Newest window ends"}, b.texts("#table dt"))
	assert.Equal(t, "clickstream", browser.Eval[string](b.Tab, "document.title"))
	paint := browser.Eval[float64](b.Tab, "performance.getEntriesByName('first-contentful-paint')[0].startTime")
	t.Logf("the first paint came after %.0f ms", paint)
}

func TestPageGoesOn(t *testing.T) {
	s := newStory(12)
	d := told(s, 10)
	b := open(t, serve(t, d))
	b.says("All is well")
	move(d, s, 1)
	b.Until("document.querySelector('#clock').textContent === '12:00:22 UTC'")
	move(d, s, 100)
	b.Until("document.querySelector('#clock').textContent === '12:03:42 UTC'")
	assert.Equal(t, strconv.FormatInt(s.v.State.Version, 10), b.texts("#table dd")[0], "the table's version")
}

func TestTilesTurn(t *testing.T) {
	s := newStory(12)
	d := told(s, 60)
	b := open(t, serve(t, d))
	b.says("All is well")
	s.change(func(s *story) { s.stalled, s.rate = true, 1000 })
	move(d, s, 1)
	b.Until("document.querySelector('#tile-lag').dataset.grade === 'warn'")
	assert.Contains(t, b.texts("#tile-lag .grade")[0], "off target")
	b.says("It is to be below 1\u202f000 records; above 5\u202f000 records somebody is called.")
	move(d, s, 3)
	b.Until("document.querySelector('#tile-lag').dataset.grade === 'bad'")
	assert.Contains(t, b.texts("#tile-lag .grade")[0], "alert")
	assert.Contains(t, b.texts("#problems li")[0], "Consumer lag", "the worst comes first")
	assert.Contains(t, browser.Eval[string](b.Tab, "document.querySelector('#said').textContent"), "Consumer lag", "it is read out")
	assert.Regexp(t, `^\(\d\) clickstream$`, browser.Eval[string](b.Tab, "document.title"))
	move(d, s, 120)
	b.says("Nothing committed for")
	s.change(func(s *story) {
		s.v.Parts[0] = vitals.Part{Name: "kafka", Fault: "no broker answers at kafka-1:9092"}
	})
	move(d, s, 1)
	b.says("Kafka does not answer")
	b.says("no broker answers at kafka-1:9092")
	s.change(func(s *story) {
		s.stalled, s.rate, s.v.Parts[0] = false, 14_000, vitals.Part{Name: "kafka", Up: true}
	})
	move(d, s, 60)
	b.says("All is well")
}

// TestServerThatRestarts stops the server under the page, and starts another at its place.
func TestServerThatRestarts(t *testing.T) {
	s := newStory(12)
	d := told(s, 30)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	run := func(d *Dashboard, l net.Listener) (stop func()) {
		server := &http.Server{Handler: d, ReadHeaderTimeout: patience}
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(l) }()
		return func() {
			require.NoError(t, server.Close())
			require.ErrorIs(t, <-ended, http.ErrServerClosed)
		}
	}
	stop := run(d, listener)
	b := open(t, "http://"+address+"/")
	b.Refusals = true
	b.says("All is well")
	points := "(() => { const t = document.querySelector('#throughput .plot'); t.focus(); t.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft', bubbles: true})); const n = Number(t.ariaValueMax); t.blur(); return n })()"
	b.Until(points + " === 29")

	stop()
	b.says("Connection lost since ")
	assert.Equal(t, "lost", browser.Eval[string](b.Tab, "document.querySelector('#live').dataset.state"))
	assert.Contains(t, browser.Eval[string](b.Tab, "document.querySelector('#said').textContent"), "Connection lost since ")

	s.pass(5 * time.Minute)
	again := told(s, 10)
	listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	require.NoError(t, err)
	defer run(again, listener)()
	b.says("All is well")
	assert.Equal(t, "live", browser.Eval[string](b.Tab, "document.querySelector('#live').dataset.state"))
	b.Until(points + " === 40") // what it knew, a gap, and what the new one tells
}

// TestNothingOfOthersIsMarkup lets everything that comes from outside be hostile.
func TestNothingOfOthersIsMarkup(t *testing.T) {
	const evil = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`
	s := newStory(2)
	s.v.Topic, s.v.Group, s.v.Table = "t"+evil, "g"+evil, "s"+evil
	s.v.State.Top = []vitals.Page{{URL: evil, Views: 3}, {URL: "javascript:document.title='owned'", Views: 2}, {URL: "a\u202eb" + strings.Repeat("c", 9000), Views: 1}}
	s.v.Parts = append(s.v.Parts, vitals.Part{Name: "x" + evil, Fault: "f" + evil})
	b := open(t, serve(t, told(s, 3)))
	b.says("f" + evil)
	assert.Contains(t, b.texts("#pages td span"), evil)
	assert.Contains(t, b.texts("#where")[0], "g"+evil)
	assert.Equal(t, 1, browser.Eval[int](b.Tab, "document.images.length"), "the page's own")
	assert.Equal(t, 3, browser.Eval[int](b.Tab, "document.scripts.length"))
	assert.NotContains(t, browser.Eval[string](b.Tab, "document.title"), "owned")
	assert.LessOrEqual(t, browser.Eval[int](b.Tab, "document.documentElement.scrollWidth"), browser.Eval[int](b.Tab, "innerWidth"))
}

// TestKeyboard goes through the page by its Tab key alone.
func TestKeyboard(t *testing.T) {
	d := told(newStory(12), 100)
	d.runbook = "runbook"
	b := open(t, serve(t, d))
	b.says("All is well")
	reached := []string{}
	for range 10 {
		b.Run(chromedp.KeyEvent(kb.Tab))
		reached = append(reached, browser.Eval[string](b.Tab, `(e => e.className || e.id || e.name || e.parentElement.id || e.closest('[id]')?.id || e.tagName)(document.activeElement)`))
		assert.True(t, browser.Eval[bool](b.Tab, "document.activeElement.matches(':focus-visible')"))
	}
	assert.Equal(t, []string{"skip", "theme", "span", "plot", "plot", "plot", "plot", "plot", "partitions", "A"}, reached)
	assert.Equal(t, "BODY", browser.Eval[string](b.Tab, "(document.activeElement.blur(), document.activeElement.tagName)"))

	b.Run(chromedp.Evaluate[chromedp.Void]("document.querySelector('#lag .plot').focus()"))
	b.Run(chromedp.KeyEvent(kb.ArrowLeft))
	b.Until("/^12:03:18 UTC: all partitions/.test(document.activeElement.ariaValueText)")
	b.Run(chromedp.KeyEvent(kb.Home))
	b.Until("/^12:00:02 UTC: all partitions/.test(document.activeElement.ariaValueText)")
}

func TestThemeIsRemembered(t *testing.T) {
	b := open(t, serve(t, told(newStory(2), 3)), browser.Command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	}))
	ground := func() string { return browser.Eval[string](b.Tab, "getComputedStyle(document.body).backgroundColor") }
	b.says("All is well")
	dark := ground()
	b.Run(chromedp.Click(chromedp.CSS("#theme")))
	light := ground()
	assert.NotEqual(t, dark, light)
	b.Run(chromedp.Click(chromedp.CSS("#spans input[value='3600']")))
	b.Run(chromedp.Reload())
	b.says("All is well")
	assert.Equal(t, light, ground())
	assert.Equal(t, "3600", browser.Eval[string](b.Tab, "document.querySelector('#spans :checked').value"))
}

// TestTimesAreUTC is read where it is another day.
func TestTimesAreUTC(t *testing.T) {
	b := open(t, serve(t, told(newStory(2), 3)), browser.Command(emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Pacific/Kiritimati"}))
	b.Until("document.querySelector('#clock').textContent === '12:00:06 UTC'")
	assert.Contains(t, browser.Eval[string](b.Tab, "document.querySelector('#clock').title"), "Mar 2, 2026", "the reader's own time stands in the tooltip")
}

// TestHourWithoutGrowth sends an hour of samples and then half another, and looks at what the page holds after each.
func TestHourWithoutGrowth(t *testing.T) {
	s := newStory(12)
	d := New(s, Options{Interval: time.Second})
	move(d, s, 10)
	b := open(t, serve(t, d))
	b.says("All is well")
	first := b.Heap()
	after := func(samples int) (nodes int, heap float64, points int) {
		for range samples / (backlog - 2) {
			move(d, s, backlog-2) // what a client may be behind
			for !browser.Eval[bool](b.Tab, "document.querySelector('#clock').textContent === "+quoted(clock(s.v.At))) {
				require.NoError(t, b.Context.Err())
			}
		}
		return browser.Eval[int](b.Tab, "document.querySelectorAll('*').length"), b.Heap(),
			browser.Eval[int](b.Tab, "(() => { const t = document.querySelector('#lag .plot'); t.focus(); t.dispatchEvent(new KeyboardEvent('keydown', {key: 'Home', bubbles: true})); return Number(t.ariaValueMax) + 1 })()")
	}
	nodes, heap, points := after(mostSamples)
	assert.Equal(t, mostSamples, points)
	nodesLater, heapLater, points := after(mostSamples / 2)
	t.Logf("heap at first %.2f MB, after an hour %.2f MB, after half another %.2f MB; %d elements", first/1e6, heap/1e6, heapLater/1e6, nodesLater)
	assert.Equal(t, mostSamples, points)
	assert.InDelta(t, nodes, nodesLater, 3, "a problem may have come or gone")
	assert.Less(t, heapLater, heap+1e6)
}
