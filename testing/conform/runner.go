package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"clickstream/io/flink"
)

// runner is one that the cases run on, with where its workers are.
type runner struct {
	name        string // as the user says it, and the table's head
	flag        string // of --runner
	endpoint    string // of its job service; none for Prism
	rest        string // URL of Flink's own interface, where it is known
	environment string // loopback where it is empty
	config      string // --environment-config; of process, the program is made for each run
	expansion   string // the expansion service, where Java's KafkaIO reads; none for our own reader
	more        []string
}

// bounded tells whether the runner only runs what ends.
func (r runner) bounded() bool { return r.flag == "spark" }

// endless tells whether what the runner runs has no end of its own: reads are follows there.
func (r runner) endless() bool { return r.expansion != "" }

// apart tells whether the workers are other processes than the run.
func (r runner) apart() bool { return r.environment != "" && r.environment != "loopback" }

// cancel ends a job of Flink's, if it has not ended, and waits until it has.
func (r runner) cancel(ctx context.Context, name string) error {
	rest := flink.REST(r.rest)
	if err := rest.Cancel(ctx, name); err != nil {
		return err
	}
	_, err := rest.Await(ctx, name, flink.Job.Over)
	return err
}

// The variables that say where the runners are that scripts/components/runners has started.
const (
	flinkVar     = "CLICKSTREAM_TEST_FLINK"
	flinkRESTVar = "CLICKSTREAM_TEST_FLINK_REST"
	sparkVar     = "CLICKSTREAM_TEST_SPARK"
	expansionVar = "CLICKSTREAM_TEST_EXPANSION"
)

// runnersOf returns the runners of those names. own, where it has an endpoint, is the user's, in place of those that
// the environment names.
func runnersOf(names []string, own runner) ([]runner, error) {
	flink, rest, spark, expansion := os.Getenv(flinkVar), os.Getenv(flinkRESTVar), os.Getenv(sparkVar), os.Getenv(expansionVar)
	known := []runner{
		{name: "prism", flag: "prism"},
		{name: "flink", flag: "flink", endpoint: flink, rest: rest, more: []string{"--readers", "2", "--parallelism", "2"}},
		{name: "flink-process", flag: "flink", endpoint: flink, rest: rest, environment: "process"},
		{name: "flink-kafkaio", flag: "flink", endpoint: flink, rest: rest, expansion: expansion, more: []string{"--readers", "2", "--parallelism", "2"}},
		{name: "spark", flag: "spark", endpoint: spark},
	}
	var all []runner
	for _, name := range names {
		var found *runner
		for _, r := range known {
			if r.name == name {
				found = &r
			}
		}
		switch {
		case found == nil:
			return nil, fmt.Errorf("there is no runner %q: name some of prism, flink, flink-process, flink-kafkaio, spark", name)
		case found.flag == "prism":
		case own.endpoint != "" && found.name != found.flag:
			return nil, fmt.Errorf("runner %s is for clusters of this machine; with --endpoint name flink or spark, and say by --environment where the workers are", name)
		case own.endpoint != "" && own.rest == "" && found.flag == "flink":
			return nil, fmt.Errorf("--endpoint %s is Flink's, and nobody says where its own interface is, by which jobs are cancelled: name it by --flink-rest", own.endpoint)
		case own.endpoint != "":
			found.endpoint, found.rest, found.environment, found.config = own.endpoint, own.rest, own.environment, own.config
		case found.endpoint == "":
			return nil, fmt.Errorf("nobody says where %s is: name its job service by --endpoint; scripts/conform.sh starts one without it", found.flag)
		case found.name == "flink-kafkaio" && expansion == "":
			return nil, fmt.Errorf("nobody says where an expansion service is that knows KafkaIO: %s has to; scripts/conform.sh starts one", expansionVar)
		}
		all = append(all, *found)
	}
	return all, nil
}

// flags returns what run is told of the runner.
func (r runner) flags() []string {
	if r.flag == "prism" {
		return nil
	}
	flags := append([]string{"--runner", r.flag, "--endpoint", r.endpoint}, r.more...)
	switch {
	case r.expansion != "":
		flags = append(flags, "--source", "kafkaio", "--expansion-service", r.expansion)
	case r.flag == "flink":
		flags = append(flags, "--poll-interval", "1s") // cases are over before state has grown
	}
	if r.rest != "" {
		flags = append(flags, "--flink-rest", r.rest)
	}
	if r.environment != "" {
		flags = append(flags, "--environment", r.environment)
	}
	if r.config != "" {
		flags = append(flags, "--environment-config", r.config)
	}
	return flags
}

// way is how a case is played.
type way string

// The ways.
const (
	whole        way = "whole"         // each run runs to its end
	runKilled    way = "run killed"    // each run is killed, and started again
	workerKilled way = "worker killed" // the worker of each run is, and the runner goes on by itself
)

// ways returns how a runner's cases are played.
func (r runner) ways() []way {
	if r.environment == "process" && r.config == "" {
		return []way{whole, runKilled, workerKilled}
	}
	return []way{whole, runKilled}
}

// list splits a list of names.
func list(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' })
}
