"""What must not be used is refused: with a message that says what to do, with exit code 1, and
without harm. Who was there first goes on; once things are put right nothing is lost, and the ledger
balances."""
import contextlib
import shutil
import sqlite3
import struct

import harness
import publisher as mqtt

MAPPING = """
[[mapping]]
name = "kept"
topic = "kept/{device}"
table = "kept"
payload = "json"
[mapping.columns]
device = { topic = "device", type = "text" }
n = { from = "/n", type = "bigint", required = true }
"""
SEGMENT_RECORD = 52  # bytes: length crc position type flags lane | magic version lanes zero id


def crc32c(state, data):
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    return state


def set_version(segment, version):
    """Gives a segment file another format version, with a right checksum (docs/journal-format.md)."""
    with open(segment, "r+b") as file:
        record = bytearray(file.read(SEGMENT_RECORD))
        before, = struct.unpack_from("<H", record, 28)
        struct.pack_into("<H", record, 28, version)
        summed = record[36:52] + record[0:4] + record[16:52] + record[8:16]
        struct.pack_into("<I", record, 4, crc32c(0xFFFFFFFF, summed))
        file.seek(0)
        file.write(record)
    return before


class Refusals:
    def node(self, name, **config):
        return self.gateway(self.database, mapping=MAPPING, name=name, config={
            "drain.backoff_first": "20 ms", "drain.backoff_max": "100 ms", "drain.lanes": 1, "mqtt.sys_interval": "0 s",
            **{key.replace("__", "."): value for key, value in config.items()}})

    def device(self, node, name):
        device = mqtt.Publisher(name, node.mqtt_port,
                                lambda seq: (f"kept/{name}", b'{"n": %d}' % seq, 2), 5)
        device.connect()
        return device

    def publish(self, node, device, count):
        device.publish(count)
        node.wait_drained()

    def refused(self, node, *words):
        """It does not start, says so with each of these words, and says what to do."""
        node.launch()
        self.assertEqual(node.wait_exit(), 1)
        self.told(node, *words)

    def told(self, node, *words):
        for word in words:
            self.assertIn(str(word), node.log())
        self.assertNotIn("what():", node.log())

    def assert_stored(self, node, *devices):
        """Every message of these devices exactly once; the ledger balances."""
        self.assert_balanced(node)
        for device in devices:
            numbers = [n for (n,) in self.database.rows(
                "SELECT n FROM kept WHERE device = %s ORDER BY n", (device.client_id,))]
            self.assertEqual(numbers, list(range(device.next_seq)), device.client_id)
            self.assertEqual(device.violations, [])

    def test_two_gateways_with_one_name_on_one_database(self):
        first = self.node("first", gateway="plant").start()
        device = self.device(first, "a")
        self.publish(first, device, 50)
        second = self.node("second", gateway="plant")
        self.refused(second, "gateway 'plant'", "another gateway has the same name",
                     "give this gateway another name", "DELETE FROM rowgate_checkpoint")
        self.publish(first, device, 50)
        self.assert_stored(first, device)
        # Put right: a name of its own.
        second.configure({**second.CONFIG, "gateway": "plant-2"})
        second.start()
        other = self.device(second, "b")
        self.publish(second, other, 50)
        self.assert_stored(second, other)
        self.publish(first, device, 10)
        self.assert_stored(first, device)

    def test_a_copy_of_a_running_gateway_is_fenced_off_and_loses_nothing(self):
        original = self.node("original").start()
        device = self.device(original, "a")
        self.publish(original, device, 50)
        self.assertEqual(original.terminate(), 0)
        copy = self.node("copy")
        shutil.copytree(original.data_dir, copy.data_dir)
        copy.start()
        original.start()
        both = {original: self.device(original, "b"), copy: self.device(copy, "c")}
        for device in both.values():
            with contextlib.suppress(mqtt.ConnectionLost):
                device.publish(50)
        # Who commits first goes on.
        harness.wait_until(lambda: not (original.running and copy.running), "one is fenced off")
        fenced, first = (copy, original) if original.running else (original, copy)
        self.assertEqual(fenced.wait_exit(), 1)
        self.told(fenced, "another gateway drains under", "another", "name")
        self.publish(first, both[first], 50)
        self.assert_stored(first, both[first])
        # Put right: what the other had acknowledged is in its journal, and is stored now.
        fenced.configure({**fenced.CONFIG, "gateway": "copy"})
        fenced.start()
        both[fenced].connect()
        both[fenced].finish()
        fenced.wait_drained()
        self.assert_stored(fenced, both[fenced])
        self.publish(first, both[first], 10)
        self.assert_stored(first, both[first])

    def test_a_journal_directory_opened_twice(self):
        first = self.node("first").start()
        device = self.device(first, "a")
        self.publish(first, device, 50)
        second = self.node("second")
        second.data_dir = first.data_dir
        self.refused(second, first.data_dir, f"pid {first.process.pid}", "stop it",
                     "its own data directory")
        self.publish(first, device, 50)
        self.assert_stored(first, device)
        self.assertEqual(first.terminate(), 0)
        second.start()
        device.port = second.mqtt_port
        device.connect()
        self.publish(second, device, 10)
        self.assert_stored(second, device)

    def test_a_checkpoint_from_the_future(self):
        node = self.node("node").start()
        device = self.device(node, "a")
        self.publish(node, device, 50)
        self.assertEqual(node.terminate(), 0)
        older, newer = self.directory / "older", self.directory / "newer"
        shutil.copytree(node.data_dir, older)
        node.start()
        device.connect()
        self.publish(node, device, 50)
        self.assertEqual(node.terminate(), 0)
        node.data_dir.rename(newer)
        shutil.copytree(older, node.data_dir)
        self.refused(node, "beyond the end of the journal", "older copy", "Put the newer one back",
                     "`gateway` name")
        self.refused(node, "beyond the end of the journal")  # and again: nothing was changed
        # Put right.
        shutil.rmtree(node.data_dir)
        newer.rename(node.data_dir)
        node.start()
        device.connect()
        self.publish(node, device, 10)
        self.assert_stored(node, device)

    def test_a_journal_of_another_gateway(self):
        mine, other = self.node("mine", gateway="mine").start(), self.node("other").start()
        devices = [self.device(mine, "a"), self.device(other, "b")]
        for node, device in zip((mine, other), devices):
            self.publish(node, device, 50)
            self.assertEqual(node.terminate(), 0)
        aside = self.directory / "aside"
        # The whole journal, beside our sessions.
        (mine.data_dir / "journal").rename(aside)
        shutil.copytree(other.data_dir / "journal", mine.data_dir / "journal")
        self.refused(mine, "sessions.db", "belongs to journal")
        # The whole data directory, under our name: the database knows better.
        sessions = mine.data_dir / "sessions.db"
        for path in mine.data_dir.glob("sessions.db*"):
            path.rename(self.directory / path.name)
        self.refused(mine, "checkpoint of gateway 'mine'", "the data directory was replaced",
                     "DELETE FROM rowgate_checkpoint WHERE gateway = 'mine'")
        # One segment of it among ours.
        shutil.rmtree(mine.data_dir / "journal")
        shutil.copytree(aside, mine.data_dir / "journal")
        for path in mine.data_dir.glob("sessions.db*"):
            path.unlink()
        for path in self.directory.glob("sessions.db*"):
            path.rename(mine.data_dir / path.name)
        self.assertTrue(sessions.exists())
        foreign = min((other.data_dir / "journal").glob("*.seg"))
        stray = mine.data_dir / "journal" / foreign.name.replace("0", "1", 1)
        shutil.copy(foreign, stray)
        self.refused(mine, stray.name, "Nothing was changed", "journal verify")
        stray.unlink()
        # Put right.
        for node, device in zip((mine, other), devices):
            node.start()
            device.connect()
            self.publish(node, device, 10)
            self.assert_stored(node, device)

    def test_format_versions_that_this_program_does_not_read(self):
        node = self.node("node").start()
        device = self.device(node, "a")
        self.publish(node, device, 50)
        self.assertEqual(node.terminate(), 0)
        segment = max((node.data_dir / "journal").glob("*.seg"))
        good = set_version(segment, 3)
        self.refused(node, segment.name, "format version 3", "newer program", "Nothing was changed")
        set_version(segment, 0)
        self.refused(node, segment.name, "format version 0", "older program", "Nothing was changed")
        set_version(segment, good)
        with contextlib.closing(sqlite3.connect(node.data_dir / "sessions.db")) as sessions:
            version, = sessions.execute("SELECT version FROM meta").fetchone()
            for other in (version + 1, 0):
                sessions.execute("UPDATE meta SET version = ?", (other,))
                sessions.commit()
                self.refused(node, "sessions.db", f"format version {other}",
                             "start the program that wrote it")
            sessions.execute("UPDATE meta SET version = ?", (version,))
            sessions.commit()
        node.start()
        device.connect()
        self.publish(node, device, 10)
        self.assert_stored(node, device)


class SqliteRefusalsTest(Refusals, harness.SqliteCase):
    pass


class PostgresRefusalsTest(Refusals, harness.PostgresCase):
    pass


if __name__ == "__main__":
    harness.main()
