#!/usr/bin/env bash
# What the publish path costs where nobody subscribes, now and at an earlier commit: rowgate_load at
# QoS 1 into SQLite, the two gateways in turn, gateway CPU a message.
#   bench/publish_path.sh [COMMIT [ROUNDS [MESSAGES]]]
# COMMIT: 4dc791c is the last one before subscribers had sessions, retained messages and security.
# Builds COMMIT in build/publish-path-COMMIT and the checkout in build/bench; ROWGATE_BENCH_DIR and
# ROWGATE_BASE_DIR name build directories to take instead.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
commit=${1:-4dc791c} rounds=${2:-5} messages=${3:-2000000}
now=${ROWGATE_BENCH_DIR:-$root/build/bench}
before=${ROWGATE_BASE_DIR:-$root/build/publish-path-$commit}
if [ -z "${ROWGATE_BENCH_DIR:-}" ]; then
  (cd "$root" && cmake --preset bench >/dev/null &&
    cmake --build --preset bench --target rowgate rowgate_load >/dev/null)
fi
if [ ! -x "$before/rowgate" ]; then
  mkdir -p "$before/source"
  git -C "$root" archive "$commit" | tar -x -C "$before/source"
  # As the preset builds today's, whatever it did then.
  cmake -S "$before/source" -B "$before" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON -DROWGATE_TESTS=OFF -DROWGATE_BENCH=OFF >/dev/null
  cmake --build "$before" --target rowgate >/dev/null
fi

work=$(mktemp -d /var/tmp/rowgate-publish-path.XXXXXX)
gateway=''
clean_up() {
  [ -z "$gateway" ] || kill "$gateway" 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT
ticks=$(getconf CLK_TCK)
cpu_us() { sed 's/.*) //' "/proc/$1/stat" | awk -v hz="$ticks" '{ printf "%d", ($12 + $13) * 1e6 / hz }'; }
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
stored() { # port -> messages in SQL, by the gateway's own books: counting rows would cost CPU
  { exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 0
  printf 'GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' >&3
  awk '/^rowgate_ledger_messages_total/ && /state="stored"/ { n += $NF } END { print n + 0 }' <&3
  exec 3<&- 3>&-
}

# One run; sets figure to "CPU-us-a-message messages-a-second".
run() { # program
  rm -rf "$work/data" "$work/log"
  local port http cpu
  port=$(free_port) http=$(free_port)
  "$1" serve --data-dir "$work/data" --mqtt "127.0.0.1:$port" --http "127.0.0.1:$http" \
    >"$work/log" 2>&1 &
  gateway=$!
  until grep -q '\bready\b' "$work/log" 2>/dev/null; do
    kill -0 "$gateway" || { cat "$work/log" >&2; exit 1; }
    sleep 0.05
  done
  cpu=$(cpu_us "$gateway")
  "$now/bench/rowgate_load" --port "$port" --qos 1 --clients 20 --window 500 \
    --messages "$messages" >"$work/report"
  until [ "$(stored "$http")" -ge "$messages" ]; do sleep 0.1; done
  cpu=$(($(cpu_us "$gateway") - cpu))
  kill "$gateway"
  wait "$gateway" || true
  gateway=''
  figure=$(awk -v cpu="$cpu" -v n="$messages" \
    '$1 == "messages_per_second" { print cpu / n, $2 }' "$work/report")
}

echo "date    $(date -u '+%Y-%m-%d %H:%M UTC')"
echo "commit  $(git -C "$root" describe --always --dirty) against $commit"
echo "CPU     $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) cores"
echo "load    $(cut -d' ' -f1-3 /proc/loadavg); $messages messages a run, QoS 1, 20 clients, SQLite"
printf '%-7s %22s %22s\n' round "$commit us/msg (acked/s)" 'now us/msg (acked/s)'
for round in $(seq "$rounds"); do
  # Each goes first in every second round.
  if [ $((round % 2)) = 1 ]; then
    run "$before/rowgate"; a=$figure
    run "$now/rowgate"; b=$figure
  else
    run "$now/rowgate"; b=$figure
    run "$before/rowgate"; a=$figure
  fi
  echo "$round $a $b" | tee -a "$work/all" |
    awk '{ printf "%-7s %13.3f (%6d) %13.3f (%6d)\n", $1, $2, $3, $4, $5 }'
done
median() { cut -d' ' -f"$1" "$work/all" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
awk -v a="$(median 2)" -v b="$(median 4)" \
  'BEGIN { printf "median  %.3f before, %.3f now: ratio %.3f\n", a, b, b / a }'
