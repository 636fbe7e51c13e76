package files

import (
	"path"
	"time"

	"clickstream/pipelines/objectives"
)

type alertmanagerConfig struct {
	Route     route      `yaml:"route"`
	Inhibit   []inhibit  `yaml:"inhibit_rules"`
	Receivers []receiver `yaml:"receivers"`
}

type route struct {
	Receiver string   `yaml:"receiver"`
	Matchers []string `yaml:"matchers,flow,omitempty"`
	GroupBy  []string `yaml:"group_by,flow,omitempty"`
	Wait     span     `yaml:"group_wait,omitempty"`
	Interval span     `yaml:"group_interval,omitempty"`
	Repeat   span     `yaml:"repeat_interval,omitempty"`
	Routes   []route  `yaml:"routes,omitempty"`
}

type inhibit struct {
	Source []string `yaml:"source_matchers,flow"`
	Target []string `yaml:"target_matchers,flow"`
	Equal  []string `yaml:"equal,flow"`
}

type receiver struct {
	Name      string      `yaml:"name"`
	PagerDuty []pagerDuty `yaml:"pagerduty_configs,omitempty"`
	Slack     []slack     `yaml:"slack_configs,omitempty"`
}

type pagerDuty struct {
	RoutingKeyFile string            `yaml:"routing_key_file"`
	URL            string            `yaml:"url,omitempty"`
	SendResolved   bool              `yaml:"send_resolved"`
	Severity       string            `yaml:"severity"`
	Class          string            `yaml:"class"`
	Component      string            `yaml:"component"`
	Description    string            `yaml:"description"`
	Client         string            `yaml:"client"`
	ClientURL      string            `yaml:"client_url"`
	Links          []link            `yaml:"links"`
	Details        map[string]string `yaml:"details"`
}

type link struct {
	Href string `yaml:"href"`
	Text string `yaml:"text"`
}

type slack struct {
	URLFile      string `yaml:"api_url_file"`
	SendResolved bool   `yaml:"send_resolved"`
	Channel      string `yaml:"channel"`
	Color        string `yaml:"color"`
	Title        string `yaml:"title"`
	TitleLink    string `yaml:"title_link"`
	Text         string `yaml:"text"`
	Fallback     string `yaml:"fallback"`
}

// The receivers, by severity.
var receivers = map[objectives.Severity]string{
	objectives.Page: "pagerduty", objectives.Chat: "slack", objectives.Warning: "slack-warnings",
}

// What is told of a group of alerts. They are of one name, topic and group, and differ by who has seen it.
const (
	first   = `(index .Alerts 0)`
	summary = `{{ ` + first + `.Annotations.summary }}{{ if gt (len .Alerts) 1 }} (and {{ len (slice .Alerts 1) }} more){{ end }}`
	runbook = `{{ or ` + first + `.Annotations.runbook_url ` + first + `.GeneratorURL }}` // of an alert without a link, what Prometheus shows
	named   = `{{ if ` + first + `.Annotations.runbook_url }}Runbook{{ else }}Prometheus{{ end }}`
	place   = `{{ ` + first + `.Labels.instance }}`
)

// alertmanager says who is told of which alert. What has a severity that nobody knows is a warning, and not lost.
func alertmanager(o Options) alertmanagerConfig {
	secrets := o.Secrets
	if secrets == "" {
		secrets = "/etc/prometheus"
	}
	c := alertmanagerConfig{
		Route: route{
			Receiver: receivers[objectives.Warning], GroupBy: []string{"alertname", "topic", "group"},
			Wait: o.in(10 * time.Second), Interval: o.in(time.Minute), Repeat: o.in(4 * time.Hour),
		},
		Inhibit: []inhibit{{
			Source: []string{`alertname="` + objectives.ExporterDown + `"`},
			Target: []string{`alertname=~"Clickstream.+"`, `alertname!="` + objectives.ExporterDown + `"`},
			Equal:  []string{"instance"},
		}},
	}
	for _, s := range objectives.Severities {
		c.Route.Routes = append(c.Route.Routes, route{Receiver: receivers[s], Matchers: []string{`severity="` + string(s) + `"`}})
		r := receiver{Name: receivers[s]}
		switch s {
		case objectives.Page:
			r.PagerDuty = []pagerDuty{toPagerDuty(path.Join(secrets, "pagerduty.key"), o.PagerDuty)}
		case objectives.Chat:
			r.Slack = []slack{toSlack(path.Join(secrets, "slack.url"), "#clickstream", "danger")}
		case objectives.Warning:
			r.Slack = []slack{toSlack(path.Join(secrets, "slack.url"), "#clickstream-warnings", "warning")}
		}
		c.Receivers = append(c.Receivers, r)
	}
	return c
}

func toPagerDuty(key, url string) pagerDuty {
	return pagerDuty{
		RoutingKeyFile: key, URL: url, SendResolved: true, Severity: "critical",
		Class: `{{ .GroupLabels.alertname }}`, Component: `{{ .GroupLabels.topic }}`, Description: summary,
		Client: "clickstream at " + place, ClientURL: runbook,
		Links: []link{{Href: runbook, Text: named}},
		Details: map[string]string{
			"description": `{{ ` + first + `.Annotations.description }}`,
			"firing":      `{{ range .Alerts.Firing }}{{ .Annotations.summary }} since {{ .StartsAt.UTC.Format "15:04:05" }} UTC, seen by {{ .Labels.instance }}` + "\n" + `{{ end }}`,
			"resolved":    `{{ range .Alerts.Resolved }}{{ .Annotations.summary }} until {{ .EndsAt.UTC.Format "15:04:05" }} UTC` + "\n" + `{{ end }}`,
		},
	}
}

func toSlack(url, channel, color string) slack {
	return slack{
		URLFile: url, SendResolved: true, Channel: channel,
		Color:     `{{ if eq .Status "firing" }}` + color + `{{ else }}good{{ end }}`,
		Title:     `{{ if eq .Status "resolved" }}All clear: {{ end }}{{ .GroupLabels.alertname }}`,
		TitleLink: runbook,
		Text:      `{{ range .Alerts }}{{ .Annotations.summary }}` + "\n" + `{{ if eq .Status "firing" }}{{ .Annotations.description }}` + "\n" + `{{ end }}{{ with .Annotations.runbook_url }}<{{ . }}|Runbook>` + "\n" + `{{ end }}{{ end }}`,
		Fallback:  `{{ .Status }}: ` + summary,
	}
}
