# shellcheck shell=bash
# What bench/run.sh and bench/outage.sh share: the processes that they start and end, HTTP and a
# PostgreSQL cluster of their own. To be sourced by a script that has $work (its directory) and fail().

end_process() { # pid [signal]
  [ -n "$1" ] || return 0
  kill "-${2:-TERM}" "$1" 2>/dev/null || return 0
  for _ in $(seq 300); do
    kill -0 "$1" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL "$1" 2>/dev/null
}
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
# Without a process for each request: a poll must not cost what it measures.
http_get() { # port path -> headers and body
  { exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
  printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$2" >&3
  timeout 5 cat <&3
  exec 3<&- 3>&-
}
ledger_state() { # port -> "received stored dead_letter unmapped dropped pending"
  http_get "$1" /metrics | tr -d '\r' | awk '
    /^rowgate_ledger_messages_total/ { match($0, /state="[a-z_]+"/)
      n[substr($0, RSTART + 7, RLENGTH - 8)] += $NF }
    /^rowgate_ledger_journal_pending/ { pending += $NF; seen = 1 }
    END { printf "%d %d %d %d %d %d\n", n["received"], n["stored"], n["dead_letter"],
          n["unmapped"], n["dropped"], seen ? pending : -1 }'
}

postgres_bin=${POSTGRES_BIN:-$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -1)}
as_postgres() {
  if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}
make_postgres() { # sets postgres_port
  [ -x "$postgres_bin/initdb" ] || fail "no PostgreSQL server found: apt-get install postgresql"
  local data=$work/postgres
  mkdir "$data" && { [ "$(id -u)" != 0 ] || chown postgres "$data"; }
  as_postgres "$postgres_bin/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C \
    >"$work/initdb.log" 2>&1 || { cat "$work/initdb.log" >&2; fail "initdb failed"; }
  postgres_port=$(free_port)
  as_postgres tee -a "$data/postgresql.conf" >/dev/null <<TEXT
listen_addresses = '127.0.0.1'
port = $postgres_port
unix_socket_directories = '$data'
fsync = on
synchronous_commit = on
shared_buffers = 256MB
max_wal_size = 4GB
TEXT
}
start_postgres() { # sets postgres_pid
  as_postgres "$postgres_bin/pg_ctl" -D "$work/postgres" -w -l "$work/postgres/server.log" start \
    >/dev/null || { cat "$work/postgres/server.log" >&2; fail "PostgreSQL did not start"; }
  postgres_pid=$(head -1 "$work/postgres/postmaster.pid")
}
sql_postgres() { # database sql
  psql -h 127.0.0.1 -p "$postgres_port" -U postgres -d "$1" -qAt -F ' ' -c "$2"
}
