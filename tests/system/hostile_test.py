"""Peers that break the protocol or never finish a sentence: each gets what the specification says or
is cut off, nobody else is disturbed, and memory stays bounded."""
import contextlib
import os
import random
import struct
import time

import harness
import publisher as mqtt

# Connect, then this: the connection must end. (name, bytes after CONNECT, 5.0 reason code or None)
BREACHES = [
    ("second CONNECT", mqtt.connect_packet("again", 5), 0x82),
    ("packet type 0", b"\x00\x00", 0x81),
    ("SUBSCRIBE with wrong flags", b"\x80\x06\x00\x01\x00\x00\x00\x00", 0x81),
    ("PUBLISH with QoS 3", b"\x36\x05\x00\x01a\x00\x01", 0x81),
    ("PUBLISH QoS 0 with DUP", b"\x38\x04\x00\x01a\x00", 0x81),
    ("PUBLISH with packet id 0", b"\x32\x06\x00\x01a\x00\x00\x00", None),
    ("wildcard in a topic name", mqtt.publish_packet("a/+/b", b"", version=5), None),
    ("topic with a NUL", mqtt.publish_packet(b"a\0b", b"", version=5), None),
    ("topic that is not UTF-8", mqtt.publish_packet(b"\xc3\x28", b"", version=5), None),
    ("topic longer than the packet", b"\x30\x04\xff\xffab", 0x81),
    ("Remaining Length of five bytes", b"\x30\xff\xff\xff\xff\x7f", 0x81),
    ("Remaining Length of 256 MiB", b"\x30\xff\xff\xff\x7f", 0x95),
    ("properties longer than the packet", b"\x30\x05\x00\x01a\x7f\x00", 0x81),
    ("unknown property", mqtt.publish_packet("a", b"", version=5, properties=b"\x7f\x00"), 0x81),
    ("same property twice", mqtt.publish_packet("a", b"", version=5,
                                                properties=b"\x01\x00\x01\x00"), 0x82),
    ("SUBSCRIBE without filters", mqtt.packet(mqtt.SUBSCRIBE, 2, b"\0\1\0"), 0x82),
    ("a server's packet: CONNACK", b"\x20\x03\x00\x00\x00", 0x82),
    ("a server's packet: PINGRESP", b"\xd0\x00", 0x82),
    ("PINGREQ with a body", b"\xc0\x01\x00", 0x81),
]

