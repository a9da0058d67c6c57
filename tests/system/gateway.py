"""The gateway under test: `rowgate serve`, the real binary, started, watched and killed; and what it
says of itself."""
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from processes import environment, forget, free_port, rowgate_binary, spawn, wait_until

MIB = 1 << 20
SANITIZED = bool(os.environ.get("ROWGATE_SANITIZE"))


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
            forget(self.process)

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
