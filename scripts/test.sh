#!/usr/bin/env bash
# Tests everything: the linter, the build, then all tests with the race detector, on an embedded broker and
# on a real one, on Flink and on Spark, with Prometheus, Alertmanager and Chromium, which it fetches and starts.
# Nothing has to be there but Go: what cannot run for want of something else is listed at the end. Under CI=true
# that is a failure.
#
#   scripts/test.sh [packages, ./... unless named]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -gt 0 ] || set -- ./...

# All that the run starts has its temporary folder here, which is how left tells its processes.
work=$(mktemp -d)
export TMPDIR=$work/tmp
mkdir "$TMPDIR"

# left prints the processes that the run started and that still run.
left() {
	local environ pid
	for environ in /proc/[0-9]*/environ; do
		pid=${environ//[!0-9]/}
		if [ "$pid" != "$BASHPID" ] && grep -zqxF "TMPDIR=$TMPDIR" "$environ" 2>/dev/null; then
			echo "$pid"
		fi
	done
}

# finish ends whatever still runs, however the script ends. What runs may start something while it is told
# to end, so it is told again.
finish() {
	local status=$? pids patience=100
	trap - EXIT INT TERM
	while pids=$(left) && [ -n "$pids" ]; do
		if [ $((patience--)) -gt 0 ]; then
			# shellcheck disable=SC2086
			kill $pids 2>/dev/null || true
			sleep 0.1
		else
			# shellcheck disable=SC2086
			kill -9 $pids 2>/dev/null || true
		fi
	done
	rm -rf "$work"
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

failures=() # the steps that failed
skips=()    # what could not run, and why

# step NAME COMMAND…: runs the command, and says how long it took. It runs beside the shell, which can then
# be stopped while it does.
step() {
	local name=$1 start=$SECONDS
	shift
	printf '\n=== %s\n' "$name"
	"$@" &
	if wait $!; then
		echo "--- $name: done after $((SECONDS - start)) s"
	else
		echo "--- $name: FAILED after $((SECONDS - start)) s"
		failures+=("$name")
		return 1
	fi
}

skip() {
	echo "SKIPPED $1: $2"
	skips+=("$1: $2")
}

# fetched NAME PID LOG WITHOUT: waits for the process that fetches or starts something, and shows its log. Where that
# says that something is not installed, what cannot run WITHOUT it is skipped.
fetched() {
	local status=0
	wait "$2" || status=$?
	cat "$3"
	case $status in
	0) ;;
	3) skip "$4" "$(tail -n 1 "$3")" ;;
	*) failures+=("$1") ;;
	esac
	return $status
}

tool() { go tool -modfile=scripts/tools/go.mod "$@"; }

command -v go >/dev/null || {
	echo "test.sh: go is not installed; install Go 1.26 or later, see https://go.dev/dl" >&2
	exit 1
}

scripts/components/up --dir "$work/components" >"$work/up.log" 2>&1 &
up=$!
scripts/components/python >"$work/python" 2>"$work/python.log" &
python=$!
scripts/components/fetch delta-spark >"$work/spark" 2>"$work/spark.log" &
spark=$!
scripts/components/monitoring prometheus >"$work/prometheus" 2>"$work/prometheus.log" &
prometheus=$!
scripts/components/monitoring chromium >"$work/chromium" 2>"$work/chromium.log" &
chromium=$!
scripts/components/fetch flink beam-flink beam-spark >/dev/null 2>&1 & # they start later, and then say what is missing
runners=$!

# The linter sees to gofmt and go vet as well.
step "build" go build ./... || exit 1
step "lint" tool golangci-lint run --allow-parallel-runners "$@" || true

printf '\n=== real broker and registry\n'
if fetched "real broker and registry" $up "$work/up.log" "the tests on a real broker, named /real"; then
	# shellcheck source=/dev/null
	source "$work/components/env"
fi

printf '\n=== other readers of the table\n'
if fetched "Python readers of the table" $python "$work/python.log" "the tests with other readers of the table"; then
	CLICKSTREAM_TEST_PYTHON=$(cat "$work/python")
	export CLICKSTREAM_TEST_PYTHON
	echo "$CLICKSTREAM_TEST_PYTHON"
fi
if fetched "Spark's jars" $spark "$work/spark.log" "the tests with Spark, named /spark"; then
	CLICKSTREAM_TEST_SPARK_JARS=$(cat "$work/spark")
	export CLICKSTREAM_TEST_SPARK_JARS
	echo "$CLICKSTREAM_TEST_SPARK_JARS"
fi

printf '\n=== Prometheus, Alertmanager and Chromium\n'
if fetched "Prometheus and Alertmanager" $prometheus "$work/prometheus.log" "the tests of alerts by real ones"; then
	# shellcheck source=/dev/null
	source "$work/prometheus"
	echo "$CLICKSTREAM_TEST_PROMETHEUS"
fi
if fetched "Chromium" $chromium "$work/chromium.log" "the tests of the page in a browser"; then
	# shellcheck source=/dev/null
	source "$work/chromium"
	echo "$CLICKSTREAM_TEST_CHROMIUM"
fi

printf '\n=== Flink and Spark\n'
wait $runners || true
scripts/components/runners --dir "$work/runners" --slots 8 flink expansion spark >"$work/runners.log" 2>&1 &
if fetched "Flink and Spark" $! "$work/runners.log" "the tests on Flink and Spark"; then
	# shellcheck source=/dev/null
	source "$work/runners/env"
fi

race=(-race)
read -r compiler _ <<<"$(go env CC)"
if [ "$(go env CGO_ENABLED)" != 1 ] || ! command -v "$compiler" >/dev/null; then
	race=()
	skip "the race detector" "$compiler is not installed; install a C compiler (Debian: gcc)"
fi
step "test" tool gotestsum --format pkgname-and-test-fails --jsonfile "$work/tests.json" -- "${race[@]}" -timeout 25m "$@" || true

for started in components runners; do
	if [ -e "$work/$started/env" ]; then
		scripts/components/down --dir "$work/$started"
	fi
done
patience=50 # what is ending may take its time
while [ -n "$(left)" ] && [ $((patience--)) -gt 0 ]; do sleep 0.1; done
for pid in $(left); do
	echo "left behind: process $pid, $(tr '\0' ' ' <"/proc/$pid/cmdline")"
	failures+=("a process left behind")
done

# A package that fails without a failing test, as it does not compile, counts for one.
count() {
	awk '
		!/"Action":"(pass|fail|skip)"/ { next }
		{ match($0, /"Package":"[^"]*"/); package = substr($0, RSTART, RLENGTH) }
		/"Action":"pass"/ && /"Test":"/ { passed++ }
		/"Action":"skip"/ && /"Test":"/ { skipped++ }
		/"Action":"fail"/ && /"Test":"/ { failed++; tested[package] = 1 }
		/"Action":"fail"/ && !/"Test":"/ && !tested[package] { failed++ }
		END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }
	' "$work/tests.json"
}

printf '\n=== all done after %d s\n' $SECONDS
for name in "${skips[@]}"; do echo "skipped: $name"; done
for name in "${failures[@]}"; do echo "failed: $name"; done
if [ "${CI:-}" = true ] && [ ${#skips[@]} -gt 0 ]; then
	echo "failed: under CI=true nothing may be skipped"
	failures+=("skips")
fi
touch "$work/tests.json"
count
[ ${#failures[@]} = 0 ]
