#!/bin/sh
# smoke.sh BUILD_DIR SECONDS [SEED]: runs the fuzzers for so long in all, each as long as the others and
# from its seeds, and fails at the first that crashes, hangs or leaks. What it finds on the way stays in
# BUILD_DIR/fuzz/found/NAME, so that a later run goes on from there; a crashing input is kept in
# BUILD_DIR/fuzz/crash/. Without SEED each run tries the same inputs, so that a failure in CI speaks of
# the change and not of the dice; SEED 0 tries others each time: use it for long runs.
set -eu

build=${1:?usage: smoke.sh BUILD_DIR SECONDS [SEED]}
total=${2:?usage: smoke.sh BUILD_DIR SECONDS [SEED]}
seed=${3:-1}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$build/fuzz/crash"

fuzzers=0
for fuzzer in "$build"/fuzz/*_fuzz; do
  if [ -x "$fuzzer" ]; then fuzzers=$((fuzzers + 1)); fi
done
# Zero would mean: for ever.
seconds=$((fuzzers > 0 && total / fuzzers > 0 ? total / fuzzers : 1))

ran=0
for fuzzer in "$build"/fuzz/*_fuzz; do
  [ -x "$fuzzer" ] || continue
  name=$(basename "$fuzzer" _fuzz)
  found=$build/fuzz/found/$name
  mkdir -p "$found"
  seeds=$here/corpus/$name
  [ -d "$seeds" ] || seeds=
  echo "== $name, $seconds s"
  # An input may take 10 s and 1 GiB before it counts as a hang or a bomb.
  if ! "$fuzzer" -seed="$seed" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=4096 \
      -print_final_stats=1 -verbosity=0 -artifact_prefix="$build/fuzz/crash/$name-" \
      "$found" $seeds >"$build/fuzz/$name.log" 2>&1; then
    cat "$build/fuzz/$name.log"
    echo "$name failed; the input is in $build/fuzz/crash/; repeat with: $fuzzer INPUT" >&2
    exit 1
  fi
  grep -E 'number_of_executed_units' "$build/fuzz/$name.log" || true
  ran=$((ran + 1))
done
if [ "$ran" -eq 0 ]; then
  echo "no fuzzer in $build/fuzz: cmake --preset fuzz -B $build && ninja -C $build rowgate_fuzzers" >&2
  exit 1
fi
echo "$ran fuzzers ran clean"
