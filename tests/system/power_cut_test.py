"""The power goes while the gateway works: whatever a disk may keep of what no flush had covered, each
acknowledged message is in SQL afterwards, QoS 2 exactly once, and the ledger balances.

The gateway's journal and its database live on an ext4 whose block writes and flushes are logged
(tests/power/recorder.cpp). Devices write what they know into the same log before they send anything.
Then the log is cut, at a random moment after each of its flushes, and always where the first process of
the gateway ends, which has filled some segments; the disk is made as it may be then
(all that was flushed, and of the rest nothing, everything, or a random choice of writes or sectors);
a gateway starts on it, and each device goes on from what it knew at that moment. Some of these second
lives are recorded too, and cut again.

ROWGATE_POWER_CUTS sets how many flushes of a recording are followed by a cut, chosen at random, or "all";
ROWGATE_POWER_SECONDS how long the gateway works; ROWGATE_SEED repeats the choices, though no recording is
like the one before. With ROWGATE_KEEP the disks of failed cuts are kept.
"""
import collections
import contextlib
import json
import os
import random
import shutil
import struct
import sys
import tempfile
import time
from pathlib import Path

import harness
from publisher import ConnectionLost, InFlight, Publisher

sys.path.insert(0, str(harness.ROOT / "tests" / "power"))
import disks  # noqa: E402

SECONDS = float(os.environ.get("ROWGATE_POWER_SECONDS", "2"))
CUTS_OF_A_SECOND_LIFE = 3
ENOUGH_FAILURES = 3
ENOUGH_MESSAGES, MOST_MESSAGES = 20, 2000  # of each device, between two restarts
SEGMENTS = 4  # begun by the first process at least

MAPPING = """
[[mapping]]
name = "power"
topic = "power/{device}"
table = "power"
payload = "json"
[mapping.columns]
device = { topic = "device", type = "text" }
n = { from = "/n", type = "bigint", required = true }
v = { from = "/v", type = "double" }
filling = { from = "/filling", type = "text" }
"""
# The smallest segments and the smallest journal: they roll, are dropped and used again all the time.
CONFIG = {"journal.segment_bytes": harness.MIB, "journal.max_bytes": 16 * harness.MIB,
          "drain.max_age": "30 ms"}
# How the file system treats what was not synced: as usual, or with less mercy.
MOUNT_OPTIONS = ["", "data=writeback,noauto_da_alloc", "nodelalloc"]
DEVICES = [(f"q{qos}v{version}", version, qos)
           for qos, version in ((1, 4), (1, 5), (2, 4), (2, 5), (0, 4))]


def setUpModule():
    disks.private_mounts()


def program(name):
    """A program of tests/power, from the gateway's build directory."""
    path = Path(harness.rowgate_binary()).parent / "tests" / "power" / name
    if not path.exists():
        raise RuntimeError(f"{path} is missing: build the target {name}")
    return path


def filling(device, n):
    """A text of 120 to 1,400 bytes that no other message has."""
    return f"{device}:{n};" * (20 + n * 7 % 140)


def source(device, qos):
    """Most messages become rows; some have a value that does not fit, some no mapping."""
    def message(seq):
        value = "many" if seq % 29 == 3 else seq * 0.5
        topic = f"nowhere/{device}" if seq % 41 == 7 else f"power/{device}"
        payload = {"n": seq, "v": value, "filling": filling(device, seq)}
        return topic, json.dumps(payload).encode(), qos
    return message


