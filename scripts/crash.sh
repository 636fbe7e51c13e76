#!/usr/bin/env bash
# Kills the pipeline, again and again, on a real Kafka and registry, which it starts and kills as well; at the end
# of each story the table must hold what the topic holds, row by row.
#
#   scripts/crash.sh [--stories N] [--kills N, of each story] [--seed N] [--rate CLICKS/S] [--keep]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
case " $* " in *" --help "* | *" -h "*)
	sed -n '2,5s/^# \{0,1\}//p' "$0"
	exit 0
	;;
esac
# shellcheck disable=SC2016 # the variables are those of the inner shell
"$root/scripts/components/with" bash -euc '
	go build -C "$0" -tags crash -o "$TMPDIR/clickstream" ./pipelines/clickstream
	go build -C "$0" -o "$TMPDIR/crash" ./testing/crash
	"$TMPDIR/crash" -clickstream "$TMPDIR/clickstream" -brokers "$CLICKSTREAM_TEST_KAFKA" -registry "$CLICKSTREAM_TEST_REGISTRY" \
		-components "$CLICKSTREAM_TEST_COMPONENTS" "$@"
' "$root" "$@"
