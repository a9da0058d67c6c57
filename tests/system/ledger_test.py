"""The ledger balances at any moment: received = stored + dead_letter + unmapped + dropped + pending;
and it says the same as SQL. Also: how long a row takes from publish to SQL."""
import random
import statistics
import time

import harness
import publisher as mqtt

MAPPING = """
[[mapping]]
name = "book"
topic = "book/{device}"
table = "book"
payload = "json"
[mapping.columns]
device = { topic = "device", type = "text" }
n = { from = "/n", type = "bigint", required = true }
"""


def source(device, qos):
    """A fifth each: rows, rows, rows, dead letters, unmapped."""
    def message(seq):
        if seq % 5 == 3:
            return f"book/{device}", b'{"m": 1}', qos
        if seq % 5 == 4:
            return f"nowhere/{device}", b"x", qos
        return f"book/{device}", b'{"n": %d}' % seq, qos
    return message


class LedgerTests:
    def serve(self, **options):
        self.node = self.gateway(self.database, mapping=MAPPING, **options)
        return self.node.start()

    def assert_as_in_sql(self, ledger, before=(0, 0, 0)):
        tables = ("book", "rowgate_dead_letter", "rowgate_unmapped")
        counts = tuple(harness.count(self.database, table) - old
                       for table, old in zip(tables, before))
        self.assertEqual((ledger.stored, ledger.dead_letter, ledger.unmapped), counts)
        return tuple(new + old for new, old in zip(counts, before))

    def test_it_balances_at_any_moment_under_load_and_says_what_sql_says(self):
        self.serve()
        self.assertEqual(self.assert_balanced(self.node).received, 0)
        threads = [mqtt.PublisherThread(
            mqtt.Publisher(f"q{qos}{version}", self.node.mqtt_port,
                           source(f"q{qos}{version}", qos), version),
            random.Random(qos), rate=1500) for qos in (0, 1, 2) for version in (4, 5)]
        for thread in threads:
            thread.start()
        scrapes = 0
        end = time.monotonic() + 4
        while time.monotonic() < end:
            self.assert_balanced(self.node)
            scrapes += 1
        for thread in threads:
            thread.finish()
        sent = sum(thread.publisher.next_seq for thread in threads)
        ledger = self.node.wait_drained(sent)
        self.assertEqual((ledger.difference, ledger.received, ledger.dropped), (0, sent, 0))
        self.assertGreater(ledger.stored, ledger.unmapped)
        print(f"  {scrapes} scrapes balanced; at the end {ledger}")
        before = self.assert_as_in_sql(ledger)
        self.assertEqual(sum(before), sent)
        # A restart begins a new ledger; what is stored is not counted again.
        self.assertEqual(self.node.terminate(), 0)
        self.node.start()
        self.node.wait_drained()
        ledger = self.assert_balanced(self.node)
        self.assertEqual((ledger.stored, ledger.dead_letter, ledger.unmapped), (0, 0, 0))
        more = mqtt.Publisher("more", self.node.mqtt_port, source("more", 2))
        more.publish(500)
        self.node.wait_drained(500)
        self.assert_as_in_sql(self.assert_balanced(self.node), before)

    def test_a_resent_qos2_message_is_received_once(self):
        self.serve()
        wire = mqtt.session(self.node.mqtt_port, "again", clean=False)
        for dup in (False, True, True):
            wire.send(mqtt.publish_packet("book/again", b'{"n": 1}', 2, 5, dup=dup))
            self.assertEqual(wire.receive()[0], mqtt.PUBREC)
        ledger = self.node.wait_drained(1)
        self.assertEqual((ledger.received, ledger.stored, ledger.difference), (1, 1, 0))

    def test_what_the_journal_held_at_a_restart_is_in_the_ledger(self):
        # An age of 60 s keeps everything pending until the kill.
        self.serve(config={"drain.max_age": "60 s"})
        mqtt.Publisher("held", self.node.mqtt_port, source("held", 1)).publish(500)
        self.assertEqual(self.assert_balanced(self.node).pending, 500)
        self.node.kill()
        self.node.start()
        ledger = self.assert_balanced(self.node)
        self.assertEqual(ledger.pending, 500)
        self.node.kill()
        self.node.configure(self.node.CONFIG)
        self.node.start()
        ledger = self.node.wait_drained(500)
        self.assertEqual(self.assert_balanced(self.node).received, 500)
        self.assert_as_in_sql(ledger)

    def test_an_idle_gateway_shows_a_row_soon(self):
        """design.md: within about 100 ms. Reported; asserted only loosely, machines differ."""
        self.serve()
        wire = mqtt.session(self.node.mqtt_port, "latency")
        waits = []
        for n in range(15):
            started = time.monotonic()
            wire.send(mqtt.publish_packet("book/latency", b'{"n": %d}' % n, 1, n + 1))
            self.assertEqual(wire.receive()[0], mqtt.PUBACK)
            harness.wait_until(
                lambda want=n + 1: harness.count(self.database, "book") == want,
                "the row is in SQL", 10, 0.002)
            waits.append((time.monotonic() - started) * 1000)
        print(f"  publish to row, {self.database.kind}: median {statistics.median(waits):.0f} ms, "
              f"worst {max(waits):.0f} ms")
        self.assertLess(statistics.median(waits), 1000)


class LedgerOnSqliteTest(LedgerTests, harness.SqliteCase):
    pass


class LedgerOnPostgresTest(LedgerTests, harness.PostgresCase):
    pass


if __name__ == "__main__":
    harness.main()