class Device(Publisher):
    """Tells what it knows whenever that has changed: before it sends anything because of it, and soon
    after it has heard something. So a gateway never knows more of it than it has told."""

    def __init__(self, name, port, version, qos, tell=None):
        super().__init__(name, port, source(name, qos), version, window=16)
        self.qos = qos
        self._tell = tell
        self._told = None

    def connect(self):
        super().connect()
        send = self.wire.send

        def tell_and_send(packets):
            self.tell()
            send(packets)
        self.wire.send = tell_and_send

    def tell(self):
        state = (self.next_id, self.next_seq, tuple(
            (packet_id, m.seq, m.received) for packet_id, m in self.in_flight.items()))
        if self._tell and state != self._told:
            self._told = state
            self._tell(self, state)

    def recall(self, state):
        """Becomes the device that told this; with None, one that never did anything."""
        if state is None:
            return
        self.next_id, self.next_seq, held = state
        for packet_id, seq, received in held:
            message = InFlight(seq, self.qos, *self.source(seq)[:2])
            if received:
                message.received, message.sent_on = True, "rel"
            self.in_flight[packet_id] = message
        if self.qos == 0:
            self.sent_qos0 = set(range(self.next_seq))
            return
        self.completed = set(range(self.next_seq)) - {seq for _, seq, _ in held}
        self.promised = self.completed | {seq for _, seq, received in held if received}

    def step(self, send):
        try:
            if self.wire is None:
                self.connect()
            if send:
                self.send_new(8)
            self.read(0.001)
        except ConnectionLost:
            self.disconnect()
        self.tell()


class Life:
    """A gateway and its devices on the ext4 in `image`, recorded, up to end(). `before` is what the
    devices knew when it began (see known()), and how often each message had gone out."""

    def __init__(self, case, image, before=None):
        states, self.sent = before or ({}, {name: collections.Counter() for name, _, _ in DEVICES})
        self.case = case
        options = case.random.choice(MOUNT_OPTIONS)
        print(f"  recorded on ext4 {options}", flush=True)
        self.disk = disks.RecordedDisk(program("rowgate_power_recorder"), case.directory, image,
                                       options)
        case.addCleanup(self.end)
        case.database_up(self.disk.path)
        self.told = []  # a mark is an index in here
        self.cut_here = set()  # such indices: there is a cut in any case
        self.node = case.node_on(self.disk.path)
        self.devices = []
        for name, version, qos in DEVICES:
            device = Device(name, self.node.mqtt_port, version, qos, self._tell)
            device.recall(states.get(name))
            device.tell()
            self.devices.append(device)

    def _tell(self, device, state):
        self.told.append((device.client_id, state))
        self.disk.mark(struct.pack("=I", len(self.told) - 1))

    def mark_cut(self):
        """There is a cut at this moment, whichever else there are."""
        self.cut_here.add(len(self.told))
        self.told.append((None, None))
        self.disk.mark(struct.pack("=I", len(self.told) - 1))

    def segments(self):
        return {name for name in os.listdir(self.node.data_dir / "journal") if name[0].isdigit()}

    def traffic(self, seconds, segments=0):
        """So long, or until the devices have sent so much that the disk could become full; but on a
        busy machine longer, so that some of each device has been acknowledged, and so many segments
        of the journal begun."""
        begun, seen = time.monotonic(), set()
        first = {device: (device.next_seq, len(device.completed)) for device in self.devices}

        def over():
            acknowledged = all(len(device.completed) - first[device][1] >= ENOUGH_MESSAGES
                               for device in self.devices if device.qos)
            full = all(device.next_seq - first[device][0] >= MOST_MESSAGES
                       for device in self.devices)
            seen.update(self.segments() if segments else [])
            return acknowledged and len(seen) >= segments and (full or time.monotonic() - begun >= seconds)
        while not over():
            assert time.monotonic() - begun < 60, f"stuck:\n{self.node.log()[-2000:]}"
            for device in self.devices:
                device.step(send=device.next_seq - first[device][0] < MOST_MESSAGES)

    def end(self):
        """Ends it without a goodbye; `log` is what the disk was told."""
        if self.disk is None:
            return
        self.node.kill()
        self.case.database_down()
        for device in self.devices:
            device.disconnect()
            self.sent[device.client_id] = self.sent[device.client_id] + device.transmissions
        disk, self.disk = self.disk, None
        disk.end()
        self.log, self.baseline = disks.Log(disk.log), disk.baseline
        os.close(disk.log)
        violations = [v for device in self.devices for v in device.violations]
        assert not violations, f"while it was recorded: {violations}"

    def moments(self, random_, wanted):
        """After each flush, or after `wanted` of them, and those of mark_cut(): an index in the log; all
        before it happened."""
        flushes = [index for index in self.log.flushes if index > self.log.marks[0]]
        spans = list(zip(flushes, [*flushes[1:], len(self.log.entries)]))
        if wanted != "all" and int(wanted) < len(spans):
            spans = sorted(random_.sample(spans, int(wanted)))
        marked = [index for index in self.log.marks if self.told_at(index) in self.cut_here]
        return sorted([*marked, *(random_.randint(flush + 1, after) for flush, after in spans)])

    def told_at(self, mark):
        return struct.unpack("=I", self.log.content(mark))[0]

    def known(self, moment):
        """{client id: what the device had told last}"""
        states = {}
        for index in self.log.marks:
            if index >= moment:
                break
            name, state = self.told[self.told_at(index)]
            if name:
                states[name] = state
        return states


