#!/usr/bin/env bash
# Runs the golden inputs of testing/conform/testdata through every runner, each as it is and once killed in the
# middle, and holds every row of the table and every dead letter against an oracle that shares no code with the
# pipeline. Prints a table of cases by runners; exit code 1 if any cell differs. It starts what it needs (Kafka, a
# registry, Flink, Spark; no containers) and ends it.
#
#   scripts/conform.sh [options]
#
#   --runners NAME,…     of prism, flink, flink-process, flink-kafkaio, spark (all): flink has its workers in the run,
#                        flink-process in processes that Flink starts, and flink-kafkaio reads by Java's KafkaIO
#   --cases NAME,…       some of the cases (all)
#   --markdown FILE      write the table as Markdown, too
#   --at-once N          cells that are played at once (3)
#   --keep               keep topics and tables
#
# On your own cluster, where topics named clickstream-conform-… are made and removed again:
#
#   --endpoint HOST:PORT       Beam's job service of your Flink or Spark; name one of them by --runners
#   --flink-rest URL           your Flink's own interface, by which jobs are cancelled
#   --environment NAME, --environment-config WHERE   where its workers are, as for clickstream run
#   --tables WHERE             folder or URL for the tables, which the workers see as well
#   --brokers HOST:PORT,…, --registry URL   your Kafka and its registry, in place of those that are started
#
#   scripts/conform.sh
#   scripts/conform.sh --runners prism,spark --cases late,too-late --markdown conform.md
#   scripts/conform.sh --runners flink --endpoint flink:8099 --flink-rest http://flink:8081 --environment external \
#       --tables /mnt/shared --brokers kafka:9092 --registry http://registry:8081
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

runners=prism,flink,flink-process,flink-kafkaio,spark endpoint='' brokers='' registry=''
args=("$@")
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help)
		sed -n '2,30s/^# \{0,1\}//p' "$0"
		exit 0
		;;
	--keep) ;;
	--runners | --endpoint | --brokers | --registry)
		printf -v "${1#--}" %s "${2:?$1 needs a value}"
		shift
		;;
	--cases | --markdown | --at-once | --flink-rest | --environment | --environment-config | --tables)
		: "${2:?$1 needs a value}"
		shift
		;;
	*)
		echo "conform.sh: $1 is not known; scripts/conform.sh --help tells what is" >&2
		exit 2
		;;
	esac
	shift
done
if { [ -n "$brokers" ] && [ -z "$registry" ]; } || { [ -z "$brokers" ] && [ -n "$registry" ]; }; then
	echo "conform.sh: --brokers and --registry go together; name both, or neither" >&2
	exit 2
fi

if [ -z "$brokers" ] && [ -z "${CLICKSTREAM_TEST_COMPONENTS:-}" ]; then
	exec "$root/scripts/components/with" "$0" "${args[@]}"
fi

work=$(mktemp -d)
finish() {
	local status=$?
	trap - EXIT INT TERM
	if [ -e "$work/runners" ]; then "$root/scripts/components/down" --dir "$work/runners" || true; fi
	rm -rf "$work"
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

start=()
if [ -z "$endpoint" ]; then
	case $runners in *flink*) start+=(flink) ;; esac
	case $runners in *kafkaio*) start+=(expansion) ;; esac
	case $runners in *spark*) start+=(spark) ;; esac
fi
if [ ${#start[@]} -gt 0 ]; then
	"$root/scripts/components/runners" --dir "$work/runners" "${start[@]}" >&2
	# shellcheck source=/dev/null
	source "$work/runners/env"
fi
go build -C "$root" -tags crash -o "$work/clickstream" ./pipelines/clickstream
go build -C "$root" -o "$work/conform" ./testing/conform
if [ -z "$brokers" ]; then
	args+=(--brokers "$CLICKSTREAM_TEST_KAFKA" --registry "$CLICKSTREAM_TEST_REGISTRY")
fi
"$work/conform" --clickstream "$work/clickstream" "${args[@]}"
