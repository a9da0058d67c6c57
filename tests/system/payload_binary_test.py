"""Binary and packed payloads from real publishers to rows on both sinks: MessagePack, CBOR; gzip,
zlib and zstd by mapping, by content type and by user property."""
import csv
import datetime
import decimal
import gzip
import json
import uuid
import zlib

import cbor2
import msgpack
import paho.mqtt.client as paho
import zstandard
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import harness

UTC = datetime.timezone.utc

WEATHER_COLUMNS = """
[mapping.columns]
how           = { topic = "how" }
precipitation = { from = "/precipitation", type = "double" }
wind          = { from = "/wind", type = "double" }
weather       = { from = "/weather", type = "text", required = true }
"""

WEATHER = "".join(f"""
[[mapping]]
name    = "{name}"
topic   = "{topic}"
table   = "weather"
payload = {payload}
time    = {{ from = "/date" }}
{"rows = ''" if rows else ""}
{WEATHER_COLUMNS}""" for name, topic, payload, rows in (
    ("msgpack", "msgpack/{how}", '"msgpack"', False),
    ("msgpack-rows", "msgpack-rows/{how}", '"msgpack"', True),
    ("cbor", "cbor/{how}", '"cbor"', False),
    ("cbor-rows", "cbor-rows/{how}", '"cbor"', True),
    ("json", "json/{how}", '"json"', True),
    ("csv", "csv/{how}", '{ format = "csv", header = true }', False),
    ("gzip", "gzip/{how}", '{ format = "json", compression = "gzip" }', True),
    ("zlib", "zlib/{how}", '{ format = "json", compression = "zlib" }', True),
    ("zstd", "zstd/{how}", '{ format = "json", compression = "zstd" }', True),
))

TYPES = "".join(f"""
[[mapping]]
name    = "{name}"
topic   = "{name}"
table   = "types"
payload = "{name}"
[mapping.columns]
format = {{ meta = "topic" }}
big    = {{ from = "/big", type = "numeric" }}
single = {{ from = "/single", type = "double" }}
time   = {{ from = "/time", type = "timestamptz" }}
bytes  = {{ from = "/bytes", type = "bytea" }}
tree   = {{ from = "/tree", type = "jsonb" }}
one    = {{ from = "/1", type = "text" }}
""" for name in ("msgpack", "cbor"))


