"""Starts, watches, kills and restarts what the system tests talk to: the gateway (the real binary,
ROWGATE_BIN), a private PostgreSQL cluster, and both databases behind one interface.

Everything runs on loopback and in a temporary directory, and ends by pid. No test sleeps where it
can wait for a condition: see wait_until().
"""
import atexit
import contextlib
import datetime
import fcntl
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

import psycopg2

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
EXAMPLES = ROOT / "deploy" / "examples"
POSTGRES_BIN = Path(os.environ.get("ROWGATE_POSTGRES_BIN", "/usr/lib/postgresql/15/bin"))
MIB = 1 << 20
SANITIZED = bool(os.environ.get("ROWGATE_SANITIZE"))

_running = []  # processes to end when this one does


def rowgate_binary():
    path = os.environ.get("ROWGATE_BIN", "")
    if not path or not os.access(path, os.X_OK):
        raise RuntimeError(f"ROWGATE_BIN={path!r} is no program: set it to the rowgate binary")
    return path


@atexit.register
def _end_processes():
    for process in _running:
        if process.poll() is None:
            process.kill()
            process.wait()


def spawn(argv, death_signal="KILL", **options):
    """A child that does not outlive the test, also when the test itself is killed. Call it on the
    main thread: the kernel ties the signal to the calling thread's life."""
    process = subprocess.Popen(["setpriv", "--pdeathsig", death_signal, *map(str, argv)], **options)
    _running.append(process)
    return process


def wait_until(condition, what, timeout=20.0, interval=0.01):
    """The condition's first true value; AssertionError naming `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(interval)


def free_port():
    """A port nobody listens on, below the ephemeral range so that no client socket takes it."""
    while True:
        port = random.SystemRandom().randrange(18000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def environment(extra=None):
    """The environment without this test's own ROWGATE_ variables, which are no options."""
    own = {k: v for k, v in os.environ.items() if not k.startswith("ROWGATE_")}
    return {**own, **(extra or {})}


def toml(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def toml_text(config):
    """{"journal.max_bytes": 1} -> a table [journal] with max_bytes = 1."""
    tables = {}
    for key, value in config.items():
        table, _, name = key.rpartition(".")
        tables.setdefault(table, []).append(f"{name} = {toml(value)}")
    lines = tables.pop("", [])
    for table, entries in tables.items():
        lines += [f"[{table}]", *entries]
    return "\n".join(lines) + "\n"


class Ledger:
    """One scrape of rowgate_ledger_*: message counts since the process began."""

    STATES = ("received", "stored", "dead_letter", "unmapped", "dropped")

    def __init__(self, metrics):
        for state in self.STATES:
            setattr(self, state, int(metrics.sum("rowgate_ledger_messages_total", state=state)))
        self.pending = int(metrics.sum("rowgate_ledger_journal_pending"))

    @property
    def difference(self):
        return self.received - (
            self.stored + self.dead_letter + self.unmapped + self.dropped + self.pending)

    def __repr__(self):
        parts = [f"{state}={getattr(self, state)}" for state in (*self.STATES, "pending")]
        return f"Ledger({' '.join(parts)})"


class Metrics:
    """Prometheus text, parsed strictly: a line that is neither comment nor sample is an error."""

    SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$")
    LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)",?')

    def __init__(self, text):
        self.samples = []
        for line in text.splitlines():
            if not line or line.startswith("#"):
                continue
            match = self.SAMPLE.match(line)
            if not match:
                raise AssertionError(f"not a Prometheus sample: {line!r}")
            labels = dict(self.LABEL.findall(match.group(2) or ""))
            self.samples.append((match.group(1), labels, float(match.group(3))))

    def sum(self, name, **labels):
        values = [value for sample, has, value in self.samples
                  if sample == name and labels.items() <= has.items()]
        if not values:
            raise AssertionError(f"no metric {name} with {labels}")
        return sum(values)

    def names(self):
        return {name for name, _, _ in self.samples}


