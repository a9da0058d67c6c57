"""An MQTT subscriber over a raw socket that keeps exact books: what it was given, how often and in
which order, and what the server did against the specification.

Its session outlives its connections as sections 4.1, 4.3.3 and 4.4 say: of a QoS 2 message it keeps
the packet id from PUBLISH to PUBREL, so that it recognises what is sent again. `fault` breaks that
on purpose, so that the tests can show that their books would notice:
  "forgets": the packet ids are gone with the connection, and a message sent again counts twice;
  "loses":   some messages are acknowledged and dropped.
"""
import collections
import struct
import threading
import time

import publisher as mqtt
from publisher import ConnectionLost, ProtocolViolation

SUBSCRIPTION_ID = 1  # packet id of SUBSCRIBE


def varint_at(body, at):
    """(value, offset behind it)"""
    value = shift = 0
    while True:
        byte = body[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


class Delivery:
    __slots__ = ("topic", "payload", "qos", "dup", "retain")

    def __init__(self, topic, payload, qos, dup, retain):
        self.topic, self.payload, self.qos = topic, payload, qos
        self.dup, self.retain = dup, retain

    def __repr__(self):
        return f"{self.topic} {self.payload[:60]} QoS {self.qos}{' dup' if self.dup else ''}"


class Subscriber:
    """key(Delivery) -> what the books call a message. Not thread-safe; see SubscriberThread."""

    def __init__(self, client_id, port, topic_filter, qos, version=4, durable=True, key=None,
                 receive_maximum=20, fault=None):
        self.client_id, self.port, self.version = client_id, port, version
        self.topic_filter, self.qos, self.durable = topic_filter, qos, durable
        self.key = key or (lambda delivery: delivery.payload)
        self.receive_maximum = receive_maximum if version == 5 else 65535
        self.fault = fault
        self.got = []  # keys in the order of first arrival and of each (counted) repetition
        self.times = collections.Counter()
        self.deliveries = []  # beside them, the Delivery
        self.unreleased = {}  # packet id -> Delivery: QoS 2, from PUBLISH to PUBREL
        self.subscribed = False  # a SUBACK came: from then on the session may not get lost
        self.violations = []
        self.connections = 0
        self.repeated = 0  # QoS 2 messages sent again and recognised
        self.wire = None
        self.open_ids = {}  # packet id -> QoS, on this connection and not yet acknowledged

    def connect(self):
        self.disconnect()
        wire = mqtt.Wire(self.port)
        properties = b""
        if self.version == 5:
            properties = b"\x21" + struct.pack(">H", self.receive_maximum)
        try:
            wire.send(mqtt.connect_packet(self.client_id, self.version, clean=not self.durable,
                                          properties=properties))
            answer = wire.receive()
        except ConnectionLost:
            wire.close()
            raise
        if answer is None or answer[0] != mqtt.CONNACK or answer[2][1] != 0:
            wire.close()
            raise ConnectionLost(f"CONNECT answered with {answer}")
        self.wire = wire
        self.connections += 1
        self.open_ids = {}
        present = bool(answer[2][0] & 1)
        if not present:
            if self.durable and self.subscribed:
                self._violation("the session is gone [MQTT-3.1.2-4]")
            self.unreleased = {}
            self._subscribe()
        elif not self.durable:
            self._violation("a session is present after a clean start [MQTT-3.2.2-2]")
        elif not self.subscribed:
            self._subscribe()
        if self.fault == "forgets":
            self.unreleased = {}

    def _subscribe(self):
        body = struct.pack(">H", SUBSCRIPTION_ID)
        body += b"\0" if self.version == 5 else b""
        body += mqtt.text(self.topic_filter) + bytes([self.qos])
        self.subscribed = False
        self.wire.send(mqtt.packet(mqtt.SUBSCRIBE, 2, body))

    def wait_subscribed(self, timeout=10.0):
        deadline = time.monotonic() + timeout
        while not self.subscribed:
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.client_id}: no SUBACK in {timeout} s")
            self.read(0.1)

    def read(self, timeout=0.0, answer=True):
        """Takes in what there is. answer=False: and acknowledges nothing, as a client that loses
        its power right then."""
        self.wire.fill(timeout)
        out = bytearray()
        for kind, flags, body in self.wire.packets():
            if kind == mqtt.PUBLISH:
                self._on_publish(flags, body, out)
            elif kind == mqtt.PUBREL:
                packet_id, = struct.unpack_from(">H", body)
                self.unreleased.pop(packet_id, None)
                self.open_ids.pop(packet_id, None)
                out += mqtt.packet(mqtt.PUBCOMP, 0, body[:2])
            elif kind == mqtt.SUBACK:
                granted = body[-1]
                if granted != self.qos:
                    self._violation(f"granted {granted:#x}, asked for {self.qos}")
                self.subscribed = True
            elif kind == mqtt.DISCONNECT:
                raise ConnectionLost(f"server sent DISCONNECT {body.hex()}")
            elif kind != mqtt.PINGRESP:
                self._violation(f"unexpected packet type {kind} {body.hex()}")
        if out and answer:
            self.wire.send(out)

    def _on_publish(self, flags, body, out):
        size, = struct.unpack_from(">H", body)
        at = 2 + size
        qos, packet_id = flags >> 1 & 3, 0
        if qos:
            packet_id, = struct.unpack_from(">H", body, at)
            at += 2
        if self.version == 5:
            length, at = varint_at(body, at)
            at += length
        delivery = Delivery(body[2:2 + size].decode(), body[at:], qos, bool(flags & 8),
                            bool(flags & 1))
        if qos > self.qos:
            self._violation(f"{delivery}: subscribed with QoS {self.qos} [MQTT-3.8.4-8]")
        if qos == 0:
            if delivery.dup:
                self._violation(f"{delivery}: DUP at QoS 0 [MQTT-3.3.1-2]")
            self._record(delivery)
            return
        if not packet_id:
            self._violation(f"{delivery}: packet id 0 [MQTT-2.2.1-3]")
        if packet_id in self.open_ids:
            self._violation(f"{delivery}: packet id {packet_id} is in use [MQTT-2.2.1-4]")
        self.open_ids[packet_id] = qos
        if len(self.open_ids) > self.receive_maximum:
            self._violation(f"{delivery}: {len(self.open_ids)} in flight [MQTT-3.3.4-9]")
        if qos == 1:
            self._record(delivery)
            del self.open_ids[packet_id]
            out += mqtt.packet(mqtt.PUBACK, 0, struct.pack(">H", packet_id))
            return
        before = self.unreleased.get(packet_id)
        if before is None:
            self.unreleased[packet_id] = delivery
            self._record(delivery)
        else:
            self.repeated += 1
            if (before.topic, before.payload) != (delivery.topic, delivery.payload):
                self._violation(f"{delivery}: packet id {packet_id} of {before}, which was not "
                                "released [MQTT-4.3.3-7]")
            if not delivery.dup:
                self._violation(f"{delivery}: sent again without DUP [MQTT-3.3.1-1]")
        out += mqtt.packet(mqtt.PUBREC, 0, struct.pack(">H", packet_id))

    def _record(self, delivery):
        name = self.key(delivery)
        if self.fault == "loses" and len(self.got) % 10 == 9 and not self.times[name]:
            self.fault = None
            return
        self.got.append(name)
        self.times[name] += 1
        self.deliveries.append(delivery)

    def take(self, count, timeout=10.0):
        """Reads until `count` messages in all were recorded; the Deliveries."""
        deadline = time.monotonic() + timeout
        while len(self.got) < count:
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.client_id}: {len(self.got)} of {count} messages came "
                                     f"in {timeout} s: {self.deliveries[:20]}")
            self.read(0.1)
        return self.deliveries

    def _violation(self, what):
        self.violations.append(what)
        raise ProtocolViolation(f"{self.client_id}: {what}")

    def disconnect(self):
        """Drops the connection as a client that loses power does."""
        if self.wire:
            self.wire.close()
            self.wire = None


