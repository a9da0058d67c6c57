#!/usr/bin/env bash
# Builds Rowgate and starts it in the foreground: SQLite, MQTT on 127.0.0.1:1883, HTTP on
# 127.0.0.1:8080, everything it keeps in ./rowgate-data. Run it as often as you like.
#
#   ./deploy/run.sh                 install what is missing, build, serve
#   ./deploy/run.sh --demo          the same, with simulated sensors and their rows shown
#   ./deploy/run.sh --mqtt 0.0.0.0:1883 --mapping plant.toml    (all else goes to `rowgate serve`)
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

demo=no
options=()
for argument in "$@"; do
  case $argument in
    --demo) demo=yes ;;
    -h | --help) sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) options+=("$argument") ;;
  esac
done

say() { printf 'rowgate: %s\n' "$*"; }

lists=(build)
[[ $demo == yes ]] && lists+=(demo)
"$root/deploy/packages/install.sh" "${lists[@]}"

say "building build/release/rowgate (some minutes the first time, seconds after that)"
log=$(mktemp)
if ! (cd "$root" && cmake --preset release && cmake --build --preset release) >"$log" 2>&1 </dev/null; then
  cat "$log" >&2
  rm -f "$log"
  say "the build failed (the compiler's words are above)" >&2
  exit 1
fi
rm -f "$log"

if [[ $demo == yes ]]; then
  exec "$root/deploy/demo.sh" "$root/build/release/rowgate" "${options[@]}"
fi
say "starting: rowgate serve ${options[*]} (stop with Ctrl-C)"
exec "$root/build/release/rowgate" serve "${options[@]}"
