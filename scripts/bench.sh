#!/usr/bin/env bash
# Measures the pipeline on a real Kafka, which it fetches and starts: events/s from a filled topic to the table,
# beside a bare loop that fetches the same topic, in turns; memory; time to the first row; how soon a run that goes
# on where the table is writes something new; and the cost of a steady 20,000 events/s. It prints a table, and
# writes bench.json where it was called.
#
#   scripts/bench.sh [--events N] [--runs N] [--restart EVENTS] [--steady DURATION] [--json FILE]
#
# Or, with the same JSON topic in turns: ours on Prism beside ours on Flink and Spark (--runners), and beside the
# reference job in Spark and in Flink SQL (--peers; testing/bench/peers has the jobs and their settings).
#
#   scripts/bench.sh [--runners] [--peers] [--events N] [--runs N] [--json FILE] [--plot PREFIX]
#
# Or a job on Flink that catches up with a backlog and then goes on at 20,000 events/s: how long its checkpoints take,
# and how fast they grow.
#
#   scripts/bench.sh --soak 1h [--backlog EVENTS] [--json FILE] [--plot PREFIX]
#
# Or topics of which 1%, 50% or all records are no clicks, beside clean ones, each run audited (--bad). Or enrich, with
# sessions and without, beside a bare loop that copies the topic (--enrich). Or how fast dead letters are listed and put
# back, a hundred thousand and a million of them (--replay).
#
#   scripts/bench.sh --bad | --enrich | --replay [--events N] [--runs N] [--json FILE]
#
# Or what the monitor takes, for so long, beside an embedded broker with a topic of a thousand partitions, and a table of
# ten thousand files that both change.
#
#   scripts/bench.sh --monitor 1m [--json FILE]
#
# Or what it costs a run to serve metrics that are scraped each second.
#
#   scripts/bench.sh --metrics [--events N] [--runs N] [--json FILE]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
case " $* " in *" --help "* | *" -h "*)
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
	exit 0
	;;
esac
runners='' peers='' soak='' rest=()
for word in "$@"; do
	case $word in
	--runners) runners=yes ;;
	--peers) peers=yes ;;
	--soak | --soak=*) soak=yes rest+=("$word") ;;
	*) rest+=("$word") ;;
	esac
done
if [ "$runners$peers" ]; then rest=(-rivals -json bench-rivals.json "${rest[@]}"); fi
if [ "$soak" ]; then rest=(-json bench-soak.json "${rest[@]}"); fi
if [ "$peers" ]; then
	read -r -d '' spark delta flink kafka <<<"$("$root/scripts/components/fetch" spark-kafka delta-spark flink flink-kafka)" || true
	python=$("$root/scripts/components/python") # which has Spark
	jars=$("$python" -c 'import importlib.util as i, os; print(os.path.dirname(i.find_spec("pyspark").origin) + "/jars")')
	export BENCH_PEERS=$root/testing/bench/peers
	export BENCH_SPARKPEER_PATH=$jars/*:$spark/*:$delta/* BENCH_FLINKPEER_PATH=$flink/lib/*:$kafka/*
fi
export BENCH_RUNNERS=${soak:+flink}${runners:+flink spark}
# shellcheck disable=SC2016 # the variables are those of the inner shell
"$root/scripts/components/with" bash -euc '
	go build -C "$0" -o "$TMPDIR/clickstream" ./pipelines/clickstream
	go build -C "$0" -o "$TMPDIR/bench" ./testing/bench
	if [ "$BENCH_RUNNERS" ]; then
		trap "$0/scripts/components/down --dir $TMPDIR/runners" EXIT
		"$0/scripts/components/runners" --dir "$TMPDIR/runners" --heap 1024 $BENCH_RUNNERS >&2
		. "$TMPDIR/runners/env"
	fi
	"$TMPDIR/bench" -clickstream "$TMPDIR/clickstream" -brokers "$CLICKSTREAM_TEST_KAFKA" -registry "$CLICKSTREAM_TEST_REGISTRY" -json bench.json "$@"
' "$root" "${rest[@]}"