# Instead of CONNECT.
NO_CONNECT = [
    ("PUBLISH first", mqtt.publish_packet("a", b"")),
    ("an HTTP request", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("a TLS hello", bytes.fromhex("1603010200010001fc0303") + bytes(40)),
    ("protocol name MQTX", mqtt.connect_packet("x").replace(b"MQTT", b"MQTX")),
    ("reserved connect flag", b"\x10\x0d\x00\x04MQTT\x04\x01\x00\x00\x00\x01x"),
    ("client id longer than the packet", b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\xff\xffx"),
    ("will QoS 3", b"\x10\x13\x00\x04MQTT\x04\x1e\x00\x00\x00\x01x\x00\x01t\x00\x01m"),
    ("an empty CONNECT", b"\x10\x00"),
    ("a giant CONNECT", b"\x10\xff\xff\xff\x7f"),
]


class HostileTest(harness.SqliteCase):
    """A witness publishes throughout; it must see no failure and no delay worth the name."""

    def setUp(self):
        super().setUp()
        self.node = self.gateway(self.database, config={"mqtt.connect_timeout": "2 s"}).start()
        self.port = self.node.mqtt_port
        self.witness = mqtt.PublisherThread(
            mqtt.Publisher("witness", self.port, lambda n: ("witness", b"%d" % n, 1 + n % 2)),
            random.Random(1), rate=300)
        self.witness.start()
        harness.wait_until(lambda: self.witness.publisher.promised, "the witness is acknowledged")

    def tearDown(self):
        self.assertTrue(self.node.running, self.node.log()[-3000:])
        self.witness.finish()
        publisher = self.witness.publisher
        self.assertEqual((publisher.violations, publisher.reconnects), ([], 1),
                         "the witness was disturbed")
        self.node.wait_drained()
        ledger = self.assert_balanced(self.node)
        self.assertEqual(ledger.difference, 0)
        values = sorted(v for (v,) in self.database.rows(
            "SELECT value FROM telemetry WHERE topic = 'witness'"))
        self.assertEqual(values, [float(n) for n in range(publisher.next_seq)])
        super().tearDown()

    def test_a_breach_after_connect_ends_that_connection_with_the_right_reason(self):
        for name, raw, code in BREACHES:
            with self.subTest(name):
                wire = mqtt.session(self.port, "breach", 5)
                wire.send(raw)
                told = None
                with contextlib.suppress(mqtt.ConnectionLost):
                    told = wire.receive(3)
                self.assertTrue(wire.closed(3), "the connection must end")
                if told:
                    self.assertEqual(told[0], mqtt.DISCONNECT)
                    self.assertGreaterEqual(told[2][0], 0x80)
                if code is not None and told:
                    self.assertEqual(told[2][0], code)
                wire.close()

    def test_a_topic_filter_that_is_none_is_refused(self):
        for bad in ("a/#/b", "a/b#", "a/b+/c", ""):
            with self.subTest(bad):
                wire = mqtt.session(self.port, "filters", 5)
                wire.send(mqtt.packet(mqtt.SUBSCRIBE, 2, b"\0\1\0" + mqtt.text(bad) + b"\0"))
                kind, _, body = wire.receive()
                self.assertEqual((kind, body[0]), (mqtt.DISCONNECT, 0x8F))
                self.assertTrue(wire.closed(5), "the connection must end")
                wire.close()

    def test_what_is_no_connect_ends_the_connection(self):
        for name, raw in NO_CONNECT:
            with self.subTest(name):
                wire = mqtt.Wire(self.port)
                wire.send(raw)
                self.assertTrue(wire.closed(5), "the connection must end")
                wire.close()

    def test_a_connection_that_never_says_connect_is_cut_off(self):
        silent = mqtt.Wire(self.port)
        half = mqtt.Wire(self.port)
        half.send(mqtt.connect_packet("half")[:7])
        self.assertTrue(silent.closed(8))
        self.assertTrue(half.closed(8))

    def test_packets_that_arrive_byte_by_byte_are_understood(self):
        wire = mqtt.Wire(self.port)
        stream = (mqtt.connect_packet("slow", 5) +
                  mqtt.publish_packet("slow/t", b"payload", 1, 1, version=5) +
                  mqtt.publish_packet("slow/t", b"x" * 200, 2, 2, version=5))
        for at in range(len(stream)):
            wire.send(stream[at:at + 1])
            if at % 16 == 0:
                time.sleep(0.001)
        self.assertEqual([wire.receive()[0] for _ in range(3)],
                         [mqtt.CONNACK, mqtt.PUBACK, mqtt.PUBREC])
        wire.close()

    def test_random_bytes_harm_nobody(self):
        seed = int(os.environ.get("ROWGATE_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"  ROWGATE_SEED={seed}", flush=True)
        noise = random.Random(seed)
        before = self.node.resident_bytes()
        for number in range(300):
            with contextlib.suppress(mqtt.ConnectionLost):
                wire = mqtt.Wire(self.port)
                if number % 3:
                    wire.send(mqtt.connect_packet("noise", 4 + number % 2, clean=True))
                raw = bytearray(noise.randbytes(noise.randrange(1, 3000)))
                if number % 2:  # a plausible beginning
                    raw[0] = noise.choice((0x10, 0x30, 0x32, 0x34, 0x62, 0x82, 0xA2, 0xC0, 0xE0))
                wire.send(raw)
                wire.fill(0.005)
                wire.close()
        self.node.assert_memory_grew_less_than(before, 40 * harness.MIB)

    def test_mutated_sessions_harm_nobody(self):
        seed = int(os.environ.get("ROWGATE_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"  ROWGATE_SEED={seed}", flush=True)
        noise = random.Random(seed)
        for number in range(300):
            version = 4 + number % 2
            body = b"" if version == 4 else b"\0"
            stream = bytearray(
                mqtt.connect_packet("mutant", version, clean=True) +
                mqtt.packet(mqtt.SUBSCRIBE, 2, b"\0\1" + body + mqtt.text("m/#") + b"\2") +
                mqtt.publish_packet("m/1", b"one", 1, 1, version=version) +
                mqtt.publish_packet("m/2", b"two", 2, 2, version=version) +
                mqtt.packet(mqtt.PUBREL, 2, b"\0\2"))
            for _ in range(noise.randrange(1, 4)):
                stream[noise.randrange(len(stream))] = noise.randrange(256)
            with contextlib.suppress(mqtt.ConnectionLost):
                wire = mqtt.Wire(self.port)
                wire.send(stream)
                wire.fill(0.005)
                wire.close()

    def test_announced_giants_take_no_memory(self):
        before = self.node.resident_bytes()
        wires = []
        for n in range(200):
            wire = mqtt.session(self.port, f"giant-{n}")
            # 200 KB announced (within the maximum), 10 bytes sent.
            wire.send(b"\x30" + mqtt.varint(200_000) + mqtt.text("giant/x") + b"x")
            wires.append(wire)
        time.sleep(0.3)
        self.node.assert_memory_grew_less_than(before, 64 * harness.MIB)
        for wire in wires:
            wire.close()

    def test_a_peer_that_sends_and_never_reads_is_bounded(self):
        """Its acknowledgements pile up in the server; at some point the server must stop reading or
        cut it off, not grow."""
        before = self.node.resident_bytes()
        wire = mqtt.session(self.port, "deaf")
        wire.socket.settimeout(1.0)
        chunk = b"\xc0\x00" * 30000  # PINGREQ: the answer is as long as the question
        with contextlib.suppress(mqtt.ConnectionLost):
            for _ in range(2000):  # 120 MB
                wire.send(chunk)
        self.node.assert_memory_grew_less_than(before, 48 * harness.MIB)
        wire.close()

    def test_many_connections_that_do_nothing_disturb_nobody(self):
        before = self.node.resident_bytes()
        wires = [mqtt.session(self.port, f"idle-{n}") for n in range(500)]
        self.node.assert_memory_grew_less_than(before, 500 * 64 * 1024)
        for wire in wires:
            wire.close()

    def test_subscriptions_of_a_hostile_peer_are_bounded(self):
        wire = mqtt.session(self.port, "greedy", 5)
        before = self.node.resident_bytes()
        with contextlib.suppress(mqtt.ConnectionLost):
            for n in range(1, 3001):
                filters = b"".join(mqtt.text(f"g/{n}/{m}/" + "x/" * 60) + b"\0" for m in range(10))
                wire.send(mqtt.packet(mqtt.SUBSCRIBE, 2, struct.pack(">H", n) + b"\0" + filters))
                wire.fill(0)
        self.node.assert_memory_grew_less_than(before, 64 * harness.MIB)
        wire.close()

    def test_http_that_breaks_off_or_asks_nonsense_disturbs_nobody(self):
        requests = [b"GET /metrics HTTP/1.1\r\n", b"\x00\xff" * 500,
                    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
                    b"POST /mapping/reload HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
                    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 50_000]
        wires = []
        for raw in requests * 5:
            with contextlib.suppress(mqtt.ConnectionLost):
                wire = mqtt.Wire(self.node.http_port)
                wires.append(wire)
                wire.send(raw)
        self.assertEqual(self.node.http("/readyz")[0], 200)
        self.assertEqual(self.node.http("/nothing")[0], 404)
        self.assertEqual(self.node.http("/metrics", "POST")[0], 405)
        for wire in wires:
            wire.close()


if __name__ == "__main__":
    harness.main()
