"""What [table.NAME] asks for, with the real binary on both databases: old rows vanish and new ones
stay, partitions are made ahead and dropped, the table of last rows is right after messages out of
order and after kill -9, and `rowgate check --against` says what fits."""
import datetime
import random
import time

import harness
import publisher as mqtt

MAPPING = """
[[mapping]]
name  = "reading"
topic = "reading/{device}"
table = "reading"
time  = { from = "/ts", format = "unix_ms" }
key   = ["device", "n", "ts"]
[mapping.columns]
device = { topic = "device" }
n = { from = "/n", type = "bigint" }
"""
LATEST = '[table.reading]\nlatest = true\nlatest_key = ["device"]\n'
DAY_MS = 86_400_000


def now_ms():
    return int(time.time() * 1000)


def reading(ts, n):
    return b'{"ts": %d, "n": %d}' % (ts, n)


class TableTests:
    """Mixed into a case with self.database."""

    def serve(self, section):
        self.node = self.gateway(self.database, mapping=MAPPING + section, config={
            "drain.backoff_first": "50 ms", "drain.backoff_max": "200 ms"})
        return self.node.start()

    def publish(self, device, payloads):
        """All at QoS 1, acknowledged."""
        sender = mqtt.Publisher(device, self.node.mqtt_port,
                                lambda seq: (f"reading/{device}", payloads[seq], 1))
        sender.publish(len(payloads))

    def numbers(self, table="reading"):
        return [n for (n,) in self.database.rows(f"SELECT n FROM {table} ORDER BY n")]

    def test_old_rows_vanish_and_new_ones_stay(self):
        self.serve('[table.reading]\nretention = "10m"\n')
        now = now_ms()
        old = [reading(now - 20 * 60_000 - i, i) for i in range(2000)]
        new = [reading(now - 60_000 + i, 10_000 + i) for i in range(100)]
        self.publish("a", old + new)
        self.node.wait_drained(2100)
        harness.wait_until(lambda: len(self.numbers()) == 100,
                           lambda: f"only the new rows are left: {len(self.numbers())}", 150, 0.2)
        self.assertEqual(self.numbers(), list(range(10_000, 10_100)))
        self.assertEqual(self.node.metrics().sum("rowgate_retention_rows_total"), 2000)
        self.assert_balanced(self.node)

    def test_the_last_rows_are_right_after_messages_out_of_order(self):
        self.serve(LATEST)
        now = now_ms()
        for device in ("a", "b"):
            order = list(range(500))
            random.Random(device).shuffle(order)
            self.publish(device, [reading(now + n, n) for n in order])
        # Of equal times the one that came last.
        self.publish("a", [reading(now + 499, n) for n in (7, 3)])
        self.node.wait_drained(1002)
        rows = self.database.rows("SELECT device, n FROM reading_latest ORDER BY device")
        self.assertEqual([tuple(row) for row in rows], [("a", 3), ("b", 499)])
        self.assertEqual(harness.count(self.database, "reading"), 1002)

    def test_the_last_rows_are_right_after_kill_9(self):
        self.serve(LATEST)
        now = now_ms()
        devices = [f"d{i}" for i in range(5)]
        threads = []
        for device in devices:
            rng = random.Random(device)
            source = (lambda seq, device=device, rng=rng:
                      (f"reading/{device}", reading(now + rng.randrange(100_000), seq), 1))
            threads.append(mqtt.PublisherThread(
                mqtt.Publisher(device, self.node.mqtt_port, source), rng))
        for thread in threads:
            thread.start()
        for _ in range(5):
            before = harness.count(self.database, "reading")
            harness.wait_until(lambda: harness.count(self.database, "reading") > before + 200,
                               "rows arrive", 60)
            self.node.kill()
            self.node.start()
        for thread in threads:
            thread.finish()
        self.node.wait_drained()
        self.assert_balanced(self.node)
        expected = self.database.rows(
            "SELECT device, max(ts) FROM reading GROUP BY device ORDER BY device")
        latest = self.database.rows("SELECT device, ts FROM reading_latest ORDER BY device")
        self.assertEqual(latest, expected)
        self.assertEqual(len(latest), len(devices))
        self.assertEqual(harness.count(self.database, "rowgate_dead_letter"), 0)

    def test_check_says_what_fits_column_by_column(self):
        good = self.directory / "good.toml"
        good.write_text(MAPPING + LATEST)
        done = harness.rowgate("check", "--mapping", good, "--against", self.database.url)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("CREATE TABLE", done.stdout)
        self.assertIn("reading_latest", done.stdout)
        self.create_misfit()
        done = harness.rowgate("check", "--mapping", good, "--against", self.database.url)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stderr, "table reading: does not fit\n  table reading, column n: ")
        self.assertIn("column owner: NOT NULL without a default", done.stderr)
        self.assertEqual(self.database.columns("reading_latest"), {})

    def create_misfit(self):
        self.database.execute("CREATE TABLE reading (ts text, device text, n text, "
                              "owner text NOT NULL)" if self.database.kind == "sqlite" else
                              "CREATE TABLE reading (ts timestamptz, device text, n text, "
                              "owner text NOT NULL)")


