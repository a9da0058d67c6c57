"""Telling the device: receipts, refusals on arrival, and acknowledgements that wait for the database."""
import json
import queue
import struct
import threading

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import harness
import publisher as mqtt

MAPPING = """
[[mapping]]
name = "reading"
topic = "d/{device}"
table = "reading"
[mapping.columns]
device = { topic = "device" }
n = { from = "/n", type = "bigint", required = true }

[[mapping]]
name = "strict"
topic = "strict/{device}"
table = "strict"
on_error = "reject"
[mapping.columns]
device = { topic = "device" }
n = { from = "/n", type = "bigint", required = true }
"""
PAYLOAD_FORMAT_INVALID = 0x99
SECONDS = 20.0


class Device:
    """A paho client of MQTT 5.0 that is connected and collects what it gets."""

    def __init__(self, port, client_id):
        self.received = queue.Queue()
        self.subscribed = threading.Event()
        connected = threading.Event()
        self.client = paho.Client(client_id, protocol=paho.MQTTv5)
        self.client.on_connect = lambda *_: connected.set()
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_message = lambda _client, _data, message: self.received.put(message)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert connected.wait(SECONDS), "no CONNACK"

    def subscribe(self, topic):
        self.subscribed.clear()
        self.client.subscribe(topic, qos=1)
        assert self.subscribed.wait(SECONDS), "no SUBACK"

    def ask(self, topic, payload, answer_to, correlation=b"", qos=1):
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = answer_to
        properties.UserProperty = ("rowgate-receipt", "commit")
        if correlation:
            properties.CorrelationData = correlation
        return self.client.publish(topic, payload, qos=qos, properties=properties)

    def receipt(self):
        return self.received.get(timeout=SECONDS)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


