"""The mapping language end to end, on both sinks: captures, types, time formats, rows, auto columns,
reload, refusal of a broken file, dead letters, unmapped messages."""
import json
import signal
import time

import harness
import publisher as mqtt

TYPES = """
[[mapping]]
name = "types"
topic = "site/{site}/room/{room}/climate"
table = "climate"
payload = "json"
time = { from = "/ts", format = "unix_ms" }
[mapping.columns]
site = { topic = "site", type = "text" }
room = { topic = "room", type = "bigint" }
temperature = { from = "/temp", type = "double", scale = 0.1, offset = -40.0, null_if = -999 }
humidity = { from = "/hum", type = "double", required = true }
door = { from = "/door", type = "boolean" }
hits = { from = "/hits", type = "bigint" }
extra = { from = "/extra", type = "jsonb" }
serial = { from = "/serial", type = "uuid" }
price = { from = "/price", type = "numeric" }
seen = { from = "/seen", type = "timestamptz", format = "iso8601" }
lenient = { from = "/lenient", type = "bigint", on_error = "null" }
deep = { from = "/a/b~1c/1", type = "text" }
device = { meta = "client_id" }
place = { meta = "topic" }
level = { meta = "qos", type = "bigint" }
kept = { meta = "retain", type = "boolean" }
"""

ONE = """
[[mapping]]
name = "one"
topic = "one/{device}"
table = "one"
payload = "json"
[mapping.columns]
device = { topic = "device", type = "text" }
value = { from = "/value", type = "double" }
"""


