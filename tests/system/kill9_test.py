"""kill -9 at random moments, again and again on one data directory: what was acknowledged is in SQL,
QoS 2 exactly once, and the ledger balances (docs/guarantees.md).

ROWGATE_KILL_ROUNDS sets the rounds a case (default 50), ROWGATE_SEED repeats a run, and ROWGATE_KEEP
keeps what a failure leaves: the data directory, the database's tables and the publishers' books.
"""
import json
import os
import random
import threading
import time

import harness
from books import MAPPING, Books, source
from publisher import Publisher, PublisherThread

ROUNDS = int(os.environ.get("ROWGATE_KILL_ROUNDS", "50"))
LEG = 50  # rounds between two comparisons of all books with all rows


class KillTests:
    """Mixed into a case with self.database."""

    postgres_crash_rate = 0.0  # a round

    def test_acknowledged_messages_survive_kill_9_and_qos2_comes_exactly_once(self):
        self.seed = int(os.environ.get("ROWGATE_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"ROWGATE_SEED={self.seed} ROWGATE_KILL_ROUNDS={ROUNDS}", flush=True)
        self.random = random.Random(self.seed)
        self.begun = time.monotonic()
        self.database_crashes = 0
        self.node = self.gateway(self.database, mapping=MAPPING, config={
            "drain.backoff_first": "50 ms", "drain.backoff_max": "200 ms"})
        self.node.start()
        publishers = [Publisher(f"q{qos}v{version}", self.node.mqtt_port,
                                source(f"q{qos}v{version}", qos), version, window=24)
                      for qos in (1, 2) for version in (4, 5)]
        publishers.append(Publisher("q0v4", self.node.mqtt_port, source("q0v4", 0), 4, window=24))
        self.books = Books(self.database, publishers)
        try:
            for first in range(0, ROUNDS, LEG):
                self.leg(range(first, min(first + LEG, ROUNDS)))
        except BaseException:
            self.keep_evidence()
            raise

    def leg(self, rounds):
        threads = [PublisherThread(one, random.Random(self.random.random()), drop_rate=0.7,
                                   rate=500 if one.source(0)[2] else 100)
                   for one in self.books.publishers]
        for thread in threads:
            thread.start()
        for number in rounds:
            self.round(number)
        self.node.wait_ready()
        for thread in threads:
            thread.finish()
        violations = [v for one in self.books.publishers for v in one.violations]
        self.assertEqual(violations, [], f"seed {self.seed}")
        self.check()
        self.assertEqual(self.node.terminate(), 0)
        # Another start on the same directory adds nothing and loses nothing.
        self.node.start()
        self.check()
        for one in self.books.publishers:
            self.assertGreater(one.next_seq - self.books.floor[one.client_id], len(rounds),
                               f"{one.client_id}: too few messages to prove anything")
        self.books.settle()
        self.report(rounds.stop)

    def round(self, number):
        crash = None
        if self.random.random() < self.postgres_crash_rate:
            delay, away = self.random.uniform(0, 0.3), self.random.uniform(0, 0.3)
            crash = threading.Thread(target=self.crash_postgres, args=(delay, away))
            crash.start()
            self.database_crashes += 1
        # Mostly while it works, sometimes while it starts and recovers.
        if number % 5 == 4:
            time.sleep(self.random.uniform(0, 0.08))
        else:
            self.node.wait_ready()
            self.assert_balanced(self.node)
            time.sleep(self.random.uniform(0.02, 0.5))
        self.assertTrue(self.node.running, f"it ended by itself:\n{self.node.log()[-3000:]}")
        self.node.kill()
        self.node.launch()
        if crash:
            crash.join()
            self.cluster.start()  # on this thread: see harness.spawn

    def crash_postgres(self, delay, away):
        time.sleep(delay)
        self.cluster.crash()
        time.sleep(away)

    def check(self):
        self.node.wait_drained(timeout=60)
        self.assert_balanced(self.node)
        self.assertEqual(self.books.problems(), [], f"seed {self.seed}")

    def report(self, rounds):
        """One line a leg; the last one says it all."""
        books = self.books
        print(f"proof: {type(self).__name__}: {rounds} rounds of kill -9, {self.database_crashes} "
              f"crashes of the database, {books.published} messages published ({books.resent} "
              f"sent again), {books.rows} stored, {books.lost} acknowledged and lost, "
              f"{books.twice} stored twice, {time.monotonic() - self.begun:.0f} s, "
              f"seed {self.seed}", flush=True)

    def keep_evidence(self):
        """Beside the data directory: what SQL holds and what the publishers believe."""
        if "ROWGATE_KEEP" not in os.environ:
            return
        self.node.kill()
        evidence = self.directory / "evidence"
        evidence.mkdir()
        for table in ("kill9", "rowgate_dead_letter", "rowgate_unmapped", "rowgate_checkpoint"):
            if self.database.columns(table):
                rows = self.database.rows(f"SELECT * FROM {table}")
                (evidence / table).write_text("\n".join(map(repr, rows)))
        for one in self.books.publishers:
            (evidence / f"{one.client_id}.json").write_text(json.dumps({
                "floor": self.books.floor[one.client_id], "next": one.next_seq,
                "promised": sorted(one.promised), "completed": sorted(one.completed),
                "transmissions": dict(one.transmissions), "violations": one.violations,
                "in_flight": {i: m.seq for i, m in one.in_flight.items()}}))


class KillOnSqliteTest(KillTests, harness.SqliteCase):
    pass


class KillOnPostgresTest(KillTests, harness.PostgresCase):
    """PostgreSQL keeps what it committed, but crashes too."""

    postgres_crash_rate = 0.2


class KillOnForgetfulPostgresTest(KillTests, harness.SystemTest):
    """synchronous_commit=off: a crash of PostgreSQL takes back its last commits, rows and checkpoint
    together, and the gateway drains them again from segments it must not have trimmed."""

    postgres_crash_rate = 0.5

    def setUp(self):
        self.cluster = harness.PostgresCluster(
            {"synchronous_commit": "off", "wal_writer_delay": "2s",
             "wal_writer_flush_after": "100MB"})
        self.addCleanup(self.cluster.remove)
        self.database = self.cluster.new_database()
        self.cluster.admin("CHECKPOINT")


if __name__ == "__main__":
    harness.main()
