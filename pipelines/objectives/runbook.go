package objectives

import (
	"bytes"
	_ "embed" // the page
	"html/template"
	"net/http"
	"strings"
	"time"
)

// Teller says who is told of an alert of a severity.
func (s Severity) Teller() string {
	return map[Severity]string{Page: "PagerDuty", Chat: "Slack", Warning: "Slack's channel of warnings"}[s]
}

//go:embed runbook.html
var runbookPage string

// runbook is the page, which is the same for as long as the program runs.
var runbook = func() []byte {
	var page bytes.Buffer
	t := template.Must(template.New("runbook").Parse(runbookPage))
	if err := t.Execute(&page, Alerts); err != nil {
		panic(err) // of a program that was never tested
	}
	return page.Bytes()
}()

// Runbook serves one page that says of each alert what it means and what to do, at the fragment that is its ID. The
// page asks nothing of any network.
func Runbook() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(runbook))
	})
}

// Markdown is the runbook as a text.
func Markdown() string {
	var b strings.Builder
	b.WriteString("# Runbook\n\nWhat each alert means, and what to do. `clickstream monitor` serves the same at `/runbook`, where the alerts' links lead.\n")
	for _, a := range Alerts {
		b.WriteString("\n## <a id=\"" + a.ID + "\"></a>" + a.Name + "\n\n" +
			"- **Fires** when " + a.Fires + " Told by " + a.Severity.Teller() + ".\n" +
			"- **Means**: " + a.Meaning + "\n" +
			"- **First look**: " + a.FirstLook + "\n" +
			"- **Remedy**: " + a.Remedy + "\n" +
			"- **Clears** " + a.Clears + "\n")
	}
	return b.String()
}
