"""Columns that say more of their values, end to end on both sinks: drift with its companion
columns, the rest, filters, constants, maps and ranges, and report by exception, also across
kill -9."""
import json
import math
import os
import random

import harness
import publisher as mqtt
from publisher import Publisher, PublisherThread

COLUMNS = """
[[mapping]]
name = "spill"
topic = "spill/{device}"
table = "spilled"
drift = "spill"
rest = "extra"
filter = [{ from = "/valid", is_not = false }, { topic = "device", is_not = "test" }]
[mapping.columns]
device = { topic = "device" }
plant = { constant = "north" }
n = { from = "/n", type = "bigint", required = true }
temp = { from = "/temp", type = "double", min = -40, max = 60 }
state = { from = "/state", type = "bigint", map = { on = 1, off = 0, "*" = -1 } }
mode = { from = "/mode", type = "text", values = ["eco", "full"] }

[[mapping]]
name = "coerce"
topic = "coerce"
table = "coerced"
drift = "coerce"
[mapping.columns]
n = { from = "/n", type = "bigint", required = true }
on = { from = "/on", type = "boolean" }
count = { from = "/count", type = "bigint" }

[[mapping]]
name = "auto"
topic = "auto/{device}"
table = "automatic"
columns = "auto"
drift = "spill"
"""

DEADBAND = 0.5
STORE = f"""
[[mapping]]
name = "wave"
topic = "wave/{{device}}"
table = "wave"
[mapping.columns]
device = {{ topic = "device" }}
n = {{ from = "/n", type = "bigint", required = true }}
v = {{ from = "/v", type = "double", store = {{ deadband = {DEADBAND} }} }}
"""


def wave(n):
    return round(10 * math.sin(n / 40), 3)


class ColumnTests:
    def publish(self, node, *messages, client="device"):
        """(topic, payload)...; waits until all are drained."""
        wire = mqtt.session(node.mqtt_port, client)
        for number, (topic, payload) in enumerate(messages, 1):
            wire.send(mqtt.publish_packet(topic, json.dumps(payload).encode(), 1, number))
            self.assertEqual(wire.receive()[0], mqtt.PUBACK)
        wire.close()
        self.sent = getattr(self, "sent", 0) + len(messages)
        ledger = node.wait_drained(self.sent)
        self.assertEqual(ledger.difference, 0, ledger)
        return ledger

    def dead_letters(self):
        return [reason for reason, in self.database.rows(
            "SELECT reason FROM rowgate_dead_letter ORDER BY position")]

    def test_what_does_not_fit_is_spilled_and_what_is_left_is_kept(self):
        node = self.gateway(self.database, mapping=COLUMNS).start()
        ledger = self.publish(
            node,
            ("spill/a", {"n": 1, "temp": 21.5, "state": "on", "mode": "eco", "w": {"x": [1]}}),
            ("spill/a", {"n": 2, "temp": "warm", "state": "broken", "mode": "turbo"}),
            ("spill/a", {"n": 3, "temp": 99, "state": None, "valid": True}),
            ("spill/a", {"n": 4, "valid": False}),
            ("spill/test", {"n": 5}),
            ("spill/a", {"n": "six"}))
        rows = self.database.rows("SELECT n, plant, temp, temp_spill, state, mode, mode_spill,"
                                  " extra FROM spilled ORDER BY n")
        extra = [json.loads(row[-1]) if isinstance(row[-1], str) else row[-1] for row in rows]
        self.assertEqual([tuple(row[:-1]) for row in rows], [
            (1, "north", 21.5, None, 1, "eco", None),
            (2, "north", None, "warm", -1, None, "turbo"),
            (3, "north", None, "99", None, None, None)])
        self.assertEqual(extra, [{"w": {"x": [1]}}, None, {"valid": True}])
        # Filtered messages count as stored.
        self.assertEqual((ledger.stored, ledger.dead_letter), (5, 1))
        self.assertEqual(self.dead_letters(), ['column \'n\': "six" from /n is not a number'])

    def test_coerced_values_fit_and_what_does_not_is_a_dead_letter(self):
        node = self.gateway(self.database, mapping=COLUMNS).start()
        self.publish(node,
                     ("coerce", {"n": 1, "on": 7, "count": 3.7}),
                     ("coerce", {"n": True, "on": "0.0", "count": 2.5}),
                     ("coerce", {"n": 3, "count": "many"}))
        rows = [(n, bool(on), count) for n, on, count in self.database.rows(
            'SELECT n, "on", count FROM coerced ORDER BY count DESC')]
        self.assertEqual(rows, [(1, True, 4), (1, False, 2)])
        self.assertEqual(self.dead_letters(),
                         ['column \'count\': "many" from /count is not a number'])

    def test_automatic_columns_get_their_companions_also_in_a_later_run(self):
        node = self.gateway(self.database, mapping=COLUMNS).start()
        self.publish(node, ("auto/a", {"k": 1, "temp": 21.5}), ("auto/a", {"k": 2, "temp": "warm"}))
        self.assertEqual(node.terminate(), 0)
        # This run meets the text first; the table knows better.
        node.start()
        self.sent = 0
        self.publish(node, ("auto/a", {"k": 3, "temp": "cold"}), ("auto/a", {"k": 4, "temp": 4}))
        rows = self.database.rows("SELECT k, temp, temp_spill FROM automatic ORDER BY k")
        self.assertEqual([tuple(row) for row in rows],
                         [(1, 21.5, None), (2, None, "warm"), (3, None, "cold"), (4, 4.0, None)])
        self.assertEqual(harness.count(self.database, "automatic"), 4)

    def test_report_by_exception_loses_nothing_but_what_the_deadband_says_across_kill_9(self):
        seed = int(os.environ.get("ROWGATE_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"ROWGATE_SEED={seed}", flush=True)
        node = self.gateway(self.database, mapping=STORE).start()
        publisher = Publisher(
            "w1", node.mqtt_port,
            lambda n: ("wave/w1", json.dumps({"n": n, "v": wave(n)}).encode(), 1), 4, window=24)
        thread = PublisherThread(publisher, random.Random(seed), drop_rate=0, rate=1500)
        thread.start()
        for _ in range(6):
            at = publisher.next_seq
            harness.wait_until(lambda: publisher.next_seq > at + 300, "more is published", 60)
            node.kill()
            node.start()
        thread.finish()
        self.assertEqual(publisher.violations, [])
        node.wait_drained()
        stored = sorted({n for n, in self.database.rows("SELECT n FROM wave")})
        self.assertLess(len(stored), publisher.next_seq / 2)
        kept = set(stored)
        last = None
        for n in range(publisher.next_seq):
            if n in kept:
                last = n
            self.assertIsNotNone(last, f"the first value is missing; seed {seed}")
            self.assertLessEqual(abs(wave(n) - wave(last)), DEADBAND + 1e-9,
                                 f"{n} differs from {last}, the last one stored; seed {seed}")


class ColumnsOnSqliteTest(ColumnTests, harness.SqliteCase):
    pass


class ColumnsOnPostgresTest(ColumnTests, harness.PostgresCase):
    pass


if __name__ == "__main__":
    harness.main()
