"""Which device was online when, as rows: the example mapping, the page's query, and the $SYS topics."""
import json
import queue
import re
import struct

import paho.mqtt.client as paho

import harness
import publisher as mqtt

EXAMPLE = harness.EXAMPLES / "presence.toml"
PAGE = harness.ROOT / "docs" / "mapping.md"
NOT_AUTHORIZED = 0x87
SECONDS = 20.0


def offline_query():
    """The query of docs/mapping.md: which device was offline when."""
    return re.search(r"```sql\n(SELECT client_id, ts AS offline_at.*?)```", PAGE.read_text(),
                     re.DOTALL).group(1)


class Watcher:
    """A paho client that collects what a filter brings."""

    def __init__(self, port, topic_filter, client_id="watcher"):
        self.received = queue.Queue()
        subscribed = queue.Queue()
        self.client = paho.Client(client_id, protocol=paho.MQTTv5)
        self.client.on_connect = lambda *_: self.client.subscribe(topic_filter, qos=1)
        self.client.on_subscribe = lambda *_: subscribed.put(True)
        self.client.on_message = lambda _client, _data, message: self.received.put(message)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        subscribed.get(timeout=SECONDS)

    def until(self, condition):
        """The first message that fulfils it."""
        while True:
            message = self.received.get(timeout=SECONDS)
            if condition(message):
                return message

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


class PresenceTests:
    def serve(self, **options):
        self.node = self.gateway(self.database, mapping=EXAMPLE, **options)
        return self.node.start()

    def events(self, client_id, columns="event, reason"):
        if not self.database.columns("device_presence"):
            return []
        return self.database.rows(
            f"SELECT {columns} FROM device_presence WHERE client_id = %s ORDER BY ts", (client_id,))

    def wait_for(self, client_id, events):
        harness.wait_until(lambda: self.events(client_id) == events,
                           lambda: f"{events}, but {self.events(client_id)}", SECONDS)

    def test_connects_and_disconnects_become_rows_with_their_reason(self):
        self.serve()
        port = self.node.mqtt_port
        polite = mqtt.session(port, "polite", version=5)
        polite.send(mqtt.packet(mqtt.DISCONNECT, 0, b""))
        self.wait_for("polite", [("connected", None), ("disconnected", "normal")])
        mqtt.session(port, "broken").close()
        self.wait_for("broken", [("connected", None), ("disconnected", "closed")])
        silent = mqtt.session(port, "silent", keep_alive=1)
        self.addCleanup(silent.close)
        wrong = mqtt.session(port, "wrong", version=5)
        wrong.send(mqtt.packet(mqtt.PUBACK, 7, struct.pack(">H", 1)))
        self.wait_for("wrong", [("connected", None), ("disconnected", "malformed_packet")])
        self.wait_for("silent", [("connected", None), ("disconnected", "keep_alive_timeout")])
        protocol, address, username = self.events("polite", "protocol, address, username")[0]
        self.assertEqual((protocol, address, username), ("5.0", "127.0.0.1", None))
        self.assertEqual(self.events("broken", "protocol")[0], ("3.1.1",))
        self.node.wait_drained()
        ledger = self.assert_balanced(self.node)
        self.assertEqual((ledger.received, ledger.stored), (8, 8), "each event is in the ledger")

    def test_a_take_over_is_no_time_offline(self):
        self.serve()
        first = mqtt.session(self.node.mqtt_port, "twin", version=5, clean=False)
        second = mqtt.session(self.node.mqtt_port, "twin", version=5, clean=False)
        self.addCleanup(second.close)
        first.close()
        self.wait_for("twin", [("connected", None), ("taken_over", "session_taken_over"),
                               ("connected", None)])
        resumed = self.events("twin", "resumed")
        self.assertEqual([bool(row[0]) for row in resumed], [False, False, True])
        self.assertEqual(self.database.rows(offline_query()), [])

    def test_a_will_is_an_event(self):
        self.serve()
        client = paho.Client("mortal", protocol=paho.MQTTv311)
        client.will_set("gone/mortal", "x")
        connected = queue.Queue()
        client.on_connect = lambda *_: connected.put(True)
        client.connect("127.0.0.1", self.node.mqtt_port)
        client.loop_start()
        connected.get(timeout=SECONDS)
        client.loop_stop()
        client.socket().close()
        harness.wait_until(lambda: len(self.events("mortal")) == 3, "three events", SECONDS)
        events = self.events("mortal", "event, reason, will_topic")
        self.assertEqual(events[0], ("connected", None, None))
        self.assertEqual(sorted(events[1:]), [("disconnected", "closed", None),
                                              ("will", None, "gone/mortal")])

    def test_the_pages_query_says_which_device_was_offline_when(self):
        self.serve()
        port = self.node.mqtt_port
        mqtt.session(port, "away").close()
        self.wait_for("away", [("connected", None), ("disconnected", "closed")])
        mqtt.session(port, "back").close()
        self.wait_for("back", [("connected", None), ("disconnected", "closed")])
        again = mqtt.session(port, "back")
        self.addCleanup(again.close)
        self.wait_for("back", [("connected", None), ("disconnected", "closed"),
                               ("connected", None)])
        rows = self.database.rows(offline_query())
        self.assertEqual([(row[0], row[3]) for row in rows],
                         [("away", "closed"), ("back", "closed")])
        self.assertIsNone(rows[0][2], "still away")
        times = [harness.unix_us(row[0]) for row in self.events("back", "ts")]
        self.assertEqual([harness.unix_us(value) for value in rows[1][1:3]], times[1:])

    def test_a_stop_is_the_reason_of_those_it_disconnects_and_a_restart_goes_on(self):
        self.serve()
        client = mqtt.session(self.node.mqtt_port, "kept", version=5, clean=False)
        self.addCleanup(client.close)
        self.wait_for("kept", [("connected", None)])
        self.assertEqual(self.node.terminate(), 0)
        stopped = [("connected", None), ("disconnected", "server_shutting_down")]
        self.assertEqual(self.events("kept"), stopped)
        self.node.start()
        self.addCleanup(mqtt.session(self.node.mqtt_port, "kept", version=5, clean=False).close)
        self.wait_for("kept", [*stopped, ("connected", None)])

    def test_a_kill_loses_no_event_that_was_durable(self):
        self.serve()
        for n in range(20):
            mqtt.session(self.node.mqtt_port, f"k{n}").close()
        ends = [("connected", None), ("disconnected", "closed")]
        harness.wait_until(lambda: self.node.ledger().received == 40, "all events", SECONDS)
        self.node.kill()
        self.node.start()
        self.node.wait_drained()
        for n in range(20):
            # The journal may not have had the last ones on disk yet; twice is what must not be.
            self.assertEqual(self.events(f"k{n}"), ends[:len(self.events(f"k{n}"))])

    def test_subscribers_may_follow_and_nobody_may_pretend(self):
        self.serve()
        watcher = Watcher(self.node.mqtt_port, "$presence/#")
        self.addCleanup(watcher.close)
        forger = mqtt.session(self.node.mqtt_port, "forger", version=5)
        self.addCleanup(forger.close)
        event = watcher.until(lambda message: message.topic == "$presence/forger")
        self.assertEqual(json.loads(event.payload)["event"], "connected")
        forger.send(mqtt.publish_packet("$presence/victim", b'{"event":"disconnected"}', 1, 1,
                                        version=5))
        kind, _, body = forger.receive()
        self.assertEqual((kind, body[2]), (mqtt.PUBACK, NOT_AUTHORIZED))
        self.assertEqual(self.events("victim"), [])


