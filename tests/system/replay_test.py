"""Dead letters and unmapped messages, replayed by the real program beside a running gateway: each is stored
exactly once, whatever is killed in between; the ledger and the checkpoint stay as they were."""
import json
import signal
import urllib.parse

import harness
import publisher as mqtt

METER = """
[[mapping]]
name = "meter"
topic = "meter/{{device}}"
table = "meters"
[mapping.columns]
device = {{ topic = "device" }}
kwh = {{ from = "{pointer}", type = "double", required = true }}
"""
WRONG = METER.format(pointer="/wrong")
RIGHT = METER.format(pointer="/kwh")
# Written for messages that nobody took when they arrived.
LATER = RIGHT + """
[[mapping]]
name = "lamp"
topic = "lamp/{name}"
table = "lamps"
[mapping.columns]
name = { topic = "name" }
on = { from = "/on", type = "boolean", required = true }
"""


class ReplayTests:
    def serve(self, mapping):
        self.node = self.gateway(self.database, mapping=mapping).start()
        self.right = self.directory / "right.toml"
        self.right.write_text(RIGHT)
        self.sent = 0

    def publish(self, messages):
        """(topic, payload)..., and waits until they are in the database."""
        wire = mqtt.session(self.node.mqtt_port, "device")
        for topic, payload in messages:
            wire.send(mqtt.publish_packet(topic, payload))
            self.sent += 1
        self.node.wait_drained(self.sent)
        wire.close()

    def verb(self, *argv, mapping=None):
        done = harness.rowgate(*argv, "--sink", self.database.url, "--mapping",
                               mapping or self.right, "--data-dir", self.node.data_dir)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def report(self, *argv, mapping=None):
        (record,) = json.loads(self.verb(*argv, "--format", "json", mapping=mapping))
        return {name: int(value) if value.isdigit() else value for name, value in record.items()}

    def api(self, method, path, **query):
        """(status, JSON)"""
        if query:
            path += "?" + urllib.parse.urlencode(query)
        status, text = self.node.http(path, method)
        return status, json.loads(text)

    def left(self, table="rowgate_dead_letter"):
        return harness.count(self.database, table)

    def stored(self):
        """Rows of meters, all different."""
        if not self.database.columns("meters"):
            return 0
        rows, different = self.database.rows("SELECT count(*), count(DISTINCT kwh) FROM meters")[0]
        self.assertEqual(rows, different, "stored twice")
        return rows

    def lanes(self):
        """Who has a checkpoint: a gateway that is idle moves its own."""
        return self.database.rows("SELECT gateway, lane FROM rowgate_checkpoint ORDER BY 1, 2")

    def test_the_mapping_is_mended_and_the_dead_letters_are_stored(self):
        self.serve(WRONG)
        self.publish([("meter/a", b'{"kwh": 1.5}'), ("meter/b", b'{"kwh": "broken"}'),
                      ("meter/c", b"\xff\x00"), ("meter/d", b'{"kwh": 2.5}')])
        self.assertEqual(self.left(), 4)
        ledger, lanes = repr(self.node.ledger()), self.lanes()

        listed = json.loads(self.verb("deadletter", "list", "--format", "json"))
        self.assertEqual([row["topic"] for row in listed],
                         ["meter/d", "meter/c", "meter/b", "meter/a"])
        self.assertIn("no /wrong", listed[0]["reason"])
        self.assertEqual((listed[1]["payload"], listed[1]["encoding"]), ("ff00", "hex"))
        shown = self.verb("deadletter", "show", listed[0]["id"])
        self.assertIn("no /wrong", shown)
        insert = next(line for line in shown.splitlines() if "INSERT" in line).strip()
        self.assertIn("meter/b", self.verb("deadletter", "list", "--topic", "+/b"))
        self.assertNotIn("meter/a", self.verb("deadletter", "list", "--topic", "+/b"))

        dry = self.report("deadletter", "replay", "--dry-run")
        self.assertEqual((dry["stored"], dry["refused"]), (2, 2))
        self.assertEqual((self.left(), self.stored()), (4, 0))
        done = self.report("deadletter", "replay")
        self.assertEqual((done["messages"], done["stored"], done["refused"], done["rows"]),
                         (4, 2, 2, 2))
        self.assertEqual(self.database.rows("SELECT device, kwh FROM meters ORDER BY device"),
                         [("a", 1.5), ("d", 2.5)])
        self.assertEqual([reason for (reason,) in self.database.rows(
            "SELECT reason FROM rowgate_dead_letter") if "wrong" in reason], [])
        again = self.report("deadletter", "replay")
        self.assertEqual((again["messages"], again["rows"]), (2, 0))
        self.assertEqual(self.stored(), 2)
        self.assertEqual((repr(self.node.ledger()), self.lanes()), (ledger, lanes))

        # What show prints is a statement that stores the row.
        self.database.execute('DELETE FROM "meters"')
        self.database.execute(insert)
        self.assertEqual(self.database.rows("SELECT device, kwh FROM meters"), [("d", 2.5)])

        # The gateway goes on as if nothing had been.
        self.publish([("meter/e", b'{"wrong": 9}')])
        self.assertEqual(harness.count(self.database, "meters"), 2)
        self.assert_balanced(self.node)

    def test_killed_in_the_middle_nothing_is_stored_twice_and_nothing_lost(self):
        self.serve(WRONG)
        total = 4000
        self.publish((f"meter/{n % 7}", b'{"kwh": %d.5}' % n) for n in range(total))
        self.assertEqual(self.left(), total)
        argv = [harness.rowgate_binary(), "deadletter", "replay", "--sink", self.database.url,
                "--mapping", self.right]
        interrupted = 0
        for number in range(total // 500 + 2):
            before = self.stored()
            process = harness.spawn(argv, stdout=harness.subprocess.DEVNULL,
                                    env=harness.environment(), cwd=self.directory)
            harness.wait_until(lambda b=before, p=process:
                               p.poll() is not None or self.stored() > b, "a page is replayed")
            process.send_signal(signal.SIGKILL)
            process.wait()
            if number == 1:  # and so is the gateway
                self.node.kill()
                self.node.start()
            stored, left = self.stored(), self.left()
            self.assertEqual(stored + left, total)
            interrupted += 0 < left < total
            if left == 0:
                break
        self.assertGreater(interrupted, 1, "no run was killed in the middle")
        self.report("deadletter", "replay")
        self.assertEqual((self.stored(), self.left()), (total, 0))
        self.node.wait_drained()
        self.assert_balanced(self.node)

    def test_replay_and_publishes_do_not_get_into_each_others_way(self):
        self.serve(WRONG)
        self.publish((f"meter/{n % 7}", b'{"kwh": %d.5}' % n) for n in range(2000))
        process = harness.spawn([harness.rowgate_binary(), "deadletter", "replay", "--sink",
                                 self.database.url, "--mapping", self.right],
                                stdout=harness.subprocess.DEVNULL, env=harness.environment())
        self.publish((f"meter/{n % 7}", b'{"wrong": %d}' % n) for n in range(10_000, 12_000))
        self.assertEqual(process.wait(60), 0)
        self.assertEqual((self.stored(), self.left()), (4000, 0))
        self.assert_balanced(self.node)

    def test_what_arrived_before_its_mapping_is_not_lost(self):
        self.serve(RIGHT)
        self.publish([("lamp/hall", b'{"on": true}'), ("lamp/attic", b"broken"), ("x/y", b"1"),
                      ("meter/a", b'{"kwh": 1.5}')])
        self.assertEqual(self.left("rowgate_unmapped"), 3)
        later = self.directory / "later.toml"
        later.write_text(LATER)
        done = self.report("unmapped", "replay", mapping=later)
        self.assertEqual((done["messages"], done["stored"], done["refused"], done["untaken"]),
                         (3, 1, 1, 1))
        self.assertEqual(self.database.rows("SELECT name FROM lamps"), [("hall",)])
        self.assertEqual(self.database.rows("SELECT topic, mapping FROM rowgate_dead_letter"),
                         [("lamp/attic", "lamp")])
        self.assertEqual(self.database.rows("SELECT topic FROM rowgate_unmapped"), [("x/y",)])
        self.assertEqual(self.stored(), 1)

    def test_purge_asks_for_a_filter(self):
        self.serve(WRONG)
        self.publish([("meter/a", b"1"), ("meter/b", b"1"), ("nobody", b"1")])
        done = harness.rowgate("deadletter", "purge", "--sink", self.database.url)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--all", done.stderr)
        self.assertEqual(self.report("deadletter", "purge", "--dry-run")["would_delete"], 2)
        self.assertEqual(self.report("deadletter", "purge", "--topic", "meter/a")["deleted"], 1)
        self.assertEqual(self.database.rows("SELECT topic FROM rowgate_dead_letter"),
                         [("meter/b",)])
        self.assertEqual(self.report("unmapped", "purge", "--all")["deleted"], 1)
        self.assertEqual(self.left("rowgate_unmapped"), 0)

    def test_the_same_over_http_through_the_mapping_in_force(self):
        self.serve(WRONG)
        self.publish([(f"meter/{n}", b'{"kwh": %d.5}' % n) for n in range(30)] + [("lamp/a", b"{}")])
        status, page = self.api("GET", "/api/v1/dead-letters", limit=20)
        self.assertEqual((status, len(page["messages"])), (200, 20))
        _, rest = self.api("GET", "/api/v1/dead-letters", limit=20, before=page["next_before"])
        self.assertEqual((len(rest["messages"]), rest["next_before"]), (10, None))
        one = page["messages"][0]
        status, whole = self.api("GET", f"/api/v1/dead-letters/{one['id']}")
        self.assertEqual((status, whole["payload"]), (200, '{"kwh": 29.5}'))
        self.assertIn("no /wrong", whole["today"])
        self.assertEqual(self.api("GET", "/api/v1/dead-letters/999999999")[0], 404)
        self.assertEqual(self.api("GET", "/api/v1/dead-letters", topic="a/#/b")[0], 400)
        self.assertEqual(self.api("DELETE", "/api/v1/dead-letters")[0], 400)

        self.node.mapping_path.write_text(RIGHT)
        self.node.signal(signal.SIGHUP)
        harness.wait_until(lambda: "INSERT" in self.api(
            "GET", f"/api/v1/dead-letters/{one['id']}")[1]["today"], "the mapping is reloaded")
        status, report = self.api("POST", "/api/v1/dead-letters/replay", limit=12, dry_run="true")
        self.assertEqual((status, report["stored"], self.left()), (200, 12, 30))
        asked, after = 0, 0
        while after is not None:
            status, report = self.api("POST", "/api/v1/dead-letters/replay", limit=12, after=after)
            self.assertEqual(status, 200, report)
            after = report["next_after"]
            asked += 1
        self.assertEqual((asked, self.stored(), self.left()), (3, 30, 0))
        self.assertEqual(self.api("GET", "/api/v1/unmapped")[1]["messages"][0]["topic"], "lamp/a")
        self.assertEqual(self.api("POST", "/api/v1/unmapped/replay")[1]["untaken"], 1)
        self.assertEqual(self.api("DELETE", "/api/v1/unmapped", topic="lamp/+")[1]["deleted"], 1)
        self.assertEqual(self.left("rowgate_unmapped"), 0)
        self.assert_balanced(self.node)


class ReplayIntoSqlite(ReplayTests, harness.SqliteCase):
    pass


class ReplayIntoPostgres(ReplayTests, harness.PostgresCase):
    pass


if __name__ == "__main__":
    harness.main()
