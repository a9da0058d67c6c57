#!/usr/bin/env bash
# Measures the gateway end to end beside what the machine's databases and disk can do alone.
# docs/benchmarks.md says what each figure means.
set -u -o pipefail

usage() {
  cat <<'TEXT'
usage: bench/run.sh [options]
  --quick            a smoke run: a few seconds a case, figures mean little
  --case PATTERN     only the cases that match this shell pattern, e.g. 'postgres-qos1-*' (repeatable)
  --messages N       messages a case (default 2000000, at QoS 2 half of it)
  --clients N        connections (default 20)      --window N   in flight a client (default 500)
  --mosquitto        the same generator against mosquitto too (it stores nothing), if installed
  --no-ceiling       leave the ceilings out
  --binary DIR       take the programs from this build directory and do not build (default build/bench)
  --dir DIR          where databases and journals go, on the disk to be measured (default /var/tmp)
  --save             also write bench/results/DATE.txt
  --keep             keep the working directory
Cases: {sqlite,postgres}-qos{0,1,2}-json, {sqlite,postgres}-qos1-scalar, {sqlite,postgres}-qos1-paced
TEXT
}

root=$(cd "$(dirname "$0")/.." && pwd)
quick=0 save=0 keep=0 ceiling=1 mosquitto=0 built=0
messages='' clients=20 window=500 binary='' base=/var/tmp
patterns=()
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=1 ;;
    --case) patterns+=("$2"); shift ;;
    --messages) messages=$2; shift ;;
    --clients) clients=$2; shift ;;
    --window) window=$2; shift ;;
    --mosquitto) mosquitto=1 ;;
    --no-ceiling) ceiling=0 ;;
    --binary) binary=$(cd "$2" && pwd); shift ;;
    --dir) base=$(cd "$2" && pwd); shift ;;
    --save) save=1 ;;
    --keep) keep=1 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
[ -n "$messages" ] || messages=$([ $quick = 1 ] && echo 50000 || echo 2000000)
ceiling_rows=$([ $quick = 1 ] && echo 100000 || echo 1000000)
ceiling_syncs=$([ $quick = 1 ] && echo 50 || echo 1000)
paced_rate=10000
paced_seconds=$([ $quick = 1 ] && echo 2 || echo 10)

fail() { echo "bench/run.sh: $*" >&2; exit 1; }

# --- what we start, we end: by pid, also on a signal --------------------------------------------
work=$(mktemp -d "$base/rowgate-bench.XXXXXX") || exit 1
chmod 755 "$work"
ledgers=$work
[ -d /dev/shm ] && [ -w /dev/shm ] && ledgers=$(mktemp -d /dev/shm/rowgate-bench.XXXXXX)
gateway_pid='' postgres_pid='' mosquitto_pid='' load_pid=''

