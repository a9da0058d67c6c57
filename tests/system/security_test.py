"""Who may connect and what they may do, asked of the real binary: passwords, tokens, certificates,
the access control list, whose a session is, and files replaced while the gateway runs."""
import base64
import hashlib
import hmac
import json
import os
import re
import socket
import ssl
import struct
import time

import harness
import publisher as mqtt
from publisher import packet, text
from transports_test import Keys

SUCCESS, BAD_ID, BAD_PASSWORD, NOT_AUTHORIZED, BUSY = 0, 0x85, 0x86, 0x87, 0x89
IN_311 = {SUCCESS: 0, BAD_ID: 2, BAD_PASSWORD: 4, NOT_AUTHORIZED: 5, BUSY: 3}


def connect_packet(name, user=None, password=None, version=5, clean=True, will=None, expiry=0):
    flags = 2 if clean else 0
    payload = text(name)
    if will:
        flags |= 4
        payload += (b"\0" if version == 5 else b"") + text(will) + text("gone")
    if user is not None:
        flags |= 0x80
        payload += text(user)
    if password is not None:
        flags |= 0x40
        payload += text(password)
    body = text("MQTT") + bytes([version, flags, 0, 0])
    if version == 5:
        body += b"\x05\x11" + struct.pack(">I", expiry) if expiry else b"\0"
    return packet(mqtt.CONNECT, 0, body + payload)