class Gateway:
    """`rowgate serve` on its own data directory and ports, restartable."""

    # Small segments, so that tests cross many segment boundaries and do not zero-fill 64 MiB each.
    CONFIG = {"journal.segment_bytes": MIB, "journal.max_bytes": 256 * MIB,
              "journal.batch_bytes": MIB // 2, "journal.window_bytes": 2 * MIB,
              "mqtt.max_packet_bytes": MIB // 4}

    def __init__(self, directory, sink, mapping=None, config=None, env=None, name="gateway"):
        self.directory = Path(directory)
        self.name = name
        self.sink = sink
        self.data_dir = self.directory / f"{name}-data"
        self.log_path = self.directory / f"{name}.log"
        self.config_path = self.directory / f"{name}.toml"
        self.mapping_path = None
        self.mqtt_port = free_port()
        self.http_port = free_port()
        self.env = env or {}
        self.process = None
        self.wrapper = []  # put in front of the command, e.g. prlimit
        self.configure({**self.CONFIG, **(config or {})})
        if isinstance(mapping, Path):
            self.mapping_path = mapping
        elif mapping is not None:
            self.mapping_path = self.directory / f"{name}-mapping.toml"
            self.mapping_path.write_text(mapping)

    def configure(self, config):
        self.config_path.write_text(toml_text(config))

    def command(self):
        argv = [rowgate_binary(), "serve", "--config", self.config_path,
                "--data-dir", self.data_dir, "--sink", self.sink,
                "--mqtt", f"127.0.0.1:{self.mqtt_port}", "--http", f"127.0.0.1:{self.http_port}"]
        if self.mapping_path:
            argv += ["--mapping", self.mapping_path]
        return [*self.wrapper, *map(str, argv)]

    def launch(self):
        """Starts the process and returns at once."""
        assert self.process is None or self.process.poll() is not None, "already running"
        self.log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log:
            self.process = spawn(self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                 env=environment(self.env), cwd=self.directory)
        return self

    def start(self, timeout=20.0):
        self.launch()
        self.wait_ready(timeout)
        return self

    def wait_ready(self, timeout=20.0):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(
                    f"{self.name} exited with {self.process.returncode} before it was ready:\n"
                    f"{self.log()}")
            return re.search(r"\bready\b", self.log())
        wait_until(ready, lambda: f"{self.name} is ready; its log:\n{self.log()}", timeout, 0.005)

    def log(self, whole=False):
        """What this process logged (whole: its predecessors as well)."""
        if not self.log_path.exists():
            return ""
        with open(self.log_path, "rb") as log:
            log.seek(0 if whole else self.log_start)
            return log.read().decode("utf-8", "replace")

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9, then reaps."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        if self.process:
            self.process.wait()
            if self.process in _running:
                _running.remove(self.process)

    def signal(self, number):
        self.process.send_signal(number)

    def wait_exit(self, timeout=20.0):
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not exit in {timeout} s; its log:\n"
                                 f"{self.log()}") from None
        return code

    def terminate(self, timeout=20.0):
        """SIGTERM; the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait_exit(timeout)

    def http(self, path, method="GET", timeout=5.0):
        """(status, text) of one request."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", method=method,
                                         data=b"" if method == "POST" else None)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metrics(self):
        status, text = self.http("/metrics")
        assert status == 200, f"/metrics answered {status}: {text}"
        return Metrics(text)

    def ledger(self):
        return Ledger(self.metrics())

    def wait_drained(self, received=None, timeout=30.0):
        """Waits until nothing is pending (and `received` messages have arrived); the ledger."""
        last = None

        def drained():
            nonlocal last
            if not self.running:
                raise AssertionError(f"{self.name} exited with {self.process.returncode}:\n"
                                     f"{self.log()[-4000:]}")
            last = self.ledger()
            return last.pending == 0 and (received is None or last.received >= received)
        wait_until(drained, lambda: f"journal drained: {last}\n{self.lanes()}", timeout, 0.02)
        return last

    def lanes(self):
        """What the gateway says of its drain, for a failure's message."""
        text = self.http("/metrics")[1] + self.http("/readyz")[1]
        return "\n".join(line for line in text.splitlines() if not line.startswith("#") and
                         re.match(r"rowgate_(lane|ledger|journal)|[^r]", line))

    def assert_memory_grew_less_than(self, before, limit):
        """Not under a sanitizer, which keeps shadow memory and freed blocks."""
        grown = self.resident_bytes() - before
        if not SANITIZED and grown > limit:
            raise AssertionError(f"memory grew by {grown / MIB:.0f} MiB, allowed {limit / MIB:.0f}")

    def resident_bytes(self):
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def rowgate(*argv, env=None, stdin=None, timeout=30, cwd=None):
    """Runs a verb to its end: CompletedProcess with text stdout and stderr."""
    return subprocess.run([rowgate_binary(), *map(str, argv)], capture_output=True, text=True,
                          timeout=timeout, input=stdin, cwd=cwd,
                          env=environment(env), check=False)


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
                       "local all all trust\nhost all all 127.0.0.1/32 trust\n")
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
            if self.process in _running:
                _running.remove(self.process)

    def crash(self):
        self.stop(signal.SIGQUIT)

    def admin(self, sql, database="postgres"):
        with contextlib.closing(psycopg2.connect(self.url(database))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)

    def new_database(self):
        self._databases += 1
        name = f"case_{self._databases}"
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


