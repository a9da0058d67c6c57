"""The database is away for long: far more arrives than memory holds. Memory stays flat, the journal
keeps its limit, QoS 0 is dropped and counted, QoS 1 and 2 are held back at the limit, nothing that
was acknowledged is lost, and new traffic is taken while the lanes catch up.

ROWGATE_OUTAGE_BYTES says how much arrives (default 64 MiB; gigabytes in the long form)."""
import os
import random
import time

import harness
import publisher as mqtt

ARRIVAL = int(os.environ.get("ROWGATE_OUTAGE_BYTES", 64 * harness.MIB))
LIMIT = max(ARRIVAL * 3 // 4, 16 * harness.MIB)
PAYLOAD = 4000
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


def source(device, qos):
    pad = b"x" * PAYLOAD
    return lambda seq: (f"out/{device}", b'{"n": %d, "pad": "%s"}' % (seq, pad), qos)


class LongOutageTest(harness.PostgresCase):
    def publisher(self, name, qos, version):
        thread = mqtt.PublisherThread(
            mqtt.Publisher(name, self.node.mqtt_port, source(name, qos), version),
            random.Random(qos), rate=6000)
        self.threads.append(thread)
        thread.start()

    def acknowledged(self):
        return sum(len(thread.publisher.promised) for thread in self.threads)

    def held_back(self):
        before = self.acknowledged()
        self.most = max(self.most, self.node.resident_bytes())
        time.sleep(0.7)
        disk = self.node.metrics().sum("rowgate_journal_disk_bytes")
        return disk > LIMIT - harness.MIB and self.acknowledged() == before

    def test_memory_is_flat_and_the_journal_bounded_and_nothing_acknowledged_is_lost(self):
        self.threads = []
        self.node = self.gateway(self.database, mapping=MAPPING, config={
            "journal.max_bytes": LIMIT, "journal.window_bytes": harness.MIB,
            "drain.max_bytes": 2 * harness.MIB,
            "drain.backoff_first": "50 ms", "drain.backoff_max": "500 ms"}).start()
        self.addCleanup(lambda: self.cluster.running or self.cluster.start())
        warm = mqtt.Publisher("warm", self.node.mqtt_port, source("warm", 1))
        warm.publish(2000)  # 8 MiB: every buffer has its size
        self.node.wait_drained(2000)
        before = self.most = self.node.resident_bytes()

        self.cluster.stop()
        for qos in (1, 2):
            for version in (4, 5):
                self.publisher(f"q{qos}v{version}", qos, version)
        patience = 40 + ARRIVAL / (4 * harness.MIB)
        harness.wait_until(self.held_back, lambda: f"back pressure; {self.acknowledged()} "
                           f"acknowledged, limit {LIMIT}", patience)
        at_limit = self.acknowledged()
        disk = self.node.metrics().sum("rowgate_journal_disk_bytes")
        print(f"  held back at {at_limit * PAYLOAD >> 20} MiB acknowledged, journal "
              f"{int(disk) >> 20} of {LIMIT >> 20} MiB, memory grew by "
              f"{max(self.most - before, 0) / harness.MIB:.1f} MiB")
        self.assertLessEqual(disk, LIMIT)
        if not harness.SANITIZED:
            # What the lanes, the window and the open buffers may take is some MiB, however much
            # arrives.
            self.assertLess(self.most - before, 16 * harness.MIB)

        best_effort = mqtt.session(self.node.mqtt_port, "best-effort")
        ledger = self.node.ledger()
        for n in range(200):
            best_effort.send(mqtt.publish_packet("out/best-effort", b'{"n": %d}' % n))
        harness.wait_until(lambda: self.node.ledger().dropped >= ledger.dropped + 200,
                           lambda: f"QoS 0 dropped and counted: {self.node.ledger()}", 20)
        self.assert_balanced(self.node)

        self.cluster.start()
        harness.wait_until(lambda: self.acknowledged() > at_limit, "it goes on", 40)
        # New traffic is taken while what had gathered is drained.
        harness.wait_until(lambda: self.acknowledged() > at_limit + 1000, "new traffic", 60)
        for thread in self.threads:
            thread.finish(60)
        self.node.wait_drained(timeout=patience + 60)
        ledger = self.assert_balanced(self.node)
        published = 2000
        for thread in self.threads:
            device = thread.publisher
            self.assertEqual(device.violations, [])
            self.assertEqual(self.database.rows(
                "SELECT count(*), count(DISTINCT n), min(n), max(n) FROM out WHERE device = %s",
                (device.client_id,))[0],
                (device.next_seq, device.next_seq, 0, device.next_seq - 1), device.client_id)
            published += device.next_seq
        self.assertEqual(harness.count(self.database, "out", "WHERE device = 'best-effort'"), 0)
        self.assertEqual((ledger.received, ledger.stored, ledger.dropped),
                         (published + 200, published, 200))
        self.node.assert_memory_grew_less_than(before, 32 * harness.MIB)
        self.assertEqual(self.node.terminate(), 0)


if __name__ == "__main__":
    harness.main()
