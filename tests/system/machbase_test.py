"""Devices of machbase-neo, pointed at the real binary unchanged: its topics, formats, user properties
and replies, as its public documentation shows them, on both sinks."""
import gzip
import json
import queue

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import harness

MAPPING = """
[machbase_neo.table.line]
columns = { name = "text", time = "timestamptz", value = "double", place = "text" }
"""
NS = 1670380342000000000


class Device:
    def __init__(self, port, version=paho.MQTTv5):
        self.client = paho.Client("machbase-device", protocol=version)
        self.answers = queue.Queue()
        connected = queue.Queue()
        self.client.on_connect = lambda *_: connected.put(True)
        self.client.on_message = lambda _c, _u, m: self.answers.put((m.topic, json.loads(m.payload)))
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        connected.get(timeout=10)

    def publish(self, topic, payload, **user):
        properties = None
        if user:
            properties = Properties(PacketTypes.PUBLISH)
            properties.UserProperty = list(user.items())
        self.client.publish(topic, payload, 1, properties=properties).wait_for_publish(20)

    def listen(self, topic):
        done = queue.Queue()
        self.client.on_subscribe = lambda *_: done.put(True)
        self.client.subscribe(topic, 1)
        done.get(timeout=10)

    def end(self):
        self.client.disconnect()
        self.client.loop_stop()


class MachbaseTests:
    """Mixed into a case with self.database."""

    def setUp(self):
        super().setUp()
        self.node = self.gateway(self.database, mapping=MAPPING)
        self.node.start()
        self.device = Device(self.node.mqtt_port)
        self.addCleanup(self.device.end)

    def test_every_form_is_a_row(self):
        publish = self.device.publish
        publish("db/append/EXAMPLE", json.dumps(["a", NS, 1]))
        publish("db/append/EXAMPLE", json.dumps([["b", NS, 2], ["c", NS, 3]]))
        publish("db/write/EXAMPLE", json.dumps(
            {"data": {"columns": ["VALUE", "TIME", "NAME"], "rows": [[4, NS, "d"]]}}))
        publish("db/write/example", json.dumps({"NAME": "e", "TIME": NS, "VALUE": 5}))
        publish("db/append/EXAMPLE:csv", f"f,{NS},6\ng,{NS},7\n")
        publish("db/append/EXAMPLE:csv:gzip", gzip.compress(f"h,{NS},8\n".encode()))
        publish("db/write/EXAMPLE", gzip.compress(json.dumps(["i", NS // 10 ** 9, 9]).encode()),
                compress="gzip", timeformat="s")
        publish("db/write/EXAMPLE", f'{{"NAME":"j","TIME":{NS},"VALUE":10}}\n', format="ndjson")
        publish("db/write/EXAMPLE", f"name;value;time\nk;11;{NS}\n", format="csv", delimiter=";",
                header="columns")
        publish("db/metrics/TAGDATA", f"my-car speed=87.6,gear=3i {NS}")
        publish("db/append/LINE", json.dumps(["x", NS, 1.5, "hall"]))
        self.node.wait_drained(received=11)
        rows = self.database.rows("SELECT name, value FROM example ORDER BY name")
        self.assertEqual(rows, [(name, n + 1.0) for n, name in enumerate("abcdefghijk")])
        self.assertEqual(harness.count(self.database, "example", "WHERE time IS NULL"), 0)
        self.assertEqual(len(self.database.rows("SELECT DISTINCT time FROM example")), 1)
        self.assertEqual(self.database.rows("SELECT name, value FROM tagdata ORDER BY name"),
                         [("my-car.gear", 3.0), ("my-car.speed", 87.6)])
        self.assertEqual(self.database.rows("SELECT name, value, place FROM line"),
                         [("x", 1.5, "hall")])
        self.assert_balanced(self.node)

    def test_a_wrong_row_is_a_dead_letter_and_not_the_end_of_its_message(self):
        self.device.publish("db/append/EXAMPLE", json.dumps(
            [["a", NS, 1], ["b", "soon", 2], ["c", NS], ["d", NS, 4]]))
        self.device.publish("db/append/EXAMPLE:xml", "<row/>")
        self.device.publish("db/append/rowgate_checkpoint", json.dumps(["a", NS, 1]))
        self.node.wait_drained(received=3)
        self.assertEqual(self.database.rows("SELECT name FROM example ORDER BY name"),
                         [("a",), ("d",)])
        letters = self.database.rows(
            "SELECT topic, mapping, rows FROM rowgate_dead_letter ORDER BY topic")
        self.assertEqual(letters, [("db/append/EXAMPLE", "machbase-neo", "1-2"),
                                   ("db/append/EXAMPLE:xml", "machbase-neo", None),
                                   ("db/append/rowgate_checkpoint", "machbase-neo", None)])
        self.assert_balanced(self.node)

    def test_the_reply_says_what_became_of_it(self):
        self.device.listen("result/+")
        self.device.publish("db/write/EXAMPLE", json.dumps(["a", NS, 1]), reply="result/1")
        self.assertEqual(self.device.answers.get(timeout=20),
                         ("result/1", {"success": True, "reason": "success"}))
        self.assertEqual(self.database.rows("SELECT name FROM example"), [("a",)])
        self.device.publish("db/write/EXAMPLE", "{", reply="result/2")
        topic, answer = self.device.answers.get(timeout=20)
        self.assertEqual((topic, answer["success"]), ("result/2", False))
        self.assertIn("not JSON", answer["reason"])

    def test_tables_outlive_a_restart(self):
        self.device.publish("db/append/EXAMPLE", json.dumps({"name": "a", "time": NS, "site": "n"}))
        self.node.wait_drained(received=1)
        self.node.kill()
        self.node.start()
        device = Device(self.node.mqtt_port, paho.MQTTv311)
        self.addCleanup(device.end)
        device.publish("db/append/EXAMPLE", json.dumps(["b", NS, 2]))
        device.publish("db/append/EXAMPLE", json.dumps({"name": "c", "time": NS, "site": "s"}))
        self.node.wait_drained(received=2)
        self.assertEqual(self.database.rows("SELECT name, site FROM example ORDER BY name"),
                         [("a", "n"), ("b", None), ("c", "s")])


class MachbaseOnSqliteTest(MachbaseTests, harness.SqliteCase):
    pass


class MachbaseOnPostgresTest(MachbaseTests, harness.PostgresCase):
    pass


if __name__ == "__main__":
    harness.main()
