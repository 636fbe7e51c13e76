package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"clickstream/pipelines/objectives"
	"clickstream/testing/kafkatest"
)

// said is what a program says, which is to end well.
func said(t *testing.T, variable string, args ...string) string {
	t.Helper()
	program := kafkatest.Named(t, variable, "scripts/components/monitoring prometheus prints the lines that set it")
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

const (
	promtool = "CLICKSTREAM_TEST_PROMTOOL"
	amtool   = "CLICKSTREAM_TEST_AMTOOL"
)

func TestPrometheusTakesTheConfiguration(t *testing.T) {
	assert.Contains(t, said(t, promtool, "check", "config", "prometheus.yml"), "rules found")
}

// TestStories has the rules go through what may happen, see testdata. Each alert has a story of its name.
func TestStories(t *testing.T) {
	for _, a := range objectives.Alerts {
		require.FileExists(t, filepath.Join("testdata", a.ID+".test.yml"))
	}
	stories, err := filepath.Glob("testdata/*.test.yml")
	require.NoError(t, err)
	for _, story := range stories {
		t.Run(filepath.Base(story), func(t *testing.T) {
			t.Parallel()
			assert.Contains(t, said(t, promtool, "test", "rules", story), "SUCCESS")
		})
	}
}

// TestWhatIsTold has each alert fire, and compares what people read of it.
func TestWhatIsTold(t *testing.T) {
	const of = `{job="clickstream", instance="monitor:8080", topic="clicks", group="counter"`
	stream := map[string]string{"topic": "clicks", "group": "counter"}
	fires := map[string]struct {
		series  map[string]string // one sample a minute
		labels  map[string]string // beside job, instance and severity
		summary string
	}{
		"consumer-lag": {
			map[string]string{"clickstream_consumer_group_lag" + of + "}": "123456x30"},
			stream, "counter is 123.5k records behind on clicks",
		},
		"no-commit": {
			map[string]string{
				"clickstream_consumer_group_lag" + of + "}": "7x30", "clickstream_window_seconds" + of + "}": "60x30",
				"clickstream_table_last_commit_timestamp_seconds" + of + `, table="/views"}`: "0x30",
			},
			stream, "counter has not committed anything of clicks for 30m 0s",
		},
		"exporter-down": {
			map[string]string{`up{job="clickstream", instance="monitor:8080"}`: "0x30"},
			nil, "Prometheus cannot scrape monitor:8080: nobody watches the pipeline",
		},
		"processing-latency": {
			map[string]string{
				"clickstream_processing_latency_seconds_bucket" + of + `, le="90"}`:   "0x30",
				"clickstream_processing_latency_seconds_bucket" + of + `, le="120"}`:  "0+100x30",
				"clickstream_processing_latency_seconds_bucket" + of + `, le="+Inf"}`: "0+100x30",
			},
			stream, "p95 from Kafka to the count is 1m 58s for counter on clicks",
		},
		"dead-letters": {
			map[string]string{
				"clickstream_records_read_total" + of + "}":                    "0+1000x30",
				"clickstream_dead_letters_total" + of + `, reason="json"}`:     "0+20x30",
				"clickstream_dead_letters_total" + of + `, reason="too_late"}`: "0+5x30",
			},
			stream, "2.5% of the records of clicks are dead letters",
		},
		"checkpoint-duration": {
			map[string]string{"clickstream_checkpoint_duration_seconds" + of + "}": "42x30"},
			stream, "the last checkpoint of counter on clicks took 42s",
		},
		"source-down": {
			map[string]string{`clickstream_source_up{job="clickstream", instance="monitor:8080", source="table"}`: "0x30"},
			map[string]string{"source": "table"}, "the monitor at monitor:8080 cannot ask table: nobody watches the pipeline",
		},
		"checkpoint-failures": {
			map[string]string{"clickstream_checkpoint_failures_total" + of + "}": "0x10 4x20"},
			stream, "4 checkpoints of counter on clicks have failed in an hour",
		},
		"other-source-down": {
			map[string]string{`clickstream_source_up{job="clickstream", instance="monitor:8080", source="flink"}`: "0x30"},
			map[string]string{"source": "flink"}, "the monitor at monitor:8080 cannot ask flink",
		},
	}
	rules, err := filepath.Abs("rules.yml")
	require.NoError(t, err)
	type m = map[string]any
	for _, a := range objectives.Alerts {
		t.Run(a.ID, func(t *testing.T) {
			f, ok := fires[a.ID]
			require.True(t, ok)
			labels := m{"job": objectives.Job, "instance": "monitor:8080", "severity": string(a.Severity)}
			for name, value := range f.labels {
				labels[name] = value
			}
			says := m{
				"summary":     f.summary,
				"description": a.Meaning + "\nFirst look: " + a.FirstLook + "\nRemedy: " + a.Remedy,
				"runbook_url": "http://monitor:8080/runbook#" + a.ID,
			}
			if a.Name == objectives.ExporterDown { // nobody answers there
				delete(says, "runbook_url")
				says["description"] = fmt.Sprint(says["description"], "\nRunbook: scripts/monitoring/runbook.md, ", a.Name)
			}
			var series []m
			for name, values := range f.series {
				series = append(series, m{"series": name, "values": values})
			}
			text, err := yaml.Marshal(m{"rule_files": []string{rules}, "tests": []m{{
				"interval": "1m", "input_series": series,
				"alert_rule_test": []m{{"eval_time": "30m", "alertname": a.Name, "exp_alerts": []m{{"exp_labels": labels, "exp_annotations": says}}}},
			}}})
			require.NoError(t, err)
			story := filepath.Join(t.TempDir(), "told.yml")
			require.NoError(t, os.WriteFile(story, text, 0o600))
			assert.Contains(t, said(t, promtool, "test", "rules", story), "SUCCESS")
		})
	}
}

func TestAlertmanagerTakesTheConfiguration(t *testing.T) {
	assert.Contains(t, said(t, amtool, "check-config", "alertmanager.yml"), "SUCCESS")
}

// TestRoutes has each alert go where its severity says, and what nobody knows go where it is seen.
func TestRoutes(t *testing.T) {
	to := func(labels ...string) string {
		out := said(t, amtool, append([]string{"config", "routes", "test", "--config.file", "alertmanager.yml"}, labels...)...)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		return lines[len(lines)-1]
	}
	for severity, receiver := range map[objectives.Severity]string{
		objectives.Page: "pagerduty", objectives.Chat: "slack", objectives.Warning: "slack-warnings", "nosuch": "slack-warnings",
	} {
		assert.Equal(t, receiver, to("severity="+string(severity)))
	}
	assert.Equal(t, "slack-warnings", to("alertname=SomebodyElses"))
	for _, a := range objectives.Alerts {
		assert.NotEmpty(t, to("alertname="+a.Name, "severity="+string(a.Severity)))
	}
}

// TestOptions writes to another folder what another place wants.
func TestOptions(t *testing.T) {
	to := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "run", ".", "-to", to, "-runbook", "https://wiki.example/clickstream", "-secrets", "/run/secrets",
		"-monitors", "clicks.example:8080,enriched.example:8080", "-alertmanager", "alerts.example:9093")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for name, holds := range map[string][]string{
		"rules.yml":        {"runbook_url: https://wiki.example/clickstream#consumer-lag", "runbook_url: https://wiki.example/clickstream#exporter-down"},
		"alertmanager.yml": {"/run/secrets/pagerduty.key", "/run/secrets/slack.url"},
		"prometheus.yml":   {"clicks.example:8080", "enriched.example:8080", "alerts.example:9093"},
		"grafana.json":     {"Consumer lag"},
		"runbook.md":       {"Remedy"},
	} {
		text, err := os.ReadFile(filepath.Join(to, name))
		require.NoError(t, err)
		for _, want := range holds {
			assert.Contains(t, string(text), want, name)
		}
	}
}
