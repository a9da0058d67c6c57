"""Payloads of many records as text, from real publishers to rows on both sinks: CSV files, NDJSON,
Telegraf's line protocol, SenML; and the verdict on each row."""
import csv
import datetime
import json
import struct
import subprocess

import paho.mqtt.client as paho

import harness

UTC = datetime.timezone.utc

WEATHER = """
[[mapping]]
name    = "weather"
topic   = "weather/{city}/csv"
table   = "weather"
payload = { format = "csv", header = true }
time    = { from = "/date" }
key     = ["city", "ts"]
[mapping.columns]
city          = { topic = "city" }
precipitation = { from = "/precipitation", type = "double", required = true }
temp_max      = { from = "/temp_max", type = "double" }
temp_min      = { from = "/temp_min", type = "double" }
wind          = { from = "/wind", type = "double" }
weather       = { from = "/weather", type = "text" }

[[mapping]]
name    = "line"
topic   = "weather/{city}/line"
table   = "line"
columns = "auto"
time    = { from = "/date" }
[mapping.payload]
format = "csv"
fields = ["date", "precipitation", "temp_max", "temp_min", "wind", "weather"]

[[mapping]]
name    = "strict"
topic   = "strict"
table   = "strict"
payload = { format = "csv", header = true }
rows_on_error = "all_or_nothing"
[mapping.columns]
n = { from = "/n", type = "bigint" }
"""

LOGS = """
[[mapping]]
name    = "flights"
topic   = "flights/{file}"
table   = "flights"
payload = "ndjson"
[mapping.columns]
origin      = { from = "/origin", type = "text", required = true }
destination = { from = "/destination", type = "text" }
delay       = { from = "/delay", type = "bigint", required = true }
"""

TELEGRAF = (harness.EXAMPLES / "telegraf.toml").read_text()

SENML = """
[[mapping]]
name    = "senml"
topic   = "senml/#"
table   = "senml"
payload = "senml"
[mapping.columns]
name  = { from = "/n", type = "text", required = true }
unit  = { from = "/u", type = "text" }
value = { from = "/v", type = "double" }
text  = { from = "/vs", type = "text" }
data  = { from = "/vd", type = "bytea" }
"""


