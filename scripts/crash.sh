#!/usr/bin/env bash
# Kills the pipeline, again and again, on a real Kafka and registry, which it starts and kills as well; at the end
# of each story the table must hold what the topic holds, row by row.
#
#   scripts/crash.sh [--stories N] [--kills N, of each story] [--seed N] [--rate CLICKS/S] [--keep]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
case " $* " in *" --help "* | *" -h "*)
	sed -n '2,5s/^# \{0,1\}//p' "scripts/crash.sh"
	exit 0
	;;
esac

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

go build -tags crash -o "$work/clickstream" ./pipelines/clickstream
go build -o "$work/crash" ./testing/crash
scripts/components/up --dir "$work/components"
# shellcheck source=/dev/null
source "$work/components/env"
"$work/crash" -clickstream "$work/clickstream" -brokers "$CLICKSTREAM_TEST_KAFKA" -registry "$CLICKSTREAM_TEST_REGISTRY" \
	-components "$work/components" "$@"
