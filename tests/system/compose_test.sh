#!/usr/bin/env bash
# deploy/compose.yaml on a real Docker engine: up, publish, count with psql in the postgres container,
# kill the gateway while devices publish, up again, nothing lost. Run as root; .ci/run does.
#
# The engine is this test's own (data, sockets and pid in a temporary directory). Its images are made
# here: debian:12 by debootstrap, postgres:15 from Debian's package (tests/system/compose). What may be
# kept for the next run is in ROWGATE_CI_CACHE (/var/cache/rowgate-ci); without it all is made anew.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

cache=${ROWGATE_CI_CACHE:-/var/cache/rowgate-ci}
work=$(mktemp -d /var/tmp/rowgate-compose.XXXXXX)
messages=3000
daemon=
had_bridge=$(ip link show docker0 2>/dev/null || true)

say() { printf 'compose_test: %s\n' "$*"; }
fail() {
  say "FAILED: $*" >&2
  exit 1
}

export DOCKER_HOST=unix://$work/docker.sock
export DOCKER_CONFIG=$work/config
export COMPOSE_PROJECT_NAME=rowgatetest
export ROWGATE_DB_PASSWORD='pass word/%:@'
export ROWGATE_MQTT_PASSWORD='mqtt pass:$word'
export ROWGATE_RUNTIME_BASE=debian:12
compose() { docker-compose -f deploy/compose.yaml "$@"; }

tear_down() {
  local status=$?
  trap - EXIT INT TERM
  set +e
  if [[ -n $daemon ]]; then
    if ((status)); then
      compose logs --tail=40
      grep -v 'level=info' "$work/dockerd.log" | tail -n 20
    fi
    compose down --volumes --timeout 5 >/dev/null 2>&1
    kill "$daemon"
    wait "$daemon"
    [[ -z $had_bridge ]] && ip link delete docker0 2>/dev/null
  fi
  findmnt --raw --noheadings --output TARGET | grep -F "$work/" | sort -r | xargs -r umount -l
  rm -rf "$work"
  exit "$status"
}
trap tear_down EXIT
trap 'exit 130' INT TERM

wait_for() { # SECONDS WHAT COMMAND...: until the command succeeds
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || fail "$what: not after the time allowed"
    sleep 0.2
  done
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

base_image() {
  local tarball=$cache/debian-12.tar
  # A month-old base still works, but then every image upgrades its packages first.
  if [[ ! -s $tarball || -n $(find "$tarball" -mtime +30) ]]; then
    say "making the base image with debootstrap"
    debootstrap --variant=minbase bookworm "$work/root" "${mirror[@]}" >"$work/debootstrap.log" 2>&1 ||
      { cat "$work/debootstrap.log"; fail "debootstrap"; }
    mkdir -p "$cache" 2>/dev/null && [[ -w $cache ]] || tarball=$work/debian-12.tar
    tar -C "$work/root" -cf "$tarball.$$" .
    mv "$tarball.$$" "$tarball"
    rm -rf "$work/root"
  fi
  docker import "$tarball" debian:12 >/dev/null
}

in_psql() { compose exec -T postgres psql -qAt -U rowgate -d telemetry -c "$1"; }
rows_of() { in_psql "SELECT count(*), count(DISTINCT payload) FROM telemetry WHERE topic = 'compose/$1'"; }
are_rows() { [[ $(rows_of "$1") == "$2" ]]; }
gateway_id() { compose ps -q gateway; }
is_healthy() { [[ $(docker inspect -f '{{.State.Health.Status}}' "$(gateway_id)") == healthy ]]; }

deploy/packages/install.sh build test ci
# The mirror of Debian's that this machine uses, if it says so; else debootstrap's own default.
mapfile -t mirror < <(apt-get indextargets --format '$(REPO_URI)' \
  'Created-By: Packages' 'Codename: bookworm' 'Label: Debian' 2>/dev/null | head -n 1)

say "starting an engine in $work"
dockerd --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/docker.pid" \
  --host "$DOCKER_HOST" >"$work/dockerd.log" 2>&1 &
daemon=$!
wait_for 60 "the engine's answer" docker version

base_image
say "building the images"
docker build --quiet --tag postgres:15 --file tests/system/compose/postgres.Dockerfile \
  tests/system/compose >"$work/build.log" 2>&1 || { cat "$work/build.log"; fail "build of postgres:15"; }
compose build gateway >"$work/build.log" 2>&1 || { tail -n 60 "$work/build.log"; fail "build of the gateway"; }
say "the gateway's image has $(docker image inspect -f '{{.Size}}' rowgate) bytes, $(
  docker image inspect -f '{{.Size}}' debian:12) of them its base"

