"""Processes are killed and stopped under load: PostgreSQL's backends, its postmaster, the gateway."""
import os
import signal
import time

import harness
import publisher as mqtt
from promises import PATIENCE, ROUNDS, Promises, kill_postmaster

PING = mqtt.packet(mqtt.PINGREQ, 0, b"")


class KillTest(Promises, harness.PostgresCase):
    def lane_backends(self):
        return [pid for (pid,) in self.database.rows(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name LIKE 'rowgate % lane %'")]

    def test_a_backend_that_takes_a_lanes_rows_is_killed(self):
        self.begin(self.database)
        for number in range(ROUNDS):
            backends = harness.wait_until(self.lane_backends, "the lanes are connected",
                                          20 * PATIENCE)
            os.kill(backends[number % len(backends)], signal.SIGKILL)
            self.cluster.wait_ready()  # it throws everyone out and recovers
            self.wait_stored()
        self.assert_kept()

    def test_the_postmaster_is_killed(self):
        self.begin(self.database)
        for _ in range(ROUNDS):
            kill_postmaster(self.cluster)
            self.fleet.wait_acknowledged()
            self.cluster.start()
            self.wait_stored()
        self.assert_kept()

    def test_postgres_is_restarted_fast_and_immediately(self):
        self.begin(self.database)
        for how in (signal.SIGINT, signal.SIGQUIT) * ROUNDS:
            self.cluster.stop(how)
            self.wait_away()
            self.fleet.wait_acknowledged()
            self.cluster.start()
            self.wait_stored()
        self.assert_kept()

    def test_the_gateway_is_killed_while_the_database_is_away(self):
        # So much that the journal has several segments by then, all of them still wanted.
        self.begin(self.database, padding=4000)
        for _ in range(ROUNDS):
            self.cluster.stop()
            before = self.fleet.acknowledged()
            for _ in range(3):
                self.fleet.wait_acknowledged()
                self.node.kill()
                self.node.start(20 * PATIENCE)
            self.fleet.wait_acknowledged()
            waiting = self.fleet.acknowledged() - before
            self.assertGreaterEqual(self.node.ledger().pending, waiting, "of all four lives")
            self.cluster.start()
            self.wait_stored()
        self.assert_kept()

    def expect_answers(self, wires, count):
        for wire in wires:
            for _ in range(count):
                answer = wire.receive(10 * PATIENCE)
                self.assertEqual(answer and answer[0], mqtt.PINGRESP)

    def ping(self, wires):
        for wire in wires:
            wire.send(PING)
        self.expect_answers(wires, 1)
        return True

    def test_the_gateway_is_stopped_and_goes_on(self):
        self.begin(self.database)
        port = self.node.mqtt_port
        for _ in range(ROUNDS):
            pinging = [mqtt.session(port, f"pinging{v}", v, keep_alive=3) for v in (4, 5)]
            mute = [mqtt.session(port, f"mute{v}", v, keep_alive=3) for v in (4, 5)]
            self.node.signal(signal.SIGSTOP)
            began = time.monotonic()
            pings = 0
            while time.monotonic() < began + 5.0:  # more than one and a half times the keep alive
                for wire in pinging:
                    wire.send(PING)
                pings += 1
                time.sleep(0.25)
            self.node.signal(signal.SIGCONT)
            # Those pinged in time, and are answered as if nothing had been; the others did not.
            self.expect_answers(pinging, pings)
            harness.wait_until(lambda: self.ping(pinging) and all(w.closed(0.1) for w in mute),
                               "devices that keep silent are let go", 20 * PATIENCE)
            for _ in range(6):  # until the gateway has looked at every connection once more
                time.sleep(0.2)
                self.ping(pinging)
            self.fleet.wait_acknowledged()
        self.assert_kept()

    def test_a_backend_that_falls_silent_holds_up_no_acknowledgement(self):
        """For a moment; in the long form, for so long that the gateway gives it up (which
        tests/storage/drain sees with shorter limits): 30 s without a word within one statement."""
        self.begin(self.database)
        for number in range(ROUNDS):
            stopped = harness.wait_until(self.lane_backends, "the lanes are connected",
                                         20 * PATIENCE)
            try:
                for pid in stopped:
                    os.kill(pid, signal.SIGSTOP)
                for _ in range(3):
                    self.fleet.wait_acknowledged()
                if number == 1:
                    self.wait_log("no answer within 30 s", 60)
                    self.wait_away()
                    self.fleet.wait_acknowledged()
            finally:
                for pid in stopped:
                    os.kill(pid, signal.SIGCONT)
            self.wait_stored()
        self.assert_kept()


if __name__ == "__main__":
    harness.main()
