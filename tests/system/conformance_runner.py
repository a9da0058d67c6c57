#!/usr/bin/env python3
"""Runs packet vectors against a running MQTT server.

    conformance_runner.py HOST:PORT FILE... [--only TEXT] [--timeout SECONDS] [-v]
    conformance_runner.py --host HOST --port PORT FILE...

Prints each failure by name and a summary; exits 0 if all passed, 1 if not, 2 for a bad file.
The notation of the files is described in tests/conformance/README.md.
"""
import argparse
import json
import re
import select
import socket
import sys
import time

TYPES = {1: "CONNECT", 2: "CONNACK", 3: "PUBLISH", 4: "PUBACK", 5: "PUBREC", 6: "PUBREL",
         7: "PUBCOMP", 8: "SUBSCRIBE", 9: "SUBACK", 10: "UNSUBSCRIBE", 11: "UNSUBACK",
         12: "PINGREQ", 13: "PINGRESP", 14: "DISCONNECT", 15: "AUTH"}
ACKS = {"puback": 0x40, "pubrec": 0x50, "pubrel": 0x62, "pubcomp": 0x70}
# Properties by the layout of their value; what a server sends in CONNACK, DISCONNECT and acks.
PROPERTY_SIZES = {0x01: 1, 0x02: 4, 0x11: 4, 0x13: 2, 0x21: 2, 0x22: 2, 0x23: 2, 0x24: 1, 0x25: 1,
                  0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1, 0x17: 1, 0x18: 4, 0x19: 1}
TEXT_PROPERTIES = {0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F}
TOKEN = re.compile(r"\s+|\||'[^']*'|`[^`]*`|[{}\[\]]|\.\.\.|\*|<\w+>|\?\?|[0-9A-Fa-f]{2}")
NAMES = {3: "3.1", 4: "3.1.1", 5: "5.0"}


class BadVector(Exception):
    """The file is wrong, not the server."""


class Mismatch(Exception):
    """The server did something else than the vector says."""


def prefixed(data):
    """Bytes behind their length, as text and binary data stand in a packet."""
    return len(data).to_bytes(2, "big") + data


def parse(text, version, captured):
    """Notation -> list of byte values and of the markers '??', '...', '*', ('<', name)."""
    items, at, skipping = [], 0, False
    while at < len(text):
        found = TOKEN.match(text, at)
        if not found:
            raise BadVector(f"not in the notation: {text[at:]!r}")
        token, at = found.group(), found.end()
        if token in "{[":
            skipping = (version == 5) == (token == "[")
        elif token in "}]":
            skipping = False
        elif skipping or token.isspace() or token == "|":
            continue
        elif token[0] == "'":
            items.extend(token[1:-1].encode())
        elif token[0] == "`":
            items.extend(prefixed(token[1:-1].encode()))
        elif token in ("??", "...", "*"):
            items.append(token)
        elif token[0] == "<":
            name = token[1:-1]
            items.extend(captured[name] if name in captured else [("<", name)])
        else:
            items.append(int(token, 16))
    return items


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def to_bytes(items):
    if "*" in items:  # the Remaining Length, computed
        at = items.index("*")
        items = items[:at] + list(varint(len(items) - at - 1)) + items[at + 1:]
    if not all(isinstance(item, int) for item in items):
        raise BadVector("a packet to send has a wildcard or a name nothing was captured for")
    return bytes(items)


def matches(items, packet, captured):
    """Does one received packet (first byte, length bytes, body) match the notation?"""
    first, length, body = packet
    data = bytes([first]) + (body if "*" in items else length + body)
    items = [item for item in items if item != "*"]
    found = {}
    at = 0
    for item in items:
        if item == "...":
            captured.update(found)
            return True
        if isinstance(item, tuple):
            found[item[1]] = data[at:at + 2]
            at += 1
        elif at >= len(data) or (item != "??" and data[at] != item):
            return False
        at += 1
    if at != len(data):
        return False
    captured.update(found)
    return True


