"""SIGTERM: no new connections, what is durable is drained within the limit, exit 0; and SIGTERM with
the database away ends in time and loses nothing."""
import random
import signal
import socket
import time

import harness
import publisher as mqtt

MAPPING = """
[[mapping]]
name = "stop"
topic = "stop/{device}"
table = "stop"
payload = "json"
[mapping.columns]
device = { topic = "device", type = "text" }
n = { from = "/n", type = "bigint", required = true }
"""


def source(device, qos):
    return lambda seq: (f"stop/{device}", b'{"n": %d}' % seq, qos)


class ShutdownTests:
    def serve(self, **config):
        self.node = self.gateway(self.database, mapping=MAPPING, config={
            "drain.backoff_first": "50 ms", "drain.backoff_max": "200 ms",
            **{key.replace("__", "."): value for key, value in config.items()}})
        return self.node.start()

    def numbers(self, device):
        return sorted(n for (n,) in self.database.rows(
            "SELECT n FROM stop WHERE device = %s", (device,)))

    def test_sigterm_and_sigint_drain_what_was_acknowledged_and_exit_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            device = f"s{int(number)}"
            self.serve(drain__max_age="2 s")  # so that the last batch is still open
            publisher = mqtt.Publisher(device, self.node.mqtt_port, source(device, 2))
            publisher.publish(300)
            self.node.signal(number)
            self.assertEqual(self.node.wait_exit(10), 0)
            self.assertEqual(self.numbers(device), list(range(300)))

    def test_sigterm_drains_many_batches_that_the_database_held_up(self):
        self.serve(drain__max_rows=20)
        publisher = mqtt.Publisher("held", self.node.mqtt_port, source("held", 2))
        publisher.publish(10)
        self.node.wait_drained(10)
        with self.database.locked("stop"):
            publisher.publish(990)
            self.assertGreater(self.node.ledger().pending, 900)
            self.node.signal(signal.SIGTERM)
            harness.wait_until(self.refuses_connections, "no new connections")
            time.sleep(0.5)  # nothing tells from outside that the lanes were asked to end
        self.assertEqual(self.node.wait_exit(15), 0)
        self.assertEqual(self.numbers("held"), list(range(1000)))

    def refuses_connections(self):
        try:
            socket.create_connection(("127.0.0.1", self.node.mqtt_port), 1).close()
            return False
        except OSError:  # refused, or reset while the listener closes
            return True

    def test_a_client_of_5_is_told_that_the_server_shuts_down(self):
        self.serve()
        wire = mqtt.session(self.node.mqtt_port, "told", 5)
        self.node.signal(signal.SIGTERM)
        kind, _, body = wire.receive()
        self.assertEqual((kind, body[0]), (mqtt.DISCONNECT, 0x8B))
        self.assertTrue(wire.closed())
        self.assertEqual(self.node.wait_exit(10), 0)
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", self.node.mqtt_port), 1)

    def test_sigterm_under_load_loses_nothing_and_qos2_stays_exactly_once(self):
        self.serve()
        threads = [mqtt.PublisherThread(
            mqtt.Publisher(f"load{qos}", self.node.mqtt_port, source(f"load{qos}", qos)),
            random.Random(qos), rate=2000) for qos in (1, 2)]
        for thread in threads:
            thread.start()
        for _ in range(6):
            time.sleep(0.3)
            self.assertEqual(self.node.terminate(15), 0)
            self.node.start()
        for thread in threads:
            thread.finish()
        self.node.wait_drained()
        self.assert_balanced(self.node)
        for thread in threads:
            publisher = thread.publisher
            self.assertEqual(publisher.violations, [])
            numbers = self.numbers(publisher.client_id)
            self.assertEqual(sorted(set(numbers)), list(range(publisher.next_seq)))
            if publisher.client_id == "load2":
                self.assertEqual(len(numbers), publisher.next_seq)

    def test_a_second_signal_does_not_harm(self):
        self.serve()
        mqtt.Publisher("twice", self.node.mqtt_port, source("twice", 1)).publish(100)
        self.node.signal(signal.SIGTERM)
        self.node.signal(signal.SIGTERM)
        self.assertIn(self.node.wait_exit(10), (0, -signal.SIGTERM))
        self.node.start()
        self.node.wait_drained()
        self.assertEqual(self.numbers("twice"), list(range(100)))


class ShutdownOnSqliteTest(ShutdownTests, harness.SqliteCase):
    pass


class ShutdownOnPostgresTest(ShutdownTests, harness.PostgresCase):
    def test_sigterm_with_the_database_away_ends_within_the_limit_and_loses_nothing(self):
        self.serve(shutdown__drain="1 s")
        self.addCleanup(lambda: self.cluster.running or self.cluster.start())
        publisher = mqtt.Publisher("away", self.node.mqtt_port, source("away", 2))
        publisher.publish(100)
        self.node.wait_drained(100)
        self.cluster.stop()
        publisher.publish(400)
        started = time.monotonic()
        self.assertEqual(self.node.terminate(10), 0)
        self.assertLess(time.monotonic() - started, 4)
        self.assertIn("400", self.node.log(), "the log says how much stays in the journal")
        self.cluster.start()
        self.node.start()
        self.node.wait_drained()
        self.assert_balanced(self.node)
        self.assertEqual(self.numbers("away"), list(range(500)))


if __name__ == "__main__":
    harness.main()
