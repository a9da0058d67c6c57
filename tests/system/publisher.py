"""An MQTT publisher over a raw socket that keeps exact books: what it was promised, what is still
in flight, and what the server did against the specification.

It resends as the specification says (3.1.1 and 5.0, section 4.4): after a reconnect with the
session kept, unacknowledged PUBLISH packets go out again with DUP and their packet ids, and a QoS 2
message whose PUBREC came is continued with its PUBREL. Packet ids come from a small range, so that
they are used again soon.
"""
import collections
import select
import socket
import struct
import threading
import time

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 2, 3, 4, 5, 6, 7
SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 8, 9, 12, 13, 14


class ConnectionLost(Exception):
    """The connection ended; the session goes on."""


class ProtocolViolation(Exception):
    """The server did what the specification forbids."""


def varint(value):
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)


def text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack(">H", len(raw)) + raw


def packet(kind, flags, body):
    return bytes([kind << 4 | flags]) + varint(len(body)) + body


def connect_packet(client_id, version=4, clean=False, keep_alive=0, expiry=0xFFFFFFFF,
                   properties=b""):
    body = text("MQTT") + bytes([version, 0x02 if clean else 0]) + struct.pack(">H", keep_alive)
    if version == 5:
        if not clean:
            properties += b"\x11" + struct.pack(">I", expiry)
        body += varint(len(properties)) + properties
    return packet(CONNECT, 0, body + text(client_id))


def publish_packet(topic, payload, qos=0, packet_id=0, dup=False, retain=False, version=4,
                   properties=b""):
    body = text(topic)
    if qos:
        body += struct.pack(">H", packet_id)
    if version == 5:
        body += varint(len(properties)) + properties
    return packet(PUBLISH, dup << 3 | qos << 1 | retain, body + payload)


class Wire:
    """A socket that speaks whole packets."""

    def __init__(self, port, timeout=5.0):
        try:
            self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        except OSError as error:
            raise ConnectionLost(str(error)) from None
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise ConnectionLost(str(error)) from None

    def fill(self, timeout):
        """Reads what there is, waiting at most `timeout` s; False: nothing came."""
        try:
            readable, _, _ = select.select([self.socket], [], [], timeout)
            if not readable:
                return False
            chunk = self.socket.recv(65536)
        except OSError as error:
            raise ConnectionLost(str(error)) from None
        if not chunk:
            raise ConnectionLost("closed by the server")
        self.buffer += chunk
        return True

    def packets(self):
        """The complete packets in the buffer: (type, flags, body)."""
        while True:
            size = shift = 0
            for at in range(1, min(len(self.buffer), 5)):
                size |= (self.buffer[at] & 0x7F) << shift
                shift += 7
                if not self.buffer[at] & 0x80:
                    break
            else:
                return
            if len(self.buffer) < at + 1 + size:
                return
            head = self.buffer[0]
            body = bytes(self.buffer[at + 1:at + 1 + size])
            del self.buffer[:at + 1 + size]
            yield head >> 4, head & 15, body

    def receive(self, timeout=5.0):
        """The next packet; None when none came in time."""
        deadline = time.monotonic() + timeout
        while True:
            for found in self.packets():
                return found
            left = deadline - time.monotonic()
            if left <= 0 or not self.fill(left):
                return None

    def closed(self, timeout=5.0):
        """Whether the server closes the connection in time; what it sends before is dropped."""
        deadline = time.monotonic() + timeout
        try:
            while time.monotonic() < deadline:
                self.fill(deadline - time.monotonic())
        except ConnectionLost:
            return True
        return False

    def close(self):
        self.socket.close()


def session(port, client_id, version=4, clean=True, **options):
    """A Wire after a successful CONNECT."""
    wire = Wire(port)
    wire.send(connect_packet(client_id, version, clean, **options))
    answer = wire.receive()
    if not answer or answer[0] != CONNACK or answer[2][1] != 0:
        raise AssertionError(f"CONNECT of {client_id} answered with {answer}")
    return wire


class InFlight:
    __slots__ = ("seq", "qos", "topic", "payload", "received", "sent_on")

    def __init__(self, seq, qos, topic, payload):
        self.seq, self.qos, self.topic, self.payload = seq, qos, topic, payload
        self.received = False  # QoS 2: PUBREC has come
        self.sent_on = None  # the connection it went out on last


