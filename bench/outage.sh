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
end_process() { # pid [signal]
  [ -n "$1" ] || return 0
  kill "-${2:-TERM}" "$1" 2>/dev/null || return 0
  for _ in $(seq 300); do
    kill -0 "$1" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL "$1" 2>/dev/null
}
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

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
# Without a process for each request: a poll must not cost what it measures.
http_get() { # path
  { exec 3<>"/dev/tcp/127.0.0.1/$http_port"; } 2>/dev/null || return 1
  printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$1" >&3
  timeout 5 cat <&3
  exec 3<&- 3>&-
}
ledger() { # -> "stored pending"
  http_get /metrics | tr -d '\r' | awk '
    /^rowgate_ledger_messages_total.*state="stored"/ { stored = $NF }
    /^rowgate_ledger_journal_pending/ { pending = $NF }
    END { printf "%d %d\n", stored, pending }'
}

postgres_bin=${POSTGRES_BIN:-$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -1)}
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
start_postgres() {
  as_postgres "$postgres_bin/pg_ctl" -D "$work/postgres" -w -l "$work/postgres/server.log" start \
    >/dev/null || { cat "$work/postgres/server.log" >&2; fail "PostgreSQL did not start"; }
  postgres_pid=$(head -1 "$work/postgres/postmaster.pid")
}
make_postgres() {
  [ -x "$postgres_bin/initdb" ] || fail "no PostgreSQL server found: apt-get install postgresql"
  mkdir "$work/postgres"
  [ "$(id -u)" != 0 ] || chown postgres "$work/postgres"
  as_postgres "$postgres_bin/initdb" -D "$work/postgres" -U postgres -A trust -E UTF8 --locale=C \
    >"$work/initdb.log" 2>&1 || { cat "$work/initdb.log" >&2; fail "initdb failed"; }
  postgres_port=$(free_port)
  as_postgres tee -a "$work/postgres/postgresql.conf" >/dev/null <<TEXT
listen_addresses = '127.0.0.1'
port = $postgres_port
unix_socket_directories = '$work/postgres'
shared_buffers = 256MB
max_wal_size = 4GB
TEXT
}
sql() { psql -h 127.0.0.1 -p "$postgres_port" -U postgres -d postgres -qAt -c "$1"; }
# Rows a second of binary COPY into a table with the index that a mapping's table has.
raw_copy() {
  "$binary/bench/rowgate_ceiling" --directory "$work" --rows "$messages" --syncs 10 --only-postgres \
    --postgres "host=127.0.0.1 port=$postgres_port user=postgres dbname=postgres" |
    awk '$1 == "postgres.copy_brin.rows_per_second" { printf "%.0f\n", $2 }'
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
    http_get /readyz 2>/dev/null | head -1 | grep -q ' 200' && return 0
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
for _ in $(seq 100); do [ "$(ledger)" = "20 0" ] && break; sleep 0.1; done
end_process "$postgres_pid" INT
publish --messages "$messages" --prefix load >"$work/load.txt" 2>"$work/load.err" || fail "$(tail -1 "$work/load.err")"
read -r _ gathered <<<"$(ledger)"
journal=$(http_get /metrics | tr -d '\r' | awk '$1 == "rowgate_journal_disk_bytes" { printf "%d", $2 / 1e6 }')
echo "gathered    $gathered messages, $journal MB of journal, while the database was away"

# Not in the function: its process would be the shell's.
"$binary/bench/rowgate_load" --port "$mqtt_port" --qos 1 --payload json --clients 20 --window 500 \
  --seconds 600 --rate "$rate" --prefix live >"$work/live.txt" 2>&1 &
load_pid=$!
start_postgres
first=0 first_at=0
deadline=$((SECONDS + 600))
while :; do
  read -r stored pending <<<"$(ledger)"
  now=$(date +%s%N)
  if [ "$first_at" = 0 ] && [ "$stored" -gt 20 ]; then first=$stored first_at=$now; fi
  # Caught up: no more waits than two seconds of the new traffic.
  [ "$first_at" != 0 ] && [ "$pending" -lt $((rate * 2 + 1000)) ] && break
  [ $SECONDS -lt $deadline ] || fail "not caught up in 600 s: stored $stored, pending $pending"
  sleep 0.05
done
end_process "$load_pid"
wait "$load_pid" 2>/dev/null
load_pid=''
for _ in $(seq 600); do read -r stored_all pending <<<"$(ledger)"; [ "$pending" = 0 ] && break; sleep 0.1; done
end_process "$gateway_pid"
wait "$gateway_pid" 2>/dev/null
gateway_pid=''
rows=$(sql 'SELECT count(*) FROM climate')
distinct=$(sql 'SELECT count(*) FROM (SELECT DISTINCT device, seq FROM climate) d')
sql 'DROP TABLE climate'
after=$(raw_copy)
awk -v before="$before" -v after="$after" -v first="$first" -v last="$stored" -v from="$first_at" \
  -v to="$now" -v all="$stored_all" -v gathered="$gathered" -v rate="$rate" -v rows="$rows" \
  -v distinct="$distinct" 'BEGIN {
  seconds = (to - from) / 1e9; caught = (last - first) / seconds; raw = (before + after) / 2
  printf "raw COPY    %d rows/s before, %d after\n", before, after
  printf "catching up %d rows/s over %.1f s, %d of them new, while %d messages/s of new traffic came\n",
    caught, seconds, all - gathered - 20, rate
  printf "ratio       %.0f %%\n", 100 * caught / raw
  printf "rows        %d, of them double: %d; missing: %d\n", rows, rows - distinct, all - rows }'