class Lost(AssertionError):
    """An acknowledged message is not in SQL."""


class PowerCutTests:
    """Mixed into a case with database_up(path), database_down() and self.database."""

    settings = {}  # the gateway's, beside CONFIG

    def setUp(self):
        seed = int(os.environ.get("ROWGATE_SEED", random.SystemRandom().randrange(1 << 32)))
        self.cuts = os.environ.get("ROWGATE_POWER_CUTS", self.short)
        print(f"ROWGATE_SEED={seed} ROWGATE_POWER_CUTS={self.cuts} "
              f"ROWGATE_POWER_SECONDS={SECONDS}", flush=True)
        self.random = random.Random(seed)
        self.promises = 0
        self.failures = []
        self.torn = collections.Counter()
        self.node = None
        os.chmod(self.directory, 0o755)  # PostgreSQL runs as its own user

    def node_on(self, path):
        """The gateway, not started; there is one at a time."""
        if self.node is None:
            self.node = self.gateway("", mapping=MAPPING, config={**CONFIG, **self.settings})
        self.node.sink, self.node.data_dir = self.database.url, path / "data"
        self.node.wrapper = []
        return self.node

    def test_acknowledged_messages_survive_a_power_cut_after_any_flush(self):
        first = Life(self, disks.new_ext4(self.disk_bytes))
        self.configure_database(0)
        first.node.start()
        first.traffic(SECONDS / 2, SEGMENTS)
        first.mark_cut()
        first.node.kill()
        self.configure_database(1)
        first.node.start()
        first.traffic(SECONDS / 4)
        self.assertEqual(first.node.terminate(), 0)
        self.configure_database(2)
        first.node.start()
        first.traffic(SECONDS / 4)
        self.cut(first, self.cuts, lives_again=True)
        print(f"  {dict(self.torn)}; {self.promises} acknowledged messages were looked for")
        if self.failures:
            self.fail("\n\n".join(self.failures))
        self.assertGreater(self.promises, self.torn.total(), "too few to prove anything")

    def configure_database(self, process):
        """For the gateway's first process, its second and its third."""

    def cut(self, life, wanted, lives_again=False):
        """Ends the life, cuts its log so many times, and looks at what each cut leaves. Some
        of them, chosen at random, live on and are cut again."""
        life.end()
        moments = life.moments(self.random, wanted)
        again = self.random.sample(moments, -(-len(moments) // 12) if lives_again else 0)
        describe(life, len(moments))
        with contextlib.closing(disks.CutDisk(life.log, life.baseline)) as cut_disk:
            for number, moment in enumerate(moments):
                how = cut_disk.cut(moment, self.random)
                if how.startswith("sectors") and not disks.mountable(cut_disk.image,
                                                                     self.directory):
                    self.torn["refused by ext4"] += 1  # whoever wrote it: not for us to save
                    how = cut_disk.cut(moment, self.random, torn="blocks")
                self.torn[how.partition(":")[0]] += 1
                try:
                    if moment in again:
                        self.live_again(cut_disk.image, life, moment)
                    self.go_on_after(cut_disk.image, life, moment)
                except (AssertionError, ConnectionLost, OSError) as error:
                    self.failures.append(f"cut {number} before entry {moment} ({how}):\n{error}\n"
                                         f"{self.node.log()[-1000:]}")
                    self.keep(cut_disk.image, f"cut-{moment}.img")
                if len(self.failures) >= ENOUGH_FAILURES:
                    break

    def live_again(self, image, life, moment):
        """The same beginning as in go_on_after(), recorded and cut: the power goes once more, also
        while the gateway recovers."""
        second = Life(self, disks.duplicate(image), (life.known(moment), dict(life.sent)))
        try:
            second.node.start()
            second.traffic(SECONDS / 8)
            self.cut(second, CUTS_OF_A_SECOND_LIFE)
        finally:
            second.end()

    def keep(self, image, name):
        if os.environ.get("ROWGATE_KEEP"):
            with open(f"/proc/self/fd/{image}", "rb") as have, open(
                    self.directory / name, "wb") as want:
                shutil.copyfileobj(have, want)

    def go_on_after(self, image, life, moment):
        """A gateway on what the cut has left, and the devices as they were."""
        known = life.known(moment)
        with disks.mounted(image, self.directory) as path:
            node = self.node_on(path)
            try:
                self.database_up(path)
                node.start()
                devices = [Device(name, node.mqtt_port, version, qos)
                           for name, version, qos in DEVICES]
                promised = {}
                for device in devices:
                    device.recall(known.get(device.client_id))
                    promised[device.client_id] = set(device.promised)
                    self.go_on(device, 5)
                node.wait_drained()
                self.assert_balanced(node)
                node.kill()
                self.check_files(node)
                self.check_rows(devices, promised, life.sent)
            finally:
                node.kill()
                self.database_down()

    def go_on(self, device, count):
        """Ends what is in flight and publishes some more."""
        last = device.next_seq + count

        def done():
            try:
                device.publish(last - device.next_seq)
            except ConnectionLost as error:
                self.assertTrue(self.node.running, f"the gateway ended by itself: {error}")
                device.disconnect()  # a busy machine, or it is busy with the device's last life
                return False
            return True
        harness.wait_until(done, f"{device.client_id} has published", 60)
        device.disconnect()

    def check_files(self, node):
        verified = harness.rowgate("journal", "verify", "--data-dir", node.data_dir)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
        sessions = harness.SqliteDatabase(node.data_dir / "sessions.db")
        self.assertEqual(sessions.rows("PRAGMA integrity_check"), [("ok",)])
        if self.database.kind == "sqlite":
            self.assertEqual(self.database.rows("PRAGMA integrity_check"), [("ok",)])

    def stored(self):
        """{device: Counter of sequence numbers} over all three tables; each is as it was sent."""
        seen = collections.defaultdict(collections.Counter)
        for device, n, text in self.database.rows("SELECT device, n, filling FROM power"):
            self.assertEqual(text, filling(device, n))
            seen[device][n] += 1
        for table in ("rowgate_dead_letter", "rowgate_unmapped"):
            for device, payload in self.database.rows(f"SELECT client_id, payload FROM {table}"):
                content = json.loads(payload)
                self.assertEqual(content["filling"], filling(device, content["n"]))
                seen[device][content["n"]] += 1
        return seen

    def check_rows(self, devices, promised, sent):
        stored = self.stored()
        for device in devices:
            name, seen = device.client_id, stored[device.client_id]
            lost = sorted(promised[name] - set(seen))
            if lost:
                raise Lost(f"{name}: {len(lost)} of {len(promised[name])} acknowledged messages "
                           f"are lost: {lost[:10]}")
            self.promises += len(promised[name])
            self.assertEqual(set(seen) - set(range(device.next_seq)), set(),
                             f"{name}: rows nobody sent")
            if device.qos:
                self.assertEqual(device.completed - set(seen), set(), f"{name}: lost afterwards")
            for n, times in seen.items():
                allowed = 1 if device.qos != 1 else sent[name][n] + device.transmissions[n]
                self.assertLessEqual(times, allowed, f"{name}: message {n} is stored {times} times")


def describe(life, cuts):
    written = sum(size for kind, _, _, size in life.log.entries if kind == disks.WRITE)
    print(f"  {len(life.log.flushes)} flushes, {len(life.log.marks)} marks, "
          f"{written / harness.MIB:.0f} MiB written; "
          f"{sum(device.next_seq for device in life.devices)} messages; "
          f"{cuts} cuts", flush=True)


class PowerCutOnSqliteTest(PowerCutTests, harness.SystemTest):
    short = "8" if harness.SANITIZED else "20"
    disk_bytes = 96 * harness.MIB

    def setUp(self):
        super().setUp()
        # Normal: a power cut takes back the last commits, rows and checkpoint together.
        self.settings = {"sqlite.synchronous": self.random.choice(["full", "normal"])}
        print(f"  {self.settings}", flush=True)

    def database_up(self, path):
        self.database = harness.SqliteDatabase(path / "telemetry.db")

    def database_down(self):
        pass

    def test_a_disk_that_lies_about_fdatasync_is_found_out(self):
        """The test itself: a gateway whose fdatasync does nothing must lose messages here. Its first
        segment is made honestly and has room for all, else it is found damaged and refused."""
        life = Life(self, disks.new_ext4(self.disk_bytes))
        life.node.configure({**life.node.CONFIG, "journal.segment_bytes": 32 * harness.MIB})
        life.node.start()
        life.traffic(0.3)
        life.node.kill()
        life.node.wrapper = [program("rowgate_without_sync")]
        life.node.start()
        life.traffic(0.5)
        life.end()
        describe(life, 1)
        moment = life.log.marks[-1] + 1
        with contextlib.closing(disks.CutDisk(life.log, life.baseline)) as cut_disk:
            cut_disk.cut(moment, self.random, torn="nothing")
            with self.assertRaises(Lost) as found:
                self.go_on_after(cut_disk.image, life, moment)
        print(f"  {found.exception}")


class PowerCutOnPostgresTest(PowerCutTests, harness.SystemTest):
    """The database loses its power at the same moment: its files are on the same disk."""

    short = "3" if harness.SANITIZED else "5"
    disk_bytes = 192 * harness.MIB
    cluster = None
    # Off, a power cut takes back the last commits, rows and checkpoint together: those of ten seconds
    # at first, as nothing else flushes the WAL so soon, and later those of a moment.
    SYNCHRONOUS_COMMIT = ["off", "on", "off"]
    FLUSHED_SOON = "wal_writer_delay = '200ms'"

    def configure_database(self, process):
        self.cluster.admin(f"ALTER DATABASE {self.database.name} SET synchronous_commit = "
                           f"{self.SYNCHRONOUS_COMMIT[process]}")
        if process > 0:
            self.cluster.admin(f"ALTER SYSTEM SET {self.FLUSHED_SOON}")
            self.cluster.admin("SELECT pg_reload_conf()")

    def database_up(self, path):
        if self.cluster is None:
            usual, tempfile.tempdir = tempfile.tempdir, str(path)
            try:
                self.cluster = harness.PostgresCluster({
                    "wal_writer_delay": "10s", "wal_writer_flush_after": "100MB",
                    "bgwriter_lru_maxpages": "0", "max_wal_size": "32MB", "min_wal_size": "32MB"})
            finally:
                tempfile.tempdir = usual
            self.addCleanup(self.cluster.crash)
            self.database = self.cluster.new_database()
            self.cluster.admin("SELECT pg_switch_wal()")  # the end of a WAL file is flushed
            self.cluster.admin("CHECKPOINT")
            disks.sync(path)
            return
        # After a boot its number is nobody's; here it may be that of some other test's server.
        (self.cluster.data / "postmaster.pid").unlink(missing_ok=True)
        with open(self.cluster.data / "postgresql.conf", "a", encoding="ascii") as conf:
            conf.write(f"{self.FLUSHED_SOON}\n")
        self.cluster.start()

    def database_down(self):
        self.cluster.crash()


if __name__ == "__main__":
    harness.main()
