"""Both databases behind one interface, and a private PostgreSQL cluster."""
import atexit
import contextlib
import datetime
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from pathlib import Path

import psycopg2

from processes import environment, forget, free_port, spawn, wait_until

POSTGRES_BIN = Path(os.environ.get("ROWGATE_POSTGRES_BIN", "/usr/lib/postgresql/15/bin"))


class SqliteDatabase:
    kind = "sqlite"

    def __init__(self, path):
        self.path = Path(path)
        self.url = f"sqlite:{self.path}"

    def rows(self, sql, parameters=()):
        if not self.path.exists():
            raise AssertionError(f"no database at {self.path}")
        with contextlib.closing(sqlite3.connect(self.path, timeout=10)) as connection:
            return connection.execute(sql.replace("%s", "?"), parameters).fetchall()

    def execute(self, sql):
        with contextlib.closing(sqlite3.connect(self.path, timeout=10)) as connection:
            connection.executescript(sql)

    @contextlib.contextmanager
    def locked(self, _table):
        """Nobody else can write meanwhile."""
        with contextlib.closing(sqlite3.connect(self.path, timeout=10)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.rollback()

    def columns(self, table):
        """{name: declared type in lower case}; empty: there is no such table."""
        if not self.path.exists():
            return {}
        return {row[1]: row[2].lower() for row in self.rows(f'PRAGMA table_info("{table}")')}

    def drop(self):
        pass


class PostgresDatabase:
    kind = "postgres"

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name
        self.url = cluster.url(name)

    def _connect(self):
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        return contextlib.closing(connection)

    def rows(self, sql, parameters=None):
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)  # without parameters % is only %
            return cursor.fetchall()

    def execute(self, sql):
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute(sql)

    @contextlib.contextmanager
    def locked(self, table):
        """Nobody else can write the table meanwhile."""
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(f'LOCK TABLE "{table}" IN ACCESS EXCLUSIVE MODE')
            yield
            cursor.execute("ROLLBACK")

    def columns(self, table):
        return dict(self.rows(
            "SELECT column_name::text, data_type::text FROM information_schema.columns"
            " WHERE table_schema = current_schema() AND table_name = %s"
            " ORDER BY ordinal_position", (table,)))

    def drop(self):
        if self.cluster.running:
            self.cluster.admin(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')


def scalar(database, sql, parameters=()):
    return database.rows(sql, parameters)[0][0]


def count(database, table, where=""):
    if not database.columns(table):
        return 0
    return scalar(database, f'SELECT count(*) FROM "{table}" {where}')


def unix_us(value):
    """A timestamptz column as microseconds since 1970, however the sink spells it."""
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        value = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    if value.tzinfo is None:
        value = value.replace(tzinfo=datetime.timezone.utc)
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (value - epoch) // datetime.timedelta(microseconds=1)


class PostgresCluster:
    """A private PostgreSQL 15: initdb in a temporary directory, loopback and its own port."""

    def __init__(self, settings=None):
        self.directory = Path(tempfile.mkdtemp(prefix="rowgate-pg-"))
        self.port = free_port()
        self.process = None
        self._databases = 0
        # As root, PostgreSQL refuses to run: become the user Debian made for it.
        self.user = ["--reuid=postgres", "--regid=postgres", "--init-groups"] if (
            os.geteuid() == 0) else []
        if self.user:
            shutil.chown(self.directory, "postgres", "postgres")
        os.chmod(self.directory, 0o755)
        self.data = self.directory / "data"
        subprocess.run(["setpriv", *self.user, POSTGRES_BIN / "initdb", "-D", self.data, "-U",
                        "rowgate", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8",
                        "--no-sync"],
                       check=True, capture_output=True, cwd="/")
        values = {"listen_addresses": "127.0.0.1", "port": self.port,
                  "unix_socket_directories": self.directory, "shared_buffers": "32MB",
                  "max_connections": 60, "log_min_messages": "warning",
                  "max_wal_size": "256MB", **(settings or {})}
        with open(self.data / "postgresql.conf", "a", encoding="ascii") as conf:
            conf.writelines(f"{key} = '{value}'\n" for key, value in values.items())
        hba = self.data / "pg_hba.conf"
        hba.write_text("host all with_password 127.0.0.1/32 scram-sha-256\n"
                       "local all all trust\nhost all all 127.0.0.1/32 trust\n"
                       "host replication all 127.0.0.1/32 trust\n")
        self.start()

    def url(self, database, user="rowgate", password=""):
        secret = f":{password}" if password else ""
        return f"postgresql://{user}{secret}@127.0.0.1:{self.port}/{database}"

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def launch(self):
        with open(self.directory / "postgres.log", "ab") as log:
            self.process = spawn([*self.user, POSTGRES_BIN / "postgres", "-D", self.data],
                                 death_signal="QUIT", stdout=log, stderr=log,
                                 stdin=subprocess.DEVNULL, cwd="/")

    def start(self):
        self.launch()
        self.wait_ready()

    def wait_ready(self):
        def answers():
            if self.process.poll() is not None:
                raise AssertionError("PostgreSQL exited:\n" +
                                     (self.directory / "postgres.log").read_text()[-2000:])
            try:
                psycopg2.connect(self.url("postgres"), connect_timeout=2).close()
                return True
            except psycopg2.OperationalError:
                return False
        wait_until(answers, "PostgreSQL answers", 30.0, 0.02)

    def stop(self, how=signal.SIGINT):
        """SIGINT: fast, every client is thrown out. SIGQUIT: immediate, as in a crash."""
        if self.running:
            self.process.send_signal(how)
        if self.process:
            self.process.wait(30)
            forget(self.process)

    def crash(self):
        self.stop(signal.SIGQUIT)

    def client_environment(self):
        """For PostgreSQL's own programs: theirs of this version, and that they find the cluster."""
        return environment({"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": "rowgate",
                            "PATH": f"{POSTGRES_BIN}:{os.environ['PATH']}"})

    def admin(self, sql, database="postgres"):
        with contextlib.closing(psycopg2.connect(self.url(database))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)

    def new_database(self, name=None):
        self._databases += 1
        name = name or f"case_{self._databases}"
        self.admin(f"CREATE DATABASE {name}")
        return PostgresDatabase(self, name)

    def remove(self):
        self.crash()
        shutil.rmtree(self.directory, ignore_errors=True)


_cluster = None


def shared_cluster():
    """One cluster for the whole test file."""
    global _cluster
    if _cluster is None:
        _cluster = PostgresCluster()
        atexit.register(_cluster.remove)
    if not _cluster.running:
        _cluster.start()
    return _cluster
