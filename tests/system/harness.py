"""What the system tests stand on: test cases with a temporary directory, gateways (gateway.py) and
databases (databases.py) that end with them (processes.py). This module is the door to all of it.

Everything runs on loopback and in a temporary directory, and ends by pid. No test sleeps where it
can wait for a condition: see wait_until().
"""
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

# What the tests call by this module's name.
from databases import (POSTGRES_BIN, PostgresCluster, PostgresDatabase, SqliteDatabase, count, scalar,
                       shared_cluster, unix_us)
from gateway import MIB, SANITIZED, Gateway
from processes import environment, free_port, rowgate, rowgate_binary, spawn, wait_until

__all__ = ["EXAMPLES", "HERE", "MIB", "POSTGRES_BIN", "ROOT", "SANITIZED", "Gateway", "PostgresCase",
           "PostgresCluster", "PostgresDatabase", "SqliteCase", "SqliteDatabase", "SystemTest",
           "count", "environment", "free_port", "main", "measurements", "node_modules", "rowgate",
           "rowgate_binary", "scalar", "shared_cluster", "spawn", "unix_us", "wait_until"]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
EXAMPLES = ROOT / "deploy" / "examples"
SANITIZERS_REPORT = re.compile(r"runtime error: |(ERROR|WARNING): (Address|Leak|Thread)Sanitizer")


class SystemTest(unittest.TestCase):
    """A temporary directory a case; gateways end with it; a failure shows their logs."""

    def run(self, result=None):
        self.directory = Path(tempfile.mkdtemp(prefix="rowgate-test-"))
        self.gateways = []
        bad = len(result.failures) + len(result.errors) if result else 0
        try:
            super().run(result)
        finally:
            for gateway in self.gateways:
                gateway.kill()
                # Also of one that was killed afterwards, or that was to end with an error.
                if result and SANITIZERS_REPORT.search(gateway.log(whole=True)):
                    found = AssertionError(f"a sanitizer's report in {gateway.name}'s log")
                    result.addFailure(self, (AssertionError, found, None))
            failed = result and len(result.failures) + len(result.errors) > bad
            for gateway in self.gateways:
                if failed:
                    print(f"--- end of {gateway.name}'s log ({self.id()})\n"
                          f"{gateway.log(whole=True)[-6000:]}", file=sys.stderr)
            if failed and os.environ.get("ROWGATE_KEEP"):
                print(f"--- kept: {self.directory}", file=sys.stderr)
            else:
                shutil.rmtree(self.directory, ignore_errors=True)

    def gateway(self, sink, **options):
        """A Gateway that ends with the case; not started."""
        url = sink if isinstance(sink, str) else sink.url
        gateway = Gateway(self.directory, url, **options)
        self.gateways.append(gateway)
        return gateway

    def assert_balanced(self, gateway):
        ledger = gateway.ledger()
        self.assertEqual(ledger.difference, 0, f"the ledger does not balance: {ledger}")
        return ledger


class SqliteCase(SystemTest):
    def setUp(self):
        super().setUp()
        self.database = SqliteDatabase(self.directory / "telemetry.db")


class PostgresCase(SystemTest):
    def setUp(self):
        super().setUp()
        self.cluster = shared_cluster()
        self.database = self.cluster.new_database()
        self.addCleanup(self.database.drop)


def node_modules():
    """tests/system/node/node_modules, installed with npm as package-lock.json says if missing."""
    folder = HERE / "node"
    with open(folder / "package.json", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two tests may want it at once
        stamp = folder / "node_modules" / ".complete"
        if not stamp.exists() and not stamp.with_name(".installed-for").exists():  # tests/run.sh
            done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder,
                                  capture_output=True, text=True, timeout=300, check=False)
            if done.returncode:
                raise RuntimeError(f"npm ci failed in {folder}:\n{done.stdout}{done.stderr}")
            stamp.touch()
    return folder / "node_modules"


def measurements(name):
    """A file of the npm package vega-datasets: real measurements."""
    return node_modules() / "vega-datasets" / "data" / name


def main():
    unittest.main(verbosity=2, warnings="ignore")
