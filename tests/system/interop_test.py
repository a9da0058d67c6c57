"""The clients people use, each over TCP, TLS, WebSocket and secure WebSocket, in 3.1.1 and 5.0, at
QoS 0, 1 and 2: what one publishes another gets, in order and at its QoS, and is a row in SQL.

Mosquitto's clients (Debian's 2.0.11 speak no WebSocket), paho Python and C, MQTT.js.
"""
import json
import os
import queue
import subprocess
import tempfile
import threading
from pathlib import Path

import paho.mqtt.client as paho

import harness

COUNT = 10  # messages at each QoS
TRANSPORTS = ("tcp", "tls", "ws", "wss")
VERSIONS = {"3.1.1": 4, "5.0": 5}
QOS = (0, 1, 2)


class Certificates:
    """A certificate authority and a server's certificate for loopback, made with openssl."""

    def __init__(self, directory):
        self.ca, self.certificate, self.key = (
            Path(directory) / name for name in ("ca.pem", "server.pem", "server.key"))
        ca_key, request = Path(directory) / "ca.key", Path(directory) / "server.csr"
        extensions = Path(directory) / "server.ext"
        extensions.write_text("subjectAltName = IP:127.0.0.1, DNS:localhost\n")
        new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        self.openssl("req", "-x509", *new_key, "-keyout", ca_key, "-out", self.ca,
                     "-subj", "/CN=interop CA", "-days", "2")
        self.openssl("req", *new_key, "-keyout", self.key, "-out", request, "-subj",
                     "/CN=localhost")
        self.openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key,
                     "-CAcreateserial", "-out", self.certificate, "-days", "2", "-extfile",
                     extensions)

    @staticmethod
    def openssl(*argv):
        done = subprocess.run(["openssl", *map(str, argv)], capture_output=True, text=True,
                              timeout=30, check=False)
        if done.returncode:
            raise RuntimeError(f"openssl {argv[0]} failed:\n{done.stderr}")


def run(argv, **options):
    """A program's standard output; AssertionError with what it said where it fails."""
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=60,
                          check=False, **options)
    if done.returncode:
        raise AssertionError(f"{argv[0]} ended with {done.returncode}:\n{done.stdout[-2000:]}"
                             f"{done.stderr[-2000:]}")
    return done.stdout


