"""A COMMIT whose fate the gateway cannot know: lost on its way, answered into a broken connection,
racing it, or arriving long after the gateway has connected again. Rows and checkpoint travel
together, so each message is there once."""
import time

import harness
from promises import PATIENCE, ROUNDS, Promises
from proxy import Fate, Proxy


class CommitTest(Promises, harness.PostgresCase):
    def play(self, fate, times, every=2, lateness=1.0):
        """Plays it on every so many-th COMMIT until it has happened so often."""
        seen = 0

        def judge(_link):
            nonlocal seen
            seen += 1
            return Fate.DELIVERED if seen % every or self.over else fate
        self.over = False
        proxy = Proxy(self.cluster.port, judge=judge, lateness=lateness)
        self.addCleanup(proxy.close)
        # The devices themselves never send twice: at QoS 1 too, each message makes one row.
        self.begin(proxy.url(self.database.name), database=self.database, drop_rate=0)
        harness.wait_until(lambda: self.assert_alive() or proxy.played[fate] >= times,
                           lambda: f"{times} times {fate}: {proxy.played}", 60 * PATIENCE * ROUNDS)
        self.over = True
        self.assert_kept()
        print(f"  played {dict((f.value, n) for f, n in proxy.played.items())}")

    def test_a_commit_that_does_not_arrive(self):
        self.play(Fate.LOST, 10 * ROUNDS)

    def test_a_commit_whose_answer_is_lost(self):
        self.play(Fate.UNANSWERED, 10 * ROUNDS)

    def test_a_commit_that_races_the_end_of_its_connection(self):
        self.play(Fate.RACING, 10 * ROUNDS)

    def test_a_commit_that_arrives_long_after_its_connection_broke(self):
        self.play(Fate.LATE, 3 * ROUNDS, every=3, lateness=0.7)

    def test_a_late_commit_without_rows_is_not_taken_for_another_gateway(self):
        """An idle lane's checkpoint follows the journal; that COMMIT must not arrive behind the
        back of the connection that came after it either."""
        late = 0

        def judge(link):
            nonlocal late
            if link.rows or late >= ROUNDS:
                return Fate.DELIVERED
            late += 1
            return Fate.LATE
        proxy = Proxy(self.cluster.port, judge=judge, lateness=0.5)
        self.addCleanup(proxy.close)
        self.begin(proxy.url(self.database.name), database=self.database, drop_rate=0)
        self.fleet.finish()
        # One device, so one lane has nothing but its checkpoint to commit.
        alone = self.fleet.promised[0]
        harness.wait_until(lambda: alone.publish(2) or proxy.played[Fate.LATE] >= ROUNDS,
                           lambda: f"late commits: {proxy.played}", 60 * PATIENCE * ROUNDS)
        for _ in range(2):  # until long after the last of them has arrived
            alone.publish(5)
            self.wait_stored(1)
            harness.wait_until(lambda: not self.said("another gateway") and self.idle_for(0.7),
                               "it goes on", 20 * PATIENCE)
        self.assert_alive()
        self.assert_kept()

    def idle_for(self, seconds):
        """Whether nothing ended meanwhile."""
        time.sleep(seconds)
        self.assert_alive()
        return True


if __name__ == "__main__":
    harness.main()
