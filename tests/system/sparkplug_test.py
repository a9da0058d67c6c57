"""Sparkplug B with a real edge node: births, data by alias, kill -9 in between, rebirth requests."""
import importlib.util
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import paho.mqtt.client as paho

import harness

SECONDS = 20.0
FLOAT, BOOLEAN, UINT64 = 9, 11, 8

METRICS = """
[[mapping]]
name = "devices"
topic = "spBv1.0/{group}/{type}/{edge}/{device}"
table = "metrics"
payload = "sparkplug_b"
rows = "/metrics"
time = { from = "/timestamp", format = "unix_ms" }
[mapping.columns]
device = { topic = "device", type = "text" }
type   = { topic = "type", type = "text" }
name   = { from = "/name", type = "text", required = true }
value  = { from = "/value", type = "text" }

[[mapping]]
name = "nodes"
topic = "spBv1.0/{group}/{type}/{edge}"
table = "nodes"
payload = "sparkplug_b"
[mapping.columns]
edge  = { topic = "edge", type = "text" }
type  = { topic = "type", type = "text" }
bdseq = { from = "/bdseq", type = "bigint" }
"""


def load_protocol():
    """The generated module of the gateway's own .proto."""
    directory = Path(tempfile.mkdtemp(prefix="rowgate-proto-"))
    try:
        source = harness.ROOT / "schema" / "payload"
        subprocess.run(["protoc", f"--proto_path={source}", f"--python_out={directory}",
                        source / "sparkplug_b.proto"], check=True)
        spec = importlib.util.spec_from_file_location("sparkplug_b_pb2",
                                                      directory / "sparkplug_b_pb2.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["sparkplug_b_pb2"] = module
        spec.loader.exec_module(module)
        return module
    finally:
        shutil.rmtree(directory)


protocol = load_protocol()


def payload_of(seq, metrics):
    """metrics: (name or None, alias or None, datatype or None, value)."""
    payload = protocol.Payload(timestamp=int(time.time() * 1000))
    if seq is not None:
        payload.seq = seq
    for name, alias, datatype, value in metrics:
        metric = payload.metrics.add(timestamp=payload.timestamp)
        if name is not None:
            metric.name = name
        if alias is not None:
            metric.alias = alias
        if datatype is not None:
            metric.datatype = datatype
        if isinstance(value, bool):
            metric.boolean_value = value
        elif isinstance(value, float):
            metric.float_value = value
        else:
            metric.long_value = value
    return payload.SerializeToString()


class EdgeNode:
    """plant/press with one device, oven; answers a rebirth request with its births."""

    def __init__(self, port, first_alias=1, bdseq=0, will=True):
        self.seq = 0
        self.dropped = False
        self.bdseq = bdseq
        self.first_alias = first_alias
        self.commands = queue.Queue()
        subscribed = queue.Queue()
        self.client = paho.Client("press", protocol=paho.MQTTv311)
        if will:
            self.client.will_set("spBv1.0/plant/NDEATH/press",
                                 payload_of(None, [("bdSeq", None, UINT64, bdseq)]), qos=1)
        self.client.on_connect = lambda *_: self.client.subscribe("spBv1.0/plant/NCMD/press", qos=1)
        self.client.on_subscribe = lambda *_: subscribed.put(True)
        self.client.on_message = self.on_command
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        subscribed.get(timeout=SECONDS)

    def publish(self, kind, metrics, device=None):
        topic = f"spBv1.0/plant/{kind}/press" + (f"/{device}" if device else "")
        self.client.publish(topic, payload_of(self.seq, metrics), qos=1)
        self.seq = (self.seq + 1) % 256

    def births(self):
        self.seq = 0
        self.publish("NBIRTH", [("bdSeq", None, UINT64, self.bdseq),
                                ("Node Control/Rebirth", None, BOOLEAN, False)])
        self.publish("DBIRTH", [("Temperature", self.first_alias, FLOAT, 20.0),
                                ("Door", self.first_alias + 1, BOOLEAN, True)], "oven")

    def data(self, *values):
        """(offset of the alias, value)..."""
        self.publish("DDATA", [(None, self.first_alias + offset, None, value)
                               for offset, value in values], "oven")

    def on_command(self, _client, _data, message):
        command = protocol.Payload.FromString(message.payload)
        self.commands.put(command)
        if any(m.name == "Node Control/Rebirth" and m.boolean_value for m in command.metrics):
            self.births()

    def drop(self):
        """As a cable that is pulled."""
        self.dropped = True
        self.client.loop_stop()
        if self.client.socket():
            self.client.socket().close()

    def close(self):
        if self.dropped:
            return
        self.client.disconnect()
        self.client.loop_stop()


class SparkplugTests:
    def serve(self):
        self.node = self.gateway(self.database, mapping=METRICS)
        return self.node.start()

    def edge(self, **options):
        edge = EdgeNode(self.node.mqtt_port, **options)
        self.addCleanup(edge.close)
        return edge

    def data(self):
        if not self.database.columns("metrics"):
            return []
        return self.database.rows("SELECT name, value FROM metrics WHERE type = 'DDATA' ORDER BY ts")

    def wait_for(self, rows):
        harness.wait_until(lambda: self.data() == rows, lambda: f"{rows}, but {self.data()}",
                           SECONDS)

    def test_names_survive_a_kill_and_a_restart(self):
        self.serve()
        edge = self.edge(will=False)  # which would say that it died
        edge.births()
        edge.data((0, 21.5))
        self.wait_for([("Temperature", "21.5")])
        self.assertEqual(harness.count(self.database, "rowgate_sparkplug"), 2)
        self.node.kill()
        edge.drop()
        self.node.start()
        again = self.edge(will=False)
        again.seq = edge.seq
        again.data((0, 22.5))
        self.wait_for([("Temperature", "21.5"), ("Temperature", "22.5")])
        again.data((1, False))
        self.wait_for([("Temperature", "21.5"), ("Temperature", "22.5"), ("Door", "false")])
        self.node.wait_drained()
        self.assertEqual(harness.count(self.database, "rowgate_dead_letter"), 0)
        self.assertTrue(again.commands.empty(), "nothing was missing")
        self.assert_balanced(self.node)

    def test_an_unknown_alias_is_answered_by_a_rebirth(self):
        self.serve()
        edge = self.edge(first_alias=7)
        edge.seq = 40
        edge.data((0, 1.5))
        command = edge.commands.get(timeout=SECONDS)
        self.assertEqual(command.metrics[0].name, "Node Control/Rebirth")
        harness.wait_until(lambda: harness.count(self.database, "rowgate_sparkplug") == 2,
                           "the births are kept", SECONDS)
        edge.data((0, 2.5))
        self.wait_for([("Temperature", "2.5")])
        reasons = self.database.rows("SELECT reason FROM rowgate_dead_letter")
        self.assertEqual(len(reasons), 1)
        self.assertIn("alias 7 has no name: no birth of plant/press/oven is known", reasons[0][0])
        metrics = self.node.metrics()
        self.assertEqual(metrics.sum("rowgate_sparkplug_rebirths_total"), 1)

    def test_a_gap_is_seen_and_a_death_is_a_row(self):
        self.serve()
        edge = self.edge(bdseq=3)
        edge.births()
        edge.seq = 9
        edge.data((1, True))
        edge.commands.get(timeout=SECONDS)
        self.assertEqual(self.node.metrics().sum("rowgate_sparkplug_sequence_gaps_total"), 1)
        edge.drop()
        harness.wait_until(
            lambda: self.database.rows("SELECT bdseq FROM nodes WHERE type = 'NDEATH'") == [(3,)],
            "the Will of the edge node is a row", SECONDS)


class OnSqlite(SparkplugTests, harness.SqliteCase):
    pass


class OnPostgres(SparkplugTests, harness.PostgresCase):
    pass


if __name__ == "__main__":
    harness.main()
