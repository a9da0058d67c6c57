"""kill -9 at random moments, again and again on one data directory: what was acknowledged is in SQL,
QoS 2 exactly once, and the ledger balances (design.md, Guarantees).

ROWGATE_KILL_ROUNDS sets the rounds a case (default 50), ROWGATE_SEED repeats a run.
"""
import collections
import json
import os
import random
import threading
import time

import harness
from publisher import Publisher, PublisherThread

ROUNDS = int(os.environ.get("ROWGATE_KILL_ROUNDS", "50"))

MAPPING = """
[[mapping]]
name = "kill"
topic = "kill/{device}/{kind}"
table = "kill9"
payload = "json"
[mapping.columns]
device = { topic = "device", type = "text" }
kind = { topic = "kind", type = "text" }
n = { from = "/n", type = "bigint", required = true }
v = { from = "/v", type = "double" }
qos = { meta = "qos", type = "bigint" }
"""


def source(device, qos):
    """Most messages become rows; some have a payload that does not fit, some no mapping."""
    def message(seq):
        if seq % 41 == 7:
            return f"nowhere/{device}", json.dumps({"n": seq}).encode(), qos
        value = "many" if seq % 29 == 3 else seq * 0.5
        padding = "x" * (seq % 7 * 50)
        return (f"kill/{device}/{'odd' if seq % 2 else 'even'}",
                json.dumps({"n": seq, "v": value, "pad": padding}).encode(), qos)
    return message


class KillTests:
    """Mixed into a case with self.database."""

    postgres_crash_rate = 0.0  # a round

    def test_acknowledged_messages_survive_kill_9_and_qos2_comes_exactly_once(self):
        seed = int(os.environ.get("ROWGATE_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"ROWGATE_SEED={seed} ROWGATE_KILL_ROUNDS={ROUNDS}", flush=True)
        self.random = random.Random(seed)
        self.node = self.gateway(self.database, mapping=MAPPING, config={
            "drain.backoff_first": "50 ms", "drain.backoff_max": "200 ms"})
        self.node.start()
        threads = [self.device(f"q{qos}v{version}", version, qos)
                   for qos in (1, 2) for version in (4, 5)]
        threads.append(self.device("q0v4", 4, 0))
        for thread in threads:
            thread.start()
        for number in range(ROUNDS):
            self.round(number)
        if self.node.running:
            self.node.wait_ready()
        else:
            self.node.start()
        for thread in threads:
            thread.finish()
        violations = [v for thread in threads for v in thread.publisher.violations]
        self.assertEqual(violations, [], f"seed {seed}")
        self.node.wait_drained()
        self.assert_balanced(self.node)
        self.check_rows([thread.publisher for thread in threads], seed)
        self.assertEqual(self.node.terminate(), 0)
        # A last start on the same directory adds nothing and loses nothing.
        self.node.start()
        self.node.wait_drained()
        self.assert_balanced(self.node)
        self.check_rows([thread.publisher for thread in threads], seed)

    def device(self, name, version, qos):
        publisher = Publisher(name, self.node.mqtt_port, source(name, qos), version, window=24)
        return PublisherThread(publisher, random.Random(self.random.random()), drop_rate=0.7,
                               rate=500 if qos else 100)

    def round(self, number):
        crash = None
        if self.random.random() < self.postgres_crash_rate:
            delay, away = self.random.uniform(0, 0.3), self.random.uniform(0, 0.3)
            crash = threading.Thread(target=self.crash_postgres, args=(delay, away))
            crash.start()
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

    def stored(self):
        """{device: Counter of sequence numbers over all three tables}."""
        seen = collections.defaultdict(collections.Counter)
        for device, n in self.database.rows("SELECT device, n FROM kill9"):
            seen[device][n] += 1
        for table in ("rowgate_dead_letter", "rowgate_unmapped"):
            for device, payload in self.database.rows(
                    f"SELECT client_id, payload FROM {table}"):
                seen[device][json.loads(payload)["n"]] += 1
        return seen

    def check_rows(self, publishers, seed):
        stored = self.stored()
        for publisher in publishers:
            name, seen = publisher.client_id, stored[publisher.client_id]
            qos = publisher.source(0)[2]
            known = publisher.sent_qos0 if qos == 0 else set(range(publisher.next_seq))
            self.assertEqual(set(seen) - known, set(), f"{name}: rows nobody sent; seed {seed}")
            lost = sorted(publisher.promised - set(seen))
            self.assertEqual(lost[:10], [],
                             f"{name}: {len(lost)} acknowledged messages are lost; seed {seed}")
            if qos != 1:
                twice = [n for n, times in seen.items() if times > 1]
                self.assertEqual(twice[:10], [],
                                 f"{name}: {len(twice)} messages stored twice; seed {seed}")
            else:
                more = [n for n, times in seen.items() if times > publisher.transmissions[n]]
                self.assertEqual(more[:10], [],
                                 f"{name}: more rows than PUBLISH packets; seed {seed}")
            if qos:
                self.assertEqual(publisher.completed, known, f"{name}: not all came to an end")
            self.assertGreater(len(seen), ROUNDS, f"{name}: too few messages to prove anything")
            self.assert_placed(name)
            print(f"  {name}: {publisher.next_seq} sent, {sum(publisher.transmissions.values())} "
                  f"PUBLISH packets, {sum(seen.values())} rows, {publisher.reconnects} connections",
                  flush=True)

    def assert_placed(self, name):
        """Each message is in the table it belongs to."""
        where = f"WHERE device = '{name}' AND (n % 41 = 7 OR n % 29 = 3)"
        self.assertEqual(harness.count(self.database, "kill9", where), 0)


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