def show(packet):
    if packet is None:
        return "the connection closed"
    first, length, body = packet
    text = (bytes([first]) + length + body).hex(" ")
    return f"{TYPES.get(first >> 4, 'type 0')} {text[:200]}"


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def read_properties(data, at):
    """{identifier: number or bytes} of the block at `at`."""
    size, at = read_varint(data, at)
    end, found = at + size, {}
    while at < end:
        identifier, at = data[at], at + 1
        if identifier in PROPERTY_SIZES:
            width = PROPERTY_SIZES[identifier]
            found[identifier] = int.from_bytes(data[at:at + width], "big")
            at += width
        elif identifier == 0x0B:
            found[identifier], at = read_varint(data, at)
        elif identifier in TEXT_PROPERTIES or identifier == 0x26:
            for _ in range(2 if identifier == 0x26 else 1):
                width = int.from_bytes(data[at:at + 2], "big")
                found[identifier] = data[at + 2:at + 2 + width]
                at += 2 + width
        else:
            raise Mismatch(f"a property that does not exist: {identifier:#x}")
    if at != end:
        raise Mismatch("properties that end in the middle of one")
    return found


class Peer:
    """One connection to the server."""

    def __init__(self, address, version, timeout):
        self.address, self.version, self.timeout = address, version, timeout
        self.socket = socket.create_connection(address, timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.connack = {}  # properties of the CONNACK

    def close(self):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # closed by the server: what is expected next says whether it should have been

    def fill(self):
        try:
            data = self.socket.recv(65536)
        except socket.timeout:
            raise Mismatch("nothing came in time") from None
        except ConnectionError:
            data = b""
        self.buffer += data
        return bool(data)

    def packet(self):
        """(first byte, length bytes, body) of the next packet; None when the server closed."""
        while True:
            at, size = 1, 0
            while at < len(self.buffer) and at < 5:
                size |= (self.buffer[at] & 127) << (7 * (at - 1))
                at += 1
                if self.buffer[at - 1] < 128:
                    if len(self.buffer) < at + size:
                        break
                    raw, self.buffer = self.buffer[:at + size], self.buffer[at + size:]
                    return raw[0], raw[1:at], raw[at:]
            if not self.fill():
                if self.buffer:
                    raise Mismatch(f"closed in the middle of a packet: {self.buffer.hex(' ')}")
                return None

    def readable(self):
        return bool(self.buffer) or bool(select.select([self.socket], [], [], 0)[0])

    def expect_closed(self):
        packet = self.packet()
        if packet is not None:
            raise Mismatch(f"expected the connection to close, got {show(packet)}")

    def expect_refused(self, codes):
        """DISCONNECT with one of the codes (5.0), then the close."""
        if self.version == 5:
            packet = self.packet()
            if packet is None or packet[0] != 0xE0:
                raise Mismatch(f"expected DISCONNECT {codes}, got {show(packet)}")
            code = packet[2][0] if packet[2] else 0
            if f"{code:02X}" not in codes:
                raise Mismatch(f"expected DISCONNECT {codes}, got {code:02X}")
            if len(packet[2]) > 1:
                read_properties(packet[2], 1)
        self.expect_closed()

    def expect_rejected(self, codes):
        """A CONNACK with one of the codes, or nothing; then the close."""
        packet = self.packet()
        if packet is None:
            return
        if packet[0] != 0x20 or packet[2][0] != 0 or f"{packet[2][1]:02X}" not in codes:
            raise Mismatch(f"expected CONNACK {codes} or a close, got {show(packet)}")
        self.expect_closed()

    def expect_ack(self, verb, words, captured):
        packet = self.packet()
        if packet is None or packet[0] != ACKS[verb]:
            raise Mismatch(f"expected {verb} {words}, got {show(packet)}")
        body = packet[2]
        identifier = to_bytes(parse(words[0], self.version, captured))
        codes = words[1:] or (["00", "10"] if verb in ("puback", "pubrec") else ["00"])
        code = body[2] if len(body) > 2 else 0
        if body[:2] != identifier or (self.version != 5 and len(body) != 2):
            raise Mismatch(f"expected {verb} {words}, got {show(packet)}")
        if self.version == 5 and f"{code:02X}" not in codes:
            raise Mismatch(f"expected {verb} {words}, got reason code {code:02X}")
        if len(body) > 3:
            read_properties(body, 3)

    def connect(self, client_id, words=()):
        """CONNECT and a CONNACK of success; what the words mean is in tests/conformance/README.md."""
        options = dict(word.partition("=")[::2] for word in words)
        kept = {"kept", "resume", "resume_absent"} & options.keys()
        resumes = bool({"resume", "resume_absent"} & options.keys())
        if "kept" in options and self.version != 5:  # no clean start of a kept session there
            before = Peer(self.address, self.version, self.timeout)
            before.connect(client_id)
            before.send(b"\xe0\0")
            before.expect_closed()
            before.close()
        clean = not resumes if self.version == 5 else not kept
        flags, properties, will = 2 if clean else 0, bytes.fromhex(options.get("properties", "")), b""
        if self.version == 5 and kept and b"\x11" not in properties[:1]:
            properties = b"\x11\0\0\x01\x2c" + properties
        if "will" in options:
            topic, payload, qos, *retain = options["will"].split(":")
            flags |= 4 | int(qos) << 3 | (32 if retain else 0)
            block = bytes.fromhex(options.get("will_properties", ""))
            will = ((varint(len(block)) + block if self.version == 5 else b"") +
                    prefixed(topic.encode()) + prefixed(payload.encode()))
        head = prefixed(b"MQIsdp" if self.version == 3 else b"MQTT") + bytes([self.version, flags])
        body = (head + int(options.get("keep_alive", "60")).to_bytes(2, "big") +
                (varint(len(properties)) + properties if self.version == 5 else b"") +
                prefixed(client_id) + will)
        self.send(b"\x10" + varint(len(body)) + body)
        present = "resume" in options and self.version != 3  # where 3.1 has a reserved byte
        self.expect_connack("01" if present else "00", "00", [])

    def expect_connack(self, present, code, conditions):
        packet = self.packet()
        if packet is None or packet[0] != 0x20 or len(packet[2]) < 2:
            raise Mismatch(f"expected CONNACK, got {show(packet)}")
        body = packet[2]
        if (f"{body[0]:02X}", f"{body[1]:02X}") != (present, code):
            raise Mismatch(f"expected CONNACK {present} {code}, got {show(packet)}")
        if self.version != 5:
            if len(body) != 2:
                raise Mismatch(f"expected 2 bytes of body, got {show(packet)}")
            return
        self.connack = read_properties(body, 2)
        for condition in conditions:  # 2A=00: has that value; 12: is there; !13: is not there
            name, _, value = condition.lstrip("!").partition("=")
            identifier = int(name, 16)
            if (identifier in self.connack) == condition.startswith("!"):
                raise Mismatch(f"CONNACK property {condition}: {show(packet)}")
            if value and self.connack[identifier] != int(value, 16):
                raise Mismatch(f"CONNACK property {condition}: {show(packet)}")

    def exceed_receive_maximum(self):
        """One QoS 2 publish more than the server said it takes at a time."""
        limit = self.connack.get(0x21, 65535)
        if limit == 65535:
            raise BadVector("the server announced no Receive Maximum to exceed")
        body = b"\0\1a%s\0"
        self.send(b"".join(b"\x34" + varint(len(body)) + body.replace(b"%s", n.to_bytes(2, "big"))
                           for n in range(1, limit + 2)))
        while True:
            packet = self.packet()
            if packet is None or packet[0] >> 4 not in (5, 14):
                raise Mismatch(f"expected PUBRECs, then DISCONNECT 93, got {show(packet)}")
            if packet[0] >> 4 == 14:
                if packet[2][:1] != b"\x93":
                    raise Mismatch(f"expected DISCONNECT 93, got {show(packet)}")
                return self.expect_closed()


class Case:
    def __init__(self, address, group, case, version, timeout):
        self.address, self.version, self.timeout = address, version, timeout
        self.steps = case["steps"]
        self.connect = case.get("connect", group.get("connect", True))
        self.peers, self.captured = {}, {}

    def peer(self, name):
        if name not in self.peers:
            self.peers[name] = Peer(self.address, self.version, self.timeout)
        return self.peers[name]

    def run(self):
        """None, or what went wrong."""
        step = "connect"
        try:
            if self.connect:
                self.peer("a").connect(b"conformance")
            for number, step in enumerate(self.steps, 1):
                step = f"step {number}, {step}"
                self.one(self.steps[number - 1])
        except Mismatch as mismatch:
            return f"{step}: {mismatch}"
        except IndexError:
            return f"{step}: the server sent a packet that ends too early to be read"
        except OSError as error:
            return f"{step}: {error}"
        finally:
            for peer in self.peers.values():
                peer.close()
        return None

    def expect(self, packet, patterns):
        """The packet is one of the patterns, which is then taken off them."""
        for pattern in patterns:
            if packet and matches(parse(pattern, self.version, self.captured), packet, self.captured):
                patterns.remove(pattern)
                return
        raise Mismatch(f"got {show(packet)}")

    def one_of(self, names, pattern):
        """One of the connections gets the packet; which one, is the server's choice."""
        deadline = time.monotonic() + self.timeout
        while time.monotonic() < deadline:
            for name in names:
                if self.peer(name).readable():
                    return self.expect(self.peer(name).packet(), [pattern])
            select.select([self.peer(name).socket for name in names], [], [], 1)
        raise Mismatch("nothing came in time")

    def clear(self, topics):
        """No message is retained for the topics."""
        peer = Peer(self.address, self.version, self.timeout)
        peer.connect(b"clearing")
        for topic in topics:
            body = prefixed(topic.encode()) + b"\0\1" + (b"\0" if self.version == 5 else b"")
            peer.send(b"\x33" + varint(len(body)) + body)
            peer.expect_ack("puback", ["0001"], {})
        peer.close()

    def on_none(self, verb, words, rest):
        """The verbs that are of no one connection."""
        if verb == "wait":
            time.sleep(float(words[0]))
        elif verb == "clear":
            self.clear(words)
        else:
            self.one_of(words[0].split(","), rest.partition(" ")[2])

    def one(self, step):
        name, text = "a", step
        if re.match(r"[a-z]: ", step):
            name, text = step[0], step[3:]
        verb, _, rest = text.partition(" ")
        words = rest.split()
        if verb in ("wait", "clear", "one_of"):
            return self.on_none(verb, words, rest)
        peer = self.peer(name)
        if verb == "send":
            peer.send(to_bytes(parse(rest, self.version, self.captured)))
        elif verb == "expect":
            self.expect(peer.packet(), [rest])
        elif verb == "expects":  # in any order
            left = rest.split(" ; ")
            while left:
                self.expect(peer.packet(), left)
        elif verb in ACKS:
            peer.expect_ack(verb, words, self.captured)
        elif verb == "connect":
            peer.connect(words[0].encode(), words[1:])
        elif verb == "connack":
            peer.expect_connack(words[0], words[1], words[2:])
        elif verb == "refused":
            peer.expect_refused(words)
        elif verb == "rejected":
            peer.expect_rejected(words)
        elif verb == "closed":
            peer.expect_closed()
        elif verb == "quiet":  # whatever was to come would come before this answer
            peer.send(b"\xc0\0")
            packet = peer.packet()
            if packet is None or packet[0] != 0xD0:
                raise Mismatch(f"expected nothing but the PINGRESP, got {show(packet)}")
        elif verb == "hangup":
            self.peers.pop(name).close()
        elif verb == "exceed_receive_maximum":
            peer.exceed_receive_maximum()
        else:
            raise BadVector(f"unknown verb in {step!r}")


def load(path):
    with open(path, encoding="utf-8") as file:
        groups = json.load(file)
    if isinstance(groups, dict):
        return  # statements.json, which the same pattern finds
    for group in groups:
        for case in group["cases"]:
            versions = case.get("versions", group.get("versions"))
            if not case.get("ids") or not versions or not case.get("steps"):
                raise BadVector(f"{path}: {case.get('name')}: needs ids, versions and steps")
            yield from ((group, case, version) for version in versions)


def main():
    options = argparse.ArgumentParser(description="Runs packet vectors against an MQTT server.")
    options.add_argument("files", nargs="+", metavar="HOST:PORT FILE...",
                         help="the server, unless --port names it, and the vectors")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int)
    options.add_argument("--only", default="", metavar="TEXT", help="cases whose name contains TEXT")
    options.add_argument("--timeout", type=float, default=20.0, metavar="SECONDS")
    options.add_argument("-v", "--verbose", action="store_true", help="name each case")
    arguments = options.parse_args()
    runs = failed = 0
    statements = set()
    try:
        files, host, port = arguments.files, arguments.host, arguments.port
        if port is None:
            host, _, port = files.pop(0).rpartition(":")
        for path in files:
            for group, case, version in load(path):
                name = f"{group['group']}: {case['name']} ({NAMES[version]})"
                if arguments.only not in name:
                    continue
                runs += 1
                statements.update(case["ids"])
                fault = Case((host.strip("[]"), int(port)), group, case, version,
                             arguments.timeout).run()
                if fault:
                    failed += 1
                    print(f"FAILED {name} {case['ids']}\n       {fault}")
                elif arguments.verbose:
                    print(f"ok     {name}")
    except (BadVector, ValueError, KeyError, IndexError) as error:
        print(f"bad vector or address: {error!r}", file=sys.stderr)
        return 2
    print(f"{runs - failed} of {runs} runs passed; {len(statements)} statements cited")
    return 1 if failed or not runs else 0


if __name__ == "__main__":
    sys.exit(main())
