"""Real measurements (npm package vega-datasets) through the mappings in deploy/examples, published
by mosquitto_pub and paho at QoS 1 and 2, and compared row for row with what SQL returns."""
import csv
import datetime
import json
import subprocess

import paho.mqtt.client as paho

import harness

UTC = datetime.timezone.utc


def microseconds(iso):
    moment = datetime.datetime.fromisoformat(iso).replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000


def read_csv(name):
    with open(harness.measurements(name), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class RealInputTests:
    def serve(self, example):
        self.node = self.gateway(self.database, mapping=harness.EXAMPLES / example).start()

    def mosquitto_pub(self, topic, payloads, qos, version):
        """Line mode: one message a line."""
        done = subprocess.run(
            ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.node.mqtt_port), "-q", str(qos),
             "-V", version, "-i", f"mosquitto-{qos}", "-t", topic, "-l"],
            input="".join(payload + "\n" for payload in payloads), text=True, capture_output=True,
            timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def paho(self, topic, payloads, qos, protocol):
        client = paho.Client(f"paho-{qos}", protocol=protocol)
        client.max_inflight_messages_set(200)
        client.connect("127.0.0.1", self.node.mqtt_port)
        client.loop_start()
        sent = [client.publish(topic, payload, qos) for payload in payloads]
        for message in sent:
            message.wait_for_publish(60)
        client.disconnect()
        client.loop_stop()
        self.assertTrue(all(message.is_published() for message in sent))

    def publish_by_all(self, topic, payloads):
        """A quarter of the measurements by each client and QoS."""
        clients = [lambda p: self.mosquitto_pub(topic, p, 1, "mqttv311"),
                   lambda p: self.mosquitto_pub(topic, p, 2, "mqttv5"),
                   lambda p: self.paho(topic, p, 1, paho.MQTTv5),
                   lambda p: self.paho(topic, p, 2, paho.MQTTv311)]
        for number, client in enumerate(clients):
            client(payloads[number::len(clients)])
        ledger = self.node.wait_drained(len(payloads))
        self.assertEqual((ledger.received, ledger.stored), (len(payloads), len(payloads)), ledger)
        self.assert_balanced(self.node)

    def test_seattle_weather_row_for_row(self):
        self.serve("seattle-weather.toml")
        days = read_csv("seattle-weather.csv")
        self.assertEqual(len(days), 1461)
        numbers = ("precipitation", "temp_max", "temp_min", "wind")
        self.publish_by_all("weather/seattle/daily", [
            json.dumps({"date": day["date"], **{n: float(day[n]) for n in numbers},
                        "weather": day["weather"]}) for day in days])
        rows = self.database.rows("SELECT ts, city, precipitation, temp_max, temp_min, wind,"
                                  " weather FROM seattle_weather ORDER BY ts")
        self.assertEqual([(harness.unix_us(row[0]), *row[1:]) for row in rows],
                         [(microseconds(day["date"]), "seattle", *(float(day[n]) for n in numbers),
                           day["weather"]) for day in days])

    def test_hourly_normals_row_for_row_and_a_second_publish_changes_nothing(self):
        self.serve("hourly-normals.toml")
        hours = read_csv("seattle-weather-hourly-normals.csv")
        self.assertGreater(len(hours), 8000)
        numbers = ("pressure", "temperature", "wind")
        payloads = [json.dumps({"date": hour["date"], **{n: float(hour[n]) for n in numbers}})
                    for hour in hours]
        self.publish_by_all("station/seattle/hourly", payloads)
        expected = [(microseconds(hour["date"]), "seattle", *(float(hour[n]) for n in numbers))
                    for hour in hours]
        sql = "SELECT ts, station, pressure, temperature, wind FROM hourly_normals ORDER BY ts"

        def rows():
            return [(harness.unix_us(row[0]), *row[1:]) for row in self.database.rows(sql)]
        self.assertEqual(rows(), expected)
        self.mosquitto_pub("station/seattle/hourly", payloads[:2000], 1, "mqttv5")
        self.node.wait_drained(len(payloads) + 2000)
        self.assertEqual(rows(), expected)

    def test_earthquakes_every_feature_of_a_page_is_a_row(self):
        self.serve("earthquakes.toml")
        with open(harness.measurements("earthquakes.json"), encoding="utf-8") as file:
            features = json.load(file)["features"]
        pages = [json.dumps({"type": "FeatureCollection", "features": features[at:at + 100]})
                 for at in range(0, len(features), 100)]
        self.publish_by_all("earthquakes/usgs", pages)
        rows = self.database.rows(
            "SELECT id, ts, magnitude, place, longitude, latitude, depth_km, felt, stations, alert,"
            " updated, tsunami FROM earthquakes")
        expected = [(f["id"], f["properties"]["time"] * 1000, f["properties"]["mag"],
                     f["properties"]["place"], *f["geometry"]["coordinates"],
                     f["properties"]["felt"], f["properties"]["nst"], f["properties"]["alert"],
                     f["properties"]["updated"] * 1000, f["properties"]["tsunami"])
                    for f in features]
        self.assertEqual(
            sorted((row[0], harness.unix_us(row[1]), *row[2:10], harness.unix_us(row[10]), row[11])
                   for row in rows), sorted(expected))

    def test_co2_measurements_through_the_built_in_mapping(self):
        self.node = self.gateway(self.database).start()
        months = read_csv("co2-concentration.csv")
        self.publish_by_all("observatory/mauna-loa/co2", [month["CO2"] for month in months])
        rows = self.database.rows("SELECT value, payload FROM telemetry")
        self.assertEqual(sorted(rows),
                         sorted((float(month["CO2"]), month["CO2"]) for month in months))


class RealInputOnSqliteTest(RealInputTests, harness.SqliteCase):
    pass


class RealInputOnPostgresTest(RealInputTests, harness.PostgresCase):
    pass


if __name__ == "__main__":
    harness.main()
