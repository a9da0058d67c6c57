"""A hundred changes of the mapping under full QoS 1 load, by file, SIGHUP and HTTP in turn: nothing
is lost, nothing comes twice, no publisher is disconnected."""
import signal
import threading
import time
import urllib.request

import harness
import publisher as mqtt

CHANGES = 100
PUBLISHERS = 4

MAPPING = """\
[[mapping]]
name = "{table}"
topic = "load/{{device}}"
table = "{table}"
payload = "json"
[mapping.columns]
device = {{ topic = "device", type = "text" }}
seq = {{ from = "/seq", type = "bigint" }}
"""
TEXTS = [MAPPING.format(table="even"), MAPPING.format(table="odd")]


class Load(threading.Thread):
    """Publishes as fast as the window allows until told to stop. A connection that ends is a
    failure: nothing is sent again."""

    def __init__(self, name, port):
        super().__init__(daemon=True)
        self.publisher = mqtt.Publisher(
            name, port, lambda seq: (f"load/{name}", b'{"seq": %d}' % seq, 1), window=64)
        self.failure = None
        self.ending = threading.Event()

    def run(self):
        try:
            self.publisher.connect()
            while not self.ending.is_set():
                self.publisher.send_new()
                self.publisher.read(0.05 if len(self.publisher.in_flight) >= 64 else 0)
            self.publisher.finish()
        except BaseException as error:  # noqa: BLE001: reported by the test
            self.failure = error


class ReloadUnderLoadTests:
    def generation(self):
        return int(self.node.metrics().sum("rowgate_mapping_generation"))

    def mapping_now(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.node.http_port}/api/v1/mapping",
                                    timeout=10) as answer:
            return answer.headers["ETag"], answer.read().decode()

    def change(self, number):
        """Puts the other text in force, in one of three ways, and waits until it is."""
        text = TEXTS[number % 2]
        way = number % 3
        if way == 0:
            self.node.mapping_path.write_text(text)  # the file is watched
        elif way == 1:
            self.node.mapping_path.write_text(text)
            self.node.signal(signal.SIGHUP)
        else:
            etag, _ = self.mapping_now()
            request = urllib.request.Request(
                f"http://127.0.0.1:{self.node.http_port}/api/v1/mapping", method="PUT",
                data=text.encode(), headers={"If-Match": etag})
            with urllib.request.urlopen(request, timeout=20) as answer:
                self.assertEqual(answer.status, 200)
        harness.wait_until(lambda: self.mapping_now()[1] == text,
                           lambda: f"change {number} is in force; log:\n{self.node.log()[-2000:]}")

    def test_a_hundred_changes_lose_and_duplicate_nothing(self):
        self.node = self.gateway(self.database, mapping=TEXTS[0]).start()
        loads = [Load(f"device-{n}", self.node.mqtt_port) for n in range(PUBLISHERS)]
        for load in loads:
            load.start()
        began = time.monotonic()
        for number in range(1, CHANGES + 1):
            self.change(number)
        seconds = time.monotonic() - began
        for load in loads:
            load.ending.set()
        for load in loads:
            load.join(60)
            self.assertIsNone(load.failure)
            self.assertEqual(load.publisher.violations, [])
            self.assertEqual(load.publisher.reconnects, 1, "the one connection lasted")
        sent = sum(load.publisher.next_seq for load in loads)
        ledger = self.node.wait_drained(sent)
        self.assertEqual((ledger.stored, ledger.dead_letter, ledger.unmapped, ledger.dropped),
                         (sent, 0, 0, 0), ledger)
        rows = self.database.rows("SELECT device, seq FROM even UNION ALL"
                                  " SELECT device, seq FROM odd")
        self.assertEqual(len(rows), sent, "each message is one row")
        expected = {(load.publisher.client_id, seq) for load in loads
                    for seq in range(load.publisher.next_seq)}
        self.assertEqual(set(rows), expected)
        for table in ("even", "odd"):
            self.assertGreater(harness.count(self.database, table), 0)
        versions = harness.count(self.database, "rowgate_mapping")
        harness.wait_until(
            lambda: harness.count(self.database, "rowgate_mapping") == CHANGES + 1,
            lambda: f"every change is kept: {versions} of {CHANGES + 1}")
        print(f"{self.database.kind}: {sent} messages in {seconds:.1f} s, {CHANGES} changes")


class ReloadUnderLoadOnSqliteTest(ReloadUnderLoadTests, harness.SqliteCase):
    pass


class ReloadUnderLoadOnPostgresTest(ReloadUnderLoadTests, harness.PostgresCase):
    pass


if __name__ == "__main__":
    harness.main()
