"""The database goes back in time: fail-over to a promoted standby, a restored backup. With synchronous
replication nothing is missing; with asynchronous, and with a backup, the journal drains again what
it still holds (journal.keep), and what it no longer holds is a gap that is refused and named."""
import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

import harness
from promises import PATIENCE, ROUNDS, Promises, kill_postmaster

GAP = r"checkpoint is \d+.*but the journal begins at \d+.*journal\.on_gap"
WENT_BACK = r"the database went back from position \d+ to \d+"
KEEP = {"journal.keep": "24h"}


class Server(harness.PostgresCluster):
    """A copy of the cluster `model`, which is stopped; with `primary`, a streaming standby of it."""

    model = None

    def __init__(self, primary=None):  # a copy needs no initdb: pylint: disable=super-init-not-called
        if not Server.model:
            Server.make_model()
        self.directory = Path(tempfile.mkdtemp(prefix="rowgate-pg-"))
        self.port = harness.free_port()
        self.process = None
        self.user = self.model.user
        if self.user:
            shutil.chown(self.directory, "postgres", "postgres")
        os.chmod(self.directory, 0o755)
        self.data = self.directory / "data"
        subprocess.run(["cp", "-a", self.model.data, self.data], check=True)
        with open(self.data / "postgresql.conf", "a", encoding="ascii") as conf:
            conf.write(f"port = {self.port}\nunix_socket_directories = '{self.directory}'\n")
            if primary:
                conf.write("primary_conninfo = 'host=127.0.0.1 user=rowgate "
                           f"port={primary.port}'\n")
                (self.data / "standby.signal").touch()
        self.start()

    @staticmethod
    def make_model():
        Server.model = model = harness.PostgresCluster({"wal_keep_size": "128MB"})
        atexit.register(model.remove)
        model.admin("CREATE DATABASE plant")
        model.stop()
        with open(model.data / "pg_hba.conf", "a", encoding="ascii") as hba:
            hba.write("host replication all 127.0.0.1/32 trust\n")

    @property
    def plant(self):
        return harness.PostgresDatabase(self, "plant")

    def promote(self):
        self.admin("SELECT pg_promote()")

    def replicate_synchronously(self):
        """From here on a COMMIT is answered when the standby has it on its disk, too."""
        self.admin("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.admin("SELECT pg_reload_conf()")
        harness.wait_until(
            lambda: self.plant.rows("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"),
            "the standby is a synchronous one", 30 * PATIENCE)


class DatabaseCase(Promises, harness.SystemTest):
    may_go_back = True

    def look_at(self, database):
        self.checked = self.books.database = database

    def assert_refused(self):
        """The gateway ends, names the gap and what to do, and does not start over it."""
        self.assertEqual(self.node.wait_exit(60 * PATIENCE), 1)
        self.assertRegex(self.node.log(), GAP)
        self.node.launch()
        self.assertNotEqual(self.node.wait_exit(60 * PATIENCE), 0)
        self.assertRegex(self.node.log(), GAP)

    def accept_the_gap(self, config):
        """What is missing then is known: it was said. Everything from here on is kept."""
        self.node.configure({**self.node.CONFIG, **config, "journal.on_gap": "accept"})
        self.node.start(20 * PATIENCE)
        self.fleet.finish()
        self.node.wait_drained(timeout=60 * PATIENCE)
        problems = self.books.problems()
        self.assertTrue(problems, "the gap was there")
        for problem in problems:
            self.assertRegex(problem, "acknowledged messages are lost")
        self.books.settle()
        self.fleet.start()
        self.assert_kept()

    def trim(self):
        """Waits until the journal has deleted everything that it holds now."""
        journal = self.node.data_dir / "journal"

        def segments():
            return {name for name in os.listdir(journal) if name[0].isdigit()}
        newest = max(segments())
        harness.wait_until(lambda: newest not in segments(),
                           lambda: f"{newest} is deleted: {segments()}; {self.node.lanes()}",
                           60 * PATIENCE, 0.05)

    def retained(self):
        """Bytes of the journal that are drained and flushed."""
        return self.node.metrics().sum("rowgate_journal_retained_bytes")


class FailOverTest(DatabaseCase):
    def setUp(self):
        self.primary = Server()
        self.addCleanup(self.primary.remove)
        self.standby = Server(self.primary)
        self.addCleanup(self.standby.remove)
        self.database, self.promoted = self.primary.plant, self.standby.plant
        # The gateway finds out by itself which of the two takes rows.
        self.url = (f"postgresql://rowgate@127.0.0.1:{self.primary.port},127.0.0.1:"
                    f"{self.standby.port}/{self.database.name}?target_session_attrs=read-write")

    def fail_over(self, how=signal.SIGQUIT):
        self.primary.stop(how)
        if not self.standby.running:
            self.standby.start()
        self.standby.promote()
        self.look_at(self.promoted)

    def let_the_standby_fall_behind(self):
        self.wait_stored()
        self.standby.stop()

    def test_synchronous_replication_loses_nothing(self):
        self.primary.replicate_synchronously()
        self.begin(self.url, database=self.database)
        self.wait_stored(200)
        self.primary.stop(signal.SIGKILL)
        self.fleet.wait_acknowledged()
        self.fail_over()
        self.wait_stored(200)
        self.assert_kept()
        self.assertNotIn("went back", self.node.log(whole=True))

    def test_synchronous_a_commit_that_the_standby_never_got_is_not_believed(self):
        """A primary that crashes while a COMMIT waits for the standby has it after its recovery, and
        shows it. The gateway must not take it for safe: the standby is promoted next."""
        self.primary.replicate_synchronously()
        self.begin(self.url, database=self.database)
        self.wait_stored()
        self.standby.stop()
        # Read on a connection of its own; a transaction that writes nothing waits for nobody.
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        harness.wait_until(lambda: self.database.rows(waiting), "a COMMIT waits", 30 * PATIENCE)
        self.fleet.wait_acknowledged()
        kill_postmaster(self.primary)
        self.primary.start()
        harness.wait_until(lambda: self.database.rows(waiting), "the lanes wait", 30 * PATIENCE)
        self.fleet.wait_acknowledged()
        self.fail_over()
        self.wait_stored()
        self.assert_kept()
        self.assertNotIn("went back", self.node.log(whole=True))

    def test_asynchronous_what_the_standby_lacks_is_drained_again_from_the_journal(self):
        # Segments so large that the journal still holds everything.
        self.begin(self.url, database=self.database,
                   config={"journal.segment_bytes": 32 * harness.MIB})
        self.let_the_standby_fall_behind()
        self.wait_stored(300)
        before = harness.count(self.database, "kill9")
        self.fail_over()
        self.wait_log(WENT_BACK)
        harness.wait_until(lambda: harness.count(self.promoted, "kill9") > before,
                           "it has what it lacked, and more", 60 * PATIENCE)
        self.assert_kept()

    def test_asynchronous_what_the_journal_no_longer_holds_is_a_gap_that_is_refused(self):
        self.begin(self.url, database=self.database, padding=6000, rate=100)
        self.let_the_standby_fall_behind()
        self.trim()
        self.fail_over()
        self.assert_refused()
        self.accept_the_gap({})

    def test_asynchronous_with_journal_keep_loses_nothing(self):
        self.begin(self.url, database=self.database, padding=6000, rate=100, config=KEEP)
        self.let_the_standby_fall_behind()
        self.wait_stored(600)  # several segments
        self.fail_over()
        self.wait_log(WENT_BACK)
        self.assert_kept()


class RestoredBackupTest(DatabaseCase):
    """An older copy of the database takes the place of the newer one."""

    def test_postgres_restored_while_the_gateway_runs(self):
        cluster = Server()
        self.addCleanup(cluster.remove)
        self.begin(cluster.plant, padding=6000, rate=100, config=KEEP)
        self.wait_stored()
        cluster.stop()
        backup = cluster.directory / "backup"
        subprocess.run(["cp", "-a", cluster.data, backup], check=True)
        before = self.retained()
        cluster.start()
        # Whole segments that only journal.keep has kept.
        harness.wait_until(lambda: self.retained() >= before + 3 * harness.MIB,
                           lambda: f"retained: {before}, {self.retained()}", 60 * PATIENCE, 0.05)
        cluster.stop()
        shutil.rmtree(cluster.data)
        subprocess.run(["cp", "-a", backup, cluster.data], check=True)
        cluster.start()
        self.wait_log(WENT_BACK)
        self.wait_stored()
        self.assert_kept()

    def restore_sqlite(self, config):
        """Stops the gateway, puts an older copy of the file back, and starts."""
        database = harness.SqliteDatabase(self.directory / "telemetry.db")
        self.begin(database, padding=6000, rate=100, config=config)
        self.wait_stored(200)
        self.assertEqual(self.node.terminate(60 * PATIENCE), 0)
        backup = self.directory / "backup.db"
        shutil.copy(database.path, backup)
        self.node.start(20 * PATIENCE)
        self.wait_stored(600)
        self.fleet.finish()
        self.assertEqual(self.node.terminate(60 * PATIENCE), 0)
        for file in self.directory.glob("telemetry.db*"):
            file.unlink()
        shutil.copy(backup, database.path)
        self.node.launch()

    def test_sqlite_restored_between_two_runs(self):
        self.restore_sqlite(KEEP)
        self.node.wait_ready(20 * PATIENCE)
        self.node.wait_drained(timeout=60 * PATIENCE)
        self.assert_kept()

    def test_sqlite_restored_without_journal_keep_is_a_gap_that_is_refused(self):
        self.restore_sqlite({})
        self.assert_refused()
        self.accept_the_gap({})


def load_tests(loader, _tests, _pattern):
    """Each of them anew in each round: a cluster fails over once."""
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for _ in range(ROUNDS)
                              for case in (FailOverTest, RestoredBackupTest))


if __name__ == "__main__":
    harness.main()
