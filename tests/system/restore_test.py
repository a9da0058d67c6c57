"""How docs/operations.md says to restore a PostgreSQL database: its commands, as they stand there, while
devices publish. Out of what the journal retains the database is filled again, each message once."""
import documented
import harness
from promises import PATIENCE, Promises

KEEP = {"journal.keep": "24h"}
WENT_BACK = (r"lane \d+: the database went back from position \d+ to \d+; draining from there "
             r"\(received at 20\d\d-.*Z\) again, nothing is lost")
RESTORED = (r"lane \d+: the database's checkpoint is \d+, although it had stored all up to \d+ "
            r"\(restored from a back-up.*received at 20\d\d-.*nothing behind it is lost")


class RestoreTest(Promises, harness.SystemTest):
    may_go_back = True

    def setUp(self):
        self.cluster = harness.shared_cluster()
        self.plant = self.cluster.new_database("plant")
        self.addCleanup(self.cluster.admin,
                        "DROP DATABASE IF EXISTS plant_before WITH (FORCE)")
        self.addCleanup(self.plant.drop)
        # Segments of 1 MiB fill within a second or two.
        self.begin(self.plant, padding=6000, rate=100, config=KEEP)

    def run_example(self, holding):
        done = self.try_example(holding)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def try_example(self, holding):
        return documented.run(holding, self.directory, self.cluster.client_environment(),
                              120 * PATIENCE)

    def back_up(self):
        """What comes after it is in segments that only journal.keep has kept."""
        self.wait_stored(200)
        self.run_example("pg_dump")
        before = self.retained()
        harness.wait_until(lambda: self.retained() >= before + 3 * harness.MIB,
                           lambda: f"retained: {before}, {self.retained()}", 60 * PATIENCE, 0.05)

    def retained(self):
        return self.node.metrics().sum("rowgate_journal_retained_bytes")

    def test_under_another_name_while_the_gateway_runs(self):
        self.back_up()
        self.run_example("RENAME TO plant_before")
        self.wait_log("trying again, messages are kept in the journal meanwhile")
        self.wait_log(WENT_BACK)
        self.wait_stored()
        self.assert_kept()

    def test_in_its_place_with_the_gateway_stopped(self):
        self.back_up()
        self.assertEqual(self.node.terminate(60 * PATIENCE), 0)
        self.run_example("dropdb plant")
        self.node.start(20 * PATIENCE)
        self.wait_log(RESTORED)
        self.wait_stored()
        self.assert_kept()

    def test_in_its_place_in_one_transaction_while_the_gateway_runs(self):
        self.back_up()

        def restored():
            done = self.try_example("--single-transaction")
            if done.returncode:
                self.assertIn("deadlock detected", done.stderr)  # as the page says: again
            return done.returncode == 0
        harness.wait_until(restored, "no deadlock", 60 * PATIENCE)
        self.wait_log(WENT_BACK)
        self.wait_stored()
        self.assert_kept()

    def test_an_empty_database_in_place_of_the_old_one_gets_all_that_is_retained(self):
        self.back_up()
        self.cluster.admin("DROP DATABASE plant WITH (FORCE)")
        self.cluster.admin("CREATE DATABASE plant")
        self.wait_log(WENT_BACK)
        self.wait_stored()
        self.assert_kept()


if __name__ == "__main__":
    harness.main()
