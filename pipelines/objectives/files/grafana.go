package files

import (
	"encoding/json"
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"

	"clickstream/pipelines/objectives"
)

// units are Grafana's names of ours.
var units = map[objectives.Unit]string{
	objectives.Records: "short", objectives.PerSecond: "cps", objectives.Seconds: "s", objectives.Bytes: "bytes", objectives.Number: "short",
}

// source is where all panels look: what the dashboard's variable names.
var source = common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("${datasource}")}

// grafana is the dashboard, as JSON. It is of the schema that all versions of Grafana import, and not of the one that
// only the newest do.
func grafana() ([]byte, error) {
	//nolint:staticcheck // see above
	b := dashboard.NewDashboardBuilder("clickstream").
		Uid("clickstream").
		Description("How exact page views per minute come from Kafka to the table. What to do about an alert: the runbook of the monitor, at /runbook.").
		Tags([]string{"clickstream"}).
		Timezone(common.TimeZoneBrowser).
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Refresh("10s").Time("now-1h", "now").
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus"))
	for _, v := range objectives.Variables {
		b.WithVariable(dashboard.NewQueryVariableBuilder(v.Name).
			Datasource(source).
			Query(dashboard.StringOrMap{String: cog.ToPtr("label_values(" + v.Of + ", " + v.Name + ")")}).
			Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc).
			Multi(true).IncludeAll(true).AllValue(".*").
			Current(dashboard.VariableOption{
				Text:  dashboard.StringOrArrayOfString{String: cog.ToPtr("All")},
				Value: dashboard.StringOrArrayOfString{String: cog.ToPtr("$__all")},
			}))
	}
	for _, p := range objectives.Panels {
		b.WithPanel(panel(p))
	}
	of, err := b.Build()
	if err != nil {
		return nil, fmt.Errorf("build Grafana's dashboard: %w", err)
	}
	text, err := json.MarshalIndent(of, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write Grafana's dashboard: %w", err)
	}
	return append(text, '\n'), nil
}

// panel is a chart of half the width, with a line at the goal and one at the limit of the target that it has.
func panel(p objectives.Panel) *timeseries.PanelBuilder {
	b := timeseries.NewPanelBuilder().Title(p.Title).Description(p.About).Datasource(source).
		Unit(units[p.Unit]).Min(0).Height(8).Span(12).FillOpacity(10).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
	if p.Target != "" {
		b.Thresholds(dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps(objectives.TargetOf(p.Target)))).
			ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed))
	}
	for i, s := range p.Series {
		b.WithTarget(prometheus.NewDataqueryBuilder().Datasource(source).Expr(s.Expr).LegendFormat(s.Name).Range().RefId(string(rune('A' + i))))
	}
	return b
}

// steps are the colours of a target's figure, from the lowest up.
func steps(t objectives.Target) []dashboard.Threshold {
	if t.More {
		return []dashboard.Threshold{{Color: "orange"}, {Value: cog.ToPtr(t.Goal), Color: "green"}}
	}
	return []dashboard.Threshold{{Color: "green"}, {Value: cog.ToPtr(t.Goal), Color: "orange"}, {Value: cog.ToPtr(t.Limit), Color: "red"}}
}