def read_csv(name):
    with open(harness.measurements(name), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def microseconds(iso):
    return int(datetime.datetime.fromisoformat(iso).replace(tzinfo=UTC).timestamp()) * 1_000_000


class PayloadTextTests:
    def serve(self, mapping):
        self.node = self.gateway(self.database, mapping=mapping).start()
        self.sent = 0

    def mosquitto_pub(self, topic, *arguments, **options):
        done = subprocess.run(
            ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.node.mqtt_port), "-q", "1", "-i",
             "text-publisher", "-t", topic, *arguments],
            capture_output=True, timeout=60, check=False, **options)
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def paho(self, topic, *payloads):
        client = paho.Client("paho", protocol=paho.MQTTv5)
        client.connect("127.0.0.1", self.node.mqtt_port)
        client.loop_start()
        for payload in payloads:
            client.publish(topic, payload, 2).wait_for_publish(60)
        client.disconnect()
        client.loop_stop()

    def drained(self, messages):
        self.sent += messages
        ledger = self.node.wait_drained(self.sent)
        self.assert_balanced(self.node)
        return ledger

    def dead_letters(self):
        return self.database.rows("SELECT mapping, reason, rows FROM rowgate_dead_letter"
                                  " ORDER BY position")

    def weather(self):
        rows = self.database.rows("SELECT ts, city, precipitation, temp_max, temp_min, wind,"
                                  " weather FROM weather ORDER BY ts")
        return [(harness.unix_us(row[0]), *row[1:]) for row in rows]

    # --- CSV

    def test_a_csv_file_is_one_message_and_a_row_a_line(self):
        self.serve(WEATHER)
        path = harness.measurements("seattle-weather.csv")
        numbers = ("precipitation", "temp_max", "temp_min", "wind")
        days = read_csv("seattle-weather.csv")
        expected = [(microseconds(day["date"]), "seattle", *(float(day[n]) for n in numbers),
                     day["weather"]) for day in days]
        self.assertEqual(len(expected), 1461)
        self.mosquitto_pub("weather/seattle/csv", "-f", str(path))
        ledger = self.drained(1)
        self.assertEqual((ledger.stored, ledger.dead_letter), (1, 0))
        self.assertEqual(self.weather(), expected)
        # The key makes a re-sent file no second set of rows.
        self.paho("weather/seattle/csv", path.read_bytes())
        self.drained(1)
        self.assertEqual(self.weather(), expected)

    def test_csv_line_by_line_makes_columns_by_itself(self):
        self.serve(WEATHER)
        lines = harness.measurements("seattle-weather.csv").read_bytes().splitlines()[1:201]
        self.mosquitto_pub("weather/seattle/line", "-l", input=b"\n".join(lines) + b"\n")
        ledger = self.drained(len(lines))
        self.assertEqual((ledger.stored, ledger.dead_letter), (len(lines), 0))
        rows = self.database.rows("SELECT precipitation, weather FROM line ORDER BY ts")
        expected = [(float(line.split(",")[1]), line.split(",")[5])
                    for line in (line.decode() for line in lines)]
        self.assertEqual(rows, expected)

    def test_what_does_not_fit_is_told_row_by_row(self):
        self.serve(WEATHER)
        good = "2012-01-0{},0.5,1,2,3,\"fog, \"\"thick\"\"\""
        lines = ["date,precipitation,temp_max,temp_min,wind,weather", good.format(1),
                 "2012-01-02,much,1,2,3,rain", "2012-01-03,1", good.format(4), "",
                 "2012-01-05,,1,2,3,rain", good.format(6)]
        self.mosquitto_pub("weather/seattle/csv", "-m", "\r\n".join(lines))
        ledger = self.drained(1)
        self.assertEqual(ledger.dead_letter, 1)
        self.assertEqual([row[6] for row in self.weather()], ['fog, "thick"'] * 3)
        ((mapping, reason, rows),) = self.dead_letters()
        self.assertEqual((mapping, rows), ("weather", "1-2,4"))
        self.assertIn("3 of 6 rows do not fit", reason)
        self.assertIn("line 3: column 'precipitation': \"much\"", reason)

    def test_all_or_nothing(self):
        self.serve(WEATHER)
        self.paho("strict", "n\n1\n2\nthree\n", "n\n4\n5\n")
        ledger = self.drained(2)
        self.assertEqual((ledger.stored, ledger.dead_letter), (1, 1))
        self.assertEqual(sorted(self.database.rows("SELECT n FROM strict")), [(4,), (5,)])
        ((mapping, reason, rows),) = self.dead_letters()
        self.assertEqual((mapping, rows), ("strict", None))
        self.assertIn("line 4: column 'n'", reason)

    # --- NDJSON

    def test_ndjson_files(self):
        self.serve(LOGS)
        with open(harness.measurements("flights-2k.json"), encoding="utf-8") as file:
            flights = json.load(file)
        lines = [json.dumps(flight) for flight in flights]
        lines[7] = lines[7][:-1]  # a line cut off costs itself
        path = self.directory / "flights.ndjson"
        path.write_text("\n".join(lines))
        self.mosquitto_pub("flights/2k", "-f", str(path))
        ledger = self.drained(1)
        self.assertEqual(ledger.dead_letter, 1)
        expected = [(f["origin"], f["destination"], f["delay"]) for f in flights]
        del expected[7]
        rows = self.database.rows("SELECT origin, destination, delay FROM flights")
        self.assertEqual(sorted(rows), sorted(expected))
        ((_, reason, rows),) = self.dead_letters()
        self.assertEqual(rows, "7")
        self.assertIn("line 8: it is not JSON", reason)

    # --- line protocol

    def test_line_protocol_as_telegraf_writes_it(self):
        self.serve(TELEGRAF)
        at = 1_700_000_000_000_000_000
        batch = "".join(
            f"cpu,cpu=cpu{n % 4},host=web\\ {n % 3} usage_idle={90 + n / 10},usage_user={n}i,"
            f"busy=f {at + n * 1_000_000_000}\n" for n in range(500))
        self.mosquitto_pub("telegraf/web/cpu", "-s", input=batch.encode())
        self.paho("telegraf/web/mem", f"mem,host=web\\ 0 used_percent=41.5 {at}\n")
        ledger = self.drained(2)
        self.assertEqual(ledger.dead_letter, 0)
        rows = self.database.rows("SELECT ts, host, cpu, usage_idle, usage_user, busy FROM cpu"
                                  " ORDER BY ts")
        self.assertEqual(
            [(harness.unix_us(row[0]), *row[1:5], bool(row[5])) for row in rows],
            [(at // 1000 + n * 1_000_000, f"web {n % 3}", f"cpu{n % 4}", 90 + n / 10, n, False)
             for n in range(500)])
        narrow = self.database.rows("SELECT measurement, host, name, count(*) FROM telegraf"
                                    " GROUP BY measurement, host, name")
        self.assertEqual(sum(row[3] for row in narrow), 1001)
        self.assertIn(("mem", "web 0", "used_percent", 1), narrow)

    # --- SenML

    def test_senml_as_json_and_as_cbor(self):
        self.serve(SENML)
        pack = [{"bn": "urn:dev:ow:10e2073a0108006:", "bt": 1276020076.001, "bu": "A", "bver": 5,
                 "n": "voltage", "u": "V", "v": 120.1},
                *({"n": "current", "t": -5 + n, "v": 1.2 + n / 10} for n in range(5)),
                {"n": "label", "vs": "Machine Room"}, {"n": "nfv-reader", "vd": "aGkgCg"}]
        self.mosquitto_pub("senml/json", "-s", input=json.dumps(pack).encode())
        # [{bn: "room:", bt: 1500000000, n: "temp", u: "Cel", v: 21.5}]
        cbor = (b"\x81\xa5\x21\x65room:\x22\x1a" + struct.pack(">I", 1_500_000_000) +
                b"\x00\x64temp\x01\x63Cel\x02\xfb" + struct.pack(">d", 21.5))
        self.paho("senml/cbor", cbor)
        ledger = self.drained(2)
        self.assertEqual((ledger.stored, ledger.dead_letter), (2, 0))
        rows = self.database.rows("SELECT name, ts, unit, value, text, data FROM senml")
        self.assertEqual(len(rows), len(pack) + 1)
        found = {row[0].rpartition(":")[2]: row for row in rows}
        self.assertEqual(harness.unix_us(found["voltage"][1]), 1276020076001000)
        self.assertEqual(found["voltage"][2:4], ("V", 120.1))
        self.assertEqual(found["label"][4], "Machine Room")
        self.assertEqual(bytes(found["nfv-reader"][5]), b"hi \n")
        self.assertEqual(found["temp"][0:1] + found["temp"][2:4], ("room:temp", "Cel", 21.5))
        self.assertEqual(harness.unix_us(found["temp"][1]), 1_500_000_000_000_000)
        currents = sorted(harness.unix_us(row[1]) for row in rows if row[0].endswith("current"))
        self.assertEqual(currents, [1276020071001000 + n * 1_000_000 for n in range(5)])


class PayloadTextOnSqliteTest(PayloadTextTests, harness.SqliteCase):
    pass


class PayloadTextOnPostgresTest(PayloadTextTests, harness.PostgresCase):
    pass


if __name__ == "__main__":
    harness.main()