ROWGATE_MQTT_PORT=$(free_port)
ROWGATE_HTTP_PORT=$(free_port)
export ROWGATE_MQTT_PORT ROWGATE_HTTP_PORT
compose up -d >"$work/up.log" 2>&1 || { cat "$work/up.log"; fail "docker-compose up"; }
wait_for 60 "the gateway's health check" is_healthy
[[ $(compose exec -T gateway id -u) == 10001 ]] || fail "the gateway runs as another user than rowgate"

pub() { mosquitto_pub -p "$ROWGATE_MQTT_PORT" "$@"; }
say "nobody gets in without the password"
pub -t compose/nobody -m 1 2>/dev/null && fail "an anonymous client was let in"
pub -u device -P wrong -t compose/nobody -m 1 2>/dev/null && fail "a wrong password was taken"

say "mosquitto_pub at QoS 1 and 2"
for qos in 1 2; do
  seq 200 | pub -u device -P "$ROWGATE_MQTT_PASSWORD" -V mqttv5 -i "pub-$qos" -q "$qos" -t "compose/pub-$qos" -l
  wait_for 20 "rows of pub-$qos" are_rows "pub-$qos" '200|200'
done

say "docker kill while two devices publish"
# Debian's own Python: python3-paho-mqtt belongs to it.
publishers=()
for qos in 1 2; do
  /usr/bin/python3 tests/system/compose/publish.py "$ROWGATE_MQTT_PORT" "kill-$qos" "$qos" 0 "$messages" &
  publishers+=($!)
done
has_rows() { [[ $(in_psql "SELECT count(*) > 500 FROM telemetry WHERE topic = 'compose/kill-2'") == t ]]; }
wait_for 30 "the first rows" has_rows
docker kill "$(gateway_id)" >/dev/null
for pid in "${publishers[@]}"; do kill -0 "$pid" || fail "a device was done before the kill"; done
compose up -d >"$work/up.log" 2>&1 || { cat "$work/up.log"; fail "docker-compose up after the kill"; }
for pid in "${publishers[@]}"; do wait "$pid" || fail "a device did not get its acknowledgements"; done
wait_for 30 "each QoS 2 message once" are_rows kill-2 "$messages|$messages"
all_of_qos_1() { [[ $(rows_of kill-1) == *"|$messages" ]]; }
wait_for 30 "each QoS 1 message" all_of_qos_1

say "PostgreSQL away while a device publishes"
compose stop postgres >/dev/null 2>&1
seq 200 | pub -u device -P "$ROWGATE_MQTT_PASSWORD" -i away -q 2 -t compose/away -l
compose up -d >/dev/null 2>&1
wait_for 60 "rows published while PostgreSQL was away" are_rows away '200|200'

say "down and up again"
compose down --timeout 30 >/dev/null 2>&1
compose up -d >"$work/up.log" 2>&1 || { cat "$work/up.log"; fail "docker-compose up after down"; }
wait_for 60 "the gateway's health check" is_healthy
are_rows kill-2 "$messages|$messages" || fail "rows of kill-2 after down and up: $(rows_of kill-2)"
all_of_qos_1 || fail "rows of kill-1 after down and up: $(rows_of kill-1)"
say "QoS 1: $messages messages, $(rows_of kill-1 | cut -d'|' -f1) rows; QoS 2: $messages, $(rows_of kill-2 | cut -d'|' -f1)"
say "passed"
