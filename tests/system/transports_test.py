"""Listeners of the real binary: mutual TLS, certificates replaced while clients are connected, the
PROXY protocol, limits, and what is said where something is wrong. (The clients people use, over
every transport, are interop_test.py's.)"""
import signal
import socket
import ssl
import subprocess
import tempfile
from pathlib import Path

import harness

CONNACK = b"\x20\x02\x00\x00"
PROXY_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def connect(name):
    body = b"\x00\x04MQTT\x04\x02\x00\x00" + len(name).to_bytes(2, "big") + name.encode()
    return bytes([0x10, len(body)]) + body


def publish(topic, payload, packet_id):
    body = (len(topic).to_bytes(2, "big") + topic.encode() + packet_id.to_bytes(2, "big") +
            payload.encode())
    return bytes([0x32, len(body)]) + body


def read(connection, size):
    """Exactly `size` bytes, fewer if the server closes before."""
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            break
        data += more
    return data


class Keys:
    """An authority, a server's certificate and a client's, made with openssl."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.authority = self.make("authority", None)
        self.certificate = self.directory / "server.pem"
        self.key = self.directory / "server.key"
        self.serve("first")

    @staticmethod
    def openssl(*argv):
        done = subprocess.run(["openssl", *map(str, argv)], capture_output=True, text=True,
                              timeout=30, check=False)
        if done.returncode:
            raise RuntimeError(f"openssl {argv[0]} failed:\n{done.stderr}")

    def make(self, name, signer):
        """NAME.pem and NAME.key; signed by itself where `signer` is None."""
        certificate, key, request, extensions = (
            self.directory / f"{name}.{end}" for end in ("pem", "key", "csr", "ext"))
        new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                   "-keyout", key, "-subj", f"/CN={name}"]
        if signer is None:
            self.openssl("req", "-x509", *new_key, "-out", certificate, "-days", "30")
            return certificate
        extensions.write_text("subjectAltName = IP:127.0.0.1\n")
        self.openssl("req", *new_key, "-out", request)
        self.openssl("x509", "-req", "-in", request, "-CA", signer, "-CAkey",
                     signer.with_suffix(".key"), "-CAcreateserial", "-out", certificate,
                     "-days", "30", "-extfile", extensions)
        return certificate

    def serve(self, name):
        """Puts a new certificate into the server's files."""
        made = self.make(name, self.authority)
        self.certificate.write_bytes(made.read_bytes())
        self.key.write_bytes(made.with_suffix(".key").read_bytes())