class InteropTest(harness.SqliteCase):
    @classmethod
    def setUpClass(cls):
        cls.keys = tempfile.TemporaryDirectory(prefix="rowgate-keys-")
        cls.addClassCleanup(cls.keys.cleanup)
        cls.certificates = Certificates(cls.keys.name)

    def setUp(self):
        super().setUp()
        self.ports = {name: harness.free_port() for name in TRANSPORTS[1:]}
        config = {f"mqtt.{name}_listen": f"127.0.0.1:{port}" for name, port in self.ports.items()}
        self.node = self.gateway(self.database, config={
            **config, "tls.certificate": self.certificates.certificate,
            "tls.key": self.certificates.key})
        self.node.start()
        self.ports["tcp"] = self.node.mqtt_port

    def each(self, client, check, transports=TRANSPORTS):
        """check(transport, version, name) of each combination, then what it published, in SQL.
        `name` begins its client ids and topics."""
        for transport in transports:
            for version, number in VERSIONS.items():
                with self.subTest(client=client, transport=transport, version=version):
                    name = f"{client}-{transport}-{number}"
                    check(transport, number, name)
                    self.assert_rows(name)
        self.assert_balanced(self.node)

    def url(self, transport, schemes):
        return f"{schemes[transport]}://127.0.0.1:{self.ports[transport]}"

    def ca(self, transport):
        return [self.certificates.ca] if transport in ("tls", "wss") else []

    def assert_rows(self, name):
        self.node.wait_drained()
        rows = self.database.rows(
            "SELECT topic, value FROM telemetry WHERE client_id LIKE ? ORDER BY topic, value",
            (f"{name}-pub%",))
        self.assertEqual(rows, [(f"{name}/q{qos}", float(n)) for qos in QOS for n in range(COUNT)])

    def assert_got(self, name, got):
        """`got`: (topic, payload, QoS) in the order of arrival. QoS 0 comes at least in order."""
        for qos in QOS:
            mine = [(payload, at) for topic, payload, at in got if topic == f"{name}/q{qos}"]
            self.assertEqual(mine, [(str(n), qos) for n in range(COUNT)])
        self.assertEqual(len(got), len(QOS) * COUNT)

    # --- the clients

    def test_paho_python(self):
        def check(transport, version, name):
            with PahoPython(self, transport, version, f"{name}-sub") as subscriber, \
                    PahoPython(self, transport, version, f"{name}-pub") as publisher:
                self.assertEqual(subscriber.subscribe(f"{name}/+", 2), 2)
                for qos in QOS:
                    publisher.publish(f"{name}/q{qos}", qos)
                self.assert_got(name, subscriber.take(len(QOS) * COUNT))
        self.each("paho-py", check)

    def test_paho_c(self):
        schemes = {"tcp": "tcp", "tls": "ssl", "ws": "ws", "wss": "wss"}
        program = os.environ.get("ROWGATE_PAHO_C", "")
        self.assertTrue(os.access(program, os.X_OK), f"ROWGATE_PAHO_C={program!r} is no program")

        def check(transport, version, name):
            lines = run([program, self.url(transport, schemes), version, COUNT, name,
                         *self.ca(transport)]).splitlines()
            self.assertEqual(lines[0], "granted 2")
            parts = [line.split() for line in lines[1:]]
            self.assert_got(name, [(topic, payload, int(qos)) for topic, payload, qos in parts])
        self.each("paho-c", check)

    def test_mqtt_js(self):
        harness.node_modules()
        schemes = {"tcp": "mqtt", "tls": "mqtts", "ws": "ws", "wss": "wss"}

        def check(transport, version, name):
            out = run(["node", "publish_and_subscribe.js", self.url(transport, schemes), version,
                       COUNT, name, *self.ca(transport)], cwd=harness.HERE / "node")
            answer = json.loads(out)
            self.assertEqual(answer["granted"], [2])
            self.assert_got(name, [(m["topic"], m["payload"], m["qos"]) for m in answer["got"]])
        self.each("js", check)

    def test_mqtt_js_command_line(self):
        """`mqtt pub` and `mqtt sub`; mqttx-cli, which this machine cannot get, is made of the same
        library. They say nothing of a message's QoS."""
        harness.node_modules()
        program = harness.HERE / "node" / "node_modules" / ".bin" / "mqtt"
        protocols = {"tcp": "mqtt", "tls": "mqtts", "ws": "ws", "wss": "wss"}

        def check(transport, version, name):
            common = ["-h", "127.0.0.1", "-p", self.ports[transport], "-l", protocols[transport],
                      "--protocolVersion", version]
            for ca in self.ca(transport):
                common += ["--ca", ca]
            with MqttJsSub([program, "sub", *common, "-i", f"{name}-sub", "-q", "2", "-v", "-t",
                            f"{name}/+"], self.node) as subscriber:
                for qos in QOS:
                    run([program, "pub", *common, "-i", f"{name}-pub{qos}", "-q", qos, "-s", "-M",
                         "-t", f"{name}/q{qos}"], input="".join(f"{n}\n" for n in range(COUNT)))
                got = subscriber.take(len(QOS) * COUNT)
            self.assert_got(name, [(topic, payload, int(topic[-1])) for topic, payload in got])
        self.each("jscli", check)

    def test_mqtt_js_with_every_option(self):
        """What mqttx-cli can set from its command line is MQTT.js's options, these."""
        harness.node_modules()
        schemes = {"tcp": "mqtt", "tls": "mqtts", "ws": "ws", "wss": "wss"}
        for transport in TRANSPORTS:
            with self.subTest(transport=transport):
                name = f"every-{transport}"
                answer = json.loads(run(["node", "every_option.js", self.url(transport, schemes),
                                         name, *self.ca(transport)], cwd=harness.HERE / "node"))
                self.assertEqual((answer["granted"], answer["present"]), ([2], True))
                common = {"topic": f"{name}/t", "identifier": 7, "responseTopic": f"{name}/reply",
                          "correlationData": "7", "contentType": "text/plain", "expires": True,
                          "payloadFormatIndicator": True,
                          "userProperties": {"unit": "C", "note": ["x", "y"]}}
                self.assertEqual(answer["live"], [
                    {**common, "payload": str(qos), "qos": qos, "retain": qos == 2}
                    for qos in QOS])
                self.assertEqual(answer["after"], [
                    {**common, "payload": "gone", "qos": 1, "retain": False}])
                self.node.wait_drained()
                self.assertEqual(self.database.rows(
                    "SELECT payload FROM telemetry WHERE topic = ? ORDER BY payload",
                    (f"{name}/t",)), [("0",), ("1",), ("2",), ("gone",)])
        self.assert_balanced(self.node)

    def test_mosquitto(self):
        def check(transport, version, name):
            common = ["-h", "127.0.0.1", "-p", self.ports[transport], "-V",
                      {4: "mqttv311", 5: "mqttv5"}[version]]
            for ca in self.ca(transport):
                common += ["--cafile", ca]
            with MosquittoSub(common, f"{name}-sub", f"{name}/+", len(QOS) * COUNT) as subscriber:
                for qos in QOS:
                    run(["mosquitto_pub", *common, "-i", f"{name}-pub{qos}", "-q", qos, "-l",
                         "-t", f"{name}/q{qos}"], input="".join(f"{n}\n" for n in range(COUNT)))
                self.assert_got(name, subscriber.take())
        self.each("mosq", check, ("tcp", "tls"))


