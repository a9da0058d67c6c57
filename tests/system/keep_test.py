"""`journal.keep`: a database put back from a back-up is filled again out of what the journal retains,
exactly once; what is not there any more is said, and nothing else waits for it."""
import csv
import io
import shutil

import documented
import harness
import publisher as mqtt

MAPPING = """
[[mapping]]
name = "kept"
topic = "kept/{device}"
table = "kept"
payload = "json"
[mapping.columns]
device = { topic = "device", type = "text" }
n = { from = "/n", type = "bigint", required = true }
"""
CONFIG = {"journal.keep": "24 h", "drain.backoff_first": "20 ms", "drain.backoff_max": "100 ms"}
WENT_BACK = (r"went back from position \d+ to \d+; draining from there \(received at 20\d\d-.*Z\) "
             r"again, nothing is lost")


def source(device, qos, padding=4000):
    pad = b"x" * padding
    return lambda seq: (f"kept/{device}", b'{"n": %d, "pad": "%s"}' % (seq, pad), qos)


class KeepCase(harness.SystemTest):
    def serve(self, database, **config):
        self.database = database
        self.node = self.gateway(database, mapping=MAPPING, config={
            **CONFIG, **{key.replace("__", "."): value for key, value in config.items()}})
        self.node.start()
        self.devices = [mqtt.Publisher(f"d{qos}", self.node.mqtt_port, source(f"d{qos}", qos),
                                       version) for qos, version in ((1, 4), (2, 5))]

    def restart(self):
        self.node.start()
        for device in self.devices:
            device.connect()

    def publish(self, count):
        """Each device publishes so many; all of them reach the database."""
        for device in self.devices:
            device.publish(count)
        self.wait_back()

    def wait_back(self):
        """All that was published is in the database, exactly once."""
        harness.wait_until(lambda: self.numbers() == self.expected(), self.difference, 60, 0.05)

    def difference(self):
        return "; ".join(f"{device}: {len(numbers)} rows, {len(set(numbers))} different, expected "
                         f"{len(self.expected()[device])}"
                         for device, numbers in self.numbers().items()) + self.node.lanes()

    def numbers(self):
        if not self.database.columns("kept"):
            return {}
        return {device.client_id: [n for (n,) in self.database.rows(
            "SELECT n FROM kept WHERE device = %s ORDER BY n", (device.client_id,))]
            for device in self.devices}

    def expected(self):
        return {device.client_id: list(range(device.next_seq)) for device in self.devices}

    def wait_retained(self, least):
        harness.wait_until(lambda: self.retained() >= least, lambda: f"retained: {self.retained()}")

    def retained(self):
        return self.node.metrics().sum("rowgate_journal_retained_bytes")

    def info(self):
        done = harness.rowgate("journal", "info", "--data-dir", self.node.data_dir, "--format",
                               "csv")
        self.assertEqual(done.returncode, 0, done.stderr)
        return next(csv.DictReader(io.StringIO(done.stdout)))

    def run_example(self, holding, environment=None):
        """As docs/operations.md says."""
        done = documented.run(holding, self.directory, environment)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class SqliteKeepTest(KeepCase):
    def setUp(self):
        self.database = harness.SqliteDatabase(self.directory / "telemetry.db")

    def test_a_copy_put_back_is_filled_again_exactly_once(self):
        self.serve(self.database)
        self.publish(200)
        self.run_example(".backup copy.db")
        self.publish(600)
        self.wait_retained(3 * harness.MIB)
        info = self.info()
        self.assertGreaterEqual(int(info["retained_bytes"]), 3 * harness.MIB)
        self.assertRegex(info["retained_since"], r"^20\d\d-.*Z$")
        self.assertEqual(info["first"], "0")
        self.node.kill()
        self.run_example("cp copy.db")
        self.assertLess(len(self.numbers()["d1"]), 800, "the copy is older")
        self.restart()
        self.wait_back()
        self.assertRegex(self.node.log(),
                         r"checkpoint is \d+, although it had stored all up to \d+ \(restored.*"
                         r"received at 20\d\d-")
        self.publish(50)
        self.assertEqual(self.node.wait_drained().difference, 0)
        # An ordinary stop and start afterwards: nothing is said, nothing is drained twice.
        self.assertEqual(self.node.terminate(), 0)
        self.restart()
        self.publish(10)
        self.assertNotIn("restored", self.node.log())
        self.assert_balanced(self.node)

    def test_a_gap_covered_in_part_is_refused_with_where_and_when_and_accepted_on_request(self):
        self.serve(self.database, journal__max_bytes=16 * harness.MIB)
        self.publish(100)
        self.run_example(".backup copy.db")
        self.publish(2600)  # some 21 MiB
        ledger = self.assert_balanced(self.node)
        self.assertEqual(ledger.dropped, 0)
        self.wait_retained(8 * harness.MIB)
        self.assertLessEqual(self.node.metrics().sum("rowgate_journal_disk_bytes"),
                             16 * harness.MIB)
        self.node.kill()
        self.run_example("cp copy.db")
        self.node.launch()
        self.assertEqual(self.node.wait_exit(), 1)
        self.assertRegex(self.node.log(), r"checkpoint is \d+ \(of 20.*\), but the journal begins at "
                         r"\d+ \(received at 20.*restored from a back-up.*journal.on_gap = .accept")
        self.node.configure({**self.node.CONFIG, **CONFIG, "journal.on_gap": "accept",
                             "journal.max_bytes": 16 * harness.MIB})
        self.node.start()
        self.node.wait_drained()
        self.assertIn("going on without them", self.node.log())
        missing = 0
        for device, numbers in self.numbers().items():
            self.assertEqual(numbers[:100], list(range(100)), device)
            rest = numbers[100:]
            self.assertEqual(rest, list(range(rest[0], 2700)), f"{device}: one gap, nothing double")
            missing += rest[0] - 100
        self.assertGreater(missing, 0)
        self.assertLess(missing, 3200, "the rest was retained")
        self.assert_balanced(self.node)