def weather(days):
    with open(harness.measurements("seattle-weather.csv"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:days]
    return [{"date": row["date"], "precipitation": float(row["precipitation"]),
             "wind": float(row["wind"]), "weather": row["weather"]} for row in rows]


def properties(content_type=None, encoding=None):
    said = Properties(PacketTypes.PUBLISH)
    if content_type:
        said.ContentType = content_type
    if encoding:
        said.UserProperty = ("content-encoding", encoding)
    return said


class PayloadBinaryTests:
    def serve(self, mapping):
        self.node = self.gateway(self.database, mapping=mapping).start()
        self.sent = 0

    def publish(self, *messages):
        """(topic, payload) or (topic, payload, properties)...; waits until all are drained."""
        client = paho.Client("paho", protocol=paho.MQTTv5)
        client.connect("127.0.0.1", self.node.mqtt_port)
        client.loop_start()
        for topic, payload, *said in messages:
            client.publish(topic, payload, 1, properties=said[0] if said else None
                           ).wait_for_publish(60)
        client.disconnect()
        client.loop_stop()
        self.sent += len(messages)
        ledger = self.node.wait_drained(self.sent)
        self.assert_balanced(self.node)
        return ledger

    def stored(self, how):
        rows = self.database.rows("SELECT ts, how, precipitation, wind, weather FROM weather")
        return sorted((harness.unix_us(row[0]), *row[2:]) for row in rows if row[1] == how)

    def expected(self, days):
        return sorted((int(datetime.datetime.fromisoformat(day["date"]).replace(tzinfo=UTC)
                           .timestamp()) * 1_000_000,
                       day["precipitation"], day["wind"], day["weather"]) for day in days)

    def dead_letters(self):
        return self.database.rows("SELECT topic, payload, encoding, reason FROM rowgate_dead_letter"
                                  " ORDER BY position")

    # --- MessagePack and CBOR

    def test_a_document_a_row_and_an_array_of_rows(self):
        self.serve(WEATHER)
        days = weather(100)
        for name, pack in (("msgpack", msgpack.packb), ("cbor", cbor2.dumps)):
            self.publish(*((f"{name}/{name}", pack(day)) for day in days))
            self.publish((f"{name}-rows/{name}-rows", pack(days)))
            self.assertEqual(self.stored(name), self.expected(days))
            self.assertEqual(self.stored(f"{name}-rows"), self.expected(days))

    def test_what_json_has_no_word_for(self):
        self.serve(TYPES)
        at = datetime.datetime(2026, 11, 21, 7, 9, 39, 123456, tzinfo=UTC)
        common = {"bytes": b"\x00\xff", "tree": {"a": [1, None, True], "b": b"\xff"}, 1: "numbered"}
        self.publish(
            ("msgpack", msgpack.Packer(use_single_float=True).pack(
                {**common, "big": 2**64 - 1, "single": 21.53,
                 "time": msgpack.Timestamp.from_datetime(at)})),
            ("cbor", cbor2.dumps({**common, "big": decimal.Decimal("12345678901234567890.5"),
                                  "single": 1.5, "time": at}, timezone=UTC, canonical=True)))
        rows = self.database.rows('SELECT format, big, single, "time", bytes, tree, one FROM types')
        found = {row[0]: row[1:] for row in rows}
        numbers = {name: (str(row[0]), row[1]) for name, row in found.items()}
        self.assertEqual(numbers, {"msgpack": ("18446744073709551615", 21.53),
                                   "cbor": ("12345678901234567890.5", 1.5)})
        for row in found.values():
            self.assertEqual(harness.unix_us(row[2]), int(at.timestamp()) * 1_000_000 + 123456)
            self.assertEqual(bytes(row[3]), b"\x00\xff")
            tree = json.loads(row[4]) if isinstance(row[4], str) else row[4]
            self.assertEqual(tree, {"a": [1, None, True], "b": "_w"})
            self.assertEqual(row[5], "numbered")

    def test_what_is_cut_off_is_a_dead_letter_with_its_bytes(self):
        self.serve(WEATHER)
        day = weather(1)[0]
        cut = msgpack.packb(day)[:-3]
        ledger = self.publish(("msgpack/x", cut), ("cbor/x", cbor2.dumps(day) + b"\x00"),
                              ("cbor/x", cbor2.dumps({"id": uuid.UUID(int=1)})))
        self.assertEqual(ledger.dead_letter, 3)
        first, second, third = self.dead_letters()
        self.assertEqual((first[1], first[2]), (cut.hex() if first[2] == "hex" else cut.decode(),
                                                first[2]))
        self.assertIn("the payload is not MessagePack: it ends too early", first[3])
        self.assertIn("the payload is not CBOR: something follows the value", second[3])
        self.assertIn("/date", third[3])

    # --- compression

    def test_packed_by_mapping_by_content_type_and_by_user_property(self):
        self.serve(WEATHER)
        days = weather(300)
        text = json.dumps(days).encode()
        sheet = "\n".join(["date,precipitation,wind,weather",
                           *(",".join(map(str, day.values())) for day in days)]).encode()
        packers = {"gzip": gzip.compress, "zlib": zlib.compress,
                   "zstd": zstandard.ZstdCompressor().compress}
        names = []
        for name, pack in packers.items():
            self.assertLess(len(pack(text)), len(text) // 4)
            for topic, payload, said in (
                    (name, text, None),
                    ("json", text, properties(f"application/json+{name}")),
                    ("json", text, properties(encoding=name)),
                    ("csv", sheet, properties(f"application/{name}")),
                    ("csv", sheet, properties("text/csv", name.upper()))):
                names.append(f"{name}-{len(names)}")
                self.publish((f"{topic}/{names[-1]}", pack(payload), said))
        self.publish(("json/plain", text), ("json/identity", text, properties(encoding="identity")))
        self.assertEqual(self.dead_letters(), [])
        for name in (*names, "plain", "identity"):
            self.assertEqual(self.stored(name), self.expected(days), name)

    def test_wrongly_packed_is_a_dead_letter_with_the_bytes_as_they_came(self):
        self.serve(WEATHER)
        text = json.dumps(weather(2)).encode()
        packed = gzip.compress(text)
        ledger = self.publish(("gzip/x", text), ("gzip/x", packed[:-4]), ("zstd/x", packed),
                              ("json/x", text, properties(encoding="br")),
                              ("gzip/x", gzip.compress(bytes(17 << 20))),
                              ("gzip/good", packed))
        self.assertEqual(ledger.dead_letter, 5)
        letters = self.dead_letters()
        reasons = [reason for *_, reason in letters]
        self.assertEqual(reasons[0], "the payload is not gzip: incorrect header check")
        self.assertEqual(letters[0][1:3], (text.decode(), "text"))
        self.assertEqual(reasons[1], "the payload is not gzip: it ends too early")
        self.assertEqual(letters[1][1:3], (packed[:-4].hex(), "hex"))
        self.assertIn("the payload is not zstd: ", reasons[2])
        self.assertIn("content-encoding 'br' is not known", reasons[3])
        self.assertEqual(reasons[4], "the payload is not gzip: it holds more than 16 MiB")
        self.assertEqual(self.stored("x"), [])
        self.assertEqual(len(self.stored("good")), 2)


class PayloadBinaryOnSqliteTest(PayloadBinaryTests, harness.SqliteCase):
    pass


class PayloadBinaryOnPostgresTest(PayloadBinaryTests, harness.PostgresCase):
    pass


if __name__ == "__main__":
    harness.main()
