"""The clients people use: paho (3.1.1 and 5.0), mosquitto_pub, MQTT.js; and what they rely on:
delivery to live subscribers, take-over, sessions that outlive a restart, topic aliases, limits."""
import json
import queue
import struct
import subprocess
import threading
import time

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import harness
import publisher as mqtt

VERSIONS = {"3.1.1": paho.MQTTv311, "5.0": paho.MQTTv5}


class PahoClient:
    """A paho client on its own thread, connected, with what it received in a queue."""

    def __init__(self, port, client_id, protocol, clean=True):
        options = {} if protocol == paho.MQTTv5 else {"clean_session": clean}
        self.client = paho.Client(client_id, protocol=protocol, **options)
        self.messages = queue.Queue()
        self.suback = queue.Queue()
        self.connected = threading.Event()
        self.disconnected = queue.Queue()
        self.client.on_connect = lambda *_: self.connected.set()
        self.client.on_message = lambda _c, _u, message: self.messages.put(message)
        self.client.on_subscribe = lambda _c, _u, _id, granted, *_: self.suback.put(granted)
        self.client.on_unsubscribe = lambda *_: self.suback.put(None)
        self.client.on_disconnect = lambda _c, _u, reason, *_: self.disconnected.put(reason)
        self.client.max_inflight_messages_set(100)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        if not self.connected.wait(5):
            raise AssertionError(f"{client_id} was not connected in 5 s")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()

    def subscribe(self, topic, qos):
        self.client.subscribe(topic, qos)
        granted = self.suback.get(timeout=5)
        return [getattr(code, "value", code) for code in granted]

    def unsubscribe(self, topic):
        self.client.unsubscribe(topic)
        self.suback.get(timeout=5)

    def publish(self, messages):
        """Publishes (topic, payload, qos)... and waits until each is acknowledged."""
        sent = [self.client.publish(*message) for message in messages]
        for one in sent:
            one.wait_for_publish(20)
            assert one.is_published(), "not acknowledged in 20 s"

    def take(self, count, timeout=10):
        return [self.messages.get(timeout=timeout) for _ in range(count)]


