#!/usr/bin/env bash
# Builds Rowgate with its tests and runs them. The last lines and the exit code are ctest's own.
#
#   ./tests/run.sh                        everything, build preset debug
#   ./tests/run.sh --filter journal       the tests whose name matches the regular expression
#   ./tests/run.sh --preset asan|tsan     under AddressSanitizer and UBSan, or under ThreadSanitizer
#   ./tests/run.sh --build-only           stop after the build
#   ./tests/run.sh -- --repeat until-fail:5     the rest goes to ctest
#
# Installs what is missing (deploy/packages/{build,test}.txt, tests/system/node) and says so. The tests
# start their own PostgreSQL clusters; no server of this machine is used.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=debug
filter=
build_only=no
while (($#)); do
  case $1 in
    --filter) filter=${2:?--filter needs a regular expression}; shift 2 ;;
    --preset) preset=${2:?--preset needs a name}; shift 2 ;;
    --build-only) build_only=yes; shift ;;
    -h | --help) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --) shift; break ;;
    *) echo "tests/run.sh: what is '$1'? See tests/run.sh --help" >&2; exit 2 ;;
  esac
done
case $preset in debug | asan | tsan) ;; *)
  echo "tests/run.sh: no preset '$preset' with tests; there are debug, asan, tsan" >&2; exit 2 ;;
esac

deploy/packages/install.sh build test

# The clients written in JavaScript, and the real measurements: installed again only after a change.
node=tests/system/node
if [[ -f $node/package.json ]]; then
  stamp=$node/node_modules/.installed-for
  wanted=$(cat "$node"/package*.json | sha256sum)
  if [[ $(cat "$stamp" 2>/dev/null) != "$wanted" ]]; then
    echo "tests/run.sh: npm install in $node"
    command=install
    [[ -f $node/package-lock.json ]] && command=ci
    npm --prefix "$node" "$command" --no-audit --no-fund --loglevel=error </dev/null
    cat "$node"/package*.json | sha256sum >"$stamp"
  fi
fi

# GCC 12's ThreadSanitizer cannot place its shadow when the kernel randomises more than 28 bits.
calm=()
if [[ $preset == tsan ]] && (($(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 0) > 28)); then
  calm=(setarch "$(uname -m)" --addr-no-randomize)
fi

jobs=${ROWGATE_JOBS:-$(($(nproc) < 2 ? 1 : 2))}
echo "tests/run.sh: building preset $preset"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { cmake --preset "$preset" && "${calm[@]}" cmake --build --preset "$preset" --parallel "$jobs"; } \
    >"$log" 2>&1 </dev/null; then
  cat "$log" >&2
  echo "tests/run.sh: the build failed (the compiler's words are above)" >&2
  exit 1
fi
[[ $build_only == yes ]] && exit 0

# Their own exit code is 1, which a test may expect of a gateway that refuses to go on.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1:exitcode=99}
export LSAN_OPTIONS=${LSAN_OPTIONS:-suppressions=$PWD/tests/lsan.supp:print_suppressions=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:exitcode=99}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1:suppressions=$PWD/tests/tsan.supp}
rm -f "$log"
trap - EXIT
# A filter that matches nothing must not look like success.
exec "${calm[@]}" ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$jobs" \
  ${filter:+-R "$filter"} "$@" </dev/null
