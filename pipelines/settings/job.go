package settings

import (
	"net"
	"net/url"
	"strings"
	"time"
)

// checkJob checks who runs a pipeline that reads in.
func (j *Job) checkJob(c *checks, in *Input) {
	switch j.Runner {
	case "dataflow":
		j.checkDataflow(c, in)
	case "flink", "spark":
		j.checkJobService(c, in)
	default:
		j.checkInProcess(c)
		if in.Readers > 1 {
			// On Prism the readers' watermarks overwrite one another: what a slow one reads would be too late.
			c.add("--readers is %d; --runner %s takes one, which reads every partition", in.Readers, j.Runner)
		}
	}
	if j.Runner != "dataflow" {
		j.checkElsewhere(c)
	}
	c.number("parallelism", j.Parallelism, 0, 1<<15, "; 0 leaves it to the runner") // Flink's largest
	c.length("checkpoint-interval", j.CheckpointInterval, time.Second, ", for a checkpoint takes about that long")
	c.length("poll-interval", j.PollInterval, 0, "")
	if j.PollInterval > time.Minute {
		c.add("--poll-interval is %s; it must be at most 1m, as windows wait for it", duration(j.PollInterval))
	}
	if j.PollInterval > 0 && j.Runner != "flink" {
		c.add("--poll-interval %s is for --runner flink; leave it out", duration(j.PollInterval))
	}
	j.checkMetrics(c)
}

// checkMetrics checks how metrics are served from within.
func (j *Job) checkMetrics(c *checks) {
	c.listen(&j.Serve)
	if u, err := url.Parse(j.OTLPEndpoint); j.OTLPEndpoint != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "") {
		c.add("--otlp-endpoint is %q; write the collector's URL without a user or a query, as http://localhost:4318", Redact(j.OTLPEndpoint))
	}
	if j.MetricsListen != "" {
		c.address("metrics-listen", j.MetricsListen, true)
		c.profiles("metrics-listen", j.MetricsListen, &j.Serve)
		return
	}
	for _, given := range []struct {
		flag string
		is   bool
	}{{"listen-tls-cert", j.Serve.TLSCert != ""}, {"listen-token-file", j.Serve.TokenFile != ""}, {"pprof", j.Serve.PProf}} {
		if given.is {
			c.add("--%s is for --metrics-listen, and that names no address; name one, or leave it out", given.flag)
		}
	}
}

// checkInProcess refuses what only means something to a distributed runner.
func (j *Job) checkInProcess(c *checks) {
	for flag, value := range map[string]string{
		"endpoint": j.Endpoint, "environment": j.Environment, "environment-config": j.EnvironmentConfig, "flink-rest": j.FlinkREST,
	} {
		if value != "" && (flag != "environment" || value != "loopback") {
			c.add("--%s %s is for distributed runners, and --runner is %s; name flink or spark, or leave it out", flag, value, j.Runner)
		}
	}
	if len(j.RunnerOptions) > 0 {
		c.add("--runner-option is for distributed runners, and --runner is %s; name flink or spark, or leave it out", j.Runner)
	}
	if j.Async {
		c.add("--async is for distributed runners: --runner %s runs in this process; leave it out", j.Runner)
	}
}

// checkJobService checks what a runner behind a job service needs.
func (j *Job) checkJobService(c *checks, in *Input) {
	if j.Endpoint == "" {
		c.add("--endpoint is missing; --runner %s needs the address of its job service, as localhost:8099", j.Runner)
		return
	}
	c.address("endpoint", j.Endpoint, false)
	switch environment, here := j.EnvironmentName(), isLoopback(j.Endpoint); {
	case environment == "":
		c.add("--environment is missing; --endpoint %s is on another machine, so say where the workers are: external, process or docker", j.Endpoint)
	case environment == "loopback" && !here:
		c.add("--environment loopback has the workers in this process, which --endpoint %s on another machine does not reach; name external, process or docker", j.Endpoint)
	case environment == "loopback" && j.Async:
		c.add("--async ends this process, and --environment loopback has the workers in it; name external, process or docker")
	case environment == "docker" && j.EnvironmentConfig == "":
		c.add("--environment-config is missing; --environment docker needs the image, as registry.example/clickstream:1")
	}
	if j.Runner == "spark" && in.Until.Word == Never {
		c.add("--until is never; --runner spark counts what there is and ends, as its streaming of Go pipelines never would: name latest or a time, and run it again and again, each run goes on where the table is")
	}
	c.flinkREST(j.FlinkREST)
	for _, option := range j.RunnerOptions {
		if name, _, ok := strings.Cut(option, "="); !ok || name == "" || strings.ContainsAny(name, ":- ") {
			c.add("--runner-option %q is no option and its value; write it as Beam does, as state_backend=rocksdb", option)
		}
	}
}

// EnvironmentName returns where the workers are, when it is said or follows from the endpoint; empty otherwise.
func (j *Job) EnvironmentName() string {
	if j.Environment == "" && isLoopback(j.Endpoint) {
		return "loopback"
	}
	return j.Environment
}

// isLoopback tells whether an address, host:port, is of this machine alone.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}
