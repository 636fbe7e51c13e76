package files

import (
	"strconv"
	"time"

	"clickstream/pipelines/objectives"
)

// interval is how often monitors are scraped and rules are looked at.
const interval = 15 * time.Second

// span is a duration as Prometheus and Alertmanager write it.
type span time.Duration

func (s span) MarshalYAML() (any, error) {
	d := time.Duration(s)
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d >= unit.of && d%unit.of == 0 {
			return strconv.FormatInt(int64(d/unit.of), 10) + unit.name, nil
		}
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + "ms", nil
}

// in is a duration as the options have it.
func (o Options) in(d time.Duration) span { return span(d / time.Duration(max(1, o.Faster))) }

type ruleFile struct {
	Groups []ruleGroup `yaml:"groups"`
}

type ruleGroup struct {
	Name     string `yaml:"name"`
	Interval span   `yaml:"interval"`
	Rules    []rule `yaml:"rules"`
}

type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         span              `yaml:"for,omitempty"`
	Labels      map[string]string `yaml:"labels"`
	Annotations annotations       `yaml:"annotations"`
}

type annotations struct {
	Summary     string `yaml:"summary"`
	Description string `yaml:"description"`
	Runbook     string `yaml:"runbook_url,omitempty"`
}

// rules are the alerts for Prometheus.
func rules(o Options) ruleFile {
	group := ruleGroup{Name: "clickstream", Interval: o.in(interval)}
	for _, a := range objectives.Alerts {
		if o.Faster > 1 {
			a = a.Faster(o.Faster)
		}
		group.Rules = append(group.Rules, rule{
			Alert: a.Name, Expr: a.Expr, For: span(a.For), Labels: map[string]string{"severity": string(a.Severity)}, Annotations: told(a, o.Runbook),
		})
	}
	return ruleFile{Groups: []ruleGroup{group}}
}

// told is what people read of an alert. The link leads to where the runbook is published, or to the monitor's own page,
// but not to that of a monitor that is down.
func told(a objectives.Alert, runbook string) annotations {
	says := annotations{Summary: a.Summary, Description: a.Meaning + "\nFirst look: " + a.FirstLook + "\nRemedy: " + a.Remedy}
	switch {
	case runbook != "":
		says.Runbook = runbook + "#" + a.ID
	case a.Name == objectives.ExporterDown:
		says.Description += "\nRunbook: scripts/monitoring/runbook.md, " + a.Name
	default:
		says.Runbook = "http://{{ $labels.instance }}/runbook#" + a.ID
	}
	return says
}

type prometheusConfig struct {
	Global    intervals    `yaml:"global"`
	RuleFiles []string     `yaml:"rule_files,flow"`
	Alerting  alerting     `yaml:"alerting"`
	Scrapes   []statically `yaml:"scrape_configs"`
}

type intervals struct {
	Scrape     span `yaml:"scrape_interval"`
	Evaluation span `yaml:"evaluation_interval"`
}

type alerting struct {
	Alertmanagers []statically `yaml:"alertmanagers"`
}

type statically struct {
	Job    string   `yaml:"job_name,omitempty"`
	Static []static `yaml:"static_configs"`
}

type static struct {
	Targets []string `yaml:"targets,flow"`
}

// scraping is a configuration of Prometheus for some monitors.
func scraping(o Options) prometheusConfig {
	monitors, manager := o.Monitors, o.Alertmanager
	if len(monitors) == 0 {
		monitors = []string{objectives.Address}
	}
	if manager == "" {
		manager = "127.0.0.1:9093"
	}
	return prometheusConfig{
		Global:    intervals{Scrape: o.in(interval), Evaluation: o.in(interval)},
		RuleFiles: []string{"rules.yml"},
		Alerting:  alerting{Alertmanagers: []statically{{Static: []static{{Targets: []string{manager}}}}}},
		Scrapes:   []statically{{Job: objectives.Job, Static: []static{{Targets: monitors}}}},
	}
}
