package objectives

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/pipelines/vitals"
)

func TestAlertsAreComplete(t *testing.T) {
	names, ids := map[string]bool{}, map[string]bool{}
	for _, a := range Alerts {
		assert.False(t, names[a.Name] || ids[a.ID], "%s is there twice", a.Name)
		names[a.Name], ids[a.ID] = true, true
		assert.Regexp(t, "^Clickstream[A-Z][A-Za-z]+$", a.Name, "what ExporterDown silences")
		assert.Regexp(t, "^[a-z-]+$", a.ID)
		assert.NotEmpty(t, a.Severity.Teller())
		for _, line := range []string{a.Fires, a.Meaning, a.FirstLook, a.Remedy, a.Clears} {
			assert.Regexp(t, `^\S[^\n]*[.?]$`, line, "%s wants a line", a.Name)
		}
	}
	assert.True(t, names[ExporterDown])
}

// TestMetricsAreThere holds the expressions of targets, alerts and panels to the metrics that there are.
func TestMetricsAreThere(t *testing.T) {
	there := map[string]bool{}
	for _, m := range vitals.Metrics {
		there[m.Name] = true
		if m.Type == "histogram" {
			there[m.Name+"_bucket"] = true
		}
	}
	var exprs []string
	for _, x := range Targets {
		exprs = append(exprs, x.Expr)
	}
	for _, a := range Alerts {
		exprs = append(exprs, a.Expr)
	}
	for _, p := range Panels {
		for _, s := range p.Series {
			exprs = append(exprs, s.Expr)
		}
	}
	for _, v := range Variables {
		exprs = append(exprs, v.Of)
	}
	for _, e := range exprs {
		for _, name := range regexp.MustCompile(`clickstream_\w+`).FindAllString(e, -1) {
			assert.True(t, there[name], "%s has no metric %s", e, name)
		}
	}
}

func TestFaster(t *testing.T) {
	a := Alert{For: 5 * time.Minute, Expr: `max_over_time(x[1d:1m]) > 60 and rate(z[5m]) > 1`}.Faster(60)
	assert.Equal(t, 5*time.Second, a.For)
	assert.Equal(t, `max_over_time(x[1440000ms:1000ms]) > 60 and rate(z[5000ms]) > 1`, a.Expr)
	for _, a := range Alerts {
		require.NotRegexp(t, `\[[0-9]+[smhd][:\]]`, a.Faster(60).Expr)
	}
}
