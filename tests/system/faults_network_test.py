"""The network between gateway and database, and between devices and gateway: cut in silence, pulled
out, slow, narrow, reset. The database is on a host of its own (a network namespace behind a cable)."""
import subprocess
import time

import harness
import isolation
import publisher as mqtt
from books import source
from promises import PATIENCE, ROUNDS, TABLES, Promises
from proxy import Proxy

LONG = ROUNDS > 1  # cuts that outlast every time limit


class RemoteCluster(harness.PostgresCluster):
    """On the other host. The test itself looks in by its Unix socket, which no cable cuts."""

    def __init__(self, host):
        self.host = host
        super().__init__({"listen_addresses": isolation.SERVER_SIDE})
        with open(self.data / "pg_hba.conf", "a", encoding="ascii") as hba:
            hba.write(f"host all all {isolation.GATEWAY_SIDE}/32 trust\n")
        self.admin("SELECT pg_reload_conf()")

    def launch(self):
        with open(self.directory / "postgres.log", "ab") as log:
            self.process = harness.spawn(
                [*self.host.prefix, "setpriv", *self.user, harness.POSTGRES_BIN / "postgres", "-D",
                 self.data], death_signal="QUIT", stdout=log, stderr=log, cwd="/",
                stdin=subprocess.DEVNULL)

    def url(self, database, **_):
        return f"postgresql:///{database}?host={self.directory}&port={self.port}&user=rowgate"

    def remote_url(self, database):
        return f"postgresql://rowgate@{isolation.SERVER_SIDE}:{self.port}/{database}"