# shellcheck source=bench/processes.sh
. "$root/bench/processes.sh"
clean_up() {
  trap - EXIT INT TERM
  end_process "$load_pid"
  end_process "$gateway_pid"
  end_process "$mosquitto_pid"
  end_process "$postgres_pid" INT
  [ "$ledgers" = "$work" ] || rm -rf "$ledgers"
  if [ $keep = 1 ]; then echo "kept: $work"; else rm -rf "$work"; fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- measuring processes ------------------------------------------------------------------------
ticks=$(getconf CLK_TCK)
# CPU microseconds (user and system) of a process; with "tree": and of its children, ended ones too.
cpu_us() { # pid [tree]
  local pids=$1 total=0 pid
  [ "${2:-}" = tree ] && pids="$1 $(pgrep -P "$1" | tr '\n' ' ')"
  for pid in $pids; do
    [ -r "/proc/$pid/stat" ] || continue
    total=$((total + $(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null |
      awk -v own="$1" -v pid="$pid" -v tree="${2:-}" \
        '{ t = $12 + $13; if (tree == "tree" && pid == own) t += $14 + $15; print t }')))
  done
  echo $((total * 1000000 / ticks))
}
thread_cpu() { # pid -> "name ms" a line
  local task
  for task in /proc/"$1"/task/*; do
    echo "$(cat "$task/comm") $(sed 's/.*) //' "$task/stat" |
      awk -v hz="$ticks" '{ print ($12 + $13) * 1000 / hz }')"
  done 2>/dev/null
}

# --- the databases ------------------------------------------------------------------------------
sql() { # sink database sql -> rows, columns separated by a blank
  if [ "$1" = sqlite ]; then sqlite3 -separator ' ' "$2" "$3"; else sql_postgres "$2" "$3"; fi
}

# --- conditions ---------------------------------------------------------------------------------
conditions() {
  local type load
  type=$(sed -n 's/^CMAKE_BUILD_TYPE:.*=//p' "$binary/CMakeCache.txt" 2>/dev/null)
  load=$(cut -d' ' -f1 /proc/loadavg)
  echo "date        $(date -u '+%Y-%m-%d %H:%M UTC')"
  # Programs from --binary may be older than the checkout, so only our own build has its commit.
  if [ $built = 1 ]; then
    echo "commit      $(git -C "$root" describe --always --dirty 2>/dev/null)"
  else
    echo "commit      unknown: --binary, programs of $(date -u -r "$binary/rowgate" '+%Y-%m-%d %H:%M UTC')"
  fi
  echo "CPU         $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) cores"
  echo "kernel      $(uname -sr)"
  echo "disk        $(df --output=fstype,source "$work" | tail -1), fsync on"
  echo "build       ${type:-unknown}; $("${CXX:-c++}" --version | head -1)"
  echo "PostgreSQL  $("$postgres_bin/postgres" --version | cut -d' ' -f3-); SQLite $(sqlite3 --version | cut -d' ' -f1)"
  echo "load        $messages messages a case, $clients clients, $window in flight each"
  case $type in
    Release | RelWithDebInfo) ;;
    *) echo "WARNING     assertions are on (build type '${type:-none}'): figures mean nothing" ;;
  esac
  awk -v l="$load" -v n="$(nproc)" 'BEGIN { if (l > n * 0.3)
    print "WARNING     the machine is busy (load average " l "): figures are too low" }'
  [ $quick = 1 ] && echo "NOTE        --quick: a smoke run, not a measurement"
}

# --- one case -----------------------------------------------------------------------------------
start_gateway() { # sink-url mapping directory
  mqtt_port=$(free_port) http_port=$(free_port)
  local flags=(--data-dir "$3/data" --mqtt "127.0.0.1:$mqtt_port" --http "127.0.0.1:$http_port"
    --sink "$1")
  [ -z "$2" ] || flags+=(--mapping "$2")
  "$binary/rowgate" serve "${flags[@]}" >"$3/gateway.log" 2>&1 &
  gateway_pid=$!
  for _ in $(seq 200); do
    kill -0 "$gateway_pid" 2>/dev/null || break
    http_get "$http_port" /readyz 2>/dev/null | head -1 | grep -q ' 200' && return 0
    sleep 0.1
  done
  echo "--- gateway did not become ready; its log:" >&2
  tail -20 "$3/gateway.log" >&2
  return 1
}

value() { awk -v name="$1" '$1 == name { print $2 }' "$2"; } # figure of a generator's report

# Waits until all that was received is in SQL; sets stored_at (ns) and state.
wait_stored() { # expected
  local deadline=$((SECONDS + 180)) stored dead unmapped dropped pending
  while :; do
    stored_at=$(date +%s%N)
    state=$(ledger_state "$http_port")
    read -r _ stored dead unmapped dropped pending <<<"$state"
    [ "$((stored + dead + unmapped + dropped))" -ge "$1" ] && [ "$pending" = 0 ] && return 0
    [ $SECONDS -lt $deadline ] || return 1
    kill -0 "$gateway_pid" 2>/dev/null || return 1
    sleep 0.02
  done
}

table_line=''
failures=0
table_format='%-22s %11s %11s %9s %9s %10s %10s %6s %5s\n'
header() {
  # shellcheck disable=SC2059
  printf "$table_format" case 'stored/s' 'acked/s' 'p50 ms' 'p99 ms' 'gw us/msg' 'db us/row' lost dup
}

run_case() { # name sink qos kind
  local name=$1 sink=$2 qos=$3 kind=$4 dir=$work/$1 payload=json mapping table device seq database url
  payload=$([ "$kind" = scalar ] && echo scalar || echo json)
  mkdir "$dir"
  if [ "$payload" = json ]; then
    mapping=$root/bench/scenarios/climate.toml table=climate device=device seq=seq
  else
    mapping='' table=telemetry device=client_id seq='cast(value as bigint)'
  fi
  if [ "$sink" = sqlite ]; then
    database=$dir/telemetry.db url=sqlite:$database
  else
    database=$(echo "$name" | tr - _)
    sql_postgres postgres "CREATE DATABASE $database" || return 1
    url=postgresql://postgres@127.0.0.1:$postgres_port/$database
  fi
  start_gateway "$url" "$mapping" "$dir" || { failures=$((failures + 1)); end_gateway; return 1; }

  local count=$messages load_flags=(--clients "$clients" --window "$window")
  [ "$qos" = 2 ] && count=$((messages / 2))
  load_flags+=(--messages "$count")
  if [ "$kind" = paced ]; then
    count=$((paced_rate * paced_seconds))
    load_flags=(--clients "$clients" --window "$window" --messages "$count" --rate "$paced_rate")
  fi
  local gateway_cpu db_cpu=0 ledger=$ledgers/$name.ledger report=$dir/load.txt
  gateway_cpu=$(cpu_us "$gateway_pid")
  [ "$sink" = postgres ] && db_cpu=$(cpu_us "$postgres_pid" tree)
  "$binary/bench/rowgate_load" --port "$mqtt_port" --qos "$qos" --payload "$payload" \
    --ledger "$ledger" "${load_flags[@]}" >"$report" 2>"$dir/load.err" &
  load_pid=$!
  wait "$load_pid"
  local load_rc=$?
  load_pid=''
  local all_stored=1
  wait_stored "$count" || all_stored=0
  gateway_cpu=$(($(cpu_us "$gateway_pid") - gateway_cpu))
  [ "$sink" = postgres ] && db_cpu=$(($(cpu_us "$postgres_pid" tree) - db_cpu))
  thread_cpu "$gateway_pid" >"$dir/threads.txt"
  end_gateway

  # The database is the judge: count and compare after the gateway has ended.
  local rows distinct lost
  rows=$(sql "$sink" "$database" "SELECT count(*) FROM $table")
  sql "$sink" "$database" "SELECT $device, $seq FROM $table" | tr ' ' '\t' |
    LC_ALL=C sort -S 25% >"$ledgers/rows"
  distinct=$(uniq "$ledgers/rows" | wc -l)
  lost=$(LC_ALL=C comm -23 <(LC_ALL=C sort -S 25% -u "$ledger" 2>/dev/null) <(uniq "$ledgers/rows") | wc -l)
  [ "$qos" = 0 ] && lost=$((count - distinct))
  rm -f "$ledgers/rows" "$ledger"

  local start
  start=$(value start_unix_ns "$report")
  # shellcheck disable=SC2059
  table_line=$(awk -v f="$table_format" -v name="$name" -v rows="$rows" -v start="${start:-0}" \
    -v end="$stored_at" -v acked="$(value messages_per_second "$report")" -v qos="$qos" \
    -v p50="$(value latency_p50_us "$report")" -v p99="$(value latency_p99_us "$report")" \
    -v gw="$gateway_cpu" -v db="$db_cpu" -v sink="$sink" -v lost="$lost" -v dup=$((rows - distinct)) '
    BEGIN { seconds = (end - start) / 1e9; n = rows > 0 ? rows : 1
      printf f, name, sprintf("%.0f", rows / seconds), acked,
        (qos ? sprintf("%.2f", p50 / 1000) : "-"), (qos ? sprintf("%.2f", p99 / 1000) : "-"),
        sprintf("%.2f", gw / n), (sink == "postgres" ? sprintf("%.2f", db / n) : "-"), lost, dup }')
  echo "$table_line"
  echo "    generator $(value cpu_us_per_message "$report") us/msg; gateway threads (ms):" \
    "$(sort -k2 -n -r "$dir/threads.txt" | head -6 | awk '{ printf "%s %d  ", $1, $2 }')"
  [ "$sink" = postgres ] && echo "    indexes: $(sql_postgres "$database" \
    "SELECT coalesce(string_agg(regexp_replace(indexdef, '.* USING ', ''), '; '), 'none') FROM pg_indexes WHERE tablename = '$table'")"
  local bad=0
  [ "$all_stored" = 1 ] || { echo "    FAILED: not all stored; ledger (received stored dead_letter unmapped dropped pending): $state"; bad=1; }
  [ "$load_rc" = 0 ] || { echo "    FAILED: generator ended with $load_rc: $(tail -1 "$dir/load.err")"; bad=1; }
  [ "$qos" = 0 ] || [ "$lost" = 0 ] || { echo "    FAILED: acknowledged messages are not in SQL"; bad=1; }
  [ "$rows" = "$distinct" ] || { echo "    FAILED: rows stored twice"; bad=1; }
  if [ $bad = 1 ]; then
    failures=$((failures + 1))
    tail -5 "$dir/gateway.log" | sed 's/^/    gateway: /'
  fi
  [ "$sink" = postgres ] && sql_postgres postgres "DROP DATABASE $database"
  [ $keep = 1 ] || rm -rf "$dir"
  return 0
}
end_gateway() {
  end_process "$gateway_pid"
  wait "$gateway_pid" 2>/dev/null
  gateway_pid=''
}

run_mosquitto() {
  local server qos report=$work/mosquitto.txt before used
  server=$(command -v mosquitto || ls /usr/sbin/mosquitto 2>/dev/null) ||
    { echo 'mosquitto is not installed: left out'; return; }
  mqtt_port=$(free_port)
  printf 'listener %s 127.0.0.1\nallow_anonymous true\npersistence false\nmax_inflight_messages 0\nmax_queued_messages 0\nlog_dest none\n' \
    "$mqtt_port" >"$work/mosquitto.conf"
  "$server" -c "$work/mosquitto.conf" >"$work/mosquitto.log" 2>&1 &
  mosquitto_pid=$!
  for _ in $(seq 50); do (: <"/dev/tcp/127.0.0.1/$mqtt_port") 2>/dev/null && break; sleep 0.1; done
  echo
  echo "mosquitto, same generator and messages (acknowledges from memory, stores nothing)"
  printf '%-22s %11s %11s %9s %9s %10s\n' case 'stored/s' 'acked/s' 'p50 ms' 'p99 ms' 'us/msg'
  for qos in 0 1 2; do
    before=$(cpu_us "$mosquitto_pid")
    "$binary/bench/rowgate_load" --port "$mqtt_port" --qos $qos --payload json --clients "$clients" \
      --window "$window" --messages $((messages / 2)) >"$report" 2>"$work/mosquitto.err" ||
      tail -1 "$work/mosquitto.err"
    used=$(($(cpu_us "$mosquitto_pid") - before))
    awk -v name="mosquitto-qos$qos" -v used="$used" -v qos=$qos '{ v[$1] = $2 } END {
      printf "%-22s %11s %11s %9s %9s %10.2f\n", name, "-", v["messages_per_second"],
        qos ? sprintf("%.2f", v["latency_p50_us"] / 1000) : "-",
        qos ? sprintf("%.2f", v["latency_p99_us"] / 1000) : "-", used / v["sent"] }' "$report"
  done
  end_process "$mosquitto_pid"
  wait "$mosquitto_pid" 2>/dev/null
  mosquitto_pid=''
}

wanted() { # case
  local pattern
  [ ${#patterns[@]} -gt 0 ] || return 0
  # shellcheck disable=SC2254
  for pattern in "${patterns[@]}"; do case $1 in $pattern) return 0 ;; esac; done
  return 1
}

main() {
  conditions
  echo
  if [ $ceiling = 1 ]; then
    echo "ceilings: 7-column rows, batches of 20,000, no gateway"
    "$binary/bench/rowgate_ceiling" --directory "$work" --rows "$ceiling_rows" \
      --syncs "$ceiling_syncs" \
      --postgres "host=127.0.0.1 port=$postgres_port user=postgres dbname=postgres" || return 1
    echo
  fi
  echo "gateway, end to end; stored/s = rows in SQL / (first publish to last commit)"
  header
  local sink qos kind name
  for sink in sqlite postgres; do
    for kind in json scalar paced; do
      for qos in 0 1 2; do
        [ "$kind" = json ] || [ "$qos" = 1 ] || continue
        name=$sink-qos$qos-$kind
        wanted "$name" && run_case "$name" "$sink" "$qos" "$kind"
      done
    done
  done
  [ $mosquitto = 1 ] && run_mosquitto
  [ $failures = 0 ] || echo "$failures case(s) FAILED"
  return $((failures > 0))
}

"$root/deploy/packages/install.sh" build bench || exit 1
if [ -z "$binary" ]; then
  binary=$root/build/bench
  (cd "$root" && cmake --preset bench >"$work/build.log" 2>&1 &&
    cmake --build --preset bench --target rowgate rowgate_load rowgate_ceiling >>"$work/build.log" 2>&1) ||
    { tail -30 "$work/build.log" >&2; fail "the build failed"; }
  built=1
fi
[ -x "$binary/rowgate" ] || fail "$binary/rowgate is missing: build it, or leave --binary out"
make_postgres
start_postgres
if [ $save = 1 ]; then
  mkdir -p "$root/bench/results"
  main | tee "$root/bench/results/$(date -u +%Y-%m-%d).txt"
  exit "${PIPESTATUS[0]}"
fi
main
