package vitals_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"clickstream/pipelines/vitals"
)

// gather returns what Prometheus would be told, by name.
func gather(t *testing.T, source vitals.Source) map[string]*dto.MetricFamily {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(vitals.NewCollector(source)))
	families, err := registry.Gather()
	require.NoError(t, err)
	byName := map[string]*dto.MetricFamily{}
	for _, f := range families {
		byName[f.GetName()] = f
	}
	return byName
}

// compare holds the metrics that the lines are of against them.
func compare(t *testing.T, source vitals.Source, lines string) {
	t.Helper()
	var names []string
	var text strings.Builder
	for line := range strings.Lines(lines) {
		name, _, ok := strings.Cut(strings.TrimSpace(line), "{")
		if !ok {
			continue
		}
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
			for _, m := range vitals.Metrics {
				if m.Name == name {
					text.WriteString("# HELP " + name + " " + m.Help() + "\n# TYPE " + name + " " + m.Type + "\n")
				}
			}
		}
		text.WriteString(strings.TrimSpace(line) + "\n")
	}
	require.NoError(t, testutil.CollectAndCompare(vitals.NewCollector(source), strings.NewReader(text.String()), names...))
}
