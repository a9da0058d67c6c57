"""Somebody sets the machine's clock, by hours and by years, forwards and back, while devices publish:
nothing is lost, nothing hangs, no time-out fires early, and receive times follow the clock."""
import mmap
import struct
import time

import harness
import publisher as mqtt
from promises import PATIENCE, ROUNDS, Promises, preload

HOUR, YEAR = 3600, 365 * 86400
JUMPS = (HOUR, -HOUR, 3 * YEAR, -5 * YEAR, 0)  # against the true time

WAITING = ("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
           " AND application_name LIKE 'rowgate % lane %'")

MAPPING_OF_TIMES = """
[[mapping]]
name = "times"
topic = "times/{n}"
table = "times"
payload = "raw"
[mapping.columns]
n = { topic = "n", type = "bigint" }
at = { meta = "received_at", type = "timestamptz" }
"""


class ShiftedClock(Promises):
    """Mixed into a case with self.database."""

    def shifted(self, node):
        """Makes the gateway's wall clock one that set_clock() moves."""
        path = self.directory / "clock_shift"
        path.write_bytes(struct.pack("q", 0))
        with open(path, "r+b") as file:
            self.clock = mmap.mmap(file.fileno(), 8)
        preload(node, "clock_shift", CLOCK_SHIFT_FILE=str(path))

    def set_clock(self, seconds):
        self.clock[:] = struct.pack("q", seconds)


class ClockOnSqliteTest(ShiftedClock, harness.SqliteCase):
    def test_the_clock_jumps_under_load(self):
        self.begin(self.database, start=False)
        self.shifted(self.node)
        self.first_life()
        device = mqtt.session(self.node.mqtt_port, "alive", keep_alive=30)
        for seconds in JUMPS * ROUNDS:
            self.set_clock(seconds)
            self.fleet.wait_acknowledged()
            self.wait_stored()  # batches are as old as they are, whatever the clock says
            # Nobody was thrown out, and who is silent for too long still is.
            device.send(mqtt.packet(mqtt.PINGREQ, 0, b""))
            self.assertEqual(device.receive(10 * PATIENCE)[0], mqtt.PINGRESP)
        mute = mqtt.session(self.node.mqtt_port, "mute", keep_alive=1)
        self.set_clock(-YEAR)
        self.assertTrue(mute.closed(20 * PATIENCE))
        metrics = self.node.metrics()
        self.assertEqual(metrics.sum("rowgate_keep_alive_timeouts_total"), 1)
        self.set_clock(0)
        self.assert_kept()

    def test_receive_times_follow_the_clock(self):
        node = self.gateway(self.database, mapping=MAPPING_OF_TIMES)
        self.shifted(node)
        node.start(20 * PATIENCE)
        wire = mqtt.session(node.mqtt_port, "timed")
        wanted = []
        for n, seconds in enumerate(JUMPS):
            self.set_clock(seconds)
            wanted.append(time.time() + seconds)
            wire.send(mqtt.publish_packet(f"times/{n}", b"x", 1, n + 1))
            self.assertEqual(wire.receive(10 * PATIENCE)[0], mqtt.PUBACK)
        node.wait_drained(len(JUMPS), 30 * PATIENCE)
        stored = self.database.rows("SELECT at FROM times ORDER BY n")
        for (at,), want in zip(stored, wanted):
            self.assertAlmostEqual(harness.unix_us(at) / 1e6, want, delta=5 * PATIENCE)
        self.assertEqual(node.terminate(), 0)


class ClockOnPostgresTest(ShiftedClock, harness.PostgresCase):
    def test_the_clock_jumps_while_the_database_is_away_and_over_a_restart(self):
        # No device is away at the restarts: how long it was, only the wall clock tells a gateway that
        # was away itself, and a session away for two years is over.
        self.begin(self.database, start=False, drop_rate=0)
        self.shifted(self.node)
        self.first_life()
        self.wait_stored()
        with self.database.locked("kill9"):  # a statement that waits has its time by any clock
            harness.wait_until(lambda: self.database.rows(WAITING), "a lane waits", 20 * PATIENCE)
            for seconds in (YEAR, -YEAR):
                self.set_clock(seconds)
                self.fleet.wait_acknowledged()
        self.wait_stored()
        self.assertFalse(self.said("no answer within"))
        self.cluster.stop()
        self.wait_away()
        for seconds in (YEAR, -YEAR):
            self.set_clock(seconds)
            self.fleet.wait_acknowledged()
        self.cluster.start()
        self.wait_stored()  # the next attempt came as soon as without a jump
        for seconds in (2 * YEAR, -2 * YEAR):
            self.set_clock(seconds)
            self.node.kill()
            self.node.start(20 * PATIENCE)
            self.fleet.wait_acknowledged()
        self.assert_kept()


if __name__ == "__main__":
    harness.main()
