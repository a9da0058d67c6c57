// The journal on a disk that fails: at every single operation, and in a power cut at any moment.
#include <gmock/gmock.h>

#include <functional>
#include <random>
#include <set>

#include "storage/journal/inspect.hpp"
#include "tests/storage/journal/journal_fixture.hpp"
#include "tests/support/fail_at.hpp"

namespace rowgate::storage {
namespace {

using test::FailPlan;
using test::MemoryDisk;
using test::publish;
using test::read_all;
using test::RunningJournal;
using test::small_options;
using testing::HasSubstr;

/// What a run was promised, and what a later look at the disk must therefore find.
struct Oracle {
  struct Acked {
    Position end;
    std::string message;
  };
  std::vector<Acked> acked;
  std::set<std::uint16_t> open_ids;  // acked publishes at QoS 2 whose release was not tried
  Position flushed;                  // what trim() was told

  void check(const MemoryDisk& disk, const std::string& when) const {
    RunningJournal journal(disk);
    const auto kept = read_all(*journal);
    const std::set<std::string> set(kept.begin(), kept.end());
    ASSERT_EQ(set.size(), kept.size()) << when << ": a message is there twice";
    ASSERT_TRUE(journal->first() <= flushed || journal->first().value == 0) << when;
    for (const Acked& one : acked) {
      if (one.end <= flushed) continue;
      ASSERT_TRUE(set.contains(one.message)) << when << ": lost " << one.message.substr(0, 20);
    }
    for (const std::uint16_t id : open_ids) {
      ASSERT_TRUE(journal.commit(publish("c", "again", 2, id)).duplicate) << when << ": id " << id;
    }
    journal.commit(publish("c", "it goes on", 1));
  }
};

/// Publishes, releases, trims and restarts, as far as the disk allows. Fills the oracle.
void scenario(const std::function<std::unique_ptr<os::Directory>()>& directory, Oracle& oracle,
              int& failures) {
  std::uint16_t next = 1;
  for (int restart = 0; restart < 2; ++restart) {
    RunningJournal journal(directory());
    for (int i = 0; i < 45; ++i, ++next) {
      const std::string payload = std::to_string(next) + std::string(900, 'f');
      const auto qos = static_cast<std::uint8_t>(1 + next % 2);
      const auto done = journal->append(publish("c", payload, qos, next));
      if (!journal.wait_durable(done ? done->end : Position{UINT64_MAX})) {
        failures += journal.failures();
        EXPECT_EQ(journal.failures(), 1) << "said once";
        EXPECT_EQ(journal->append(publish("c", "late")).error(), AppendError::stopped);
        EXPECT_EQ(journal->release("c", 1).error(), AppendError::stopped);
        return;
      }
      oracle.acked.push_back({done->end, "c " + payload});
      if (qos == 2) oracle.open_ids.insert(next);
      if (i % 7 == 6 && !oracle.open_ids.empty()) {
        const std::uint16_t id = *oracle.open_ids.begin();
        oracle.open_ids.erase(id);
        (void)journal->release("c", id);
      }
      if (i % 10 == 9) {
        oracle.flushed = oracle.acked[oracle.acked.size() - 4].end;
        journal->trim(oracle.flushed);
      }
    }
    journal->stop();
    failures += journal.failures();
    if (journal.failures() > 0) return;
  }
}

void fail_everywhere(bool all_after) {
  bool failed = true;
  int stopped = 0, refused = 0, unharmed = 0;
  for (std::uint64_t n = 0; failed; ++n) {
    const MemoryDisk disk;
    FailPlan plan;
    plan.fail_at = n;
    plan.all_after = all_after;
    Oracle oracle;
    int failures = 0;
    try {
      scenario([&] { return test::fail_at(disk.directory(), plan); }, oracle, failures);
      failures > 0 ? ++stopped : ++unharmed;
    } catch (const JournalError&) {
      ++refused;
    }
    failed = plan.failed;
    const std::string when = "operation " + std::to_string(n) + ", " + plan.operation;
    ASSERT_NO_FATAL_FAILURE(oracle.check(disk.clone(), when));
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      ASSERT_NO_FATAL_FAILURE(oracle.check(disk.crash_clone(n * 3 + seed), when + ", power cut"));
    }
  }
  EXPECT_GT(stopped, 50);
  EXPECT_GT(refused, 5);
  EXPECT_GT(unharmed, all_after ? 0 : 5) << "a failed trim is no failure of the journal";
}

TEST(journal_fault, keeps_its_promises_whichever_operation_fails) {
  fail_everywhere(false);
}

TEST(journal_fault, keeps_its_promises_when_the_disk_goes_away) {
  fail_everywhere(true);
}

TEST(journal_fault, a_failed_sync_is_never_retried_and_names_the_file) {
  const MemoryDisk disk;
  FailPlan plan;
  RunningJournal journal(test::fail_at(disk.directory(), plan));
  journal.commit(publish("c", "1"));
  const Position durable = journal->durable();
  plan.all_after = true;
  plan.fail_at = plan.done;
  const auto done = journal->append(publish("c", "2"));
  ASSERT_TRUE(done);
  EXPECT_FALSE(journal.wait_durable(done->end));
  EXPECT_EQ(journal->durable(), durable);
  EXPECT_THAT(journal.failure(), HasSubstr(".seg: injected failure"));
  const auto operations = plan.done.load();
  journal->stop();
  EXPECT_EQ(plan.done, operations) << "the disk was touched again";
  EXPECT_EQ(journal.failures(), 1);
}

TEST(journal_fault, read_says_when_the_disk_fails) {
  const MemoryDisk disk;
  FailPlan plan;
  RunningJournal journal(test::fail_at(disk.directory(), plan));
  journal.commit(publish("c", "1"));
  journal.commit(publish("c", "2"));
  plan.all_after = true;
  plan.fail_at = plan.done;
  EXPECT_THROW(read_all(*journal), JournalError);
}

TEST(journal_fault, a_power_cut_at_any_moment_costs_nothing_that_was_acked) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    std::mt19937_64 random(seed);
    MemoryDisk disk;
    Oracle oracle;
    std::uint16_t next = 1;
    // Each round runs on the disk that the power cut before it left.
    for (int round = 0; round < 4; ++round) {
      MemoryDisk after;
      {
        RunningJournal journal(disk);
        const auto until = next + random() % 60;
        for (; next < until; ++next) {
          const std::string payload = std::to_string(next) + std::string(random() % 1500, 'p');
          const auto qos = static_cast<std::uint8_t>(1 + next % 2);
          const Appended done = journal.commit(publish("c", payload, qos, next));
          oracle.acked.push_back({done.end, "c " + payload});
          if (qos == 2) oracle.open_ids.insert(next);
          if (random() % 16 == 0) journal->trim(oracle.flushed = done.end);
        }
        // Some more that nobody waits for: in flight when the power goes.
        for (std::uint64_t i = random() % 4; i > 0; --i, ++next) {
          (void)journal->append(publish("c", std::to_string(next), 1));
        }
        after = disk.crash_clone(seed * 10 + static_cast<std::uint64_t>(round));
      }
      ASSERT_NO_FATAL_FAILURE(oracle.check(after.clone(), "seed " + std::to_string(seed)));
      disk = after;
    }
  }
}

}  // namespace
}  // namespace rowgate::storage
