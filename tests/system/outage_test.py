"""The database goes away and comes back while devices publish; the journal fills up: promises hold,
everything is told in /readyz and metrics."""
import random
import signal
import time

import harness
import publisher as mqtt

MAPPING = """
[[mapping]]
name = "out"
topic = "out/{device}"
table = "out"
payload = "json"
[mapping.columns]
device = { topic = "device", type = "text" }
n = { from = "/n", type = "bigint", required = true }
"""


def source(device, qos, padding=0):
    pad = "x" * padding
    return lambda seq: (f"out/{device}", b'{"n": %d, "pad": "%s"}' % (seq, pad.encode()), qos)


class OutageTest(harness.PostgresCase):
    def serve(self, **config):
        self.node = self.gateway(self.database, mapping=MAPPING, config={
            "drain.backoff_first": "50 ms", "drain.backoff_max": "500 ms",
            **{key.replace("__", "."): value for key, value in config.items()}})
        self.addCleanup(lambda: self.cluster.running or self.cluster.start())
        return self.node.start()

    def numbers(self, device):
        return [n for (n,) in self.database.rows(
            "SELECT n FROM out WHERE device = %s ORDER BY n", (device,))]

    def test_acknowledgements_go_on_while_the_database_is_away_and_it_drains_when_it_is_back(self):
        self.serve()
        devices = [mqtt.Publisher(f"d{qos}{version}", self.node.mqtt_port,
                                  source(f"d{qos}{version}", qos), version)
                   for qos in (1, 2) for version in (4, 5)]
        for device in devices:
            device.publish(100)
        self.node.wait_drained(400)
        self.cluster.stop()
        for device in devices:
            device.publish(1000)
        ledger = self.assert_balanced(self.node)
        self.assertEqual((ledger.received, ledger.stored, ledger.pending), (4400, 400, 4000))
        # Published into the journal, so still ready; but it says what is wrong.
        harness.wait_until(lambda: self.tells_of_the_outage(), "the outage is told", 10)
        self.assertRegex(self.node.log(), "(?i)connect|database|postgresql")
        for device in devices:
            device.publish(100)
        self.cluster.start()
        back = time.monotonic()
        ledger = self.node.wait_drained(4800)
        print(f"  drained 4,400 messages {time.monotonic() - back:.2f} s after the database's return")
        self.assertEqual(ledger.stored, 4800)
        self.assert_balanced(self.node)
        for device in devices:
            self.assertEqual(self.numbers(device.client_id), list(range(1200)))
        harness.wait_until(lambda: not self.tells_of_the_outage(), "the outage is over", 10)

    def tells_of_the_outage(self):
        status, text = self.node.http("/readyz")
        self.assertEqual(status, 200, f"it accepts publishes: {text}")
        metrics = self.node.metrics()
        connected = [value for name, _, value in metrics.samples
                     if name.endswith("connected") and "sink" in name or
                     name.endswith("lane_connected")]
        self.assertTrue(connected, f"a metric says whether the sink is there: {metrics.names()}")
        return min(connected) == 0 and text.strip() not in ("ok", "ready")

    def test_it_starts_and_accepts_publishes_while_the_database_is_away(self):
        self.cluster.stop()
        self.serve()
        device = mqtt.Publisher("early", self.node.mqtt_port, source("early", 2))
        device.publish(500)
        self.assertEqual(self.node.ledger().pending, 500)
        # Killed and started again in the outage: still nothing lost, still in the ledger.
        self.node.kill()
        self.node.start()
        self.assertEqual(self.assert_balanced(self.node).pending, 500)
        self.cluster.start()
        self.node.wait_drained()
        self.assert_balanced(self.node)
        self.assertEqual(self.numbers("early"), list(range(500)))

    def test_the_database_crashes_again_and_again_under_load_and_qos2_stays_exactly_once(self):
        self.serve(drain__max_age="10 ms")
        seeds = random.Random(7)
        threads = [mqtt.PublisherThread(
            mqtt.Publisher(f"load{qos}", self.node.mqtt_port, source(f"load{qos}", qos)),
            random.Random(qos), rate=1500) for qos in (1, 2)]
        for thread in threads:
            thread.start()
        for _ in range(12):
            time.sleep(seeds.uniform(0.05, 0.4))
            self.cluster.crash()
            self.cluster.start()
        for thread in threads:
            thread.finish()
        self.node.wait_drained()
        self.assert_balanced(self.node)
        for thread in threads:
            self.assertEqual(thread.publisher.violations, [])
            self.assertEqual(self.numbers(thread.publisher.client_id),
                             list(range(thread.publisher.next_seq)))

    def test_a_session_the_database_ends_is_replaced(self):
        self.serve()
        device = mqtt.Publisher("kicked", self.node.mqtt_port, source("kicked", 2))
        for _ in range(5):
            device.publish(200)
            self.cluster.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                               f" WHERE datname = '{self.database.name}'"
                               " AND pid <> pg_backend_pid()")
        device.publish(200)
        self.node.wait_drained(1200)
        self.assertEqual(self.numbers("kicked"), list(range(1200)))

    def test_a_lock_on_the_table_holds_the_drain_up_but_no_acknowledgement(self):
        self.serve()
        device = mqtt.Publisher("locked", self.node.mqtt_port, source("locked", 2))
        device.publish(10)
        self.node.wait_drained(10)
        with self.database.locked("out"):
            device.publish(500)
            self.assertEqual(self.assert_balanced(self.node).pending, 500)
        self.node.wait_drained(510)
        self.assertEqual(self.numbers("locked"), list(range(510)))

    def test_a_full_journal_holds_publishers_back_drops_qos0_and_recovers(self):
        self.serve(journal__max_bytes=16 * harness.MIB)
        first = mqtt.Publisher("full", self.node.mqtt_port, source("full", 1, 8000))
        first.publish(10)
        self.node.wait_drained(10)
        self.cluster.stop()
        thread = mqtt.PublisherThread(first, random.Random(1), rate=4000)
        thread.start()

        def held_back():
            before = len(first.promised)
            time.sleep(0.7)
            return before > 1000 and len(first.promised) == before
        harness.wait_until(held_back, lambda: f"back pressure; {len(first.promised)} acknowledged",
                           40)
        acknowledged = len(first.promised)
        self.assertLess(acknowledged * 8000, 16 * harness.MIB, "no more than the journal holds")
        self.assertTrue(first.in_flight, "the publisher has sent more than was acknowledged")
        # QoS 0 does not wait: dropped and counted. (Its own connection is not held back by others.)
        best_effort = mqtt.session(self.node.mqtt_port, "best-effort")
        dropped = self.node.ledger().dropped
        for n in range(50):
            best_effort.send(mqtt.publish_packet("out/best-effort", b'{"n": %d}' % n))
        harness.wait_until(lambda: self.node.ledger().dropped >= dropped + 50,
                           lambda: f"QoS 0 dropped and counted: {self.node.ledger()}", 10)
        self.assert_balanced(self.node)
        resident = self.node.resident_bytes()
        self.node.assert_memory_grew_less_than(0, 200 * harness.MIB)
        status, text = self.node.http("/readyz")
        print(f"  full journal: /readyz {status} {text.strip()!r}, {acknowledged} acknowledged, "
              f"resident {resident >> 20} MiB")
        self.cluster.start()
        harness.wait_until(lambda: len(first.promised) > acknowledged + 500, "it goes on", 30)
        thread.finish()
        self.node.wait_drained()
        self.assert_balanced(self.node)
        self.assertEqual(first.violations, [])
        self.assertEqual(self.numbers("full"), list(range(first.next_seq)))
        self.assertEqual(self.numbers("best-effort"), [])

    def test_other_commands_answer_while_the_journal_is_full(self):
        self.cluster.stop()
        self.serve(journal__max_bytes=16 * harness.MIB)
        filler = mqtt.PublisherThread(
            mqtt.Publisher("filler", self.node.mqtt_port, source("filler", 1, 8000)),
            random.Random(1), rate=4000)
        filler.start()

        def full():
            before = self.node.ledger().pending
            time.sleep(0.5)
            return before > 1000 and self.node.ledger().pending == before
        harness.wait_until(full, "the journal is full", 40)
        idle = mqtt.session(self.node.mqtt_port, "idle")
        idle.send(mqtt.packet(mqtt.PINGREQ, 0, b""))
        self.assertEqual(idle.receive()[0], mqtt.PINGRESP)
        self.cluster.start()
        filler.finish()
        self.node.wait_drained()
        self.assert_balanced(self.node)


