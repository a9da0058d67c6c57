#!/usr/bin/env bash
# How fast the lanes catch up after an outage of the database, beside the rate at which PostgreSQL
# takes the same rows by binary COPY with no gateway. docs/benchmarks.md says what the figures mean.
set -u -o pipefail

usage() {
  cat <<'TEXT'
usage: bench/outage.sh [options]
  --messages N   what gathers while the database is away (default 3000000, some 700 MB of journal)
  --rate N       new messages a second while the lanes catch up (default 5000)
  --lanes N      lanes (default: as the gateway chooses)
  --binary DIR   take the programs from this build directory and do not build (default build/bench)
  --dir DIR      where database and journal go, on the disk to be measured (default /var/tmp)
TEXT
}

root=$(cd "$(dirname "$0")/.." && pwd)
messages=3000000 rate=5000 lanes=0 binary='' base=/var/tmp
while [ $# -gt 0 ]; do
  case $1 in
    --messages) messages=$2; shift ;;
    --rate) rate=$2; shift ;;
    --lanes) lanes=$2; shift ;;
    --binary) binary=$(cd "$2" && pwd); shift ;;
    --dir) base=$(cd "$2" && pwd); shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
fail() { echo "bench/outage.sh: $*" >&2; exit 1; }

work=$(mktemp -d "$base/rowgate-outage.XXXXXX") || exit 1
chmod 755 "$work"
gateway_pid='' postgres_pid='' load_pid=''
# shellcheck source=bench/processes.sh
. "$root/bench/processes.sh"
clean_up() {
  trap - EXIT INT TERM
  end_process "$load_pid"
  end_process "$gateway_pid"
  end_process "$postgres_pid" INT
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Rows a second of binary COPY into a table with the index that a mapping's table has.
raw_copy() {
  "$binary/bench/rowgate_ceiling" --directory "$work" --rows "$messages" --syncs 10 --only-postgres \
    --postgres "host=127.0.0.1 port=$postgres_port user=postgres dbname=postgres" |
    awk '$1 == "postgres.copy_brin.rows_per_second" { printf "%.0f\n", $2 }'
}
ledger() { # sets stored and pending
  read -r _ stored _ _ _ pending <<<"$(ledger_state "$http_port")"
}
start_gateway() {
  mqtt_port=$(free_port) http_port=$(free_port)
  cat >"$work/rowgate.toml" <<TEXT
[journal]
max_bytes = "64 GiB"
[drain]
lanes = $lanes
backoff_first = "50 ms"
backoff_max = "200 ms"
TEXT
  "$binary/rowgate" serve --config "$work/rowgate.toml" --data-dir "$work/data" \
    --mapping "$root/bench/scenarios/climate.toml" --mqtt "127.0.0.1:$mqtt_port" \
    --http "127.0.0.1:$http_port" --sink "postgresql://postgres@127.0.0.1:$postgres_port/postgres" \
    >"$work/gateway.log" 2>&1 &
  gateway_pid=$!
  for _ in $(seq 200); do
    http_get "$http_port" /readyz 2>/dev/null | head -1 | grep -q ' 200' && return 0
    sleep 0.1
  done
  tail -20 "$work/gateway.log" >&2
  fail "the gateway did not become ready"
}
publish() { # flags...
  "$binary/bench/rowgate_load" --port "$mqtt_port" --qos 1 --payload json --clients 20 --window 500 "$@"
}

"$root/deploy/packages/install.sh" build bench || exit 1
if [ -z "$binary" ]; then
  binary=$root/build/bench
  (cd "$root" && cmake --preset bench >"$work/build.log" 2>&1 &&
    cmake --build --preset bench --target rowgate rowgate_load rowgate_ceiling >>"$work/build.log" 2>&1) ||
    { tail -30 "$work/build.log" >&2; fail "the build failed"; }
fi
echo "date        $(date -u '+%Y-%m-%d %H:%M UTC'), $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) cores"
awk -v l="$(cut -d' ' -f1 /proc/loadavg)" -v n="$(nproc)" 'BEGIN { if (l > n * 0.3)
  print "WARNING     the machine is busy (load average " l "): figures are too low" }'

make_postgres
start_postgres
before=$(raw_copy)
start_gateway
publish --messages 20 --prefix warm >/dev/null 2>&1
for _ in $(seq 100); do ledger; [ "$stored" = 20 ] && [ "$pending" = 0 ] && break; sleep 0.1; done
end_process "$postgres_pid" INT
publish --messages "$messages" --prefix load >"$work/load.txt" 2>"$work/load.err" || fail "$(tail -1 "$work/load.err")"
ledger
gathered=$pending
journal=$(http_get "$http_port" /metrics | tr -d '\r' | awk '$1 == "rowgate_journal_disk_bytes" { printf "%d", $2 / 1e6 }')
echo "gathered    $gathered messages, $journal MB of journal, while the database was away"

# Not in the function: its process would be the shell's.
"$binary/bench/rowgate_load" --port "$mqtt_port" --qos 1 --payload json --clients 20 --window 500 \
  --seconds 600 --rate "$rate" --prefix live >"$work/live.txt" 2>&1 &
load_pid=$!
start_postgres
# Caught up: no more waits than two seconds of the new traffic.
caught_up=$("$root/bench/catch_up.py" "$http_port" 20 $((rate * 2 + 1000))) ||
  { tail -20 "$work/gateway.log" >&2; fail "the lanes did not catch up"; }
read -r first last seconds <<<"$caught_up"
end_process "$load_pid"
wait "$load_pid" 2>/dev/null
load_pid=''
for _ in $(seq 600); do ledger; [ "$pending" = 0 ] && break; sleep 0.1; done
end_process "$gateway_pid"
wait "$gateway_pid" 2>/dev/null
gateway_pid=''
rows=$(sql_postgres postgres 'SELECT count(*) FROM climate')
distinct=$(sql_postgres postgres 'SELECT count(*) FROM (SELECT DISTINCT device, seq FROM climate) d')
sql_postgres postgres 'DROP TABLE climate'
after=$(raw_copy)
awk -v before="$before" -v after="$after" -v first="$first" -v last="$last" -v seconds="$seconds" \
  -v all="$stored" -v gathered="$gathered" -v rate="$rate" -v rows="$rows" -v distinct="$distinct" 'BEGIN {
  caught = (last - first) / seconds; raw = (before + after) / 2
  printf "raw COPY    %d rows/s before, %d after\n", before, after
  printf "catching up %d rows/s over %.1f s, %d of them new, while %d messages/s of new traffic came\n",
    caught, seconds, all - gathered - 20, rate
  printf "ratio       %.0f %%\n", 100 * caught / raw
  printf "rows        %d, of them double: %d; missing: %d\n", rows, rows - distinct, all - rows }'