class PostgresKeepTest(KeepCase):
    """PostgreSQL is down, and there is a base back-up from before most of what it has."""

    def setUp(self):
        self.cluster = harness.PostgresCluster({"fsync": "off"})  # the machine goes on
        self.addCleanup(self.cluster.remove)
        self.copy = self.directory / "copy"
        self.serve(self.cluster.new_database(), journal__max_bytes=16 * harness.MIB)
        self.publish(200)
        self.run_example("pg_basebackup -D copy", self.cluster.client_environment())
        self.publish(600)
        self.wait_retained(4 * harness.MIB)  # of some 6: what waits is less than half
        self.cluster.stop()

    def put_back(self):
        self.cluster.stop()
        shutil.rmtree(self.cluster.data)
        shutil.copytree(self.copy, self.cluster.data, symlinks=True)
        if self.cluster.user:
            for path in [self.cluster.data, *self.cluster.data.rglob("*")]:
                shutil.chown(path, "postgres", "postgres")
        self.cluster.start()

    def test_a_cluster_put_back_under_a_running_gateway_is_filled_again_exactly_once(self):
        # It can take in as much as without what it retains, also started anew in the outage.
        self.node.kill()
        self.restart()
        self.assertLess(self.assert_balanced(self.node).pending, 800, "of 1,600 that it has")
        for device in self.devices:
            device.publish(500)
        self.put_back()
        self.wait_back()
        self.assertIn("restored from a back-up", self.node.log())
        self.assert_balanced(self.node)

        # Once more, without a restart of the gateway, which notices when it next has something.
        self.wait_retained(5 * harness.MIB)
        self.put_back()
        self.publish(20)
        self.assertRegex(self.node.log(), WENT_BACK)
        self.publish(20)
        self.assertEqual(self.node.wait_drained().difference, 0)
        self.assertEqual([device.violations for device in self.devices], [[], []])

    def test_a_gateway_that_nobody_publishes_to_notices_by_itself(self):
        harness.wait_until(lambda: self.node.metrics().sum("rowgate_lane_connected") == 0,
                           self.node.lanes, 60, 0.1)
        self.assertRegex(self.node.http("/readyz")[1], r"is away for (\d+) of \1 lanes")
        self.put_back()
        self.wait_back()
        self.assertRegex(self.node.log(), WENT_BACK)
        harness.wait_until(lambda: "away" not in self.node.http("/readyz")[1], self.node.lanes)
        # A restored database that is up again before the lanes look: found all the same.
        self.wait_retained(3 * harness.MIB)
        self.put_back()
        self.wait_back()
        self.publish(20)
        self.assert_balanced(self.node)
        self.assertEqual([device.violations for device in self.devices], [[], []])


if __name__ == "__main__":
    harness.main()