class ForgetfulDatabaseTest(harness.SystemTest):
    """synchronous_commit=off: a crash takes back what PostgreSQL committed last."""

    def test_what_the_database_forgot_is_drained_again_exactly_once(self):
        cluster = harness.PostgresCluster({"synchronous_commit": "off", "wal_writer_delay": "10s",
                                           "wal_writer_flush_after": "200MB"})
        self.addCleanup(cluster.remove)
        database = cluster.new_database()
        cluster.admin("CHECKPOINT")
        node = self.gateway(database, mapping=MAPPING, config={
            "drain.backoff_first": "50 ms", "drain.backoff_max": "100 ms"}).start()
        device = mqtt.Publisher("d", node.mqtt_port, source("d", 2, 8000))
        forgotten = 0
        for _ in range(3):
            device.publish(600)  # several segments, which must not be trimmed yet
            node.wait_drained(device.next_seq)
            before = harness.scalar(database, "SELECT count(*) FROM out")
            self.assertEqual(before, device.next_seq)
            self.assertEqual(self.assert_balanced(node).stored, device.next_seq)
            node.signal(signal.SIGSTOP)
            cluster.crash()
            cluster.start()
            forgotten += before - harness.count(database, "out")
            node.signal(signal.SIGCONT)

            def all_back():
                self.assertTrue(node.running, node.log()[-2000:])
                return harness.count(database, "out") == device.next_seq
            harness.wait_until(all_back, "what was forgotten is back", 30)
        print(f"  PostgreSQL forgot {forgotten} of {device.next_seq} rows")
        self.assertGreater(forgotten, 50, "the test proves nothing unless the database forgets")
        self.assertEqual(harness.scalar(database, "SELECT count(DISTINCT n) FROM out"),
                         device.next_seq)
        ledger = node.wait_drained(device.next_seq)
        self.assertEqual((ledger.received, ledger.stored, ledger.difference),
                         (device.next_seq, device.next_seq, 0))
        self.assertEqual(node.terminate(), 0)


if __name__ == "__main__":
    harness.main()
