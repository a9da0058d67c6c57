#!/usr/bin/env bash
# deploy/demo.sh ROWGATE [serve option...]: starts the gateway and four simulated sensors, waits for
# their rows and shows them. The sensors publish at QoS 1 until you stop it with Ctrl-C.
# Use it through `deploy/run.sh --demo`, which builds first.
set -euo pipefail
rowgate=$1
shift

# What serve is told matters to the sensors (where to publish) and to query (where the rows are).
mqtt=127.0.0.1:1883
http=127.0.0.1:8080
query_options=()
options=("$@")
for ((i = 0; i < ${#options[@]}; i++)); do
  name=${options[i]%%=*}
  value=${options[i]#*=}
  [[ ${options[i]} == *=* ]] || value=${options[i + 1]:-}
  case $name in
    --mqtt) mqtt=$value ;;
    --http) http=$value ;;
    --config | --data-dir | --sink) query_options+=("$name" "$value") ;;
  esac
done
host=${mqtt%:*}
port=${mqtt##*:}
[[ $host == 0.0.0.0 || $host == '[::]' || -z $host ]] && host=127.0.0.1

say() { printf 'rowgate demo: %s\n' "$*"; }

ready() {
  local reply
  exec 3<>"/dev/tcp/${http%:*}/${http##*:}" || return 1
  printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3
  read -r reply <&3 || true
  exec 3>&-
  [[ ${reply:-} == *' 200 '* ]]
} 2>/dev/null

sensor() { # NAME TOPIC BASE SWING: one client, a reading every half second
  local tick=0
  while :; do
    awk -v base="$3" -v swing="$4" -v tick="$tick" \
      'BEGIN { srand(); printf "%.2f\n", base + swing * sin(tick / 20) + swing * (rand() - 0.5) / 5 }'
    tick=$((tick + 1))
    sleep 0.5
  done | mosquitto_pub -h "$host" -p "$port" -V mqttv5 -i "$1" -q 1 -t "$2" -l
}

gateway=
sensors=()
stop() {
  trap - EXIT INT TERM
  local pid status=0
  for pid in "${sensors[@]}"; do kill -- "-$pid" 2>/dev/null || true; done
  if [[ -n $gateway ]]; then
    kill "$gateway" 2>/dev/null || true
    wait "$gateway" || status=$?
  fi
  exit "${1:-$status}"
}
trap stop INT TERM
trap 'stop 1' EXIT

"$rowgate" serve "$@" &
gateway=$!
until ready; do
  if ! kill -0 "$gateway" 2>/dev/null; then
    wait "$gateway" && status=0 || status=$?
    gateway=
    say "the gateway did not start; its message is above" >&2
    stop "$status"
  fi
  sleep 0.1
done

# Each sensor in a process group of its own, so that the whole pipe ends with it.
set -m
sensor boiler-1 plant/hall-1/boiler-1/temperature 71 6 &
sensors+=($!)
sensor boiler-2 plant/hall-1/boiler-2/temperature 66 4 &
sensors+=($!)
sensor room-3 plant/office/room-3/humidity 45 8 &
sensors+=($!)
sensor meter-4 plant/grid/meter-4/power 12.5 3 &
sensors+=($!)
set +m
say "four sensors publish to $host:$port at QoS 1, twice a second each"

newest='SELECT ts, topic, client_id, value FROM telemetry ORDER BY ts DESC LIMIT 8'
for ((attempt = 0; attempt < 100; attempt++)); do
  rows=$("$rowgate" query "${query_options[@]}" --format csv 'SELECT count(*) FROM telemetry' 2>/dev/null | tail -n 1) || rows=
  [[ $rows =~ ^[0-9]+$ ]] && ((rows >= 8)) && break
  sleep 0.1
done
if ! [[ $rows =~ ^[0-9]+$ ]] || ((rows < 1)); then
  say "no row came within ten seconds. With a mapping of your own there may be no table telemetry;" >&2
  say "without one, look at http://$http/metrics" >&2
else
  say "rows in SQL so far: $rows. The newest:"
  "$rowgate" query "${query_options[@]}" "$newest"
fi

shown=()
((${#query_options[@]})) && printf -v shown '%q ' "${query_options[@]}"
cat <<EOF

rowgate demo: it goes on until you press Ctrl-C. In another terminal, type next:

  $rowgate query ${shown[*]:-}"SELECT topic, count(*), avg(value) FROM telemetry GROUP BY topic"

and publish something of your own:

  mosquitto_pub -h $host -p $port -q 1 -i my-sensor -t home/kitchen/temperature -m 21.5

EOF
wait "$gateway" && status=0 || status=$?
gateway=
stop "$status"
