"""What every test of a fault has in common: devices publish with QoS 0, 1 and 2 in MQTT 3.1.1 and 5.0
while the fault is played, and afterwards the promises hold (docs/guarantees.md): everything that was
acknowledged is in SQL, QoS 2 once, and the ledger says what SELECT count(*) and the publishers' own
books say.

ROWGATE_FAULT_ROUNDS repeats each fault (default 1), ROWGATE_SEED repeats a run.
"""
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import harness
import publisher as mqtt
from books import MAPPING, Books, source

ROUNDS = int(os.environ.get("ROWGATE_FAULT_ROUNDS", "1"))
PATIENCE = 5 if harness.SANITIZED else 1  # times as slow
TABLES = ("kill9", "rowgate_dead_letter", "rowgate_unmapped")  # in the order of the ledger's states
CONFIG = {"drain.backoff_first": "50 ms", "drain.backoff_max": "250 ms"}
LAST_WORDS = 10  # of each device, in the end


def padded(device, qos, padding):
    """books.source() with so many bytes more in each payload."""
    plain = source(device, qos)
    more = b', "more": "%s"}' % (b"x" * padding)

    def message(seq):
        topic, payload, of_qos = plain(seq)
        return topic, payload[:-1] + more if padding else payload, of_qos
    return message


def preload(node, source, **environment):
    """Puts a library made of this C file between the gateway and libc, from its next start on."""
    library = node.directory / f"{source}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, harness.HERE / f"{source}.c"],
                   check=True)
    node.env = {**node.env, "LD_PRELOAD": str(library), **environment}
    if harness.SANITIZED:
        node.env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"


def kill_postmaster(cluster):
    """kill -9; and until its backends have noticed, before which no other may start."""
    pid = cluster.process.pid
    backends = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    cluster.stop(signal.SIGKILL)
    harness.wait_until(lambda: not any(os.path.exists(f"/proc/{one}") for one in backends),
                       "the backends end", 60)


class Fleet:
    """Six devices: QoS 0, 1 and 2, each in 3.1.1 and 5.0. They go on through whatever happens."""

    def __init__(self, port, rate=70, drop_rate=0.2, padding=0):
        self.rate, self.drop_rate = rate, drop_rate
        self.seed = int(os.environ.get("ROWGATE_SEED", random.SystemRandom().randrange(1 << 32)))
        self.random = random.Random(self.seed)
        self.publishers = [
            mqtt.Publisher(f"q{qos}v{version}", port, padded(f"q{qos}v{version}", qos, padding),
                           version, window=24) for qos in (0, 1, 2) for version in (4, 5)]
        self.promised = [p for p in self.publishers if p.source(0)[2]]  # those that are answered
        self.threads = []

    def start(self):
        self.threads = [
            mqtt.PublisherThread(publisher, random.Random(self.random.random()), self.drop_rate,
                                 self.rate) for publisher in self.publishers]
        for thread in self.threads:
            thread.start()

    def finish(self):
        """No new messages; waits until all are answered. What they did wrong: nothing."""
        for thread in self.threads:
            thread.finish(60 * PATIENCE)
        self.threads = []
        violations = [v for publisher in self.publishers for v in publisher.violations]
        assert not violations, f"{violations}, seed {self.seed}"

    def acknowledged(self):
        """Messages, of all devices that are answered, since the beginning."""
        return sum(len(publisher.promised) for publisher in self.promised)

    def wait_acknowledged(self, more=25, timeout=30.0):
        """Waits until each device that is answered got so many more acknowledgements."""
        before = {p.client_id: len(p.promised) for p in self.promised}

        def behind():
            return [f"{p.client_id}: {len(p.promised) - before[p.client_id]}"
                    for p in self.promised if len(p.promised) < before[p.client_id] + more]
        harness.wait_until(lambda: not behind(),
                           lambda: f"{more} more acknowledgements each; {behind()} came",
                           timeout * PATIENCE)

    def publish(self, count):
        """So many more messages of each device, while nobody else publishes."""
        for publisher in self.publishers:
            publisher.disconnect()  # the gateway may be another one by now
            publisher.publish(count, 60.0 * PATIENCE)


