#!/usr/bin/env bash
# Acknowledgement latency of well-behaved publishers, quiet and beside a flood of clients that are
# not, in turn: the figures of docs/performance.md.
#   bench/flood.sh [ROUNDS [SECONDS]]   (5 rounds of 10 seconds each)
# ROWGATE_BENCH_DIR: a build directory with rowgate, bench/rowgate_load and bench/rowgate_flood;
# without it build/bench is built.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
binary=${ROWGATE_BENCH_DIR:-$root/build/bench}
if [ -z "${ROWGATE_BENCH_DIR:-}" ]; then
  "$root/deploy/packages/install.sh" build bench test
  (cd "$root" && cmake --preset bench >/dev/null &&
    cmake --build --preset bench --target rowgate rowgate_load rowgate_flood)
fi
echo "date    $(date -u '+%Y-%m-%d %H:%M UTC')"
echo "commit  $(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)"
echo "CPU     $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) cores"
echo "load    $(cut -d' ' -f1-3 /proc/loadavg)"
export ROWGATE_BIN=$binary/rowgate ROWGATE_LOAD=$binary/bench/rowgate_load
export ROWGATE_FLOOD=$binary/bench/rowgate_flood
export ROWGATE_FLOOD_ROUNDS=${1:-5} ROWGATE_FLOOD_SECONDS=${2:-10}
exec /usr/bin/python3 -B "$root/tests/system/flood_test.py"