class Publisher:
    """source(seq) -> (topic, payload, qos); qos 0, 1 or 2. Not thread-safe; see PublisherThread."""

    def __init__(self, client_id, port, source, version=4, window=32, expiry=0xFFFFFFFF):
        self.client_id, self.port, self.source = client_id, port, source
        self.version, self.window, self.expiry = version, window, expiry
        self.id_range = window * 2
        self.next_id = 0
        self.next_seq = 0
        self.in_flight = collections.OrderedDict()  # packet id -> InFlight, in order of first send
        self.promised = set()  # seq: PUBACK or a successful PUBREC came
        self.completed = set()  # seq: PUBACK or PUBCOMP came
        self.sent_qos0 = set()
        self.transmissions = collections.Counter()  # seq -> PUBLISH packets sent
        self.violations = []
        self.reconnects = 0
        self.wire = None
        self.connection = 0
        self.limit = window

    def connect(self):
        self.disconnect()
        wire = Wire(self.port)
        try:
            wire.send(connect_packet(self.client_id, self.version, expiry=self.expiry))
            answer = wire.receive()
        except ConnectionLost:
            wire.close()
            raise
        if answer is None:
            wire.close()
            raise ConnectionLost("no CONNACK")
        kind, _, body = answer
        if kind != CONNACK or len(body) < 2:
            self._violation(f"expected CONNACK, got {answer}")
        if body[1] != 0:
            wire.close()
            raise ConnectionLost(f"CONNECT refused with 0x{body[1]:02x}")
        self.wire = wire
        self.connection += 1
        self.reconnects += 1
        if self.version == 5:
            self.limit = min(self.window, self._receive_maximum(body[2:]))
        self._resume(session_present=bool(body[0] & 1))

    @staticmethod
    def _receive_maximum(properties):
        sizes = {0x11: 4, 0x21: 2, 0x24: 1, 0x25: 1, 0x27: 4, 0x22: 2, 0x28: 1, 0x29: 1, 0x2A: 1,
                 0x13: 2}
        at = 1  # the tests' CONNACKs have less than 128 bytes of properties
        while at < len(properties):
            identifier = properties[at]
            if identifier == 0x21:
                return struct.unpack_from(">H", properties, at + 1)[0]
            if identifier in sizes:
                at += 1 + sizes[identifier]
            elif identifier == 0x26:
                for _ in range(2):
                    at += 2 + struct.unpack_from(">H", properties, at + 1)[0]
                at += 1
            else:
                at += 3 + struct.unpack_from(">H", properties, at + 1)[0]
        return 65535

    def _resume(self, session_present):
        """[MQTT-4.4.0-1]; and without a session on the server's side, [MQTT-3.2.2-4] of 5.0."""
        if not session_present:
            held = [m.seq for m in self.in_flight.values() if m.received and m.sent_on != "rel"]
            if held:
                self._violation(f"{self.client_id}: PUBREC came for {held[:3]}, whose PUBREL was "
                                "never sent, yet the server has no session")
            if self.version == 5:
                # The server owns what it sent PUBREC for; the rest is published anew.
                for packet_id in [i for i, m in self.in_flight.items() if m.received]:
                    self.completed.add(self.in_flight.pop(packet_id).seq)
        out = bytearray()
        for packet_id, message in self.in_flight.items():
            if message.received:
                out += packet(PUBREL, 2, struct.pack(">H", packet_id))
                message.sent_on = "rel"
            else:
                out += self._publish(packet_id, message,
                                     dup=session_present or self.version == 4)
        if out:
            self.wire.send(out)

    def _publish(self, packet_id, message, dup):
        self.transmissions[message.seq] += 1
        message.sent_on = self.connection
        return publish_packet(message.topic, message.payload, message.qos, packet_id, dup,
                              version=self.version)

    def _free_id(self):
        while True:
            self.next_id = self.next_id % self.id_range + 1
            if self.next_id not in self.in_flight:
                return self.next_id

    def send_new(self, most=64):
        """Fills the window, at most `most` messages; how many went out."""
        out = bytearray()
        sent = 0
        while len(self.in_flight) < self.limit and sent < most:
            topic, payload, qos = self.source(self.next_seq)
            if qos:
                packet_id = self._free_id()
                message = InFlight(self.next_seq, qos, topic, payload)
                self.in_flight[packet_id] = message
                out += self._publish(packet_id, message, dup=False)
            else:
                self.sent_qos0.add(self.next_seq)
                out += publish_packet(topic, payload, version=self.version)
            self.next_seq += 1
            sent += 1
        if out:
            self.wire.send(out)
        return sent

    def read(self, timeout=0.0):
        """Takes in acknowledgements and answers PUBREC with PUBREL."""
        self.wire.fill(timeout)
        out = bytearray()
        for kind, _, body in self.wire.packets():
            if kind in (PUBACK, PUBREC, PUBCOMP):
                self._acknowledged(kind, body, out)
            elif kind == DISCONNECT:
                raise ConnectionLost(f"server sent DISCONNECT {body.hex()}")
            elif kind != PINGRESP:
                self._violation(f"unexpected packet type {kind} {body.hex()}")
        if out:
            self.wire.send(out)

    def _acknowledged(self, kind, body, out):
        packet_id, = struct.unpack_from(">H", body)
        reason = body[2] if self.version == 5 and len(body) > 2 else 0
        message = self.in_flight.get(packet_id)
        if message is None:
            self._violation(f"acknowledgement type {kind} for unused packet id {packet_id}")
        if reason >= 0x80 and not (kind == PUBCOMP and reason == 0x92):
            self._violation(f"packet type {kind} with reason 0x{reason:02x}")
        if kind == PUBCOMP:
            if not message.received:
                self._violation(f"PUBCOMP {packet_id} without PUBREL")
            self.completed.add(message.seq)
            del self.in_flight[packet_id]
            return
        if (kind == PUBACK) != (message.qos == 1):
            self._violation(f"packet type {kind} for QoS {message.qos}")
        if message.sent_on != self.connection:
            self._violation(f"packet type {kind} for a PUBLISH not sent on this connection")
        # PUBACKs and PUBRECs in the order of the PUBLISHes [MQTT-4.6.0-2], [MQTT-4.6.0-3].
        first = next(m for m in self.in_flight.values()
                     if m.qos == message.qos and not m.received)
        if first is not message:
            self._violation(f"packet type {kind} out of order: {message.seq} before {first.seq}")
        self.promised.add(message.seq)
        if kind == PUBACK:
            self.completed.add(message.seq)
            del self.in_flight[packet_id]
        else:
            message.received = True
            message.sent_on = "rel"
            out += packet(PUBREL, 2, struct.pack(">H", packet_id))

    def _violation(self, what):
        self.violations.append(what)
        raise ProtocolViolation(f"{self.client_id}: {what}")

    def finish(self, timeout=20.0):
        """Waits until nothing is in flight."""
        deadline = time.monotonic() + timeout
        while self.in_flight:
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.client_id}: {len(self.in_flight)} still in flight "
                                     f"after {timeout} s")
            self.read(0.1)

    def publish(self, count, timeout=60.0):
        """Connects if need be, publishes `count` more messages and waits for their end."""
        if self.wire is None:
            self.connect()
        last = self.next_seq + count
        deadline = time.monotonic() + timeout
        while self.next_seq < last:
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.client_id}: not published in {timeout} s")
            self.send_new(last - self.next_seq)
            self.read(0.05 if len(self.in_flight) >= self.limit else 0)
        self.finish(max(deadline - time.monotonic(), 1.0))

    def disconnect(self):
        """Drops the connection as a device that loses power does."""
        if self.wire:
            self.wire.close()
            self.wire = None