class SysTopicTests:
    def test_sys_topics_are_there_as_with_mosquitto(self):
        self.node = self.gateway(self.database, config={"mqtt.sys_interval": "1s"})
        self.node.start()
        watcher = Watcher(self.node.mqtt_port, "$SYS/#")
        self.addCleanup(watcher.close)
        said = {}

        def complete(message):
            said[message.topic] = message.payload.decode()
            return (said.get("$SYS/broker/clients/connected") == "1"
                    and said.get("$SYS/broker/subscriptions/count") == "1"
                    and int(said.get("$SYS/broker/bytes/received", 0)) > 0
                    and int(said.get("$SYS/broker/messages/received", 0)) >= 2
                    and "$SYS/broker/load/messages/received/1min" in said)
        watcher.until(complete)
        self.assertRegex(said["$SYS/broker/version"], r"^rowgate version \d+\.\d+\.\d+$")
        self.assertRegex(said["$SYS/broker/uptime"], r"^\d+ seconds$")
        self.assertRegex(said["$SYS/broker/load/messages/received/1min"], r"^\d+\.\d\d$")
        self.assertIn("$SYS/rowgate/ledger/received", said)
        self.assertEqual(self.node.ledger().received, 0, "$SYS topics are not journalled")
        self.assertEqual(harness.count(self.database, "telemetry"), 0)

    def test_sys_topics_can_be_turned_off(self):
        self.node = self.gateway(self.database, config={"mqtt.sys_interval": "0s"})
        self.node.start()
        watcher = Watcher(self.node.mqtt_port, "#")
        self.addCleanup(watcher.close)
        watcher.client.subscribe("$SYS/#")
        watcher.client.publish("last", "x", qos=1)
        self.assertEqual(watcher.received.get(timeout=SECONDS).topic, "last")


class OnSqlite(PresenceTests, SysTopicTests, harness.SqliteCase):
    pass


class OnPostgres(PresenceTests, harness.PostgresCase):
    pass


if __name__ == "__main__":
    harness.main()
