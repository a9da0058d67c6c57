"""Soak: a steady load that two cores carry easily, and everything that happens in a year, again and
again: the gateway is killed and stopped, PostgreSQL crashes and restarts, SQLite is locked, mappings
are reloaded, clients come and go. Memory, descriptors, threads and disk stay as they were; the ledger
says what SQL says; nothing acknowledged is lost and nothing at QoS 2 comes twice.

ROWGATE_SOAK_SECONDS: how long, each sink (default 8; hours mean something). ROWGATE_SOAK_RATE:
messages a second of the bulk, QoS 2, beside some 250 a second of all kinds. ROWGATE_SEED repeats a run.
"""
import collections
import functools
import itertools
import json
import os
import random
import signal
import statistics
import subprocess
import time
import urllib.request
from pathlib import Path

import books
import harness
import publisher as mqtt
from publisher import Publisher, PublisherThread
from subscriber import Subscriber, SubscriberThread

SECONDS = int(os.environ.get("ROWGATE_SOAK_SECONDS", "8"))
RATE = int(os.environ.get("ROWGATE_SOAK_RATE", "1500" if SECONDS < 120 else "5000"))
LEG = min(max(SECONDS / 8, 4), 900)  # seconds the gateway lives between two restarts
STEP = max(LEG / 400, 0.12)  # seconds between two events
PATIENCE = 60  # seconds; hours with other programs beside it have their bad moments
DISK_LIMIT = 96 * harness.MIB  # of a journal that may have 256

MAPPING = books.MAPPING + """
[[mapping]]
name = "bulk"
topic = "bench/{topic}/value"
table = "bulk"
payload = "scalar"
[mapping.columns]
client = { meta = "client_id" }
n = { from = "", type = "bigint" }
"""
MAPPINGS = (MAPPING, MAPPING.replace('qos = { meta = "qos", type = "bigint" }\n', ""))
BULK_CLIENTS = 10
SESSIONS = 5 + 1 + BULK_CLIENTS  # of the devices, the watcher and the bulk
TABLES = ("kill9", "bulk", "rowgate_dead_letter", "rowgate_unmapped")

# What may be more at the end of a life than at its beginning: share, and absolutely. A short life is
# all warm-up. In a long one buffers still fill, up to their bounds, when the machine gets busier.
MEMORY_SLACK = (0.25, 32 * harness.MIB) if LEG < 60 else (0.10, 16 * harness.MIB)
DESCRIPTOR_SLACK = (0, 12)  # clients that come and go
THREAD_SLACK = (0, 2)

Sample = collections.namedtuple("Sample", "memory descriptors threads disk")


