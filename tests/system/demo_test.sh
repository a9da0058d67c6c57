#!/usr/bin/env bash
# What a newcomer does first: deploy/run.sh --demo shows rows and ends cleanly, can be run again on the
# same data, and a port in use is said in one message. Builds preset release; .ci/run runs it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work=$(mktemp -d)
demo=
tear_down() {
  local status=$?
  trap - EXIT
  [[ -n $demo ]] && kill "$demo" 2>/dev/null && wait "$demo"
  ((status)) && [[ -f $work/demo.log ]] && cat "$work/demo.log"
  rm -rf "$work"
  exit "$status"
}
trap tear_down EXIT

fail() {
  printf 'demo_test: FAILED: %s\n' "$*" >&2
  exit 1
}
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

mqtt=127.0.0.1:$(free_port)
http=127.0.0.1:$(free_port)
data=$work/data
start() {
  : >"$work/demo.log"
  deploy/run.sh --demo --data-dir "$data" --mqtt "$mqtt" --http "$http" >"$work/demo.log" 2>&1 </dev/null &
  demo=$!
  local deadline=$((SECONDS + $1))
  until grep -q 'In another terminal, type next' "$work/demo.log"; do
    kill -0 "$demo" 2>/dev/null || fail "the demo ended by itself"
    ((SECONDS < deadline)) || fail "the demo showed no rows within $1 s"
    sleep 0.2
  done
  grep -q 'rows in SQL so far' "$work/demo.log" || fail "the demo found no row"
}
end() {
  kill -TERM "$demo"
  wait "$demo" || fail "after SIGTERM the demo ended with $?"
  demo=
}
publish() {
  mosquitto_pub -h 127.0.0.1 -p "${mqtt##*:}" -q 1 -i my-sensor -t home/kitchen/temperature -m 21.5
}
count() {
  build/release/rowgate query --data-dir "$data" --format csv 'SELECT count(*) FROM telemetry' | tail -n 1
}

start 1200 # with a whole build
second=0
build/release/rowgate serve --data-dir "$work/other" --mqtt "$mqtt" --http 127.0.0.1:0 \
  >"$work/second.log" 2>&1 </dev/null || second=$?
((second == 1)) || fail "a port in use: exit code $second, not 1: $(cat "$work/second.log")"
grep -q "${mqtt##*:}" "$work/second.log" || fail "a port in use is not named: $(cat "$work/second.log")"
publish
end
before=$(count)
((before >= 9)) || fail "only $before rows after the first run"
pgrep -f "mosquitto_pub .*-p ${mqtt##*:} " >/dev/null && fail "the simulated sensors outlived the demo"

start 60
publish # the rows shown may be those of the first run, and the sensors not yet heard
end
after=$(count)
((after > before)) || fail "$after rows after the second run, $before before it"
echo "demo_test: passed ($before rows, then $after)"
