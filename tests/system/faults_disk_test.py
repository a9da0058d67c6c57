"""Disks that fill up, become read-only or fail to sync: the journal's and the database's. A write that
failed is never acknowledged; a journal that cannot write stops the gateway, a database that cannot
is one that is away."""

import harness
import isolation
from promises import PATIENCE, ROUNDS, Promises, preload

# What it may say of such a disk, in the kernel's and in SQLite's words.
FULL = r"(?i)no space left|disk is full|free disk space"
READ_ONLY = r"(?i)read-only|readonly|input/output error|disk i/o error"


class DiskCase(Promises, harness.SystemTest):
    def prepare(self, disk_of_journal=None, disk_of_database=None, **fleet):
        """A gateway on SQLite, not started, with its files on disks of their own."""
        database = harness.SqliteDatabase(self.directory / "database" / "telemetry.db")
        database.path.parent.mkdir()
        self.disk = None
        if disk_of_database:
            self.disk = disk_of_database(database.path.parent)
        if disk_of_journal:
            self.disk = disk_of_journal(self.directory / "gateway-data")
        # Unmounted before the directory is removed, and after the gateway ended.
        self.addCleanup(self.disk.remove)
        self.addCleanup(lambda: self.node.kill())
        self.begin(database, start=False, **fleet)

    def ended_saying(self, pattern):
        """The gateway ended by itself, not with success, and said why."""
        code = self.node.wait_exit(60 * PATIENCE)
        self.assertNotEqual(code, 0)
        self.assertGreater(code, 0, f"killed by signal {-code}:\n{self.node.log()[-3000:]}")
        self.assertRegex(self.node.log(), pattern)


class FullDiskTest(DiskCase):
    def test_the_journals_disk_fills_up_and_is_freed(self):
        self.prepare(disk_of_journal=lambda path: isolation.SmallDisk(path, 24), padding=4000,
                     config={"shutdown.drain": "1 s"})
        self.first_life()
        for _ in range(ROUNDS):
            # While it drains, it lives on the segments that it has, also on a full disk.
            with self.checked.locked("kill9"):
                self.disk.fill()
                self.ended_saying(FULL)
                self.assertRegex(self.node.log(), "Free or repair the disk|free disk space")
                # Nor does it go on when it is started there.
                self.node.launch()
                self.ended_saying(FULL)
            self.disk.free()
            self.node.start(20 * PATIENCE)
            self.fleet.wait_acknowledged()
        self.assert_kept()

    def test_a_first_start_on_a_full_disk(self):
        self.prepare(disk_of_journal=lambda path: isolation.SmallDisk(path, 8))
        self.disk.fill()
        self.node.launch()
        self.ended_saying(FULL)
        self.disk.free()
        self.first_life()
        self.assert_kept()

    def test_the_databases_disk_fills_up_and_is_freed(self):
        self.prepare(disk_of_database=lambda path: isolation.SmallDisk(path, 48))
        self.first_life()
        for _ in range(2 * ROUNDS):
            self.disk.fill()
            self.wait_away()
            self.wait_log(FULL)
            for _ in range(3):
                self.fleet.wait_acknowledged()
            self.disk.free()
            self.wait_stored()
        self.assert_kept()

    def test_a_start_while_the_databases_disk_is_full(self):
        self.prepare(disk_of_database=lambda path: isolation.SmallDisk(path, 48))
        self.disk.fill()
        self.first_life()
        self.wait_away()
        self.node.kill()
        self.node.start(20 * PATIENCE)
        self.fleet.wait_acknowledged()
        self.disk.free()
        self.wait_stored()
        self.assert_kept()


class FailedSyncTest(Promises, harness.SqliteCase):
    def test_what_a_failed_fdatasync_leaves_behind_is_not_acknowledged(self):
        """It was written, and only the sync fails: whoever goes on acknowledges what a power cut
        takes back."""
        self.begin(self.database, start=False)
        failing = self.directory / "failing"
        preload(self.node, "failing_sync", FAILING_SYNC=f"{self.node.data_dir.resolve()}/journal/",
                FAILING_SYNC_WHILE=str(failing))
        self.first_life()
        for _ in range(ROUNDS):
            failing.touch()
            self.assertEqual(self.node.wait_exit(30 * PATIENCE), 1)
            self.assertRegex(self.node.log(), "The journal stopped: fdatasync .*Input/output error")
            failing.unlink()
            self.node.start(20 * PATIENCE)
            self.fleet.wait_acknowledged()
        self.assert_kept()


class ReadOnlyDiskTest(DiskCase):
    def test_the_journals_disk_becomes_read_only(self):
        self.prepare(disk_of_journal=isolation.FaultyDisk)
        self.first_life()
        for _ in range(ROUNDS):
            self.disk.fail()
            self.ended_saying(READ_ONLY)
            self.node.launch()
            self.ended_saying(READ_ONLY)
            self.disk.repair()
            self.node.start(20 * PATIENCE)
            self.fleet.wait_acknowledged()
        self.assert_kept()

    def test_the_databases_disk_becomes_read_only(self):
        self.prepare(disk_of_database=isolation.FaultyDisk)
        self.first_life()
        for _ in range(ROUNDS):
            self.disk.fail()
            self.wait_away()
            self.wait_log(READ_ONLY)
            for _ in range(3):
                self.fleet.wait_acknowledged()
            self.node.kill()  # who holds a file there keeps it from being checked
            self.disk.repair()
            self.node.start(20 * PATIENCE)
            self.wait_stored()
        self.assert_kept()


if __name__ == "__main__":
    isolation.enter()
    harness.main()