class TransportsTest(harness.SqliteCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="rowgate-keys-")
        cls.addClassCleanup(cls.folder.cleanup)

    def setUp(self):
        super().setUp()
        self.keys = Keys(tempfile.mkdtemp(dir=self.folder.name))
        self.tls_port = harness.free_port()
        self.ws_port = harness.free_port()
        self.opened = []
        self.addCleanup(lambda: [connection.close() for connection in self.opened])

    def node(self, config=None):
        return self.gateway(self.database, config={
            "mqtt.tls_listen": f"127.0.0.1:{self.tls_port}",
            "mqtt.ws_listen": f"127.0.0.1:{self.ws_port}",
            "tls.certificate": self.keys.certificate, "tls.key": self.keys.key, **(config or {})})

    def tcp(self, port):
        connection = socket.create_connection(("127.0.0.1", port), 10)
        self.opened.append(connection)
        return connection

    def tls(self, client=None):
        context = ssl.create_default_context(cafile=self.keys.authority)
        if client:
            context.load_cert_chain(client, client.with_suffix(".key"))
        secured = context.wrap_socket(self.tcp(self.tls_port), server_hostname="127.0.0.1")
        self.opened.append(secured)
        return secured

    def server_name(self):
        subject = dict(part[0] for part in self.tls().getpeercert()["subject"])
        return subject["commonName"]

    # --- start-up

    def test_the_ready_line_names_every_listener(self):
        log = self.node().start().log()
        line = next(line for line in log.splitlines() if "ready: " in line)
        self.assertRegex(line, r"ready: MQTT on 127\.0\.0\.1:\d+, HTTP on ")
        self.assertIn(f"MQTT over TLS on 127.0.0.1:{self.tls_port}", line)
        self.assertIn(f"WebSocket on 127.0.0.1:{self.ws_port}", line)

    def refused(self, config, *words):
        node = self.node(config)
        node.launch()
        self.assertEqual(node.wait_exit(20), 2)
        for word in words:
            self.assertIn(str(word), node.log())

    def test_a_listener_without_certificate_says_what_to_set(self):
        self.refused({"tls.certificate": "", "tls.key": ""}, "mqtt.tls_listen", "tls.certificate",
                     "tls.key")

    def test_a_missing_certificate_is_named(self):
        self.refused({"tls.certificate": "/nowhere/server.pem"}, "/nowhere/server.pem",
                     "No such file")

    def test_a_key_of_another_certificate_is_named(self):
        other = self.keys.make("other", None).with_suffix(".key")
        self.refused({"tls.key": other}, other, "does not belong to the certificate")

    # --- TLS

    def test_mosquitto_pub_with_a_client_certificate(self):
        clients = self.keys.make("clients", None)
        pump = self.keys.make("pump", clients)
        node = self.node({"tls.client_ca": clients}).start()
        common = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.tls_port), "--cafile",
                  self.keys.authority, "-i", "pump", "-q", "1", "-t", "room/1", "-m", "21.5"]
        subprocess.run([*common, "--cert", pump, "--key", pump.with_suffix(".key")], check=True,
                       timeout=30, capture_output=True)
        node.wait_drained(received=1)
        stranger = self.keys.make("stranger", None)
        for refused in ([], ["--cert", stranger, "--key", stranger.with_suffix(".key")]):
            done = subprocess.run([*common, *refused], timeout=30, capture_output=True, check=False)
            self.assertNotEqual(done.returncode, 0)
        self.assertEqual(node.ledger().received, 1)

    def test_a_certificate_is_replaced_while_clients_are_connected(self):
        node = self.node().start()
        self.assertEqual(self.server_name(), "first")
        old = self.tls()
        old.sendall(connect("old"))
        self.assertEqual(read(old, 4), CONNACK)

        self.keys.serve("second")  # found by itself
        harness.wait_until(lambda: self.server_name() == "second", "the second certificate")
        self.keys.serve("third")
        node.signal(signal.SIGHUP)
        harness.wait_until(lambda: self.server_name() == "third", "the third certificate")

        self.keys.key.write_text("broken\n")
        harness.wait_until(lambda: "stays as it was" in node.log(), "the refusal in the log")
        self.assertIn(str(self.keys.key), node.log())
        self.assertEqual(self.server_name(), "third")

        old.sendall(publish("room/1", "21.5", 1))
        self.assertEqual(read(old, 4), b"\x40\x02\x00\x01")

    def test_tls_clients_are_told_of_the_end(self):
        node = self.node().start()
        client = self.tls()
        client.sendall(connect("sensor"))
        self.assertEqual(read(client, 4), CONNACK)
        client.sendall(publish("room/1", "21.5", 1))
        self.assertEqual(read(client, 4), b"\x40\x02\x00\x01")
        node.signal(signal.SIGTERM)
        self.assertEqual(client.recv(1), b"")  # a close_notify: ssl would raise without one
        client.close()
        self.assertEqual(node.wait_exit(), 0)

    # --- WebSocket

    def test_a_browser_is_told_what_the_port_is_for(self):
        self.node().start()
        plain = self.tcp(self.ws_port)
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = read(plain, 1 << 20).decode()
        self.assertTrue(answer.startswith("HTTP/1.1 426 Upgrade Required\r\n"), answer)
        self.assertIn("MQTT over WebSocket", answer)

    # --- PROXY protocol and limits

    def test_the_proxy_protocol_before_tls_and_before_mqtt(self):
        node = self.node({"mqtt.proxy_protocol": True,
                          "mqtt.max_connections_per_address": 1}).start()
        header = PROXY_SIGNATURE + b"\x21\x11\x00\x0c\xc0\x00\x02\x07\x7f\x00\x00\x01" + b"\0" * 4
        direct = self.tcp(node.mqtt_port)
        direct.sendall(connect("direct"))
        self.assertEqual(read(direct, 4), b"")

        behind = self.tcp(self.tls_port)
        behind.sendall(header)
        context = ssl.create_default_context(cafile=self.keys.authority)
        with context.wrap_socket(behind, server_hostname="127.0.0.1") as secured:
            secured.sendall(connect("behind"))
            self.assertEqual(read(secured, 4), CONNACK)
            second = self.tcp(node.mqtt_port)  # the same client, as the proxy says
            second.sendall(header + connect("second"))
            self.assertEqual(read(second, 4), b"")
        local = self.tcp(node.mqtt_port)  # the proxy's own look whether we live
        local.sendall(PROXY_SIGNATURE + b"\x20\x00\x00\x00" + connect("check"))
        self.assertEqual(read(local, 4), CONNACK)

    def test_running_out_of_descriptors_is_said_once(self):
        node = self.node().start()
        self.server_name()  # what is opened on first use is open

        def allow(descriptors):
            subprocess.run(["prlimit", f"--pid={node.process.pid}", f"--nofile={descriptors}:"],
                           check=True, timeout=30)
        allow(len(list(Path(f"/proc/{node.process.pid}/fd").iterdir())))
        crowd = [self.tcp(node.mqtt_port) for _ in range(20)]
        harness.wait_until(lambda: "cannot accept a connection" in node.log(), "the warning")
        allow(1024)
        for number, client in enumerate(crowd):  # they waited
            client.sendall(connect(f"c{number}"))
            self.assertEqual(read(client, 4), CONNACK)
        self.assertEqual(node.log().count("cannot accept a connection"), 1)


if __name__ == "__main__":
    harness.main()