class DatabaseBehindACableTest(Promises, harness.SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.host = isolation.OtherHost()
        cls.addClassCleanup(cls.host.remove)
        cls.cluster = RemoteCluster(cls.host)
        cls.addClassCleanup(cls.cluster.remove)

    def setUp(self):
        self.database = self.cluster.new_database()
        self.addCleanup(self.database.drop)
        self.firewall = isolation.Firewall()
        self.addCleanup(self.firewall.clear)

    def serve(self, **fleet):
        self.begin(self.cluster.remote_url(self.database.name), database=self.database, **fleet)

    def test_the_connection_is_cut_in_silence_and_healed(self):
        self.serve()
        for seconds in (2,) + (15, 45) * LONG:
            self.firewall.cut(self.cluster.port)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                self.fleet.wait_acknowledged(5)
            if seconds > 40:
                self.wait_away()
            self.firewall.clear()
            self.wait_stored()
        self.assert_kept()

    def test_the_cable_is_pulled_out_and_plugged_in(self):
        self.serve()
        for _ in range(2 * ROUNDS):
            self.host.unplug()
            self.fleet.wait_acknowledged(60)
            self.host.plug_in()
            self.wait_stored()
        self.assert_kept()

    def test_one_direction_only_is_cut(self):
        """What the gateway sends arrives, the answers do not, and the other way round."""
        self.serve()
        for chain, side in (("INPUT", "--sport"), ("OUTPUT", "--dport")) * ROUNDS:
            self.firewall.add(chain, "-p", "tcp", side, self.cluster.port, "-j", "DROP")
            self.fleet.wait_acknowledged(60)
            self.firewall.clear()
            self.wait_stored()
        self.assert_kept()

    def test_packets_get_lost_on_both_ways(self):
        """One in twelve, between devices and gateway as well as between gateway and database; and
        devices that often give up waiting, and send again."""
        self.serve(drop_rate=2.0)
        for port in (self.cluster.port, self.node.mqtt_port):
            for side in ("--dport", "--sport"):
                self.firewall.add("INPUT", "-p", "tcp", side, port, "-m", "statistic", "--mode",
                                  "random", "--probability", "0.08", "-j", "DROP")
        self.fleet.wait_acknowledged(50 * ROUNDS, 60 * ROUNDS)
        self.wait_stored()
        self.firewall.clear()
        self.assert_kept()

    def test_the_cable_is_narrow(self):
        device = ["dev", "gateway0", "root"]
        isolation.run("tc", "qdisc", "add", *device, "tbf", "rate", "160kbit", "burst", "8kb",
                      "latency", "100ms")  # more than that waits or is lost
        try:
            self.serve(rate=150)  # more than it carries
            self.fleet.wait_acknowledged(100 * ROUNDS, 30 * ROUNDS)
            harness.wait_until(self.runs_ahead, "acknowledgements do not wait for it",
                               30 * PATIENCE)
        finally:
            isolation.run("tc", "qdisc", "del", *device)
        self.assert_kept()

    def runs_ahead(self):
        """Whether more is acknowledged and not in the database than the devices' windows hold."""
        acknowledged = self.fleet.acknowledged()
        names = tuple(publisher.client_id for publisher in self.fleet.promised)
        stored = sum(harness.scalar(
            self.database, f"SELECT count(*) FROM {table} WHERE {column} IN %s", (names,))
            for table, column in zip(TABLES, ("device", "client_id", "client_id"))
            if self.database.columns(table))
        return acknowledged - stored > sum(publisher.window for publisher in self.fleet.promised)

    def test_the_way_is_long_and_connections_are_reset_on_it(self):
        proxy = Proxy(self.cluster.port, isolation.SERVER_SIDE, delay=0.02)
        self.addCleanup(proxy.close)
        self.begin(proxy.url(self.database.name), database=self.database)
        self.wait_stored(100)
        for _ in range(ROUNDS):
            proxy.reset()
            self.fleet.wait_acknowledged(10)
            self.wait_stored(10)
        self.assert_kept()


class DevicesBehindACutTest(Promises, harness.SqliteCase):
    """Devices and gateway share this network namespace; the cut is between their ports."""

    def setUp(self):
        super().setUp()
        self.firewall = isolation.Firewall()
        self.addCleanup(self.firewall.clear)

    def test_the_network_is_cut_in_mid_publish_and_healed(self):
        self.begin(self.database, drop_rate=0.5)
        for seconds in (0.5, 2.0) * ROUNDS:
            self.firewall.cut(self.node.mqtt_port)
            time.sleep(seconds)  # connections go stale, some devices give theirs up
            self.firewall.clear()
            self.fleet.wait_acknowledged()
        self.assert_kept()

    def test_a_device_that_lost_its_power_takes_its_session_over_from_its_own_stale_connection(self):
        self.begin(self.database)
        for number in range(ROUNDS):
            for version in (4, 5):
                self.lose_power(f"q2v{version}-reborn{number}", version)
        # Those of before are closed; the devices' own are left.
        harness.wait_until(lambda: self.node.metrics().sum("rowgate_connections") <= len(self.fleet.threads),
                           lambda: f"no stale connection is left: {self.node.lanes()}",
                           20 * PATIENCE)
        self.assert_kept()

    def lose_power(self, name, version):
        """Publishes at QoS 2, loses the network in mid-flow and then its power, and comes back while
        the gateway still believes in the old connection."""
        device = mqtt.Publisher(name, self.node.mqtt_port, source(name, 2), version, window=24)
        self.fleet.publishers.append(device)
        self.fleet.promised.append(device)
        self.books.floor[name] = self.books.settled[name] = 0
        for _ in range(5):
            device.connect()
            for _ in range(15):
                device.send_new(8)
                device.read(0.01)
            port = device.wire.socket.getsockname()[1]
            device.send_new()
            # Answers to what it sent last no longer reach it.
            self.firewall.add("INPUT", "-p", "tcp", "--sport", self.node.mqtt_port, "--dport", port,
                              "-j", "DROP")
            time.sleep(0.05)
            isolation.vanish(device.wire.socket)
            device.wire = None
        device.connect()
        device.finish(20 * PATIENCE)
        device.disconnect()
        self.firewall.clear()


if __name__ == "__main__":
    isolation.enter(network=True)
    harness.main()
