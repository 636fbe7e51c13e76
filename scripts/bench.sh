#!/usr/bin/env bash
# Measures the pipeline on a real Kafka, which it fetches and starts: events/s from a filled topic to the table,
# beside a bare loop that fetches the same topic, in turns; memory; time to the first row; how soon a run that goes
# on where the table is writes something new; and the cost of a steady 20,000 events/s. It prints a table, and
# writes bench.json where it was called.
#
#   scripts/bench.sh [--events N] [--runs N] [--restart EVENTS] [--steady DURATION] [--json FILE]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
case " $* " in *" --help "* | *" -h "*)
	sed -n '2,7s/^# \{0,1\}//p' "$0"
	exit 0
	;;
esac
# shellcheck disable=SC2016 # the variables are those of the inner shell
"$root/scripts/components/with" bash -euc '
	go build -C "$0" -o "$TMPDIR/clickstream" ./pipelines/clickstream
	go build -C "$0" -o "$TMPDIR/bench" ./testing/bench
	"$TMPDIR/bench" -clickstream "$TMPDIR/clickstream" -brokers "$CLICKSTREAM_TEST_KAFKA" -registry "$CLICKSTREAM_TEST_REGISTRY" -json bench.json "$@"
' "$root" "$@"