class Client:
    """One connection, and the next packet it is sent. Always MQTT 5 behind the CONNECT."""

    def __init__(self, port, secured=None):
        self.socket = secured or socket.create_connection(("127.0.0.1", port), 20)
        self.socket.settimeout(20)

    def connect(self, name, user=None, password=None, **more):
        self.socket.sendall(connect_packet(name, user, password, **more))
        return self

    def exactly(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise mqtt.ConnectionLost("closed by the gateway")
            data += part
        return data

    def receive(self):
        """(type, body)"""
        kind = self.exactly(1)[0] >> 4
        size = shift = 0
        while True:
            byte = self.exactly(1)[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return kind, self.exactly(size)

    def expect(self, kind):
        got, body = self.receive()
        if got != kind:
            raise AssertionError(f"packet type {got} ({body.hex()}) instead of {kind}")
        return body

    def code(self):
        """Of the CONNACK."""
        return self.expect(mqtt.CONNACK)[1]

    def ping(self):
        self.socket.sendall(packet(mqtt.PINGREQ, 0, b""))
        self.expect(mqtt.PINGRESP)

    def publish(self, topic, payload="x", retain=False):
        """The reason code of a publish at QoS 1."""
        body = text(topic) + b"\0\7\0" + payload.encode()
        self.socket.sendall(packet(mqtt.PUBLISH, 2 | retain, body))
        answer = self.expect(mqtt.PUBACK)
        return answer[2] if len(answer) > 2 else SUCCESS

    def subscribe(self, topic_filter):
        self.socket.sendall(packet(mqtt.SUBSCRIBE, 2, b"\0\1\0" + text(topic_filter) + b"\0"))
        return self.expect(mqtt.SUBACK)[3]

    def message(self):
        """(topic, payload) of the next PUBLISH, at QoS 0 without properties."""
        body = self.expect(mqtt.PUBLISH)
        size, = struct.unpack_from(">H", body)
        return body[2:2 + size].decode(), body[3 + size + body[2 + size]:].decode()

    def close(self):
        self.socket.close()


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(secret, claims, header=None):
    signed = ".".join(b64(json.dumps(part).encode())
                      for part in (header or {"alg": "HS256"}, claims))
    return signed + "." + b64(hmac.digest(secret, signed.encode(), hashlib.sha256))


class SecurityTest(harness.SqliteCase):
    def setUp(self):
        super().setUp()
        self.users = self.directory / "users"
        self.rules = self.directory / "acl.toml"
        self.keys = self.directory / "keys.json"
        self.opened = []
        self.addCleanup(lambda: [client.close() for client in self.opened])

    def add_user(self, name, *roles, password="secret-of-test"):
        options = [word for role in roles for word in ("--role", role)]
        done = harness.rowgate("user", "add", name, *options, "--users", self.users,
                               stdin=password + "\n")
        self.assertEqual(done.returncode, 0, done.stderr)

    def start(self, config=None):
        self.node = self.gateway(self.database, config=config).start()
        return self.node

    def client(self, name="c", user=None, password=None, port=None, **more):
        """A Client that has sent its CONNECT."""
        client = Client(port or self.node.mqtt_port)
        self.opened.append(client)
        return client.connect(name, user, password, **more)

    def accepted(self, *arguments, **more):
        client = self.client(*arguments, **more)
        self.assertEqual(client.code(), SUCCESS)
        return client

    def refused(self, code, *arguments, **more):
        """In both versions of MQTT; 3.1.1 has no password without a user name."""
        self.assertEqual(self.client(*arguments, **more).code(), code)
        if len(arguments) > 1 and arguments[1] is None:
            return
        self.assertEqual(self.client(*arguments, version=4, **more).code(), IN_311[code])

    def wait_log(self, words):
        harness.wait_until(lambda: words in self.node.log(), lambda: f"{words!r} in the log")

    # --- passwords

    def test_passwords(self):
        self.add_user("ann")
        self.start({"security.users": self.users})
        right = self.accepted("c1", "ann", "secret-of-test")
        self.refused(BAD_PASSWORD, "c2", "ann", "wrong-guess")
        self.refused(BAD_PASSWORD, "c2", "nobody", "secret-of-test")
        self.refused(BAD_PASSWORD, "c2", "ann")
        self.refused(NOT_AUTHORIZED, "c2")
        self.wait_log("unknown user or wrong password")
        harness.wait_until(lambda: self.sly_name_in_log(), "a name in one line",
                           interval=0.3)
        right.ping()
        told = self.node.log() + self.node.http("/metrics")[1] + self.node.http("/")[1]
        for secret in ("secret-of-test", "wrong-guess", "argon2id"):
            self.assertNotIn(secret, told)

    def sly_name_in_log(self):
        """The line is said once a second only."""
        self.client("sly\nname" + 100 * "x", "ann", "wrong-guess").code()
        return f"refused 'sly?name{56 * 'x'}'... at 127.0.0.1: " in self.node.log()

    def test_guessing_keeps_nobody_from_being_answered(self):
        self.add_user("ann")
        self.start({"security.users": self.users, "mqtt.max_connects_per_second": 0})
        right = self.accepted("c1", "ann", "secret-of-test")
        guessers = [self.client(f"g{n}", "ann", f"guess {n}") for n in range(40)]
        right.ping()
        self.accepted("c2", "ann", "secret-of-test").ping()  # remembered: not behind the guesses
        self.assertEqual({guesser.code() for guesser in guessers} - {BUSY}, {BAD_PASSWORD})

    def test_a_users_file_is_replaced_while_the_gateway_runs(self):
        self.add_user("ann")
        self.start({"security.users": self.users})
        self.accepted("c1", "ann", "secret-of-test")
        before = self.users.read_text()
        self.users.write_text(before + "broken line\n")
        self.wait_log("users and keys stay as they were")
        self.assertIn(f"{self.users}:2", self.node.log())
        self.accepted("c1", "ann", "secret-of-test")
        self.users.write_text(before)
        self.add_user("bob", password="other secret")
        harness.wait_until(
            lambda: self.client("c2", "bob", "other secret").code() == SUCCESS, "bob gets in")
        done = harness.rowgate("user", "remove", "ann", "--users", self.users)
        self.assertEqual(done.returncode, 0, done.stderr)
        harness.wait_until(
            lambda: self.client("c3", "ann", "secret-of-test").code() == BAD_PASSWORD,
            "ann does not")

    def test_the_bootstrap_user(self):
        config = {"security.users": self.users, "security.bootstrap_user": "first",
                  "security.bootstrap_password": "secret-of-test"}
        self.start(config)
        self.accepted("c1", "first", "secret-of-test")
        self.assertEqual(self.users.stat().st_mode & 0o777, 0o600)
        self.assertNotIn("secret-of-test", self.users.read_text() + self.node.log())
        made = self.users.read_text()
        self.assertEqual(self.node.terminate(), 0)
        self.node.configure({**self.node.CONFIG, **config,
                             "security.bootstrap_password": "another"})
        self.node.start()
        self.assertEqual(self.users.read_text(), made)  # that file is its owner's now
        self.accepted("c1", "first", "secret-of-test")

    # --- anonymous

    def test_strangers_are_let_in_on_loopback_only(self):
        self.start()
        self.accepted("c1", "any name", "any password")
        self.node.terminate()
        ws = harness.free_port()
        self.start({"mqtt.ws_listen": f"0.0.0.0:{ws}"})
        self.assertIn("nobody can connect: a listener is open beyond this machine", self.node.log())
        self.refused(NOT_AUTHORIZED, "c1")
        self.node.terminate()
        self.start({"mqtt.ws_listen": f"0.0.0.0:{ws}", "security.anonymous": "allow"})
        self.accepted("c1")

    # --- tokens

    def test_tokens(self):
        secret, later = os.urandom(32), os.urandom(32)

        def write(key):
            self.keys.write_text(json.dumps({"keys": [{"kty": "oct", "k": b64(key)}]}))
            self.keys.chmod(0o600)
        write(secret)
        self.start({"security.jwks": self.keys, "security.jwt_audience": "rowgate"})
        claims = {"sub": "pump", "aud": "rowgate"}
        good = token(secret, claims)
        self.accepted("c1", None, good)
        self.accepted("c1", "pump", good)
        none = token(secret, claims, {"alg": "none"})
        for user, wrong in (
                ("ann", good), (None, token(later, claims)), (None, token(secret, {"sub": "pump"})),
                (None, token(secret, {**claims, "exp": int(time.time()) - 1})),
                (None, none), (None, none.rpartition(".")[0] + "."), (None, good[:-2]),
                (None, "e30.e30.e30"), (None, "." * 8000), (None, "A" * 65535),
                (None, b64(b'{"alg":' + b"[" * 3000) + ".e30.AA")):
            self.refused(BAD_PASSWORD, "c2", user, wrong)
        brief = self.accepted("c3", None, token(secret, {**claims, "exp": int(time.time()) + 2}))
        self.assertEqual(brief.expect(mqtt.DISCONNECT)[0], NOT_AUTHORIZED)
        write(later)
        harness.wait_until(
            lambda: self.client("c4", None, token(later, claims)).code() == SUCCESS, "the new key")
        self.refused(BAD_PASSWORD, "c5", None, good)
        self.assertNotIn(good.rpartition(".")[2], self.node.log())

    # --- the access control list

    RULES = """
[[rule]]
users = ["*"]
publish = ["site/%u/#"]
subscribe = ["site/%u/#", "all/#"]
[[rule]]
roles = ["operator"]
publish = ["#"]
subscribe = ["#"]
[[rule]]
deny_subscribe = ["all/secret"]
"""

    def test_the_access_control_list(self):
        self.rules.write_text(self.RULES)
        self.add_user("pump")
        self.add_user("ann", "operator")
        self.add_user("+")
        self.add_user("a/b")
        self.start({"security.users": self.users, "security.acl": self.rules})
        ann = self.accepted("c1", "ann", "secret-of-test")
        pump = self.accepted("c2", "pump", "secret-of-test")
        self.assertEqual(ann.publish("all/news", "kept", retain=True), SUCCESS)
        self.assertEqual(ann.publish("all/secret", "kept", retain=True), SUCCESS)
        self.assertEqual(ann.publish("site/other/x", "kept", retain=True), SUCCESS)
        self.assertEqual(ann.publish("$SYS/fake"), NOT_AUTHORIZED)
        self.assertEqual(pump.publish("site/pump/temp"), SUCCESS)
        self.assertEqual(pump.publish("site/other/temp"), NOT_AUTHORIZED)
        for topic_filter in ("#", "+/+", "site/#", "site/+/temp", "all/#", "$share/g/#",
                             "$share/g/site/#", "all/secret", "$SYS/#"):
            self.assertEqual(pump.subscribe(topic_filter), NOT_AUTHORIZED, topic_filter)
        self.assertEqual(pump.subscribe("all/news"), 0)
        self.assertEqual(pump.message(), ("all/news", "kept"))
        for name in ("+", "a/b"):  # a name is no filter
            sly = self.accepted(f"c3 of {name}", name, "secret-of-test")
            for topic in ("site/pump/temp", "site/a/b"):
                self.assertEqual(sly.publish(topic), NOT_AUTHORIZED, name)
                self.assertEqual(sly.subscribe(topic), NOT_AUTHORIZED, name)
        self.refused(NOT_AUTHORIZED, "c4", "pump", "secret-of-test", will="site/other/x")
        self.accepted("c4", "pump", "secret-of-test", will="site/pump/x")

    def test_an_edited_list_ends_subscriptions(self):
        self.rules.write_text(self.RULES)
        self.add_user("pump")
        self.add_user("ann", "operator")
        self.start({"security.users": self.users, "security.acl": self.rules})
        ann = self.accepted("c1", "ann", "secret-of-test")
        pump = self.accepted("c2", "pump", "secret-of-test")
        self.assertEqual(pump.subscribe("all/news"), 0)
        self.assertEqual(pump.subscribe("site/pump/in"), 0)
        self.rules.write_text(self.RULES.replace("publish", "pubish"))
        self.wait_log("the access control list stays as it was")
        self.assertRegex(self.node.log(), re.escape(str(self.rules)) + r":4:\d+: .*'pubish'")
        self.rules.write_text(self.RULES + 'deny_subscribe = ["all/#"]\n'.replace(
            "deny_subscribe", "[[rule]]\nusers = [\"pump\"]\ndeny_subscribe"))
        self.wait_log("access control list reloaded")
        denied = "rowgate_denied_total"
        harness.wait_until(lambda: self.node.metrics().sum(denied, access="subscribe") == 1,
                           "the subscription's end")
        self.assertEqual(ann.publish("all/news", "not for pump"), SUCCESS)
        self.assertEqual(ann.publish("site/pump/in", "for pump"), SUCCESS)
        self.assertEqual(pump.message(), ("site/pump/in", "for pump"))

    # --- certificates

    def test_a_certificate_is_a_user(self):
        made = Keys(self.directory)
        clients = made.make("clients", None)
        pump = made.make("pump", clients)
        self.rules.write_text(self.RULES)
        port = harness.free_port()
        self.start({"mqtt.tls_listen": f"127.0.0.1:{port}", "tls.certificate": made.certificate,
                    "tls.key": made.key, "tls.client_ca": clients, "tls.user": "cn",
                    "security.acl": self.rules})

        def secured(name, user=None):
            context = ssl.create_default_context(cafile=made.authority)
            context.load_cert_chain(pump, pump.with_suffix(".key"))
            plain = socket.create_connection(("127.0.0.1", port), 20)
            client = Client(port, context.wrap_socket(plain, server_hostname="127.0.0.1"))
            self.opened.append(client)
            return client.connect(name, user)
        client = secured("c1")
        self.assertEqual(client.code(), SUCCESS)
        self.assertEqual(client.publish("site/pump/temp"), SUCCESS)
        self.assertEqual(client.publish("site/other/temp"), NOT_AUTHORIZED)
        self.assertEqual(secured("c2", "pump").code(), SUCCESS)
        self.assertEqual(secured("c3", "ann").code(), BAD_PASSWORD)
        self.refused(NOT_AUTHORIZED, "c4")  # the listener without certificates

    # --- whose a session is

    def test_a_session_is_its_users(self):
        self.add_user("ann")
        self.add_user("bob")
        self.start({"security.users": self.users})
        kept = {"clean": False, "expiry": 600}
        ann = self.accepted("shared", "ann", "secret-of-test", **kept)
        self.refused(BAD_ID, "shared", "bob", "secret-of-test")
        ann.ping()
        self.wait_log("in use by a session of another user")
        self.node.kill()
        self.node.start()
        self.refused(BAD_ID, "shared", "bob", "secret-of-test")
        again = self.client("shared", "ann", "secret-of-test", **kept)
        self.assertEqual(again.expect(mqtt.CONNACK)[:2], b"\1\0")  # session present

    # --- wrong configurations

    def test_a_wrong_configuration_is_named(self):
        self.users.write_text("ann:operator\n")
        self.rules.write_text("[[rule]]\npubish = []\n")
        self.keys.write_text("{}")
        for option, words in (("users", f"{self.users}:1"), ("acl", f"{self.rules}:2:1"),
                              ("jwks", str(self.keys))):
            for path in (words.partition(":")[0], "/nowhere/file"):
                done = harness.rowgate(
                    "serve", "--data-dir", self.directory / "data", "--sink", self.database.url,
                    "--mqtt", f"127.0.0.1:{harness.free_port()}", "--http",
                    f"127.0.0.1:{harness.free_port()}",
                    env={f"ROWGATE_SECURITY_{option.upper()}": path})
                self.assertEqual(done.returncode, 2, done.stderr)
                if path == "/nowhere/file":
                    words = f"`security.{option}`: there is no file {path}; "
                self.assertIn(words, done.stderr)


if __name__ == "__main__":
    harness.main()
