"""The journal is full: who can be told is told, if so configured, and who cannot be is held; nobody
who is held loses his connection, and others go on."""
import random
import time

import harness
import publisher as mqtt
import subscriber as sub

PUBACK_QUOTA = 0x97
LATE = "late{}" + 200 * "x"  # not so short that its CONNECT finds room all the same
QUEUED = "rowgate_delivery_queued_messages"
MAPPING = """
[[mapping]]
name = "filled"
topic = "filled/{device}"
table = "filled"
payload = "json"
[mapping.columns]
device = { topic = "device", type = "text" }
n = { from = "/n", type = "bigint", required = true }
"""


def source(device, qos, padding=0):
    pad = b"x" * padding
    return lambda seq: (f"filled/{device}", b'{"n": %d, "pad": "%s"}' % (seq, pad), qos)


def subscribe_packet(topic_filter, version=4):
    properties = b"\x00" if version == 5 else b""
    return mqtt.packet(mqtt.SUBSCRIBE, 2,
                       b"\x00\x01" + properties + mqtt.text(topic_filter) + b"\x01")


class FullJournalTest(harness.PostgresCase):
    def serve(self, **config):
        self.node = self.gateway(self.database, mapping=MAPPING, config={
            "journal.max_bytes": 16 * harness.MIB, "mqtt.sys_interval": "0 s",
            "drain.backoff_first": "50 ms", "drain.backoff_max": "200 ms",
            **{key.replace("__", "."): value for key, value in config.items()}}).start()
        self.addCleanup(lambda: self.cluster.running or self.cluster.start())
        mqtt.Publisher("first", self.node.mqtt_port, source("first", 1)).publish(1)
        self.node.wait_drained(1)

    def fill(self):
        """The database is away, the journal full, and its filler (MQTT 3.1.1) held back."""
        self.cluster.stop()
        self.filler = mqtt.PublisherThread(
            mqtt.Publisher("filler", self.node.mqtt_port, source("filler", 1, 8000), 4),
            random.Random(1), rate=4000)
        self.filler.start()

        def held_back():
            before = len(self.filler.publisher.promised)
            time.sleep(0.7)
            disk = self.node.metrics().sum("rowgate_journal_disk_bytes")
            return disk > 15 * harness.MIB and len(self.filler.publisher.promised) == before
        harness.wait_until(held_back, "back pressure", 60)
        # Smaller ones may still find room, until these have taken it.
        small = mqtt.session(self.node.mqtt_port, "small")
        for n in range(300):
            small.send(mqtt.publish_packet("filled/small", b'{"n": 1}', 1, n + 1))
        acknowledged = 0
        while small.receive(2):
            acknowledged += 1
        self.assertLess(acknowledged, 300)

    def use_up_reserve(self):
        """What publishes leave to sessions is taken too: by subscriptions made again and again."""
        eaters = [(mqtt.session(self.node.mqtt_port, f"eater{size}", clean=False), size)
                  for size in (30000, 100)]
        for wire, size in eaters:
            for _ in range(1000):
                wire.send(subscribe_packet(size * "e"))
                if not wire.receive(3):
                    break
            else:
                self.fail("the reserve has no end")

    def finish(self):
        if not self.cluster.running:
            self.cluster.start()
        self.filler.finish(60)
        self.node.wait_drained()
        self.assert_balanced(self.node)
        self.assertEqual(self.filler.publisher.violations, [])
        self.assertEqual(self.numbers("filler"), list(range(self.filler.publisher.next_seq)))

    def numbers(self, device):
        return [n for (n,) in self.database.rows(
            "SELECT n FROM filled WHERE device = %s ORDER BY n", (device,))]

    def let_in(self, client_id, version):
        wire = mqtt.Wire(self.node.mqtt_port)
        wire.send(mqtt.connect_packet(client_id, version))
        answer = wire.receive(20)
        return answer and (answer[0], answer[2][1]) == (mqtt.CONNACK, 0)

    def test_by_default_everybody_is_held_and_stays_connected(self):
        self.serve()
        live = mqtt.session(self.node.mqtt_port, "live")
        self.fill()
        held = []
        for version in (4, 5):
            for qos in (1, 2):
                name = f"held{qos}{version}"
                wire = mqtt.session(self.node.mqtt_port, name, version, keep_alive=60)
                for n in range(20):
                    wire.send(mqtt.publish_packet(f"filled/{name}", b'{"n": %d}' % n, qos, n + 1,
                                                  version=version))
                held.append((name, version, qos, wire))
        # Each PINGREQ behind what is held is answered, again and again.
        for _ in range(4):
            for name, _, _, wire in held:
                wire.send(mqtt.packet(mqtt.PINGREQ, 0, b""))
            for name, _, _, wire in held:
                self.assertEqual(wire.receive(10), (mqtt.PINGRESP, 0, b""), name)
            live.send(mqtt.packet(mqtt.PINGREQ, 0, b""))
            self.assertEqual(live.receive(10)[0], mqtt.PINGRESP)
            time.sleep(0.3)
        # A CONNECT whose session is kept needs a record; without the reserve it waits for it.
        self.use_up_reserve()
        late = mqtt.Wire(self.node.mqtt_port)
        late.send(mqtt.connect_packet(LATE.format(5), 5))
        self.assertIsNone(late.receive(1))
        # Others connect and subscribe.
        other = mqtt.session(self.node.mqtt_port, "other")
        other.send(subscribe_packet("filled/#"))
        self.assertEqual(other.receive(10)[0], mqtt.SUBACK)
        self.cluster.start()
        self.assertEqual(late.receive(30)[0], mqtt.CONNACK)
        kinds = {1: mqtt.PUBACK, 2: mqtt.PUBREC}
        for name, _, qos, wire in held:
            for n in range(20):
                kind, _, body = wire.receive(30)
                self.assertEqual((kind, body[:2]), (kinds[qos], (n + 1).to_bytes(2, "big")), name)
        self.assertEqual(other.receive(30)[0], mqtt.PUBLISH)
        self.finish()
        for name, _, _, _ in held:
            self.assertEqual(self.numbers(name), list(range(20)), name)
        self.assertEqual(self.node.metrics().sum("rowgate_quota_exceeded_total"), 0)

    def test_what_was_begun_goes_on_and_only_new_publishes_are_held(self):
        self.serve()
        port = self.node.mqtt_port
        begun = [(f"begun{version}", version, mqtt.session(port, f"begun{version}", version,
                                                           clean=False)) for version in (4, 5)]
        for name, version, wire in begun:
            for n in range(10):
                wire.send(mqtt.publish_packet(f"filled/{name}", b'{"n": %d}' % n, 2, n + 1,
                                              version=version))
            for n in range(10):
                self.assertEqual(wire.receive(10)[0], mqtt.PUBREC)
        reader = sub.Subscriber("reader", port, "filled/news", 1)
        reader.connect()
        reader.wait_subscribed()
        reader.disconnect()
        mqtt.Publisher("news", port, source("news", 1)).publish(50)
        self.fill()

        for name, _, wire in begun:
            for n in range(10):
                wire.send(mqtt.packet(mqtt.PUBREL, 2, (n + 1).to_bytes(2, "big")))
            for n in range(10):
                answer = wire.receive(10)
                self.assertTrue(answer, f"{name}: PUBREL {n + 1} is answered")
                self.assertEqual((answer[0], answer[2]),
                                 (mqtt.PUBCOMP, (n + 1).to_bytes(2, "big")))
        mqtt.session(port, "clean")
        for version in (4, 5):
            kept = mqtt.session(port, LATE.format(version), version, clean=False)
            kept.send(subscribe_packet("filled/none", version))
            self.assertEqual(kept.receive(10)[0], mqtt.SUBACK)
        reader.connect()
        reader.take(50)
        harness.wait_until(lambda: self.node.metrics().sum(QUEUED) == 0,
                           "the acknowledgements are taken")
        # New publishes are held, behind a packet id that is free again as well.
        held = [(f"held{qos}", qos, mqtt.session(port, f"held{qos}")) for qos in (1, 2)]
        held.append(("begun4", 2, begun[0][2]))
        for name, qos, wire in held:
            wire.send(mqtt.publish_packet(f"filled/{name}", b'{"n": 10}', qos, 1))
        for name, _, wire in held:
            self.assertIsNone(wire.receive(0.7), name)
        self.assert_balanced(self.node)

        self.cluster.start()
        for name, qos, wire in held:
            self.assertEqual(wire.receive(30)[0], mqtt.PUBACK if qos == 1 else mqtt.PUBREC, name)
        self.finish()
        self.assertEqual(self.numbers("begun4"), list(range(11)))
        self.assertEqual(self.numbers("begun5"), list(range(10)))
        self.assertEqual(self.numbers("news"), list(range(50)))
        self.assertEqual([self.numbers("held1"), self.numbers("held2")], [[10], [10]])
        self.assertEqual((reader.violations, max(reader.times.values())), ([], 1))

    def test_mqtt_5_is_told_quota_exceeded_once_it_has_waited_as_configured(self):
        self.serve(mqtt__max_journal_wait="500 ms")
        self.fill()
        old = mqtt.session(self.node.mqtt_port, "older", 4)
        old.send(mqtt.publish_packet("filled/older", b'{"n": 0}', 1, 1))
        told = []
        for qos, kind in ((1, mqtt.PUBACK), (2, mqtt.PUBREC)):
            wire = mqtt.session(self.node.mqtt_port, f"told{qos}", 5)
            for n in range(10):
                wire.send(mqtt.publish_packet(f"filled/told{qos}", b'{"n": %d}' % n, qos, n + 1,
                                              version=5))
            for n in range(10):
                answer = wire.receive(20)
                self.assertTrue(answer, f"QoS {qos}, publish {n} is told")
                self.assertEqual((answer[0], answer[2][:3]), (
                    kind, (n + 1).to_bytes(2, "big") + bytes([PUBACK_QUOTA])))
            told.append((qos, kind, wire))
        self.assertEqual(self.node.metrics().sum("rowgate_quota_exceeded_total"), 20)
        self.assertIsNone(old.receive(0.3), "who cannot be told is held")
        self.assert_balanced(self.node)
        # Without the reserve, a CONNECT whose session is kept is told too, whatever the version; one without is let in.
        self.use_up_reserve()
        for version, code in ((4, 3), (5, PUBACK_QUOTA)):
            wire = mqtt.Wire(self.node.mqtt_port)
            wire.send(mqtt.connect_packet(LATE.format(version), version))
            answer = wire.receive(20)
            self.assertTrue(answer, "CONNECT is told")
            self.assertEqual((answer[0], answer[2][:2]), (mqtt.CONNACK, bytes([0, code])))
            with self.assertRaises(mqtt.ConnectionLost):
                wire.receive(20)
            mqtt.session(self.node.mqtt_port, f"passing{version}", version)
        self.cluster.start()
        self.assertEqual(old.receive(30), (mqtt.PUBACK, 0, b"\x00\x01"))
        for version in (4, 5):
            harness.wait_until(lambda v=version: self.let_in(LATE.format(v), v), "CONNECT is taken")
        # The packet ids are free again, and there is room.
        for qos, kind, wire in told:
            wire.send(mqtt.publish_packet(f"filled/told{qos}", b'{"n": 100}', qos, 1, version=5))
            answer = wire.receive(20)
            self.assertEqual((answer[0], answer[2][:2]), (kind, b"\x00\x01"))
            self.assertEqual(answer[2][2:3] or b"\x00", b"\x00")
        self.finish()
        for qos, _, _ in told:
            self.assertEqual(self.numbers(f"told{qos}"), [100], "what was refused is not stored")
        self.assertEqual(self.numbers("older"), [0])


if __name__ == "__main__":
    harness.main()
