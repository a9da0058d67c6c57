"""The verbs beside serve: check, explain, query, journal; their formats and exit codes (0 ok,
1 failed, 2 usage or configuration)."""
import csv
import io
import json

import harness
import publisher as mqtt

MAPPING = """
[[mapping]]
name = "room-climate"
topic = "site/{site}/climate"
table = "room_climate"
payload = "json"
[mapping.columns]
site = { topic = "site", type = "text" }
temperature = { from = "/temp", type = "double", required = true }
"""

VERBS = [[], ["serve"], ["check"], ["explain"], ["query"], ["journal"], ["journal", "info"],
         ["journal", "verify"], ["journal", "dump"]]


class CliTests:
    def setUp(self):
        super().setUp()
        self.mapping = self.directory / "mapping.toml"
        self.mapping.write_text(MAPPING)

    def run_verb(self, *argv, code=0, **options):
        done = harness.rowgate(*argv, cwd=self.directory, **options)
        self.assertEqual(done.returncode, code, f"{argv}\n{done.stdout}\n{done.stderr}")
        return done.stdout if code == 0 else done.stdout + done.stderr

    def served(self, messages=20, qos=1):
        """A gateway that took `messages`, stored them and ended."""
        node = self.gateway(self.database, mapping=self.mapping).start()
        mqtt.Publisher("cli", node.mqtt_port, lambda n: (
            "site/north/climate", b'{"temp": %d}' % n, qos)).publish(messages)
        node.wait_drained(messages)
        return node

    # --- help and usage

    def test_every_verb_has_help(self):
        for verb in VERBS:
            text = self.run_verb(*verb, "--help")
            self.assertIn("--help", text)
            self.assertGreater(len(text.splitlines()), 4)
        top = self.run_verb("--help")
        for verb in ("serve", "check", "explain", "query", "journal"):
            self.assertIn(verb, top)

    def test_wrong_usage_exits_2_and_names_what_is_wrong(self):
        self.assertIn("--formt", self.run_verb("query", "SELECT 1", "--formt", "csv", code=2))
        self.run_verb("query", "SELECT 1", "--format", "xml", code=2)
        self.run_verb("query", code=2)
        self.assertIn("mend", self.run_verb("journal", "mend", code=2))

    # --- check

    def test_check_shows_the_ddl_it_would_run_and_runs_none(self):
        text = self.run_verb("check", "--mapping", self.mapping, "--sink", self.database.url)
        self.assertRegex(text, r"(?is)create table.*room_climate.*temperature.*double precision")
        self.assertEqual(self.database.columns("room_climate"), {})
        self.served().terminate()
        text = self.run_verb("check", "--mapping", self.mapping, "--sink", self.database.url)
        self.assertNotIn("CREATE TABLE", text.upper())
        self.mapping.write_text(MAPPING + 'humidity = { from = "/hum", type = "double" }\n')
        text = self.run_verb("check", "--mapping", self.mapping, "--sink", self.database.url)
        self.assertRegex(text, r"(?is)alter table.*room_climate.*add column.*humidity")
        self.assertNotIn("humidity", self.database.columns("room_climate"))

    def test_check_refuses_a_broken_mapping_or_configuration_with_line_and_column(self):
        self.mapping.write_text(MAPPING + 'hum = { form = "/hum", type = "double" }\n')
        line = MAPPING.count("\n") + 1
        text = self.run_verb("check", "--mapping", self.mapping, "--sink", self.database.url,
                             code=2)
        self.assertRegex(text, rf"mapping\.toml:{line}:\d+: .*form")
        config = self.directory / "rowgate.toml"
        config.write_text("data_dri = 'x'\n")
        text = self.run_verb("check", "--config", config, code=2)
        self.assertIn("rowgate.toml:1:", text)
        self.assertIn("data_dir", text)

    def test_check_says_when_a_table_does_not_fit(self):
        self.database.execute("CREATE TABLE room_climate (ts text, site text, temperature text)")
        text = self.run_verb("check", "--mapping", self.mapping, "--sink", self.database.url,
                             code=1)
        self.assertIn("room_climate", text)

    # --- explain

    def test_explain_says_which_mapping_which_row_or_why_not(self):
        common = ("--mapping", self.mapping)
        text = self.run_verb("explain", "site/north/climate", '{"temp": 21.5}', *common)
        for word in ("room-climate", "room_climate", "north", "21.5"):
            self.assertIn(word, text)
        text = self.run_verb("explain", "site/north/climate", '{"hum": 1}', *common)
        self.assertIn("temperature", text)
        text = self.run_verb("explain", "other/topic", "{}", *common)
        self.assertRegex(text, "(?i)no mapping|unmapped")
        text = self.run_verb("explain", "site/north/climate", *common)
        self.assertIn("room-climate", text)

    # --- query

    def test_query_prints_table_csv_and_json(self):
        self.served(3).terminate()
        common = ("--sink", self.database.url, "--format")
        sql = "SELECT site, temperature, NULL AS none FROM room_climate ORDER BY temperature"
        rows = json.loads(self.run_verb("query", sql, *common, "json"))
        self.assertEqual([(r["site"], float(r["temperature"]), r["none"]) for r in rows],
                         [("north", float(n), None) for n in range(3)])
        rows = list(csv.reader(io.StringIO(self.run_verb("query", sql, *common, "csv"))))
        self.assertEqual(rows[0], ["site", "temperature", "none"])
        self.assertEqual([(r[0], float(r[1]), r[2]) for r in rows[1:]],
                         [("north", float(n), "") for n in range(3)])
        table = self.run_verb("query", sql, *common, "table")
        self.assertRegex(table, r"site.*temperature.*none")
        self.assertEqual(table.count("north"), 3)

    def test_query_csv_quotes_and_json_escapes(self):
        sql = "SELECT 'a \"b\", c' || chr(10) || 'é' AS \"odd, name\""
        if self.database.kind == "sqlite":
            sql = sql.replace("chr(10)", "char(10)")
            self.database.execute("CREATE TABLE some (x)")
        common = ("--sink", self.database.url, "--format")
        want = 'a "b", c\né'
        self.assertEqual(json.loads(self.run_verb("query", sql, *common, "json")),
                         [{"odd, name": want}])
        self.assertEqual(
            list(csv.reader(io.StringIO(self.run_verb("query", sql, *common, "csv"), newline=""))),
            [["odd, name"], [want]])

    def test_query_reads_only_and_fails_with_1(self):
        self.served(1).terminate()
        for sql in ("DELETE FROM room_climate", "DROP TABLE room_climate", "SELEKT 1",
                    "SELECT * FROM no_such_table"):
            text = self.run_verb("query", sql, "--sink", self.database.url, code=1)
            self.assertTrue(text.strip())
        self.assertEqual(harness.count(self.database, "room_climate"), 1)

    def test_query_works_beside_a_running_gateway(self):
        node = self.served(5)
        rows = json.loads(self.run_verb("query", "SELECT count(*) AS n FROM room_climate", "--sink",
                                        self.database.url, "--format", "json"))
        self.assertEqual(int(rows[0]["n"]), 5)
        self.assertTrue(node.running)

    # --- journal

    def test_journal_info_verify_and_dump(self):
        node = self.served(30, qos=2)
        node.kill()  # an orderly stop begins the drained journal anew
        where = ("--data-dir", node.data_dir)
        info = json.loads(self.run_verb("journal", "info", *where, "--format", "json"))
        text = json.dumps(info)
        self.assertRegex(text, "[0-9a-f]{32}", "the journal's id")
        for form in ("table", "csv"):
            self.assertTrue(self.run_verb("journal", "info", *where, "--format", form).strip())
        self.run_verb("journal", "verify", *where)
        records = json.loads(self.run_verb("journal", "dump", *where, "--format", "json"))
        published = [r for r in records if r.get("type") == "publish"]
        self.assertEqual(len(published), 30)
        self.assertEqual({r["topic"] for r in published}, {"site/north/climate"})
        self.assertEqual({r["client_id"] for r in published}, {"cli"})
        self.assertEqual(len([r for r in records if r["type"] == "release"]), 30)
        rows = list(csv.DictReader(io.StringIO(
            self.run_verb("journal", "dump", *where, "--format", "csv"), newline="")))
        self.assertEqual([r["type"] for r in rows], [r["type"] for r in records])
        self.run_verb("journal", "dump", *where)

    def test_journal_verify_finds_a_flipped_bit_and_says_where(self):
        node = self.served(200)
        node.kill()
        segment = max((node.data_dir.rglob("*.seg")), key=lambda path: path.stat().st_size)
        raw = bytearray(segment.read_bytes())
        at = raw.index(b'{"temp": 20}')
        raw[at] ^= 1
        segment.write_bytes(raw)
        text = self.run_verb("journal", "verify", "--data-dir", node.data_dir, code=1)
        self.assertIn(segment.name, text)
        # The gateway refuses it loudly as well: the hole is in the middle.
        node.launch()
        self.assertEqual(node.wait_exit(), 1)
        self.assertIn(segment.name, node.log())

    def test_journal_verbs_fail_with_1_where_there_is_none(self):
        for verb in ("info", "verify", "dump"):
            text = self.run_verb("journal", verb, "--data-dir", self.directory / "nothing", code=1)
            self.assertIn("nothing", text)
        self.assertFalse((self.directory / "nothing").exists(), "looking must not create")


class CliOnSqliteTest(CliTests, harness.SqliteCase):
    def test_the_environment_configures_and_flags_win(self):
        self.served(2).terminate()
        env = {"ROWGATE_SINK": self.database.url}
        out = self.run_verb("query", "SELECT count(*) AS n FROM room_climate", "--format", "csv",
                            env=env)
        self.assertEqual(out.split(), ["n", "2"])
        self.run_verb("query", "SELECT count(*) FROM room_climate", "--sink",
                      f"sqlite:{self.directory}/other.db", env=env, code=1)


class CliOnPostgresTest(CliTests, harness.PostgresCase):
    def test_a_password_is_never_printed(self):
        url = self.cluster.url("no_such", "rowgate", "s3cret-word")
        text = self.run_verb("query", "SELECT 1", "--sink", url, code=1)
        self.assertNotIn("s3cret-word", text)


if __name__ == "__main__":
    harness.main()
