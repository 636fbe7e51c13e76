package files

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"clickstream/pipelines/objectives"
)

const kept = "../../../scripts/monitoring"

// TestKeptFilesAreThoseOfTheObjectives holds the files of the repository to the definition.
func TestKeptFilesAreThoseOfTheObjectives(t *testing.T) {
	all, err := All(Options{})
	require.NoError(t, err)
	for _, f := range all {
		text, err := os.ReadFile(filepath.Join(kept, f.Name))
		require.NoError(t, err)
		assert.Equal(t, string(f.Text), string(text), "%s is not what the objectives say; go run ./scripts/monitoring", f.Name)
	}
}

// TestGrafanaHasASchema reads the dashboard as Grafana's schema has it: nothing missing, nothing of another type, and
// nothing that it does not know.
func TestGrafanaHasASchema(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	text, err := os.ReadFile(filepath.Join(kept, "grafana.json"))
	require.NoError(t, err)
	var strict, d dashboard.Dashboard //nolint:staticcheck // the schema that all versions import
	require.Empty(t, fault(strict.UnmarshalJSONStrict(text)))
	require.NoError(t, json.Unmarshal(text, &d)) // the other one leaves out panels that have no faults
	require.Empty(t, fault(d.Validate()))
	require.Len(t, d.Panels, len(objectives.Panels))
	for i, p := range d.Panels {
		assert.Equal(t, objectives.Panels[i].Title, *p.Panel.Title)
		assert.Len(t, p.Panel.Targets, len(objectives.Panels[i].Series))
		assert.LessOrEqual(t, p.Panel.GridPos.X+p.Panel.GridPos.W, uint32(24))
	}
	var names []string
	for _, v := range d.Templating.List {
		names = append(names, v.Name)
	}
	assert.Equal(t, []string{"datasource", "topic", "group", "table"}, names)

	for bad, says := range map[string]string{
		`{"panels": [{"type": "timeseries", "nosuch": 1}]}`:                                                    "unexpected field 'nosuch'",
		`{"panels": [{"type": "timeseries", "targets": [{"expr": 1, "datasource": {"type": "prometheus"}}]}]}`: "expr",
	} {
		assert.Contains(t, fault(strict.UnmarshalJSONStrict([]byte(bad))), says, "the check checks nothing")
	}
}

// fault is what an error says, and nothing for one that holds none, as the schema's reader returns them.
func fault(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestSpansAreWrittenAsPrometheusDoes(t *testing.T) {
	for d, want := range map[time.Duration]string{
		15 * time.Second: "15s", 5 * time.Minute: "5m", 90 * time.Minute: "90m", 24 * time.Hour: "1d", 1500 * time.Millisecond: "1500ms",
	} {
		got, err := span(d).MarshalYAML()
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
}
