#!/usr/bin/env bash
# Measures the pipeline on a real Kafka, which it fetches and starts: events/s from a filled topic to the table,
# beside a bare loop that fetches the same topic, in turns; memory; time to the first row; and the cost of a
# steady 20,000 events/s. It prints a table, and writes bench.json where it was called.
#
#   scripts/bench.sh [--events N] [--runs N] [--steady DURATION] [--json FILE]
set -euo pipefail
from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD

work=$(mktemp -d)
finish() {
	local status=$?
	trap - EXIT INT TERM
	if [ -e "$work/components" ]; then "$root/scripts/components/down" --dir "$work/components" || true; fi
	rm -rf "$work"
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

case " $* " in *" --help "* | *" -h "*)
	sed -n '2,6s/^# \{0,1\}//p' "scripts/bench.sh"
	exit 0
	;;
esac
go build -o "$work/clickstream" ./pipelines/clickstream
go build -o "$work/bench" ./testing/bench
scripts/components/up --dir "$work/components"
# shellcheck source=/dev/null
source "$work/components/env"
cd "$from"
"$work/bench" -clickstream "$work/clickstream" -brokers "$CLICKSTREAM_TEST_KAFKA" -registry "$CLICKSTREAM_TEST_REGISTRY" -json bench.json "$@"