class PahoPython:
    def __init__(self, case, transport, version, client_id):
        self.client = paho.Client(
            client_id, protocol=paho.MQTTv5 if version == 5 else paho.MQTTv311,
            transport="websockets" if transport in ("ws", "wss") else "tcp")
        for ca in case.ca(transport):
            self.client.tls_set(str(ca))
        self.messages, self.granted, self.connected = queue.Queue(), queue.Queue(), queue.Queue()
        self.client.on_connect = lambda _c, _u, _f, code, *_: self.connected.put(code)
        self.client.on_message = lambda _c, _u, message: self.messages.put(message)
        self.client.on_subscribe = lambda _c, _u, _id, granted, *_: self.granted.put(granted[0])
        self.client.connect("127.0.0.1", case.ports[transport])
        self.client.loop_start()
        code = self.connected.get(timeout=10)
        case.assertEqual(getattr(code, "value", code), 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()

    def subscribe(self, topic_filter, qos):
        self.client.subscribe(topic_filter, qos)
        granted = self.granted.get(timeout=10)
        return getattr(granted, "value", granted)

    def publish(self, topic, qos):
        sent = [self.client.publish(topic, str(n), qos) for n in range(COUNT)]
        for one in sent:
            one.wait_for_publish(20)
            assert one.is_published(), "not acknowledged in 20 s"

    def take(self, count):
        got = [self.messages.get(timeout=20) for _ in range(count)]
        return [(m.topic, m.payload.decode(), m.qos) for m in got]


class MosquittoSub:
    """mosquitto_sub from its SUBACK on until it has `count` messages."""

    def __init__(self, common, client_id, topic_filter, count):
        # -d says when the subscription holds; line-buffered, because nobody looks at a pipe.
        self.process = harness.spawn(
            ["stdbuf", "-oL", "mosquitto_sub", *common, "-i", client_id, "-q", "2", "-t",
             topic_filter, "-C", count, "-F", "got %t %p %q", "-d"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())
        self.lines.put(None)

    def __enter__(self):
        seen = []
        while not seen or not seen[-1].startswith("Subscribed"):
            seen.append(self.lines.get(timeout=20))
            assert seen[-1] is not None, f"mosquitto_sub ended: {seen}"
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()

    def take(self):
        """What came, when it has ended by itself."""
        got = []
        while (line := self.lines.get(timeout=20)) is not None:
            if line.startswith("got "):
                topic, payload, qos = line.split()[1:]
                got.append((topic, payload, int(qos)))
        return got


class MqttJsSub:
    """`mqtt sub` from its subscription on."""

    def __init__(self, argv, node):
        def subscriptions():
            return node.metrics().sum("rowgate_delivery_subscriptions")
        harness.wait_until(lambda: subscriptions() == 0, "the one before to be gone")
        self.process = harness.spawn(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                     text=True)
        harness.wait_until(lambda: subscriptions() == 1, "mqtt sub to subscribe")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def take(self, count):
        got = []
        while len(got) < count:
            line = self.process.stdout.readline()
            assert line, f"mqtt sub ended after {got}"
            got.append(tuple(line.split()))
        return got


if __name__ == "__main__":
    harness.main()