class ReceiptTests:
    def serve(self, **options):
        self.node = self.gateway(self.database, mapping=MAPPING, **options)
        return self.node.start()

    def device(self, client_id="device"):
        device = Device(self.node.mqtt_port, client_id)
        self.addCleanup(device.close)
        return device

    def test_a_receipt_says_that_the_row_is_in_the_database(self):
        self.serve()
        device = self.device()
        device.subscribe("receipts/device")
        for qos in (0, 1, 2):
            device.ask("d/a", f'{{"n":{qos}}}', "receipts/device", f"ask {qos}".encode(), qos)
            receipt = device.receipt()
            self.assertEqual(
                harness.count(self.database, "reading", f"WHERE n = {qos}"), 1,
                "the receipt came before the row")
            self.assertEqual(json.loads(receipt.payload), {
                "state": "stored", "topic": "d/a", "reason": None, "table": "reading"})
            self.assertEqual(receipt.topic, "receipts/device")
            self.assertEqual(receipt.properties.CorrelationData, f"ask {qos}".encode())
            self.assertIn(("rowgate-receipt", "stored"), receipt.properties.UserProperty)
            self.assertEqual(receipt.properties.ContentType, "application/json")
            self.assertEqual(receipt.qos, min(qos, 1), "of the publish, below the subscription's")
        self.assert_balanced(self.node)

    def test_a_receipt_says_why_there_is_no_row(self):
        self.serve()
        device = self.device()
        device.subscribe("receipts/#")
        device.ask("d/a", '{"n":"x"}', "receipts/1")
        receipt = device.receipt()
        self.assertEqual(json.loads(receipt.payload), {
            "state": "dead_letter", "topic": "d/a", "table": None,
            "reason": "column 'n': \"x\" from /n is not a number"})
        self.assertEqual(harness.count(self.database, "rowgate_dead_letter"), 1)
        device.ask("nowhere", "x", "receipts/2")
        receipt = device.receipt()
        self.assertEqual(json.loads(receipt.payload)["state"], "unmapped")

    def test_nobody_who_does_not_ask_gets_a_receipt(self):
        self.serve()
        device = self.device()
        device.subscribe("receipts/#")
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = "receipts/1"
        device.client.publish("d/a", '{"n":1}', qos=1, properties=properties)
        device.ask("d/a", '{"n":2}', "receipts/2")
        self.assertEqual(device.receipt().topic, "receipts/2")
        self.assertTrue(device.received.empty())

    def test_a_receipt_waits_for_the_database(self):
        self.serve()
        device = self.device()
        device.subscribe("receipts/#")
        device.ask("d/a", '{"n":1}', "receipts/first")  # makes the table
        device.receipt()
        with self.database.locked("reading"):
            device.ask("d/a", '{"n":2}', "receipts/second").wait_for_publish(SECONDS)
            self.assertRaises(queue.Empty, device.received.get, timeout=0.5)
        self.assertEqual(device.receipt().topic, "receipts/second")
        self.assertEqual(harness.count(self.database, "reading", "WHERE n = 2"), 1)

    # Refused on arrival.

    def refused(self, answer, kind, packet_id):
        """The reason string of a PUBACK or PUBREC with 0x99."""
        self.assertIsNotNone(answer)
        self.assertEqual(answer[0], kind)
        body = answer[2]
        self.assertEqual(struct.unpack(">HB", body[:3]), (packet_id, PAYLOAD_FORMAT_INVALID))
        self.assertEqual(body[4], 0x1F, "a reason string")
        return body[7:].decode()

    def test_a_5_0_publisher_is_told_that_its_payload_does_not_fit_and_why(self):
        self.serve()
        wire = mqtt.session(self.node.mqtt_port, "strict", version=5)
        self.addCleanup(wire.close)
        wire.send(mqtt.publish_packet("strict/a", b'{"n":"x"}', 1, 1, version=5))
        self.assertEqual(self.refused(wire.receive(), mqtt.PUBACK, 1),
                         "mapping 'strict': column 'n': \"x\" from /n is not a number")
        wire.send(mqtt.publish_packet("strict/a", b"{", 2, 2, version=5))
        self.assertIn("not JSON", self.refused(wire.receive(), mqtt.PUBREC, 2))
        # The packet id is free, and what fits is taken.
        wire.send(mqtt.publish_packet("strict/a", b'{"n":2}', 2, 2, version=5))
        kind, _, body = wire.receive()
        self.assertEqual((kind, body[:2]), (mqtt.PUBREC, struct.pack(">H", 2)))
        self.assertEqual(body[2:3] or b"\0", b"\0")
        wire.send(mqtt.publish_packet("strict/a", b'{"n":"x"}', 0, version=5))
        wire.send(mqtt.publish_packet("strict/a", b'{"n":3}', 1, 3, version=5))
        self.assertEqual(wire.receive()[0], mqtt.PUBACK)
        self.node.wait_drained(received=2)
        self.assertEqual(self.database.rows("SELECT n FROM strict ORDER BY n"), [(2,), (3,)])
        self.assertEqual(harness.count(self.database, "rowgate_dead_letter"), 0)
        self.assertEqual(self.node.metrics().sum("rowgate_rejected_publishes_total"), 3)

    def test_an_older_publisher_is_not_acknowledged_what_is_not_kept(self):
        self.serve()
        for qos in (1, 2):
            wire = mqtt.session(self.node.mqtt_port, "old", version=4)
            wire.send(mqtt.publish_packet("strict/a", b"{", qos, 1))
            self.assertTrue(wire.closed(), "closed without an acknowledgement")
            wire.close()

    # ack = "database"

    def answered_only_once_stored(self, wire, version, qos):
        """With the table locked nothing says that the publish is done; then it is, and the row is
        there."""
        done = mqtt.PUBACK if qos == 1 else mqtt.PUBCOMP
        n = version * 10 + qos
        with self.database.locked("reading"):
            wire.send(mqtt.publish_packet("d/a", b'{"n":%d}' % n, qos, n, version=version))
            if qos == 2:
                self.assertEqual(wire.receive()[0], mqtt.PUBREC)
                wire.send(mqtt.packet(mqtt.PUBREL, 2, struct.pack(">H", n)))
            self.assertIsNone(wire.receive(0.5), "acknowledged before the row was committed")
        answer = wire.receive(SECONDS)
        self.assertIsNotNone(answer, "no acknowledgement")
        self.assertEqual((answer[0], answer[2][:2]), (done, struct.pack(">H", n)))
        self.assertEqual(harness.count(self.database, "reading", f"WHERE n = {n}"), 1)

    def test_with_ack_database_an_acknowledgement_means_that_the_row_is_there(self):
        self.serve(config={"mqtt.ack": "database"})
        for version in (4, 5):
            for clean in (True, False):
                wire = mqtt.session(self.node.mqtt_port, f"db{version}{clean}", version=version,
                                    clean=clean)
                if harness.count(self.database, "reading") == 0:  # the table to lock
                    wire.send(mqtt.publish_packet("d/a", b'{"n":0}', 1, 1, version=version))
                    self.assertEqual(wire.receive(SECONDS)[0], mqtt.PUBACK)
                    self.assertEqual(harness.count(self.database, "reading"), 1)
                for qos in (1, 2):
                    self.database.execute("DELETE FROM reading WHERE n > 0")
                    self.answered_only_once_stored(wire, version, qos)
                wire.close()

    def test_with_ack_database_a_dead_letter_is_an_answer_too(self):
        self.serve(config={"mqtt.ack": "database"})
        wire = mqtt.session(self.node.mqtt_port, "db", version=5)
        self.addCleanup(wire.close)
        wire.send(mqtt.publish_packet("d/a", b"{", 1, 1, version=5))
        self.assertEqual(wire.receive(SECONDS)[0], mqtt.PUBACK)
        self.assertEqual(harness.count(self.database, "rowgate_dead_letter"), 1)

    def test_with_ack_database_refusals_keep_their_place(self):
        self.serve(config={"mqtt.ack": "database"})
        wire = mqtt.session(self.node.mqtt_port, "db", version=5)
        self.addCleanup(wire.close)
        wire.send(b"".join(
            mqtt.publish_packet("strict/a", b'{"n":1}' if n % 2 else b"{", 1, n, version=5)
            for n in range(1, 21)))
        ids = [struct.unpack(">H", wire.receive(SECONDS)[2][:2])[0] for _ in range(20)]
        self.assertEqual(ids, list(range(1, 21)), "PUBACKs in the order of the PUBLISHes")


class OnSqlite(ReceiptTests, harness.SqliteCase):
    pass


class OnPostgres(ReceiptTests, harness.PostgresCase):
    def test_with_ack_database_publishers_wait_while_the_database_is_away(self):
        self.serve(config={"mqtt.ack": "database"})
        wire = mqtt.session(self.node.mqtt_port, "db", version=5)
        self.addCleanup(wire.close)
        self.cluster.crash()
        wire.send(mqtt.publish_packet("d/a", b'{"n":1}', 1, 1, version=5))
        self.assertIsNone(wire.receive(1.0))
        self.cluster.start()
        self.assertEqual(wire.receive(SECONDS)[0], mqtt.PUBACK)
        self.assertEqual(harness.count(self.database, "reading"), 1)


if __name__ == "__main__":
    harness.main()