class PublisherThread(threading.Thread):
    """A Publisher that goes on through whatever happens, until finish() or pause()."""

    def __init__(self, publisher, random, drop_rate=0.0, rate=3000):
        super().__init__(daemon=True)
        self.publisher = publisher
        self.random = random  # random.Random: when the device itself drops its connection
        self.drop_rate = drop_rate  # a second
        self.rate = rate  # new messages a second, at most
        self.last_error = None
        self._finishing = threading.Event()
        self._failure = None

    def run(self):
        try:
            self._publish()
        except ProtocolViolation:
            pass  # in publisher.violations
        except BaseException as error:  # noqa: BLE001: reported by finish()
            self._failure = error

    def _publish(self):
        publisher = self.publisher
        allowance, before = 0.0, time.monotonic()
        next_drop = before + self._until_drop()
        while not (self._finishing.is_set() and not publisher.in_flight):
            try:
                if publisher.wire is None:
                    publisher.connect()
                now = time.monotonic()
                allowance = min(allowance + (now - before) * self.rate, 64.0)
                before = now
                if now > next_drop:
                    next_drop = now + self._until_drop()
                    raise ConnectionLost("the device dropped it")
                if not self._finishing.is_set() and allowance >= 1:
                    allowance -= publisher.send_new(int(allowance))
                publisher.read(0.005)
            except ConnectionLost as error:
                self.last_error = error
                publisher.disconnect()
                time.sleep(0.01)

    def _until_drop(self):
        return self.random.expovariate(self.drop_rate) if self.drop_rate else 1e9

    def finish(self, timeout=30.0):
        """Ends the stream of new messages and waits until all are acknowledged."""
        self._finishing.set()
        self.join(timeout)
        if self._failure:
            raise self._failure
        if self.is_alive():
            raise AssertionError(
                f"{self.publisher.client_id}: {len(self.publisher.in_flight)} messages still "
                f"unacknowledged after {timeout} s; last error: {self.last_error}")