def ends(values):
    """Medians of the first and the last third after warm-up, which is a quarter."""
    settled = values[len(values) // 4:]
    third = max(len(settled) // 3, 1)
    return statistics.median(settled[:third]), statistics.median(settled[-third:])


def growth(name, first, last, slack):
    share, absolute = slack
    if last <= first * (1 + share) + absolute:
        return []
    return [f"{name} grew from {first:,.0f} to {last:,.0f}"]


def judge(samples):
    """What did not stay flat in one life of the gateway."""
    found = []
    for name, slack in (("memory", MEMORY_SLACK), ("descriptors", DESCRIPTOR_SLACK),
                        ("threads", THREAD_SLACK)):
        if name == "memory" and harness.SANITIZED:
            continue  # shadow memory, and freed blocks are kept
        first, last = ends([getattr(sample, name) for sample in samples])
        found += growth(name, first, last, slack)
    most = max(sample.disk for sample in samples)
    if most > DISK_LIMIT:
        found.append(f"the data directory grew to {most:,} bytes")
    return found


class SoakTests:
    def test_everything_stays_flat_and_the_books_balance(self):
        seed = int(os.environ.get("ROWGATE_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"ROWGATE_SEED={seed} ROWGATE_SOAK_SECONDS={SECONDS} ROWGATE_SOAK_RATE={RATE}",
              flush=True)
        self.random = random.Random(seed)
        self.node = self.gateway(self.database, mapping=MAPPINGS[0], config={
            "drain.backoff_first": "50 ms", "drain.backoff_max": "200 ms"})
        self.node.http = functools.partial(self.node.http, timeout=PATIENCE)
        self.node.start(PATIENCE)
        devices = [Publisher(f"q{qos}v{version}", self.node.mqtt_port,
                             books.source(f"q{qos}v{version}", qos), version, window=24)
                   for qos, version in ((0, 4), (1, 4), (1, 5), (2, 4), (2, 5))]
        self.books = books.Books(self.database, devices)
        self.watcher = Subscriber("watcher", self.node.mqtt_port, "kill/q2v5/+", 2, 5,
                                  key=lambda delivery: json.loads(delivery.payload)["n"])
        self.totals = collections.Counter()
        self.events = itertools.cycle((self.put_mapping, self.guest, self.session_that_expires,
                                       self.outage, self.hang_up_mapping, self.guest,
                                       self.session_that_expires))
        self.lives = []  # Samples of each
        begun = time.monotonic()
        while time.monotonic() < begun + SECONDS:
            self.leg(len(self.lives))
            self.report(time.monotonic() - begun)
        first, last = (ends([s.memory for s in life])[1] for life in
                       (self.lives[0], self.lives[-1]))
        if not harness.SANITIZED:
            self.assertEqual(growth("memory from life to life", first, last,
                                    (0.25, 16 * harness.MIB)), [])
        self.assertEqual(self.node.terminate(60), 0)

    def leg(self, number):
        """Load; the gateway's end and a new life under it; then all is compared, and forgotten."""
        bulk = self.start_bulk()
        threads = [PublisherThread(one, random.Random(self.random.random()), drop_rate=0.3, rate=50)
                   for one in self.books.publishers]
        watcher = SubscriberThread(self.watcher, random.Random(self.random.random()), 0.3)
        watcher.start()
        self.assertTrue(watcher.ready.wait(PATIENCE), "no SUBACK")
        for thread in threads:
            thread.start()
        received = self.node.ledger().received
        harness.wait_until(lambda: self.node.ledger().received > received + RATE // 4,
                           "messages come", PATIENCE)
        before = self.restart("SIGKILL" if number % 2 == 0 else "SIGTERM")
        self.lives.append(self.live(time.monotonic() + LEG))
        for thread in threads:
            thread.finish(60)
        report = self.end_bulk(bulk)
        ledger = self.node.wait_drained(timeout=120)
        watcher.calm = True
        try:
            harness.wait_until(lambda: not self.missing(), "copies arrive", PATIENCE, interval=0.1)
        finally:
            watcher.stop()
        harness.wait_until(self.passing_sessions_are_over, "the passing sessions expire", PATIENCE)
        self.check(ledger, before, report)
        self.totals.update(legs=1, bulk=report["sent"], reconnects=report["reconnects"],
                           resent=report["resent"], copies=len(self.watcher.got))
        self.forget()
        self.assertEqual(judge(self.lives[-1]), [], f"life {number} of {LEG:.0f} s")

    # --- load

    def start_bulk(self):
        """QoS 2 through everything that happens; its clients recover their sessions."""
        return harness.spawn(
            [os.environ["ROWGATE_LOAD"], "--port", self.node.mqtt_port, "--prefix", "bulk",
             "--clients", BULK_CLIENTS, "--window", 100, "--qos", 2, "--mqtt", 5, "--reconnect",
             "--rate", RATE, "--seconds", 10 * SECONDS + 600, "--grace", 60, "--format", "json"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end_bulk(self, process):
        process.send_signal(signal.SIGTERM)
        text = process.communicate(timeout=120)[0]
        self.assertEqual(process.returncode, 0, text)
        return json.loads(text.splitlines()[-1])

    def restart(self, how):
        """Under load. Rows there were while no gateway ran."""
        if how == "SIGKILL":
            self.node.kill()
        else:
            self.assertEqual(self.node.terminate(60), 0)
        self.totals[how] += 1
        self.wait_database_idle()
        before = self.rows()
        self.node.start(PATIENCE)
        return before

    def wait_database_idle(self):
        pass

    def live(self, end):
        samples = [self.sample()]
        while time.monotonic() < end:
            due = time.monotonic() + STEP
            next(self.events)()
            self.assertTrue(self.node.running, f"it ended by itself:\n{self.node.log()[-3000:]}")
            self.assert_balanced(self.node)
            samples.append(self.sample())
            time.sleep(max(due - time.monotonic(), 0))
        return samples

    def sample(self):
        process = Path(f"/proc/{self.node.process.pid}")
        rollup = (process / "smaps_rollup").read_text()
        memory = next(int(line.split()[1]) for line in rollup.splitlines()
                      if line.startswith("Pss:")) * 1024
        disk = 0
        for path in self.node.data_dir.rglob("*"):
            try:
                disk += path.stat().st_size
            except FileNotFoundError:
                continue  # a segment that was dropped right now
        return Sample(memory, len(os.listdir(process / "fd")), len(os.listdir(process / "task")),
                      disk)

    # --- what happens meanwhile

    def in_force(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.node.http_port}/api/v1/mapping",
                                    timeout=PATIENCE) as answer:
            return answer.read().decode()

    def other_mapping(self):
        self.totals["reloads"] += 1
        return MAPPINGS[self.totals["reloads"] % 2]

    def put_mapping(self):
        text = self.other_mapping()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.node.http_port}/api/v1/mapping", method="PUT",
            data=text.encode(), headers={"If-Match": "*"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            self.assertEqual(answer.status, 200)
        harness.wait_until(lambda: self.in_force() == text, "PUT is in force", PATIENCE)

    def hang_up_mapping(self):
        text = self.other_mapping()
        new = self.node.mapping_path.with_suffix(".new")  # no half of it is ever seen
        new.write_text(text)
        new.replace(self.node.mapping_path)
        self.node.signal(signal.SIGHUP)
        harness.wait_until(lambda: self.in_force() == text, "SIGHUP is in force",
                           PATIENCE)

    def guest(self):
        """Subscribes to all, reads a little and is gone without a word."""
        self.totals["guests"] += 1
        guest = Subscriber("guest", self.node.mqtt_port, "#", self.totals["guests"] % 3, 4,
                           durable=False)
        guest.connect()
        guest.wait_subscribed(PATIENCE)
        guest.take(1, PATIENCE)
        guest.disconnect()

    def session_that_expires(self):
        """A session with a queue that fills, and that ends a second after its client has left."""
        self.totals["sessions"] += 1
        wire = mqtt.session(self.node.mqtt_port, f"passing-{self.totals['sessions'] % 20}", 5,
                            clean=False, expiry=1)
        wire.send(mqtt.packet(mqtt.SUBSCRIBE, 2, b"\0\1\0" + mqtt.text("kill/#") + b"\1"))
        harness.wait_until(lambda: (wire.receive() or (0,))[0] == mqtt.SUBACK, "SUBACK", PATIENCE)
        wire.close()

    def passing_sessions_are_over(self):
        return self.node.metrics().sum("rowgate_sessions") <= SESSIONS

    def behind(self):
        return self.node.ledger().pending > RATE // 10

    # --- the books

    def rows(self):
        return sum(harness.count(self.database, table) for table in TABLES)

    def missing(self):
        """What was acknowledged to q2v5 and has not reached the watcher."""
        device = self.books.publishers[-1]
        return {n for n in device.promised if n % books.NOWHERE != 7} - set(list(
            self.watcher.times))

    def check(self, ledger, rows_before, report):
        self.assertEqual((ledger.difference, ledger.dropped), (0, 0), ledger)
        self.assertEqual(ledger.stored + ledger.dead_letter + ledger.unmapped,
                         self.rows() - rows_before, f"{ledger} and what SQL counts")
        self.assertEqual(self.books.problems(), [])
        for name in ("unacked", "refused", "unexpected", "sessions_lost", "failed_clients"):
            self.assertEqual(report[name], 0, f"{name}: {report}")
        clients = self.database.rows("SELECT client, count(*), count(DISTINCT n), min(n), max(n)"
                                     " FROM bulk GROUP BY client")
        self.assertEqual([row for row in clients if not row[1] == row[2] == row[4] - row[3] + 1],
                         [], "lost or twice: client, rows, numbers, first, last")
        self.assertEqual((sum(row[1] for row in clients), report["acked"]),
                         (report["sent"], report["sent"]))
        self.assertGreater(report["sent"], RATE, "too few to prove anything")
        watcher, floor = self.watcher, self.books.floor["q2v5"]
        violations = [v for one in (*self.books.publishers, watcher) for v in one.violations]
        self.assertEqual(violations, [])
        self.assertEqual((len(watcher.got), watcher.got),
                         (len(set(watcher.got)), sorted(watcher.got)), "once each, in order")
        self.assertGreaterEqual(min(watcher.got), floor, "nothing of an earlier leg")

    def forget(self):
        """The tables are emptied, so that hours fit on a disk."""
        self.books.settle()
        for table in TABLES:
            self.database.execute(f'DELETE FROM "{table}"' if self.database.kind == "sqlite"
                                  else f'TRUNCATE "{table}"')
        self.books.emptied()
        for book in (self.watcher.got, self.watcher.times, self.watcher.deliveries):
            book.clear()

    def report(self, seconds):
        """One line a leg; the last one says it all."""
        totals, mib = self.totals, harness.MIB
        memory = [ends([s.memory for s in life]) for life in self.lives]
        descriptors = [ends([s.descriptors for s in life])[1] for life in self.lives]
        samples = [sample for life in self.lives for sample in life]
        print(f"proof: {type(self).__name__}: {seconds:.0f} s, {totals['SIGKILL']} kill -9 and "
              f"{totals['SIGTERM']} SIGTERM, {totals['outages']} outages of the database, "
              f"{totals['reloads']} reloads, {totals['guests']} subscribers and "
              f"{totals['sessions']} sessions came and went; "
              f"{totals['bulk'] + self.books.published} messages published at {RATE} a second and "
              f"{totals['resent'] + self.books.resent} sent again, "
              f"{totals['bulk'] + self.books.rows} rows as SQL counts, {totals['copies']} copies; "
              f"0 acknowledged and lost, 0 twice at QoS 2; memory of a life's first and last third "
              f"{memory[0][0] / mib:.1f} and {memory[0][1] / mib:.1f} MiB in the first, "
              f"{memory[-1][0] / mib:.1f} and {memory[-1][1] / mib:.1f} in the last of "
              f"{len(memory)}, at most {max(s.memory for s in samples) / mib:.1f}; descriptors "
              f"{descriptors[0]:.0f} and {descriptors[-1]:.0f}, threads {samples[-1].threads}; data "
              f"directory at most {max(s.disk for s in samples) / mib:.1f} MiB", flush=True)


class SoakOnSqliteTest(SoakTests, harness.SqliteCase):
    def outage(self):
        self.totals["outages"] += 1
        with self.database.locked("bulk"):
            harness.wait_until(self.behind, "the drain is held up", PATIENCE)


class SoakOnPostgresTest(SoakTests, harness.PostgresCase):
    def outage(self):
        self.totals["outages"] += 1
        if self.totals["outages"] % 2:
            self.cluster.stop()
        else:
            self.cluster.crash()
        harness.wait_until(self.behind, "the drain is held up", PATIENCE)
        self.cluster.start()

    def wait_database_idle(self):
        """A session of the gateway that was killed may be at its COMMIT."""
        harness.wait_until(lambda: not harness.scalar(
            self.database, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"),
            "no session of the gateway's is left", PATIENCE)


class JudgeTest(harness.SystemTest):
    """That the soak would notice."""

    def judged(self, **grow):
        start = {"memory": 40 * harness.MIB, "descriptors": 40, "threads": 9,
                 "disk": 4 * harness.MIB}
        return str(judge([Sample(**{name: value + grow.get(name, 0) * n
                                    for name, value in start.items()}) for n in range(100)]))

    def test_it_notices_what_grows_and_takes_no_offence_at_what_does_not(self):
        self.assertEqual(self.judged(), "[]")
        if not harness.SANITIZED:
            self.assertIn("memory grew", self.judged(memory=4 * harness.MIB))
        self.assertIn("descriptors grew", self.judged(descriptors=1))
        self.assertIn("threads grew", self.judged(threads=1))
        self.assertIn("the data directory grew", self.judged(disk=harness.MIB))


if __name__ == "__main__":
    harness.main()
