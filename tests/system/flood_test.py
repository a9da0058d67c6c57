"""A flood of clients that behave badly - 10,000 idle connections, 1,000 connects a second, bad
packets, slow readers, slow-loris CONNECTs, giant packets - beside publishers that behave well:
these lose nothing that was acknowledged, the gateway's memory stays bounded, and their
acknowledgements are timed quiet and under flood. Speed is printed, not judged: bench/flood.sh.
"""
import json
import os
import resource
import signal
import sqlite3
import statistics
import subprocess
from pathlib import Path

import harness

SECONDS = int(os.environ.get("ROWGATE_FLOOD_SECONDS", "5"))
ROUNDS = int(os.environ.get("ROWGATE_FLOOD_ROUNDS", "1"))
RATE = 2000  # messages a second of the well-behaved
CONFIG = {"mqtt.max_outgoing_bytes": harness.MIB, "mqtt.max_queued_total": 64 * harness.MIB,
          "mqtt.connect_timeout": "5 s"}
# What the configuration allows (1 MiB for each of 20 slow readers, 64 MiB in queues, journal and
# drain), 10,000 connections with their buffers, and as much again.
MEMORY_LIMIT = 512 * harness.MIB


def idle_connections():
    """10,000, or what the limit of open files leaves: the gateway and the flood need one each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 10_000 if not harness.SANITIZED else 1_000
    if hard != resource.RLIM_INFINITY and hard < wanted + 3_000:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted + 3_000, wanted + 3_000))
        except (ValueError, OSError):
            wanted = max(hard - 3_000, 100)
            print(f"  only {hard} open files are allowed: {wanted} idle connections", flush=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return wanted


class Flood:
    """rowgate_flood from "ready" on."""

    def __init__(self, port, idle):
        self.process = harness.spawn(
            [os.environ["ROWGATE_FLOOD"], "--port", port, "--idle", idle,
             "--connects", 1000 if not harness.SANITIZED else 100],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("ready"), f"{line}{self.process.stdout.read()}"

    def end(self):
        """{kind: {count: number}}"""
        self.process.send_signal(signal.SIGTERM)
        text = self.process.communicate(timeout=20)[0]
        assert self.process.returncode == 0, text
        counts = {}
        for line in text.splitlines():
            print(f"  {line}", flush=True)
            kind, *pairs = line.split()
            counts[kind] = dict(zip(pairs[::2], map(int, pairs[1::2])))
        return counts


class FloodTest(harness.SqliteCase):
    def setUp(self):
        super().setUp()
        self.ledger = self.directory / "acknowledged"
        self.idle = idle_connections()
        self.node = self.gateway(self.database, config=CONFIG)
        self.node.start()

    def publish(self, prefix):
        """Ten publishers for SECONDS; rowgate_load's report. They lose no connection and no ack."""
        done = subprocess.run(
            [os.environ["ROWGATE_LOAD"], "--port", str(self.node.mqtt_port), "--prefix", prefix,
             "--clients", "10", "--window", "100", "--rate", str(RATE), "--seconds", str(SECONDS),
             "--ledger", str(self.ledger), "--format", "json"],
            capture_output=True, text=True, timeout=SECONDS + 60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(report["acked"], report["sent"])
        self.assertGreater(report["acked"], RATE * SECONDS // 4)
        return report

    @staticmethod
    def tell(name, quiet, loud):
        print(f"  {name}: quiet {quiet:.0f}, under flood {loud:.0f}, ratio "
              f"{loud / max(quiet, 1):.2f}", flush=True)

    def memory_peak(self):
        status = Path(f"/proc/{self.node.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    def assert_all_stored(self):
        self.node.wait_drained(timeout=60)
        with open(self.ledger, encoding="ascii") as lines:
            promised = {tuple(line.split("\t")) for line in lines.read().splitlines()}
        database = sqlite3.connect(self.database.path)
        stored = {(client, str(int(value))) for client, value in database.execute(
            "SELECT client_id, value FROM telemetry WHERE value IS NOT NULL")}
        database.close()
        self.assertGreater(len(promised), 0)
        self.assertEqual(sorted(promised - stored)[:10], [], "acknowledged and not in SQL")

    def test_a_flood_takes_nothing_from_publishers_that_behave(self):
        measured = {"latency_p50_us": [], "latency_p99_us": []}
        for number in range(ROUNDS):
            quiet = self.publish(f"q{number:03}")
            flood = Flood(self.node.mqtt_port, self.idle)
            loud = self.publish(f"f{number:03}")
            counts = flood.end()
            self.assert_flooded(counts)
            self.assertTrue(self.node.running)
            for name, rounds in measured.items():
                rounds.append((quiet[name], loud[name]))
                self.tell(name, *rounds[-1])
        if ROUNDS > 1:
            for name, rounds in measured.items():
                self.tell(f"median {name}", *map(statistics.median, zip(*rounds)))
        peak = self.memory_peak()
        print(f"  gateway's memory at most {peak / harness.MIB:.0f} MiB", flush=True)
        if not harness.SANITIZED:
            self.assertLess(peak, MEMORY_LIMIT)
        self.assert_all_stored()
        self.assert_balanced(self.node)
        self.assertEqual(self.node.terminate(), 0)

    def assert_flooded(self, counts):
        """It was the flood it should be, and none of it got in the way of the rest of it."""
        self.assertEqual(counts["idle"]["connected"], self.idle)
        self.assertEqual(counts["idle"]["ended"], 0, "idle connections were cut off")
        self.assertGreater(counts["connects"]["accepted"], 50 * SECONDS)
        for kind in ("bad_packets", "giant"):
            self.assertGreater(counts[kind]["ended"], SECONDS, f"{kind} went unnoticed")


if __name__ == "__main__":
    harness.main()