class Promises:
    """Mixed into a harness.SystemTest. begin(), play the fault, assert_kept()."""

    may_go_back = False  # whether the fault takes from the database what it had committed

    def begin(self, sink, database=None, config=None, start=True, **fleet):
        """Starts a gateway on `sink` and devices that publish to it; `database`: where the test
        itself looks, when that is another way to it."""
        self.node = self.gateway(sink, mapping=MAPPING, config={**CONFIG, **(config or {})})
        self.began = time.monotonic()
        self.checked = database or sink
        self.fleet = Fleet(self.node.mqtt_port, **fleet)
        self.books = Books(self.checked, self.fleet.publishers)
        if start:
            self.first_life()

    def first_life(self):
        self.node.start(20 * PATIENCE)
        self.first_process = self.node.process
        self.fleet.start()
        self.fleet.wait_acknowledged()

    def assert_alive(self):
        self.assertTrue(self.node.running, f"it ended by itself:\n{self.node.log()[-3000:]}")

    def wait_stored(self, more=50, timeout=60.0):
        """The database takes rows (again)."""
        before = self.node.ledger().stored

        def stored():
            self.assert_alive()
            return self.node.ledger().stored >= before + more
        harness.wait_until(stored, lambda: f"{more} more rows: {self.node.lanes()}",
                           timeout * PATIENCE, 0.05)

    def wait_log(self, pattern, timeout=20.0):
        harness.wait_until(lambda: self.said(pattern),
                           lambda: f"it says {pattern!r}; it says:\n{self.node.log()[-3000:]}",
                           timeout * PATIENCE, 0.05)

    def said(self, pattern):
        return re.search(pattern, self.node.log())

    def wait_away(self, timeout=20.0):
        """The gateway says that its database is away, and takes publishes all the same."""
        def away():
            self.assert_alive()
            status, text = self.node.http("/readyz")
            self.assertEqual(status, 200, text)
            return "is away" in text
        harness.wait_until(away, lambda: f"the outage is told: {self.node.lanes()}",
                           timeout * PATIENCE, 0.05)

    def counts(self):
        return tuple(harness.count(self.checked, table) for table in TABLES)

    def assert_kept(self):
        """The devices come to an end; then everything the module's head says."""
        self.fleet.finish()
        self.node.wait_drained(timeout=60 * PATIENCE)
        if not self.may_go_back:  # else the gateway took for committed what was not
            self.assertNotIn("the database went back", self.node.log(whole=True))
        ledger = self.assert_balanced(self.node)
        counts = self.counts()
        if self.node.process is self.first_process:  # a ledger counts from its process's start
            self.assertEqual((ledger.stored, ledger.dead_letter, ledger.unmapped), counts)
            self.assertGreaterEqual(ledger.received, sum(p.next_seq for p in self.fleet.promised))
        self.assert_books()
        # A restart adds nothing and loses nothing, and its own ledger begins with the old rows.
        self.assertEqual(self.node.terminate(60 * PATIENCE), 0)
        self.node.start(20 * PATIENCE)
        self.node.wait_drained(timeout=60 * PATIENCE)
        self.assertEqual(self.counts(), counts)
        self.assert_last_words(counts)
        published = sum(p.next_seq for p in self.fleet.publishers)
        print(f"proof: {self.id()}: {published} messages, {sum(self.counts())} rows, "
              f"{self.books.lost} acknowledged and lost, {self.books.twice} stored twice, "
              f"{time.monotonic() - self.began:.1f} s, seed {self.fleet.seed}", flush=True)

    def assert_last_words(self, before):
        self.fleet.publish(LAST_WORDS)
        ledger = self.node.wait_drained(LAST_WORDS * len(self.fleet.publishers), 60 * PATIENCE)
        self.assertEqual((ledger.received, ledger.dropped, ledger.difference),
                         (LAST_WORDS * len(self.fleet.publishers), 0, 0))
        new = tuple(now - then for now, then in zip(self.counts(), before))
        self.assertEqual((ledger.stored, ledger.dead_letter, ledger.unmapped), new)
        self.assert_books()

    def assert_books(self):
        self.assertEqual(self.books.problems(), [], f"seed {self.fleet.seed}")
