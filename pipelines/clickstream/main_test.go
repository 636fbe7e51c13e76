package main

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"clickstream/io/embedded"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"clickstream": main})
}

// TestScripts runs the command line by scripts, see testdata.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Vars = withoutSettings(env.Vars)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"broker":   startBroker,
			"registry": startRegistry,
			"exits":    exits,
		},
		RequireExplicitExec: true,
	})
}

// withoutSettings leaves out the settings of whoever runs the tests.
func withoutSettings(vars []string) []string {
	var kept []string
	for _, v := range vars {
		if !strings.HasPrefix(v, "CLICKSTREAM_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// startBroker starts an embedded broker for the rest of the script, and puts its address into $BROKER. With
// sasl, it wants the user alice, whose password is s3cret.
func startBroker(ts *testscript.TestScript, _ bool, args []string) {
	var opts []kfake.Opt
	for _, a := range args {
		switch a {
		case "sasl":
			opts = append(opts, kfake.EnableSASL(), kfake.Superuser("PLAIN", "alice", "s3cret"))
		default:
			ts.Fatalf("broker does not know %q", a)
		}
	}
	b, err := embedded.StartBroker(opts...)
	ts.Check(err)
	ts.Defer(b.Close)
	ts.Setenv("BROKER", b.Addr())
}

// startRegistry starts an embedded schema registry for the rest of the script, and puts its URL into $REGISTRY. Its
// compatibility level, such as BACKWARD, may be named.
func startRegistry(ts *testscript.TestScript, _ bool, args []string) {
	var opts []srfake.Option
	for _, a := range args {
		var level sr.CompatibilityLevel
		ts.Check(level.UnmarshalText([]byte(a)))
		opts = append(opts, srfake.WithGlobalCompat(level))
	}
	r, err := embedded.StartRegistry(opts...)
	ts.Check(err)
	ts.Defer(func() { ts.Check(r.Close()) })
	ts.Setenv("REGISTRY", r.URL())
}

// exits runs the command of this package, as in «exits 2 run --nosuch», and wants that exit code and, unless
// it is 0, one line or more on stderr that all begin with the command's name.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARGUMENT...")
	}
	code := map[string]string{"0": "", "1": "exit status 1", "2": "exit status 2"}
	want, ok := code[args[0]]
	if !ok {
		ts.Fatalf("exits knows 0, 1 and 2, not %s", args[0])
	}
	err := ts.Exec("clickstream", args[1:]...)
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		ts.Fatalf("clickstream %s: exit %q, want %q", strings.Join(args[1:], " "), got, want)
	}
	if want == "" {
		return
	}
	for line := range strings.SplitSeq(strings.TrimSpace(ts.ReadFile("stderr")), "\n") {
		if !strings.HasPrefix(line, "clickstream: ") && !strings.HasPrefix(line, "time=") && !strings.HasPrefix(line, `{"time":`) {
			ts.Fatalf("stderr holds %q, which is neither a log line nor an error of the command", line)
		}
	}
}