class SubscriberThread(threading.Thread):
    """A Subscriber that goes on through whatever happens, until stop()."""

    def __init__(self, subscriber, random, drop_rate=0.0):
        super().__init__(daemon=True)
        self.subscriber = subscriber
        self.random = random  # random.Random: when the client itself drops its connection
        self.drop_rate = drop_rate  # a second
        self.ready = threading.Event()  # the first SUBACK came
        self.calm = False  # no more drops
        self._ending = threading.Event()
        self._failure = None

    def run(self):
        try:
            self._receive()
        except ProtocolViolation:
            pass  # in subscriber.violations
        except BaseException as error:  # noqa: BLE001: reported by stop()
            self._failure = error

    def _receive(self):
        subscriber = self.subscriber
        next_drop = time.monotonic() + self._until_drop()
        while not self._ending.is_set():
            try:
                if subscriber.wire is None:
                    subscriber.connect()
                subscriber.read(0.02)
                if subscriber.subscribed:
                    self.ready.set()
                if not self.calm and time.monotonic() > next_drop:
                    next_drop = time.monotonic() + self._until_drop()
                    # Half of the time with messages read and not acknowledged.
                    subscriber.read(0.02, answer=self.random.random() < 0.5)
                    raise ConnectionLost("the client dropped it")
            except ConnectionLost:
                subscriber.disconnect()
                time.sleep(0.01)
        subscriber.disconnect()

    def _until_drop(self):
        return self.random.expovariate(self.drop_rate) if self.drop_rate else 1e9

    def stop(self):
        self._ending.set()
        self.join(20)
        if self._failure:
            raise self._failure
        assert not self.is_alive(), f"{self.subscriber.client_id} did not end"
