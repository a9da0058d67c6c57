"""The mapping changed while the gateway runs, over HTTP: read, validate, preview, put, history,
rollback; the topics that pass through and the mapping suggested for one of them; the token."""
import json
import urllib.error
import urllib.request

import harness
import publisher as mqtt

ONE = """\
[[mapping]]
name = "one"
topic = "one/{device}"
table = "one"
payload = "json"
[mapping.columns]
device = { topic = "device", type = "text" }
value = { from = "/value", type = "double" }
"""
TWO = ONE.replace('table = "one"', 'table = "two"')
BROKEN = ONE + 'unit = { form = "/unit", type = "text" }\n'
BROKEN_LINE = BROKEN.count("\n")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def etag(self):
        return self.headers.get("ETag")

    def __repr__(self):
        return f"{self.status} {self.body}"


class LiveMappingTests:
    def serve(self, mapping=ONE, **options):
        self.node = self.gateway(self.database, mapping=mapping, **options).start()
        self.sent = 0
        return self.node

    def ask(self, method, path, body=None, **headers):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.node.http_port}/api/v1{path}", method=method,
            data=None if body is None else body.encode(),
            headers={name.replace("_", "-"): value for name, value in headers.items()})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return Answer(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read().decode())

    def publish(self, *messages, client="device"):
        wire = mqtt.session(self.node.mqtt_port, client)
        for number, (topic, payload) in enumerate(messages, 1):
            if not isinstance(payload, (bytes, str)):
                payload = json.dumps(payload)
            if isinstance(payload, str):
                payload = payload.encode()
            wire.send(mqtt.publish_packet(topic, payload, 1, number))
            self.assertEqual(wire.receive()[0], mqtt.PUBACK)
        wire.close()
        self.sent += len(messages)
        ledger = self.node.wait_drained(self.sent)
        self.assertEqual(ledger.difference, 0, ledger)
        return ledger

    def taken_by(self, table, message):
        """Publishes until the lane maps with the new mapping: an idle one has a batch open."""
        def taken():
            self.publish(message)
            return harness.count(self.database, table) > 0
        harness.wait_until(taken, f"table {table} has a row")

    def put(self, text, if_match=None, **headers):
        etag = if_match or self.ask("GET", "/mapping").etag
        return self.ask("PUT", "/mapping", text, If_Match=etag, **headers)

    def history(self):
        return self.ask("GET", "/mapping/history").json["versions"]

    def known_topics(self, *topics):
        """Waits until the gateway has seen them; {topic: what it says}."""
        def seen():
            found = {t["topic"]: t for t in self.ask("GET", "/topics").json["topics"]}
            return set(topics) <= set(found) and found
        return harness.wait_until(seen, f"{topics} are seen")

    # --- read and write

    def test_a_mapping_is_read_with_its_etag_and_replaced_by_put(self):
        self.serve()
        now = self.ask("GET", "/mapping")
        self.assertEqual((now.status, now.body), (200, ONE))
        self.assertRegex(now.etag, r'^"[0-9a-f]{32}"$')
        self.publish(("one/a", {"value": 1}))
        answer = self.put(TWO, Rowgate_Author="Anna")
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["version"], 2)
        self.taken_by("two", ("one/b", {"value": 2}))
        self.publish(("one/c", {"value": 2}))
        self.assertEqual(
            self.database.rows("SELECT count(*) FROM one WHERE device = 'c'"), [(0,)])
        self.assertEqual(self.database.rows("SELECT value FROM two WHERE device = 'c'"), [(2.0,)])
        self.assertEqual(self.node.mapping_path.read_text(), TWO, "the file is the mapping")
        self.assertEqual(self.ask("GET", "/mapping").etag, answer.etag)
        self.assertEqual(self.node.terminate(), 0)
        self.node.start()
        self.assertEqual(self.ask("GET", "/mapping").body, TWO)
        harness.wait_until(lambda: [v["version"] for v in self.history()] == [2, 1],
                           "a start with the same text is no new version")

    def test_put_needs_the_etag_of_the_mapping_in_force(self):
        self.serve()
        old = self.ask("GET", "/mapping").etag
        self.assertEqual(self.ask("PUT", "/mapping", TWO).status, 428)
        self.assertEqual(self.put(TWO).status, 200)
        late = self.put(ONE, if_match=old)
        self.assertEqual(late.status, 412, late)
        self.assertEqual(self.ask("GET", "/mapping").body, TWO)
        self.assertEqual(self.put(ONE, if_match="*").status, 200)

    def test_a_broken_text_is_refused_whole_with_line_and_column(self):
        self.serve()
        before = self.ask("GET", "/mapping")
        for answer in (self.put(BROKEN), self.ask("POST", "/mapping/validate", BROKEN),
                       self.ask("POST", "/mapping/preview", BROKEN)):
            self.assertEqual(answer.status, 422, answer)
            (error,) = [e for e in answer.json["errors"] if "form" in e["message"]]
            self.assertEqual(error["line"], BROKEN_LINE)
            self.assertGreater(error["column"], 0)
            self.assertIn("from", error["message"] + error.get("hint", ""))
        after = self.ask("GET", "/mapping")
        self.assertEqual((after.body, after.etag), (before.body, before.etag))
        self.assertEqual(self.node.mapping_path.read_text(), ONE)
        self.publish(("one/a", {"value": 1}))
        self.assertEqual(self.database.rows("SELECT device, value FROM one"), [("a", 1.0)])
        self.assertEqual(len(self.history()), 1)

    def test_a_broken_file_on_disk_is_not_overwritten_unasked(self):
        self.serve()
        self.node.mapping_path.write_text(BROKEN)
        answer = self.put(TWO)
        self.assertEqual(answer.status, 412, answer)
        self.assertEqual(self.node.mapping_path.read_text(), BROKEN)
        self.assertEqual(self.put(TWO, if_match="*").status, 200)

    def test_without_a_mapping_file_there_is_nothing_to_put(self):
        self.serve(mapping=None)
        self.assertEqual(self.put(ONE).status, 409)
        self.assertIn("built-in", self.ask("GET", "/mapping").body)

    # --- history

    def test_history_has_who_and_when_and_a_rollback_is_a_new_version(self):
        self.serve()
        self.assertEqual(self.put(TWO, Rowgate_Author="Anna").status, 200)
        self.node.mapping_path.write_text(ONE + "# by hand\n")
        harness.wait_until(lambda: len(self.history()) == 3, "the file's change is a version")
        answer = self.ask("POST", "/mapping/rollback/2", "", Rowgate_Author="Bert")
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["version"], 4)
        versions = self.history()
        self.assertEqual([v["version"] for v in versions], [4, 3, 2, 1])
        self.assertEqual([v["source"] for v in versions], ["rollback", "file", "http", "start"])
        self.assertIn("Bert", versions[0]["who"])
        self.assertIn("version 2", versions[0]["who"])
        self.assertIn("owner of", versions[1]["who"])
        self.assertIn("Anna (127.0.0.1)", versions[2]["who"])
        for version in versions:
            self.assertRegex(version["applied_at"], r"^20\d\d-\d\d-\d\dT.*Z$")
        self.assertEqual(self.ask("GET", "/mapping").body, TWO)
        self.assertEqual(self.ask("GET", "/mapping/history/3").json["text"], ONE + "# by hand\n")
        self.assertEqual(self.ask("GET", "/mapping/history/9").status, 404)
        self.assertEqual(self.ask("POST", "/mapping/rollback/9", "").status, 404)
        kept = self.database.rows(
            "SELECT version, source, content FROM rowgate_mapping ORDER BY version")
        self.assertEqual(kept[1], (2, "http", TWO))

    def test_versions_wait_while_the_database_does_not_take_them(self):
        self.serve()
        harness.wait_until(lambda: self.history()[0]["version"] == 1, "the start is kept")
        with self.database.locked("rowgate_mapping"):
            answer = self.put(TWO)
            self.assertEqual(answer.status, 200, answer)
            self.assertIsNone(answer.json["version"])
        harness.wait_until(lambda: self.history()[0]["version"] == 2, "the version is written",
                           40)

    # --- preview, topics, suggest

    def test_preview_shows_old_and_new_rows_of_real_messages(self):
        self.serve()
        self.publish(("one/a", {"value": 1}), ("one/a", {"value": "wet"}), ("other/x", "3"))
        self.known_topics("one/a", "other/x")
        new = TWO + """\
[[mapping]]
name = "other"
topic = "other/{name}"
table = "other"
payload = "scalar"
[mapping.columns]
value = { from = "", type = "double" }
"""
        answer = self.ask("POST", "/mapping/preview", new)
        self.assertEqual(answer.status, 200, answer)
        messages = {(m["topic"], m["payload"]["text"]): m for m in answer.json["messages"]}
        first = messages["one/a", '{"value": 1}']
        self.assertEqual([r["table"] for r in first["before"]["rows"]], ["one"])
        self.assertEqual([r["table"] for r in first["after"]["rows"]], ["two"])
        self.assertEqual(first["after"]["rows"][0]["values"]["value"], 1.0)
        wrong = messages["one/a", '{"value": "wet"}']
        self.assertEqual(wrong["before"]["dead_letters"][0]["mapping"], "one")
        self.assertFalse(wrong["changed"], "refused before and after")
        other = messages["other/x", "3"]
        self.assertTrue(other["before"]["unmapped"])
        self.assertFalse(other["after"]["unmapped"])
        self.assertEqual(self.ask("GET", "/mapping").body, ONE, "nothing was put in force")

    def test_topics_are_listed_with_what_they_carry(self):
        self.serve()
        self.publish(("one/a", {"value": 1, "deep": {"name": "x"}}),
                     ("one/a", {"value": 2, "deep": {"name": "y"}}), ("raw/b", b"\x00\xff"))
        topics = self.known_topics("one/a", "raw/b")
        one = topics["one/a"]
        self.assertEqual((one["messages"], one["mapped_by"], one["payload"]), (2, ["one"], "json"))
        self.assertGreater(one["per_second"], 0)
        self.assertEqual(json.loads(one["last"]["payload"]["text"])["value"], 2)
        self.assertEqual({f["pointer"]: f["type"] for f in one["fields"]},
                         {"/value": "double", "/deep/name": "text"})
        self.assertEqual(topics["raw/b"]["mapped_by"], [])
        self.assertEqual(topics["raw/b"]["last"]["payload"]["hex"], "00ff")
        only = self.ask("GET", "/topics?prefix=raw%2F").json["topics"]
        self.assertEqual([t["topic"] for t in only], ["raw/b"])
        page = self.ask("GET", "/topics?limit=1").json
        self.assertEqual([t["topic"] for t in page["topics"]], ["one/a"])
        rest = self.ask("GET", f"/topics?after={page['next']}").json["topics"]
        self.assertEqual([t["topic"] for t in rest], ["raw/b"])

    def test_what_was_published_before_a_restart_is_known_from_the_journal(self):
        self.serve()
        self.publish(("one/a", {"value": 1}))
        self.node.kill()
        self.node.start()
        self.known_topics("one/a")

    def test_a_suggested_mapping_takes_the_next_messages(self):
        self.serve()
        def climate(room, temp):
            return (f"site/berlin/room/{room}/climate",
                    {"ts": 1795244979123, "temp": temp, "hum": 40, "ok": True, "unit": "C"})
        self.publish(climate(1, 21), climate(2, 22.5), climate("attic", 23))
        self.known_topics("site/berlin/room/attic/climate")
        answer = self.ask("GET", "/suggest?topic=site%2Fberlin%2Froom%2F1%2Fclimate")
        self.assertEqual(answer.status, 200, answer)
        self.assertIn('topic = "site/berlin/room/{room}/climate"', answer.body)
        self.assertIn('format = "unix_ms"', answer.body)
        self.assertRegex(answer.body, r'# key = \["room", "ts"\]')
        self.assertEqual(self.put(ONE + answer.body).status, 200, answer.body)
        self.taken_by("climate", climate(1, 19))
        ledger = self.publish(climate("cellar", 18.5))
        self.assertEqual(ledger.dead_letter, 0)
        rows = self.database.rows(
            "SELECT room, temp, hum, ok, unit, ts FROM climate ORDER BY room")
        self.assertEqual({(r[0], r[1], r[2], bool(r[3]), r[4]) for r in rows},
                         {("1", 19.0, 40.0, True, "C"), ("cellar", 18.5, 40.0, True, "C")})
        self.assertEqual({harness.unix_us(r[5]) for r in rows}, {1795244979123000})
        self.assertEqual(self.ask("GET", "/suggest?topic=never/seen").status, 404)

    # --- access

    def test_with_a_token_everything_under_api_asks_for_it(self):
        self.serve(env={"ROWGATE_HTTP_TOKEN": "s3cret"})
        refused = self.ask("GET", "/mapping")
        self.assertEqual(refused.status, 401)
        self.assertEqual(refused.headers["WWW-Authenticate"], "Bearer")
        self.assertEqual(self.ask("GET", "/mapping", Authorization="Bearer wrong").status, 401)
        self.assertEqual(self.ask("GET", "/mapping", Authorization="Bearer s3cret").status, 200)
        self.assertEqual(self.node.http("/healthz")[0], 200)
        self.assertNotIn("s3cret", self.node.log())

    def test_a_page_of_another_site_changes_nothing(self):
        self.serve()
        answer = self.put(TWO, Origin="http://evil.example")
        self.assertEqual(answer.status, 403)
        self.assertEqual(self.ask("GET", "/mapping", Host="evil.example").status, 403)

    def test_the_api_describes_itself(self):
        self.serve()
        document = self.ask("GET", "/openapi.json").json
        self.assertTrue(document["openapi"].startswith("3.1"))
        for path in document["paths"]:
            if "{" not in path and "get" in document["paths"][path]:
                status, _ = self.node.http(path)
                self.assertNotIn(status, (404, 405) if path != "/api/v1/suggest" else (), path)


class LiveMappingOnSqliteTest(LiveMappingTests, harness.SqliteCase):
    pass


class LiveMappingOnPostgresTest(LiveMappingTests, harness.PostgresCase):
    # Every type fits a SQLite column.
    def test_a_table_that_does_not_fit_is_a_warning_or_with_strict_an_error(self):
        self.serve()
        self.database.execute("CREATE TABLE two (device text, value boolean, ts boolean)")
        strict = self.ask("PUT", "/mapping?strict", TWO, If_Match="*")
        self.assertEqual(strict.status, 422, strict)
        self.assertEqual(self.ask("GET", "/mapping").body, ONE)
        answer = self.put(TWO)
        self.assertEqual(answer.status, 200, answer)
        self.assertRegex(" ".join(answer.json["warnings"]), "two")


if __name__ == "__main__":
    harness.main()
