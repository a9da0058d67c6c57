#!/usr/bin/env bash
# Makes the cluster on first start, as POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB say, and runs it.
set -euo pipefail
data=/var/lib/postgresql/data

as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }

if [[ ! -s $data/PG_VERSION ]]; then
  chown postgres:postgres "$data"
  chmod 0700 "$data"
  password=$(mktemp)
  printf '%s\n' "$POSTGRES_PASSWORD" >"$password"
  chown postgres "$password"
  as_postgres initdb --pgdata="$data" --username="$POSTGRES_USER" --auth-local=trust \
    --auth-host=scram-sha-256 --pwfile="$password" --encoding=UTF8
  rm "$password"
  printf 'host all all all scram-sha-256\n' >>"$data/pg_hba.conf"
  as_postgres pg_ctl --pgdata="$data" --wait --options="-c listen_addresses=''" start
  as_postgres createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
  as_postgres pg_ctl --pgdata="$data" --wait stop
fi
exec setpriv --reuid=postgres --regid=postgres --init-groups \
  postgres -D "$data" -c listen_addresses='*'
