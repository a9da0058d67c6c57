// JournalOptions::keep, while several threads want something of the journal at once.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>

#include "tests/storage/journal/journal_fixture.hpp"

namespace rowgate::test {
namespace {

using storage::Position;

constexpr std::uint64_t segment = 16U << 10;

/// A file that calls before each fdatasync.
class CallingFile final : public os::File {
 public:
  CallingFile(std::unique_ptr<os::File> inner, const std::function<void()>& call)
      : inner_(std::move(inner)), call_(call) {}
  Result<std::size_t, os::Error> read_at(std::uint64_t offset, char* to, std::size_t n) override {
    return inner_->read_at(offset, to, n);
  }
  Result<void, os::Error> write_at(std::uint64_t offset, std::string_view bytes) override {
    return inner_->write_at(offset, bytes);
  }
  Result<void, os::Error> sync_data() override {
    call_();
    return inner_->sync_data();
  }
  Result<void, os::Error> truncate(std::uint64_t size) override { return inner_->truncate(size); }
  Result<std::uint64_t, os::Error> size() override { return inner_->size(); }

 private:
  std::unique_ptr<os::File> inner_;
  const std::function<void()>& call_;
};

/// A directory that calls before the file "flushed" is synced. `call` outlives it.
class CallingDirectory final : public os::Directory {
 public:
  CallingDirectory(std::unique_ptr<os::Directory> inner, const std::function<void()>& call)
      : inner_(std::move(inner)), call_(call) {}
  Result<std::unique_ptr<os::File>, os::Error> open(std::string_view name, Mode mode) override {
    auto file = inner_->open(name, mode);
    if (!file || name != "flushed.new") return file;
    return std::unique_ptr<os::File>(std::make_unique<CallingFile>(std::move(*file), call_));
  }
  Result<std::vector<std::string>, os::Error> list() override { return inner_->list(); }
  Result<void, os::Error> rename(std::string_view from, std::string_view to) override {
    return inner_->rename(from, to);
  }
  Result<void, os::Error> remove(std::string_view name) override { return inner_->remove(name); }
  Result<void, os::Error> sync() override { return inner_->sync(); }
  Result<void, os::Error> lock(std::string_view name) override { return inner_->lock(name); }
  std::string path() const override { return inner_->path(); }

 private:
  std::unique_ptr<os::Directory> inner_;
  const std::function<void()>& call_;
};

struct KeptByThreads {
  KeptByThreads() {
    options.keep = std::chrono::hours(1);
    options.max_bytes = 8 * segment;
  }
  /// Publishes until so many segments have been begun in all.
  void fill(RunningJournal& journal, std::uint64_t segments) const {
    while (journal->durable().value < (segments - 1) * segment + 1000)
      journal.commit(publish("a", payload));
  }
  /// What the file "flushed" says.
  std::uint64_t noted() const {
    const std::string text = disk.content("flushed");
    return text.empty() ? 0 : std::stoull(text.substr(text.find(' ')));
  }

  MemoryDisk disk;
  storage::JournalOptions options = small_options();
  const std::string payload = std::string(900, 'p');
};

TEST(journal_keep_threads, a_commit_at_the_limit_does_not_wait_for_the_notes_sync) {
  KeptByThreads kept;
  std::function<void()> call = [] {};
  RunningJournal journal(std::make_unique<CallingDirectory>(kept.disk.directory(), call),
                         kept.options);
  kept.fill(journal, 7);
  journal->trim(journal->durable());
  kept.fill(journal, 10);
  const Position first = journal->first();
  ASSERT_GT(first, Position{0}) << "each segment takes the place of a retained one";
  ASSERT_GT(journal->retained_bytes(), 2 * segment);

  std::atomic<bool> syncing{false}, went_on{false};
  call = [&] {
    syncing = true;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (journal->first() == first && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    went_on = journal->first() > first;
    EXPECT_LE(journal->first().value, kept.noted()) << "what is not noted as flushed goes later";
  };
  std::jthread trimmer([&] { journal->trim(journal->durable()); });
  while (!syncing) std::this_thread::yield();
  kept.fill(journal, 12);
  trimmer.join();
  EXPECT_TRUE(went_on);
  EXPECT_EQ(kept.noted(), journal->trimmed().value);
}

TEST(journal_keep_threads, what_is_needed_again_stays_although_a_trim_had_asked_before) {
  KeptByThreads kept;
  RunningJournal journal(kept.disk, kept.options);
  kept.fill(journal, 5);
  journal->trim(Position{3 * segment});
  const Position needed{segment};
  std::atomic<bool> done{false};
  std::jthread lane;
  journal->trim([&] {
    const Position flushed = journal->durable();
    lane = std::jthread([&] {
      journal->need(needed);
      done = true;
    });
    // Time enough for it, were it let in between.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
    while (!done && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return flushed;
  });
  lane.join();
  EXPECT_EQ(journal->trimmed(), needed);
  EXPECT_EQ(kept.noted(), needed.value);
}

TEST(journal_keep_threads, what_is_flushed_and_needed_at_once_adds_up) {
  KeptByThreads kept;
  RunningJournal journal(kept.disk, kept.options);
  std::atomic<bool> publishing{true};
  std::jthread trimmer([&] {
    while (publishing) journal->trim(journal->durable());
  });
  std::jthread needer([&] {
    while (publishing) {
      const Position durable = journal->durable();
      if (durable.value > 2 * segment) journal->need({durable.value - 2 * segment});
    }
  });
  for (int i = 0; i < 1500; ++i) {
    // Full now and then, when what is needed again is not flushed again yet.
    for (;;) {
      const auto done = journal->append(publish("a", kept.payload));
      if (done) {
        journal.wait_durable(done->end);
        break;
      }
      std::this_thread::yield();
    }
  }
  publishing = false;
  trimmer.join();
  needer.join();
  EXPECT_LE(kept.noted(), journal->trimmed().value);
  const Position needed{std::max(journal->first().value, kept.noted() - segment)};
  journal->need(needed);
  EXPECT_LE(kept.noted(), needed.value) << "the last word counts";
  // Nothing got lost of the room that there is.
  journal->trim(journal->durable());
  for (int i = 0; i < 90; ++i) journal.commit(publish("a", kept.payload));
}

}  // namespace
}  // namespace rowgate::test