class SystemTest(unittest.TestCase):
    """A temporary directory a case; gateways end with it; a failure shows their logs."""

    def run(self, result=None):
        self.directory = Path(tempfile.mkdtemp(prefix="rowgate-test-"))
        self.gateways = []
        bad = len(result.failures) + len(result.errors) if result else 0
        try:
            super().run(result)
        finally:
            failed = result and len(result.failures) + len(result.errors) > bad
            for gateway in self.gateways:
                gateway.kill()
                if failed:
                    print(f"--- end of {gateway.name}'s log ({self.id()})\n"
                          f"{gateway.log(whole=True)[-6000:]}", file=sys.stderr)
            if failed and os.environ.get("ROWGATE_KEEP"):
                print(f"--- kept: {self.directory}", file=sys.stderr)
            else:
                shutil.rmtree(self.directory, ignore_errors=True)

    def gateway(self, sink, **options):
        """A Gateway that ends with the case; not started."""
        url = sink if isinstance(sink, str) else sink.url
        gateway = Gateway(self.directory, url, **options)
        self.gateways.append(gateway)
        return gateway

    def assert_balanced(self, gateway):
        ledger = gateway.ledger()
        self.assertEqual(ledger.difference, 0, f"the ledger does not balance: {ledger}")
        return ledger


class SqliteCase(SystemTest):
    def setUp(self):
        super().setUp()
        self.database = SqliteDatabase(self.directory / "telemetry.db")


class PostgresCase(SystemTest):
    def setUp(self):
        super().setUp()
        self.cluster = shared_cluster()
        self.database = self.cluster.new_database()
        self.addCleanup(self.database.drop)


def node_modules():
    """tests/system/node/node_modules, installed with npm as package-lock.json says if missing."""
    folder = HERE / "node"
    with open(folder / "package.json", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two tests may want it at once
        stamp = folder / "node_modules" / ".complete"
        if not stamp.exists() and not stamp.with_name(".installed-for").exists():  # tests/run.sh
            done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder,
                                  capture_output=True, text=True, timeout=300, check=False)
            if done.returncode:
                raise RuntimeError(f"npm ci failed in {folder}:\n{done.stdout}{done.stderr}")
            stamp.touch()
    return folder / "node_modules"


def measurements(name):
    """A file of the npm package vega-datasets: real measurements."""
    return node_modules() / "vega-datasets" / "data" / name


def main():
    unittest.main(verbosity=2, warnings="ignore")
