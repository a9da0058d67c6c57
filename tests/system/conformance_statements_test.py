"""The table of normative statements names only what exists, and its page is what it says."""
import pathlib
import re
import unittest

import conformance_statements as table

ROOT = table.ROOT
# How many there are: MQTT 5.0 appendix B, MQTT 3.1.1 appendix B.
COUNTS = {"5.0": 251, "3.1.1": 142}
GOOGLE = re.compile(r"^(?:TEST|TEST_F|TEST_P)\(\s*(\w+)\s*,\s*(\w+)\s*\)", re.MULTILINE)


def texts(folder, suffixes):
    return [path.read_text(encoding="utf-8") for path in sorted((ROOT / folder).rglob("*"))
            if path.suffix in suffixes]


class StatementsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.known = table.statements()
        cls.cases = table.vectors()
        cls.resolved = table.resolve(cls.known, cls.cases)
        cls.entries = [entry for entries in cls.known.values() for entry in entries]

    def test_every_statement_is_there_once(self):
        for version, entries in self.known.items():
            ids = [entry["id"] for entry in entries]
            self.assertEqual(len(ids), COUNTS[version])
            self.assertEqual(len(ids), len(set(ids)), version)
            for entry in entries:
                self.assertRegex(entry["id"], r"^MQTT-\d[.-]\d+\.\d+[.-]\d+$")
                self.assertIn(entry["of"], ("client", "server", "both"))
                self.assertTrue(entry["says"])

    def test_every_statement_of_a_server_says_where_it_is_implemented(self):
        for version, entries in self.resolved.items():
            for entry in entries:
                if entry["of"] != "client" and "not_applicable" not in entry:
                    self.assertTrue(entry["where"], f"{version} {entry['id']}")

    def test_every_statement_a_vector_cites_exists(self):
        ids = {table.NUMBERS[version]: {entry["id"] for entry in entries}
               for version, entries in self.known.items()}
        for name, cited, runs in self.cases:
            for statement in cited:
                if re.match(r"(MQTT 3\.1 )?section \d", statement):
                    continue
                known = ids[4] if 5 not in runs else ids[5] | (ids[4] if 4 in runs else set())
                self.assertIn(statement, known, name)

    def test_every_unit_test_it_names_exists(self):
        there = {f"{suite}.{name}" for text in texts("tests", {".cpp"})
                 for suite, name in GOOGLE.findall(text)}
        for entry in self.entries:
            for test in entry.get("tests", []):
                if ".py: " not in test:
                    self.assertIn(test, there, entry["id"])

    def test_every_system_test_it_names_exists(self):
        for entry in self.entries:
            for test in entry.get("tests", []):
                file, _, name = test.partition(": ")
                if not file.endswith(".py"):
                    continue
                path = ROOT / "tests" / "system" / file
                self.assertTrue(path.is_file(), f"{entry['id']}: no {path}")
                self.assertRegex(path.read_text(encoding="utf-8"), rf"def {name}\(", entry["id"])

    def test_what_implements_it_exists(self):
        """A file and a function in it, or a folder and a name in one of its files."""
        found = {}
        for entry in self.entries:
            for place in entry.get("where", []):
                if place not in found:
                    path, _, name = place.partition(": ")
                    files = ([path] if pathlib.Path(path).suffix else [])
                    text = ("\n".join((ROOT / file).read_text(encoding="utf-8") for file in files)
                            if files else "\n".join(texts(path, {".cpp", ".hpp"})))
                    found[place] = bool(re.search(rf"\b{name}\b", text))
                self.assertTrue(found[place], f"{entry['id']}: {place}")

    def test_the_page_is_up_to_date(self):
        """tests/system/conformance_statements.py writes it."""
        self.assertEqual(table.PAGE.read_text(encoding="utf-8"), table.page(self.resolved))


if __name__ == "__main__":
    unittest.main()