class MappingTests:
    def serve(self, mapping, **options):
        self.node = self.gateway(self.database, mapping=mapping, **options).start()
        self.sent = 0
        return self.node

    def publish(self, *messages, client="device", version=4, properties=b""):
        """(topic, payload) or (topic, payload, qos)...; waits until all are drained."""
        wire = mqtt.session(self.node.mqtt_port, client, version)
        for number, (topic, payload, *qos) in enumerate(messages, 1):
            if not isinstance(payload, bytes):
                payload = json.dumps(payload).encode()
            wire.send(mqtt.publish_packet(topic, payload, qos[0] if qos else 1, number,
                                          version=version, properties=properties))
            kind = wire.receive()[0]
            self.assertIn(kind, (mqtt.PUBACK, mqtt.PUBREC))
        wire.close()
        self.sent += len(messages)
        ledger = self.node.wait_drained(self.sent)
        self.assertEqual(ledger.difference, 0, ledger)
        return ledger

    def dead_letters(self):
        return self.database.rows(
            "SELECT topic, client_id, qos, payload, mapping, reason FROM rowgate_dead_letter"
            " ORDER BY position")

    # --- values

    def test_every_type_reaches_its_column(self):
        self.serve(TYPES)
        serial = "123e4567-e89b-12d3-a456-426614174000"
        self.publish(("site/north/room/12/climate", {
            "ts": 1700000000123, "temp": 615, "hum": 55.5, "door": True, "hits": 9007199254740993,
            "extra": {"k": [1, None, "x"]}, "serial": serial, "price": 12.34,
            "seen": "2024-02-29T23:30:00.25+02:00", "lenient": "no number",
            "a": {"b/c": ["zero", "one"]}}), client="thermo")
        (row,) = self.database.rows(
            "SELECT ts, site, room, temperature, humidity, door, hits, extra, serial, price, seen,"
            " lenient, deep, device, place, level, kept FROM climate")
        self.assertEqual(harness.unix_us(row[0]), 1700000000123000)
        self.assertEqual(row[1:3], ("north", 12))
        self.assertAlmostEqual(row[3], 21.5)
        self.assertEqual(row[4], 55.5)
        self.assertEqual((bool(row[5]), row[6]), (True, 9007199254740993))
        extra = json.loads(row[7]) if isinstance(row[7], str) else row[7]
        self.assertEqual(extra, {"k": [1, None, "x"]})
        self.assertEqual((str(row[8]), str(row[9])), (serial, "12.34"))
        self.assertEqual(harness.unix_us(row[10]), 1709242200250000)
        self.assertEqual(row[11:16], (None, "one", "thermo", "site/north/room/12/climate", 1))
        self.assertFalse(row[16])

    def test_absent_null_and_null_if_are_null(self):
        self.serve(TYPES)
        self.publish(("site/n/room/1/climate", {"ts": 0, "hum": 1, "temp": -999}),
                     ("site/n/room/2/climate", {"ts": 1, "hum": 2, "temp": None}),
                     ("site/n/room/3/climate", {"ts": 2, "hum": 3}))
        self.assertEqual(self.database.rows("SELECT room, temperature, door FROM climate"
                                            " ORDER BY room"),
                         [(1, None, None), (2, None, None), (3, None, None)])

    def test_time_formats(self):
        formats = {"unix_s": 1700000001, "unix_ms": 1700000001000, "unix_us": 1700000001000000,
                   "unix_ns": 1700000001000000000, "iso8601": "2023-11-14T22:13:21Z"}
        self.serve("".join(f"""
[[mapping]]
name = "time-{name}"
topic = "time/{name}"
table = "times"
time = {{ from = "/t", format = "{name}" }}
[mapping.columns]
format = {{ from = "/f", type = "text" }}
""" for name in formats))
        self.publish(*((f"time/{name}", {"t": value, "f": name})
                       for name, value in formats.items()))
        rows = self.database.rows("SELECT format, ts FROM times")
        self.assertEqual({name: harness.unix_us(ts) for name, ts in rows},
                         dict.fromkeys(formats, 1700000001000000))

    def test_rows_makes_one_row_an_element(self):
        self.serve("""
[[mapping]]
name = "batch"
topic = "batch/{device}"
table = "samples"
payload = "json"
rows = "/samples"
time = { from = "/t", format = "unix_s" }
[mapping.columns]
device = { topic = "device", type = "text" }
v = { from = "/v", type = "double", required = true }
""")
        ledger = self.publish(
            ("batch/a", {"samples": [{"t": n, "v": n / 2} for n in range(100)]}),
            ("batch/b", {"samples": []}))
        self.assertEqual((ledger.stored, ledger.dead_letter), (2, 0))
        rows = self.database.rows("SELECT device, ts, v FROM samples")
        self.assertEqual(sorted((d, harness.unix_us(t), v) for d, t, v in rows),
                         [("a", n * 1000000, n / 2) for n in range(100)])

    def test_scalar_and_raw_payloads(self):
        self.serve("""
[[mapping]]
name = "scalar"
topic = "scalar/{name}"
table = "scalars"
payload = "scalar"
[mapping.columns]
name = { topic = "name", type = "text" }
value = { from = "", type = "double" }
[[mapping]]
name = "raw"
topic = "raw/#"
table = "raws"
payload = "raw"
[mapping.columns]
topic = { meta = "topic" }
body = { from = "", type = "bytea" }
""")
        raw = bytes(range(256))
        self.publish(("scalar/a", b"21.5"), ("scalar/b", b"-3"), ("raw/x/y", raw),
                     ("scalar/c", b"not a number"))
        self.assertEqual(self.database.rows("SELECT name, value FROM scalars ORDER BY name"),
                         [("a", 21.5), ("b", -3.0)])
        ((topic, body),) = self.database.rows("SELECT topic, body FROM raws")
        self.assertEqual((topic, bytes(body)), ("raw/x/y", raw))
        self.assertEqual([row[0] for row in self.dead_letters()], ["scalar/c"])

    def test_auto_columns_grow_with_the_fields_and_numbers_never_fight(self):
        self.serve("""
[[mapping]]
name = "auto"
topic = "auto/{device}"
table = "auto"
payload = "json"
columns = "auto"
""")
        self.publish(("auto/a", {"temp": 3, "name": "x", "ok": True}))
        self.publish(("auto/a", {"temp": 3.5, "hum": 40}), ("auto/b", {"hum": 41, "new": 1}))
        columns = self.database.columns("auto")
        for name in ("temp", "hum", "new"):
            self.assertEqual(columns[name], "double precision")
        self.assertLessEqual({"ts", "name", "ok"}, set(columns))
        self.assertEqual(
            sorted(self.database.rows("SELECT temp, hum, new, name FROM auto"), key=str),
            sorted([(3.0, None, None, "x"), (3.5, 40.0, None, None), (None, 41.0, 1.0, None)],
                   key=str))

    def test_every_mapping_that_matches_gets_the_message(self):
        self.serve(ONE + ONE.replace('"one"', '"two"').replace("one/{device}", "+/{device...}"))
        ledger = self.publish(("one/a", {"value": 1}), ("other/b/c", {"value": 2}))
        self.assertEqual(ledger.stored, 2)
        self.assertEqual(self.database.rows("SELECT device, value FROM one"), [("a", 1.0)])
        self.assertEqual(self.database.rows("SELECT device, value FROM two ORDER BY device"),
                         [("a", 1.0), ("b/c", 2.0)])

    def test_a_key_makes_resends_idempotent(self):
        for conflict, expected in (("ignore", 1.0), ("update", 2.0)):
            table = f"keyed_{conflict}"
            self.serve(f"""
[[mapping]]
name = "keyed"
topic = "keyed/{{device}}"
table = "{table}"
payload = "json"
time = {{ from = "/t", format = "unix_s" }}
key = ["device", "ts"]
on_conflict = "{conflict}"
[mapping.columns]
device = {{ topic = "device", type = "text" }}
value = {{ from = "/value", type = "double" }}
""", name=f"keyed-{conflict}")
            ledger = self.publish(("keyed/a", {"t": 1, "value": 1}),
                                  ("keyed/a", {"t": 1, "value": 2}))
            self.assertEqual((ledger.stored, ledger.dead_letter), (2, 0))
            # The same key in a later batch as well as within one.
            self.publish(("keyed/b", {"t": 1, "value": 1}))
            self.publish(("keyed/b", {"t": 1, "value": 2}))
            self.assertEqual(
                self.database.rows(f"SELECT device, value FROM {table} ORDER BY device"),
                [("a", expected), ("b", expected)])
            self.assertEqual(self.node.terminate(), 0)

    def test_user_properties_become_columns(self):
        self.serve(ONE + 'batch = { meta = "user_property:batch" }\n')
        self.publish(("one/a", {"value": 1}), version=5,
                     properties=b"\x26" + mqtt.text("batch") + mqtt.text("b-7"))
        self.assertEqual(self.database.rows("SELECT batch FROM one"), [("b-7",)])

    # --- what does not fit

    def test_what_does_not_fit_is_kept_as_a_dead_letter_with_a_reason(self):
        self.serve(TYPES)
        topic = "site/n/room/1/climate"
        cases = [(topic, {"ts": 1, "temp": 1}, "humidity"),
                 (topic, {"ts": 1, "hum": "wet"}, "humidity"),
                 (topic, {"ts": "yesterday", "hum": 1}, "ts"),
                 (topic, {"ts": 1, "hum": 1, "hits": 1.5}, "hits"),
                 (topic, {"ts": 1, "hum": 1, "serial": "xyz"}, "serial"),
                 ("site/n/room/attic/climate", {"ts": 1, "hum": 1}, "room"),
                 (topic, b'{"ts": 1, "hum": ', None),
                 (topic, b"\xff\x00\xfe", None),
                 (topic, b"", None)]
        ledger = self.publish(*((t, p) for t, p, _ in cases), client="odd")
        self.assertEqual((ledger.stored, ledger.dead_letter), (0, len(cases)))
        letters = self.dead_letters()
        self.assertEqual(len(letters), len(cases))
        for (topic, payload, column), letter in zip(cases, letters):
            self.assertEqual(letter[:3] + (letter[4],), (topic, "odd", 1, "types"))
            kept = letter[3]
            if isinstance(payload, dict):
                self.assertEqual(json.loads(kept), payload)
            self.assertTrue(letter[5].strip())
            if column:
                self.assertIn(column, letter[5])
        self.assertEqual(letters[7][3], "ff00fe", "bytes that are not UTF-8 as hex")

    def test_rows_the_database_refuses_are_dead_letters_and_the_others_commit(self):
        self.database.execute("CREATE TABLE one (ts TEXT, device TEXT, value DOUBLE PRECISION,"
                              " CHECK (value < 100))" if self.database.kind == "sqlite" else
                              "CREATE TABLE one (ts timestamptz, device text,"
                              " value double precision CHECK (value < 100))")
        self.serve(ONE)
        bad = {17, 18, 400, 999}
        ledger = self.publish(*((f"one/{n}", {"value": 200 if n in bad else 1})
                                for n in range(1000)))
        self.assertEqual((ledger.stored, ledger.dead_letter), (996, 4))
        rows = self.database.rows("SELECT device FROM one")
        self.assertEqual({int(d) for (d,) in rows}, set(range(1000)) - bad)
        self.assertEqual(len(rows), 996)
        self.assertEqual({letter[0] for letter in self.dead_letters()},
                         {f"one/{n}" for n in bad})
        self.assertTrue(all(letter[4] == "one" and letter[5] for letter in self.dead_letters()))

    def test_what_no_mapping_takes_is_kept_unmapped(self):
        self.serve(ONE)
        ledger = self.publish(("two/x", b"hello"), ("two/y", b"\xff\xfe", 2), ("one/a/b", b"{}"))
        self.assertEqual(ledger.unmapped, 3)
        rows = self.database.rows("SELECT topic, client_id, qos, payload FROM rowgate_unmapped"
                                  " ORDER BY topic")
        self.assertEqual(rows, [("one/a/b", "device", 1, "{}"), ("two/x", "device", 1, "hello"),
                                ("two/y", "device", 2, "fffe")])

    def test_unmapped_messages_can_be_dropped_or_refused(self):
        self.serve(ONE, config={"drain.unmapped": "drop"}, name="drops")
        ledger = self.publish(("two/x", b"hello"))
        self.assertEqual(ledger.unmapped, 1)
        self.assertEqual(harness.count(self.database, "rowgate_unmapped"), 0)
        self.node.terminate()
        self.serve(ONE, config={"drain.unmapped": "reject"}, name="rejects")
        wire = mqtt.session(self.node.mqtt_port, "refused", 5)
        wire.send(mqtt.publish_packet("two/x", b"hello", 1, 1, version=5))
        kind, _, body = wire.receive()
        self.assertEqual((kind, body[:2]), (mqtt.PUBACK, b"\0\1"))
        self.assertGreaterEqual(body[2], 0x80, "a reason code that says: refused")
        wire.send(mqtt.publish_packet("one/x", b'{"value": 1}', 1, 2, version=5))
        self.assertEqual(wire.receive()[2][:2], b"\0\2")
        wire.close()

    def test_without_a_mapping_file_everything_is_kept_in_telemetry(self):
        self.serve(None)
        self.publish(("a/b", b"21.5"), ("a/c", b'{"v": 3}'), ("a/d", b'{"v": 3, "w": 4}'),
                     ("a/e", b"plain text"), ("a/f", b"\xff\x01"), ("a/g", b""))
        self.assertEqual(
            self.database.rows("SELECT topic, client_id, value, payload FROM telemetry"
                               " ORDER BY topic"),
            [("a/b", "device", 21.5, "21.5"), ("a/c", "device", 3.0, '{"v": 3}'),
             ("a/d", "device", None, '{"v": 3, "w": 4}'), ("a/e", "device", None, "plain text"),
             ("a/f", "device", None, "ff01"), ("a/g", "device", None, "")])
        now = time.time() * 1e6
        for (ts,) in self.database.rows("SELECT ts FROM telemetry"):
            self.assertLess(abs(now - harness.unix_us(ts)), 60e6)

    # --- reload

    def loaded(self, request):
        """Rewrites the mapping with one more column, asks for a reload, waits for it to hold."""
        self.serve(ONE)
        self.publish(("one/a", {"value": 1, "unit": "C"}))
        self.node.mapping_path.write_text(
            ONE + 'unit = { from = "/unit", type = "text" }\n')
        request()

        def in_force():
            self.publish(("one/b", {"value": 2, "unit": "C"}))
            return "unit" in self.database.columns("one")
        harness.wait_until(in_force, "the new mapping is in force", 10, 0.1)
        self.publish(("one/c", {"value": 3, "unit": "C"}))
        rows = dict(self.database.rows("SELECT device, unit FROM one"))
        self.assertEqual((rows["a"], rows["c"]), (None, "C"))

    def test_sighup_reloads_the_mapping(self):
        self.loaded(lambda: self.node.signal(signal.SIGHUP))

    def test_http_reloads_the_mapping(self):
        def request():
            status, text = self.node.http("/mapping/reload", "POST")
            self.assertEqual(status, 200, text)
        self.loaded(request)

    def test_a_broken_mapping_file_is_refused_with_line_and_column_and_the_old_one_stays(self):
        self.serve(ONE)
        self.node.mapping_path.write_text(ONE + 'unit = { form = "/unit", type = "text" }\n')
        broken_line = (ONE + "x").count("\n") + 1
        status, text = self.node.http("/mapping/reload", "POST")
        self.assertEqual(status, 400)
        self.assertRegex(text, rf":{broken_line}:\d+: .*form")
        self.assertIn("from", text, "the nearest known key")
        self.node.signal(signal.SIGHUP)
        harness.wait_until(lambda: f":{broken_line}:" in self.node.log(),
                           "the log says where the file is broken")
        self.publish(("one/a", {"value": 1, "unit": "C"}))
        self.assertEqual(self.database.rows("SELECT device, value FROM one"), [("a", 1.0)])
        self.assertTrue(self.node.running)


class MappingOnSqliteTest(MappingTests, harness.SqliteCase):
    pass


class MappingOnPostgresTest(MappingTests, harness.PostgresCase):
    pass


if __name__ == "__main__":
    harness.main()