class SqliteTablesTest(TableTests, harness.SqliteCase):
    def test_the_file_gives_back_what_the_old_rows_took(self):
        self.serve("")
        now = now_ms()
        self.publish("a", [reading(now - 20 * 60_000 - i, i) for i in range(60_000)])
        self.node.wait_drained(60_000)
        pages = lambda: harness.scalar(self.database, "PRAGMA page_count")
        before = pages()
        self.assertGreater(before, 1000, "some free pages are kept: they must be a small part")
        self.node.mapping_path.write_text(MAPPING + '[table.reading]\nretention = "10m"\n')
        harness.wait_until(lambda: not self.numbers(), "the old rows are gone", 150, 0.5)
        harness.wait_until(lambda: pages() < before / 2,
                           lambda: f"the file shrinks: {pages()} of {before} pages", 150, 0.5)

    def test_partitions_are_noted_as_what_sqlite_has_not(self):
        self.serve('[table.reading]\npartition = "1d"\n')
        harness.wait_until(lambda: "partitions were asked for, which SQLite does not have" in
                           self.node.log(), "it is said", 20)


class PostgresTablesTest(TableTests, harness.PostgresCase):
    def partitions(self):
        return {name: bound for name, bound in self.database.rows(
            "SELECT c.relname::text, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i "
            "JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass('reading')")}

    @staticmethod
    def partition_name(days):
        day = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
        return f"reading_p{day:%Y%m%d}"

    def test_partitions_are_made_ahead_and_dropped(self):
        self.serve('[table.reading]\npartition = "1d"\nretention = "10d"\n')
        # Before the first message.
        harness.wait_until(lambda: len(self.partitions()) == 6, lambda: self.partitions(), 20)
        made = self.partitions()
        for days in (-1, 0, 1, 2, 3):
            self.assertIn(self.partition_name(days), made)
        self.assertEqual(made["reading_default"], "DEFAULT")
        now = now_ms()
        self.publish("a", [reading(now, 1), reading(now - 400 * DAY_MS, 2),
                           reading(now - 5 * DAY_MS, 3), reading(now + DAY_MS, 4)])
        self.node.wait_drained(4)
        self.assertEqual(harness.count(self.database, self.partition_name(0)), 1)
        self.assertEqual(harness.count(self.database, self.partition_name(1)), 1)
        self.node.terminate()
        # A gateway that was away for a year finds a partition that is past.
        self.database.execute(
            "CREATE TABLE reading_old PARTITION OF reading FOR VALUES FROM ('2020-01-01') TO "
            "('2020-02-01'); INSERT INTO reading VALUES ('2020-01-05', 'a', 9)")
        self.node.start()
        harness.wait_until(lambda: "reading_old" not in self.partitions(), "it is dropped", 30)
        harness.wait_until(lambda: self.numbers() == [1, 3, 4], lambda: self.numbers(), 30)
        self.assertEqual(self.node.metrics().sum("rowgate_retention_partitions_total"), 1)
        self.assert_balanced(self.node)

    def test_what_the_database_cannot_do_is_warned_of_once(self):
        self.serve('[table.reading]\nhypertable = { chunk = "1d" }\n')
        harness.wait_until(lambda: "a hypertable was asked for" in self.node.log(), "told", 20)
        self.publish("a", [reading(now_ms(), 1)])
        self.node.wait_drained(1)
        self.assertEqual(self.node.log().count("a hypertable was asked for"), 1)
        self.assertEqual(self.numbers(), [1])


if __name__ == "__main__":
    harness.main()
