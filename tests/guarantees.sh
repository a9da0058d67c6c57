#!/usr/bin/env bash
# Runs what stands behind docs/guarantees.md: kill -9, faults, power cuts, simulation, outages, soak.
#
#   ./tests/guarantees.sh --short         what CI runs of it, less than 15 minutes (preset debug)
#   ./tests/guarantees.sh --long          hours: prints its plan first (preset guarantees, Release)
#   ./tests/guarantees.sh --plan          prints the plan of --long and ends
#   ./tests/guarantees.sh ... --only REGEX    the tests whose name matches, e.g. system/soak
#
# A variable of the plan that is set in the environment wins: ROWGATE_SOAK_SECONDS=600 ... --long.
# ROWGATE_SEED=N repeats a run of one test, ROWGATE_KEEP=1 keeps what a failure leaves.
# Ends with a table, which is also in build/guarantees/RESULT.txt with seeds, numbers, commit and date;
# the whole output of each test is beside it. The exit code says whether all of it passed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The tests, as ctest calls them; what scales them; the value of --long. Without a variable: as in CI.
plan=(
  "simulation                ROWGATE_SIMULATION_SEEDS=1000000"
  "system/kill9              ROWGATE_KILL_ROUNDS=1000"
  "system/kill9_subscribers  ROWGATE_KILL_ROUNDS=300"
  "system/power_cut          ROWGATE_POWER_CUTS=all"
  "system/faults_kill        ROWGATE_FAULT_ROUNDS=10"
  "system/faults_commit      ROWGATE_FAULT_ROUNDS=10"
  "system/faults_network     ROWGATE_FAULT_ROUNDS=10"
  "system/faults_disk        ROWGATE_FAULT_ROUNDS=10"
  "system/faults_clock       ROWGATE_FAULT_ROUNDS=10"
  "system/faults_failover    ROWGATE_FAULT_ROUNDS=10"
  "system/keep"
  "system/restore"
  "system/refusals"
  "system/long_outage        ROWGATE_OUTAGE_BYTES=4294967296"
  "system/full_journal"
  "system/outage"
  "system/ledger"
  "system/soak               ROWGATE_SOAK_SECONDS=7200"
)
# What these need built.
targets=(rowgate rowgate_load rowgate_flood rowgate_simulation rowgate_power_recorder
  rowgate_without_sync)

form=
only=.
while (($#)); do
  case $1 in
    --short | --long | --plan) form=${1#--}; shift ;;
    --only) only=${2:?--only needs a regular expression}; shift 2 ;;
    -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "tests/guarantees.sh: what is '$1'? See tests/guarantees.sh --help" >&2; exit 2 ;;
  esac
done
[[ -n $form ]] || { sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2; }

names=()
scales=()
for line in "${plan[@]}"; do
  read -r name scale <<<"$line"
  [[ $name =~ $only ]] || continue
  if [[ -n $scale ]]; then
    variable=${scale%%=*}
    if [[ -n ${!variable:-} ]]; then
      scale=$variable=${!variable}
    elif [[ $form == short ]]; then
      scale= # CI's own numbers are in the tests
    fi
  fi
  names+=("$name")
  scales+=("$scale")
done
((${#names[@]})) || { echo "tests/guarantees.sh: no test matches '$only'" >&2; exit 2; }

if [[ $form != short ]]; then
  echo "tests/guarantees.sh: the plan of --long"
  for number in "${!names[@]}"; do
    printf '  %-28s %s\n' "${names[number]}" "${scales[number]:-as in CI}"
  done
fi
[[ $form == plan ]] && exit 0

preset=guarantees
if [[ $form == short ]]; then
  preset=debug
  tests/run.sh --preset debug --build-only
else
  deploy/packages/install.sh build test
  echo "tests/guarantees.sh: building preset $preset"
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  if ! { cmake --preset "$preset" && cmake --build --preset "$preset" --target "${targets[@]}"; } \
      >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    echo "tests/guarantees.sh: the build failed (the compiler's words are above)" >&2
    exit 1
  fi
fi
build=build/$preset

# One test with its command and environment as ctest knows them, without ctest's time limit.
run_unlimited() {
  if [[ $1 == simulation ]]; then
    "$build/tests/simulation/rowgate_simulation" --seeds 0 "$ROWGATE_SIMULATION_SEEDS"
    return
  fi
  python3 - "$build" "$1" <<'PYTHON'
import json, os, subprocess, sys

build, name = sys.argv[1:]
tests = json.loads(subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], check=True,
                                  capture_output=True).stdout)["tests"]
for test in tests:
    if test["name"] == name and "command" in test:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        os.environ.update(entry.split("=", 1) for entry in properties.get("ENVIRONMENT", []))
        os.chdir(properties.get("WORKING_DIRECTORY", "."))
        os.execvp(test["command"][0], test["command"])
sys.exit(f"no test {name} in {build}, or its program is not built")
PYTHON
}

run_as_ci() {
  ctest --test-dir "$build" --verbose --no-tests=error -R "^$1(\$|/)"
}

out=build/guarantees
mkdir -p "$out"
result=$out/RESULT.txt
{
  echo "Rowgate's guarantees, the $form form: $(date -u '+%Y-%m-%d %H:%M UTC')"
  echo "commit $(git describe --always --dirty --abbrev=10 2>/dev/null || echo unknown), preset $preset"
  echo "$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores," \
    "$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) >> 20)) GiB, Linux $(uname -r)," \
    "$(stat -f -c %T "${TMPDIR:-/tmp}")"
  echo
} >"$result"

rows=()
failed=0
[[ $form == short ]] && run=run_as_ci || run=run_unlimited
for number in "${!names[@]}"; do
  name=${names[number]}
  scale=${scales[number]}
  log=$out/${name//\//_}.log
  echo "tests/guarantees.sh: $name ${scale:-as in CI}"
  begun=$SECONDS
  verdict=passed
  (
    [[ -n $scale ]] && export "${scale?}"
    "$run" "$name"
  ) </dev/null >"$log" 2>&1 || { verdict=FAILED; failed=1; tail -n 40 "$log"; }
  row=$(printf '%-28s %-32s %-7s %7d s' "$name" "${scale:-as in CI}" "$verdict" $((SECONDS - begun)))
  echo "$row"
  rows+=("$row")
done

# What a test says of itself: of each case the last "proof" line, which has it all (seed, rounds, messages,
# what was lost); or, where there is none, its last lines that are no ceremony.
said() {
  local proofs
  proofs=$(sed -n 's/^.*\bproof: //p' "$1" |
    awk '{ if (!($1 in last)) order[++count] = $1; last[$1] = $0 }
         END { for (i = 1; i <= count; i++) print last[order[i]] }')
  [[ -n $proofs ]] || proofs=$(sed 's/^[0-9]*: //' "$1" | grep -E '^  [^ ]|seeds from' |
    grep -v '^  File' | tail -n 8 | sed 's/^ *//') || true
  [[ -z $proofs ]] || sed "s|^|* $2: |" <<<"$proofs"
}
{
  printf '%-28s %-32s %-7s %9s\n' test rounds result seconds
  printf '%s\n' "${rows[@]}"
  echo
  for name in "${names[@]}"; do said "$out/${name//\//_}.log" "$name"; done
} >>"$result"
echo
cat "$result"
echo
echo "tests/guarantees.sh: $( ((failed)) && echo FAILED || echo passed), $SECONDS s; $result"
exit "$failed"