class ClientsTest(harness.SqliteCase):
    def setUp(self):
        super().setUp()
        self.node = self.gateway(self.database, config={
            "mqtt.max_packet_bytes": 65536, "mqtt.receive_maximum": 100,
            "mqtt.topic_alias_maximum": 8})
        self.node.start()
        self.port = self.node.mqtt_port

    def telemetry(self, where=""):
        self.node.wait_drained()
        return self.database.rows(
            f"SELECT topic, client_id, value, payload FROM telemetry {where}")

    # --- publishing

    def test_paho_publishes_at_every_qos_and_each_message_is_a_row(self):
        for name, protocol in VERSIONS.items():
            with PahoClient(self.port, f"paho-{name}", protocol) as client:
                client.publish([(f"p/{name}/{n}", str(n), n % 3) for n in range(300)])
            self.node.wait_drained(received=300)
            rows = self.telemetry(f"WHERE client_id = 'paho-{name}'")
            self.assertEqual(sorted(rows, key=lambda row: row[2]),
                             [(f"p/{name}/{n}", f"paho-{name}", float(n), str(n))
                              for n in range(300)])
        self.assert_balanced(self.node)

    def test_mosquitto_pub_publishes_at_every_qos(self):
        for version in ("mqttv311", "mqttv5"):
            for qos in (0, 1, 2):
                done = subprocess.run(
                    ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.port), "-V", version,
                     "-q", str(qos), "-i", f"mosq-{version}-{qos}", "-t", f"m/{version}/{qos}",
                     "-l"],
                    input="".join(f"{n}\n" for n in range(50)), text=True, capture_output=True,
                    timeout=20, check=False)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.node.wait_drained(received=300)
        rows = self.telemetry()
        self.assertEqual(len(rows), 300)
        for version in ("mqttv311", "mqttv5"):
            for qos in (0, 1, 2):
                values = [row[2] for row in rows if row[0] == f"m/{version}/{qos}"]
                self.assertEqual(sorted(values), [float(n) for n in range(50)])

    def test_mqtt_js_publishes_and_subscribes_at_every_qos(self):
        harness.node_modules()
        for version in (4, 5):
            done = subprocess.run(
                ["node", "publish_and_subscribe.js", f"mqtt://127.0.0.1:{self.port}", str(version),
                 "40", f"js/{version}"],
                cwd=harness.HERE / "node", text=True, capture_output=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            result = json.loads(done.stdout)
            self.assertEqual(result["granted"], [2])
            for qos in (0, 1, 2):
                got = [m for m in result["got"] if m["topic"] == f"js/{version}/q{qos}"]
                self.assertEqual([m["payload"] for m in got], [str(n) for n in range(40)])
                self.assertEqual({m["qos"] for m in got}, {qos})
            rows = self.telemetry(f"WHERE client_id = 'js/{version}-pub'")
            self.assertEqual(len(rows), 120)

    # --- live subscribers

    def test_a_subscriber_gets_each_message_at_the_lower_of_both_qos(self):
        for name, protocol in VERSIONS.items():
            with PahoClient(self.port, f"sub-{name}", protocol) as subscriber, \
                    PahoClient(self.port, f"pub-{name}", protocol) as client:
                for granted in (0, 1, 2):
                    topic = f"live/{name}/{granted}"
                    self.assertEqual(subscriber.subscribe(topic, granted), [granted])
                    client.publish([(topic, f"{qos}", qos) for qos in (0, 1, 2)])
                    got = subscriber.take(3)
                    self.assertEqual(sorted((m.payload, m.qos) for m in got),
                                     [(b"0", 0), (b"1", min(1, granted)),
                                      (b"2", min(2, granted))])
                    self.assertEqual({m.retain for m in got}, {False})

    def test_subscribers_get_messages_of_one_topic_in_order(self):
        with PahoClient(self.port, "order-sub", paho.MQTTv5) as subscriber, \
                PahoClient(self.port, "order-pub", paho.MQTTv5) as client:
            subscriber.subscribe("order/#", 2)
            client.publish([("order/a", str(n), 2) for n in range(500)])
            got = [int(m.payload) for m in subscriber.take(500)]
        self.assertEqual(got, list(range(500)))

    def test_wildcards_match_as_the_specification_says_and_unsubscribe_ends_delivery(self):
        with PahoClient(self.port, "wild-sub", paho.MQTTv311) as subscriber, \
                PahoClient(self.port, "wild-pub", paho.MQTTv311) as client:
            subscriber.subscribe("a/+/c", 1)
            subscriber.subscribe("b/#", 1)
            client.publish([(t, t, 1) for t in ("a/1/c", "a/1/d", "a/1/2/c", "b", "b/x/y", "c")])
            self.assertEqual([m.topic for m in subscriber.take(3)], ["a/1/c", "b", "b/x/y"])
            subscriber.unsubscribe("b/#")
            client.publish([("b/z", "", 1), ("a/end/c", "", 1)])
            self.assertEqual([m.topic for m in subscriber.take(1)], ["a/end/c"])
            self.assertTrue(subscriber.messages.empty())

    def test_a_subscriber_that_does_not_read_neither_stops_others_nor_fills_memory(self):
        lazy = mqtt.session(self.port, "lazy")
        lazy.send(mqtt.packet(mqtt.SUBSCRIBE, 2, b"\0\1" + mqtt.text("bulk/#") + b"\0"))
        self.assertEqual(lazy.receive()[0], mqtt.SUBACK)
        publisher = mqtt.Publisher("bulk", self.port,
                                   lambda seq: ("bulk/x", b"x" * 16000, 1), window=16)
        publisher.publish(1000)  # what journal and drain take for themselves
        before = self.node.resident_bytes()
        publisher.publish(4000)  # 64 MB to a subscriber that reads nothing
        self.assertEqual(len(publisher.promised), 5000)
        self.node.assert_memory_grew_less_than(before, 48 * harness.MIB)
        lazy.close()

    # --- sessions

    def test_the_same_client_id_takes_the_session_over(self):
        for version in (4, 5):
            name = f"twin-{version}"
            first = mqtt.session(self.port, name, version, clean=False)
            first.send(mqtt.publish_packet("twin/t", b"1", 2, 9, version=version))
            self.assertEqual(first.receive()[0], mqtt.PUBREC)
            second = mqtt.Wire(self.port)
            second.send(mqtt.connect_packet(name, version))
            answer = second.receive()
            self.assertEqual(answer[0], mqtt.CONNACK)
            self.assertEqual(answer[2][:2], b"\1\0", "session present, success")
            if version == 5:  # [MQTT-3.1.4-3]
                told = first.receive()
                self.assertEqual((told[0], told[2][0]), (mqtt.DISCONNECT, 0x8E))
            self.assertTrue(first.closed(), "the first connection ends")
            # The QoS 2 exchange goes on where it stood.
            second.send(mqtt.publish_packet("twin/t", b"1", 2, 9, dup=True, version=version))
            self.assertEqual(second.receive()[0], mqtt.PUBREC)
            second.send(mqtt.packet(mqtt.PUBREL, 2, b"\0\x09"))
            self.assertEqual(second.receive()[0], mqtt.PUBCOMP)
            self.assertEqual(len(self.telemetry(f"WHERE client_id = '{name}'")), 1)
            second.close()

    def test_qos2_ids_outlive_kill_9(self):
        for version in (4, 5):
            name = f"keeps-{version}"
            wire = mqtt.session(self.port, name, version, clean=False)
            wire.send(mqtt.publish_packet("keep/1", b"1", 2, 7, version=version))
            self.assertEqual(wire.receive()[0], mqtt.PUBREC)
            self.node.kill()
            self.node.start()
            wire = mqtt.Wire(self.port)
            wire.send(mqtt.connect_packet(name, version))
            self.assertEqual(wire.receive()[2][:2], b"\1\0", "session present, success")
            wire.send(mqtt.publish_packet("keep/1", b"1", 2, 7, dup=True, version=version))
            self.assertEqual(wire.receive()[0], mqtt.PUBREC)
            wire.send(mqtt.packet(mqtt.PUBREL, 2, b"\0\x07"))
            self.assertEqual(wire.receive()[0], mqtt.PUBCOMP)
            # Released: the id is free for another message, and a late PUBREL is answered.
            self.node.kill()
            self.node.start()
            wire = mqtt.Wire(self.port)
            wire.send(mqtt.connect_packet(name, version))
            self.assertEqual(wire.receive()[2][1], 0)
            wire.send(mqtt.packet(mqtt.PUBREL, 2, b"\0\x07"))
            kind, _, body = wire.receive()
            self.assertEqual((kind, body[:2]), (mqtt.PUBCOMP, b"\0\x07"))
            wire.send(mqtt.publish_packet("keep/2", b"2", 2, 7, version=version))
            self.assertEqual(wire.receive()[0], mqtt.PUBREC)
            rows = self.telemetry(f"WHERE client_id = '{name}' ORDER BY value")
            self.assertEqual([row[3] for row in rows], ["1", "2"])
            wire.close()

    def test_qos2_ids_outlive_the_segments_they_were_written_to(self):
        wire = mqtt.session(self.port, "patient", clean=False)
        wire.send(mqtt.publish_packet("keep/1", b"1", 2, 7))
        self.assertEqual(wire.receive()[0], mqtt.PUBREC)
        segments = set(self.node.data_dir.rglob("*.seg"))
        self.assertTrue(segments, f"no segment in {list(self.node.data_dir.rglob('*'))}")
        others = mqtt.Publisher("others", self.port, lambda seq: ("bulk", b"x" * 8000, 1))

        def trimmed():
            others.publish(200)
            self.node.wait_drained()
            return not segments & set(self.node.data_dir.rglob("*.seg"))
        harness.wait_until(trimmed, "the first segments are gone", 30)
        self.node.kill()
        self.node.start()
        wire = mqtt.Wire(self.port)
        wire.send(mqtt.connect_packet("patient"))
        self.assertEqual(wire.receive()[2][:2], b"\1\0", "session present, success")
        wire.send(mqtt.publish_packet("keep/1", b"1", 2, 7, dup=True))
        self.assertEqual(wire.receive()[0], mqtt.PUBREC)
        wire.send(mqtt.packet(mqtt.PUBREL, 2, b"\0\x07"))
        self.assertEqual(wire.receive()[0], mqtt.PUBCOMP)
        self.assertEqual(len(self.telemetry("WHERE client_id = 'patient'")), 1)
        wire.close()

    def test_a_clean_session_forgets_the_qos2_ids(self):
        wire = mqtt.session(self.port, "fresh", clean=False)
        wire.send(mqtt.publish_packet("f/1", b"1", 2, 7))
        self.assertEqual(wire.receive()[0], mqtt.PUBREC)
        wire.close()
        wire = mqtt.session(self.port, "fresh", clean=True)
        wire.send(mqtt.publish_packet("f/2", b"2", 2, 7))
        self.assertEqual(wire.receive()[0], mqtt.PUBREC)
        self.assertEqual(sorted(row[3] for row in self.telemetry()), ["1", "2"])
        wire.close()

    # --- what 5.0 adds

    def test_paho_publishes_through_a_topic_alias(self):
        with PahoClient(self.port, "alias", paho.MQTTv5) as client:
            properties = Properties(PacketTypes.PUBLISH)
            properties.TopicAlias = 3
            client.client.publish("a/long/topic", "0", 1, properties=properties).wait_for_publish(5)
            for n in range(1, 20):
                client.client.publish("", str(n), n % 3, properties=properties)
            client.publish([("alias/end", "end", 1)])
        self.node.wait_drained(received=21)
        rows = self.telemetry("WHERE topic = 'a/long/topic' ORDER BY value")
        self.assertEqual([row[2] for row in rows], [float(n) for n in range(20)])

    def disconnect_code(self, *packets, name="limits"):
        wire = mqtt.session(self.port, name, version=5, clean=True)
        for one in packets:
            wire.send(one)
        while True:
            answer = wire.receive()
            self.assertIsNotNone(answer, "a DISCONNECT was expected")
            if answer[0] == mqtt.DISCONNECT:
                self.assertTrue(wire.closed())
                return answer[2][0]

    def test_a_topic_alias_beyond_the_maximum_or_unknown_ends_the_connection(self):
        def aliased(topic, alias):
            return mqtt.publish_packet(topic, b"", version=5,
                                       properties=b"\x23" + struct.pack(">H", alias))
        self.assertEqual(self.disconnect_code(aliased("t", 9)), 0x94)
        self.assertEqual(self.disconnect_code(aliased("t", 0)), 0x94)
        self.assertEqual(self.disconnect_code(aliased("", 5)), 0x82)

    def test_more_in_flight_than_the_receive_maximum_ends_the_connection(self):
        # QoS 2 messages stay in flight until PUBCOMP; this client sends no PUBREL.
        many = [mqtt.publish_packet("r/m", b"", 2, n + 1, version=5) for n in range(101)]
        self.assertEqual(self.disconnect_code(*many), 0x93)

    def test_a_packet_larger_than_the_maximum_ends_the_connection(self):
        big = mqtt.publish_packet("big", b"x" * 70000, 1, 1, version=5)
        self.assertEqual(self.disconnect_code(big), 0x95)
        wire = mqtt.session(self.port, "big-311")
        try:
            wire.send(mqtt.publish_packet("big", b"x" * 70000, 1, 1))
        except mqtt.ConnectionLost:
            pass
        self.assertTrue(wire.closed())

    def test_connack_announces_the_limits_and_assigns_a_client_id(self):
        wire = mqtt.Wire(self.port)
        wire.send(mqtt.connect_packet("", version=5, clean=True))
        kind, _, body = wire.receive()
        self.assertEqual((kind, body[1]), (mqtt.CONNACK, 0))
        self.assertIn(b"\x21" + struct.pack(">H", 100), body, "Receive Maximum")
        self.assertIn(b"\x27" + struct.pack(">I", 65536), body, "Maximum Packet Size")
        self.assertIn(b"\x22" + struct.pack(">H", 8), body, "Topic Alias Maximum")
        at = body.index(b"\x12")
        size, = struct.unpack_from(">H", body, at + 1)
        assigned = body[at + 3:at + 3 + size].decode()
        self.assertTrue(assigned)
        wire.send(mqtt.publish_packet("assigned", b"1", 1, 1, version=5))
        self.assertEqual(wire.receive()[0], mqtt.PUBACK)
        self.assertEqual(self.telemetry()[0][1], assigned)
        wire.close()

    def test_a_silent_client_is_cut_off_after_one_and_a_half_keep_alives(self):
        started = time.monotonic()
        silent = mqtt.session(self.port, "silent", keep_alive=1)
        pinging = mqtt.session(self.port, "pinging", keep_alive=1)

        def cut_off():
            pinging.send(mqtt.packet(mqtt.PINGREQ, 0, b""))
            self.assertEqual(pinging.receive()[0], mqtt.PINGRESP)
            return silent.closed(0.3)
        harness.wait_until(cut_off, "the silent client is cut off", 10)
        self.assertGreaterEqual(time.monotonic() - started, 1.4)
        pinging.close()


if __name__ == "__main__":
    harness.main()
