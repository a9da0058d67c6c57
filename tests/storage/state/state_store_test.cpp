#include "storage/state/state_store.hpp"

#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/support/memory_state_store.hpp"

namespace rowgate::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using Change = StateStore::Change;

const std::string journal = "0123456789abcdef0123456789abcdef";

class state_store : public testing::Test {
 public:
  ~state_store() override { std::filesystem::remove_all(directory_); }

 protected:
  state_store() {
    std::string name = testing::TempDir() + "rowgate-state-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
    directory_ = name;
    path_ = name + "/sessions.db";
  }

  std::unique_ptr<StateStore> open(Position first = {100}) const {
    return open_state_store(path_, journal, first);
  }
  /// What opening says when it refuses.
  std::string refusal(const std::string& id = journal) const {
    try {
      open_state_store(path_, id, {});
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "opened";
  }
  void run(const char* sql) const {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
  }
  void write_file(std::string_view content) const {
    std::ofstream(path_, std::ios::binary) << content;
  }

  std::string directory_;
  std::string path_;
};

std::vector<std::pair<std::string, std::string>> content(StateStore& store) {
  std::vector<std::pair<std::string, std::string>> all;
  store.load([&](std::string_view key, std::string_view value) { all.emplace_back(key, value); });
  return all;
}

TEST_F(state_store, begins_empty_where_it_is_told_to) {
  const auto store = open({4711});
  EXPECT_EQ(store->checkpoint(), Position{4711});
  EXPECT_THAT(content(*store), IsEmpty());
}

/// What both implementations do.
void keeps_changes_in_order(StateStore& store) {
  const std::string high = "\xff", nul("\0", 1), bytes("\0\xff\"", 3);
  ASSERT_TRUE(store.commit(std::vector<Change>{{"b", "1"}, {high, bytes}, {nul, ""}, {"x", "gone"}},
                           {200}));
  ASSERT_TRUE(store.commit(std::vector<Change>{{"b", "2"},
                                               {"b", std::nullopt},
                                               {"b", "3"},
                                               {"x", "y"},
                                               {"x", std::nullopt},
                                               {"never there", std::nullopt}},
                           {300}));
  EXPECT_EQ(store.checkpoint(), Position{300});
  EXPECT_THAT(content(store), ElementsAre(Pair(nul, ""), Pair("b", "3"), Pair(high, bytes)));
}

TEST_F(state_store, keeps_changes_in_the_keys_byte_order) {
  keeps_changes_in_order(*open());
  const auto again = open({0});
  EXPECT_EQ(again->checkpoint(), Position{300}) << "the file's own, not where a new one begins";
  EXPECT_EQ(content(*again).size(), 3U);
}

TEST_F(state_store, moves_the_checkpoint_without_changes) {
  constexpr Position far{0xFFFF'FFFF'FFFF'FFF0};
  ASSERT_TRUE(open()->commit({}, far));
  EXPECT_EQ(open()->checkpoint(), far);
}

TEST_F(state_store, refuses_a_file_of_another_journal) {
  ASSERT_TRUE(open()->commit(std::vector<Change>{{"a", "1"}}, {200}));
  const std::string why = refusal("ffffffffffffffffffffffffffffffff");
  EXPECT_THAT(why, HasSubstr(path_));
  EXPECT_THAT(why, HasSubstr("belongs to journal " + journal));
  EXPECT_THAT(why, HasSubstr("move the file away"));
  EXPECT_EQ(open()->checkpoint(), Position{200}) << "nothing was changed";
}

TEST_F(state_store, refuses_an_unknown_version) {
  open();
  run("UPDATE meta SET version = 2");
  EXPECT_THAT(refusal(), HasSubstr("has format version 2, and this program knows version 1"));
}

TEST_F(state_store, refuses_what_is_no_database) {
  const std::string text(5000, 'x');
  write_file(text);
  EXPECT_THAT(refusal(), HasSubstr("is not a database"));
  EXPECT_EQ(std::filesystem::file_size(path_), text.size());
}

TEST_F(state_store, refuses_a_database_of_something_else_and_leaves_it_as_it_is) {
  run("CREATE TABLE readings(at INTEGER)");
  EXPECT_THAT(refusal(), HasSubstr("is a database, but of something else"));
  EXPECT_FALSE(std::filesystem::exists(path_ + "-wal"));
  std::filesystem::remove(path_);
  run("CREATE TABLE meta(version, journal_id, position)");
  EXPECT_THAT(refusal(), HasSubstr("is a database, but of something else"));
}

TEST_F(state_store, says_when_the_directory_is_missing) {
  path_ = directory_ + "/nowhere/sessions.db";
  EXPECT_THAT(refusal(), HasSubstr("check that file and directory exist"));
}

TEST_F(state_store, says_when_the_file_is_damaged) {
  {
    const auto store = open();
    std::vector<Change> changes;
    changes.reserve(200);
    for (int i = 0; i < 200; ++i) changes.push_back({std::to_string(i), std::string(500, 'v')});
    ASSERT_TRUE(store->commit(changes, {200}));
  }
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  const std::string garbage(4096, '\xee');
  for (std::uintmax_t at = 8192; at < std::filesystem::file_size(path_); at += garbage.size()) {
    file.seekp(static_cast<std::streamoff>(at));
    file << garbage;
  }
  file.close();
  std::string why;
  try {
    content(*open());
  } catch (const std::runtime_error& e) {
    why = e.what();
  }
  EXPECT_THAT(why, HasSubstr("is damaged"));
}

/// While it lives, no file grows beyond `bytes`: as a disk that is full does, every write fails.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, SIG_DFL);
  }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;

 private:
  rlimit before_{};
};

TEST_F(state_store, a_commit_that_cannot_be_written_changes_nothing_and_may_be_tried_again) {
  const auto store = open();
  ASSERT_TRUE(store->commit(std::vector<Change>{{"kept", "1"}}, {200}));
  const std::vector<Change> large{{"kept", std::nullopt}, {"large", std::string(1U << 20, 'x')}};
  {
    const FileLimit full(100U << 10);
    const auto failed = store->commit(large, {300});
    ASSERT_FALSE(failed);
    EXPECT_THAT(failed.error(), HasSubstr("store the session state (sqlite:" + path_ + ")"));
    EXPECT_EQ(store->checkpoint(), Position{200});
    EXPECT_THAT(content(*store), ElementsAre(Pair("kept", "1")));
    EXPECT_FALSE(store->commit(large, {300}));
  }
  ASSERT_TRUE(store->commit(large, {300}));
  EXPECT_EQ(store->checkpoint(), Position{300});
  EXPECT_THAT(content(*open()), ElementsAre(Pair("large", std::string(1U << 20, 'x'))));
}

TEST_F(state_store, a_commit_waits_for_no_other_writer_for_ever) {
  const auto store = open();
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  const auto failed = store->commit(std::vector<Change>{{"a", "1"}}, {200});
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error(), HasSubstr("another program holds a write transaction open"));
  sqlite3_close(other);
  EXPECT_TRUE(store->commit(std::vector<Change>{{"a", "1"}}, {200}));
}

TEST_F(state_store, a_refused_change_takes_those_before_it_along) {
  const auto store = open();
  const std::vector<Change> changes{{"a", "1"}, {"b", std::nullopt}};
  run("CREATE TRIGGER no BEFORE UPDATE ON meta BEGIN SELECT RAISE(FAIL, 'not now'); END");
  const auto failed = store->commit(changes, {200});
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error(), HasSubstr("not now"));
  EXPECT_THAT(content(*open()), IsEmpty());
  run("DROP TRIGGER no");
  EXPECT_TRUE(store->commit(changes, {200}));
  EXPECT_THAT(content(*open()), ElementsAre(Pair("a", "1")));
}

TEST_F(state_store, notices_that_its_file_was_taken_away) {
  const auto store = open();
  std::filesystem::rename(path_, path_ + ".old");
  const auto failed = store->commit(std::vector<Change>{{"a", "1"}}, {200});
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error(), HasSubstr("was renamed or deleted"));
}

/// Commits 1, 2, 3, ... in 50 keys each, and says so on `out` after each; until it is killed.
[[noreturn]] void commit_for_ever(const std::string& path, int out) {
  try {
    const auto store = open_state_store(path, journal, {0});
    for (std::uint64_t n = store->checkpoint().value + 1;; ++n) {
      std::vector<Change> changes;
      changes.reserve(50);
      for (int key = 0; key < 50; ++key) {
        changes.push_back({std::to_string(key), std::to_string(n)});
      }
      if (!store->commit(changes, {n})) _exit(2);
      if (write(out, &n, sizeof n) != sizeof n) _exit(3);
    }
  } catch (const std::exception&) {
    _exit(1);
  }
}

TEST_F(state_store, a_kill_leaves_what_was_committed_and_no_half_of_what_was_not) {
  std::uint64_t acknowledged = 0;
  for (int round = 0; round < 10; ++round) {
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe(ends.data()), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) commit_for_ever(path_, ends[1]);
    close(ends[1]);
    for (int i = 0; i <= round * 3; ++i) {
      ASSERT_EQ(read(ends[0], &acknowledged, sizeof acknowledged),
                static_cast<ssize_t>(sizeof acknowledged));
    }
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    while (read(ends[0], &acknowledged, sizeof acknowledged) > 0) continue;
    close(ends[0]);

    const auto store = open();
    const std::uint64_t found = store->checkpoint().value;
    EXPECT_GE(found, acknowledged);
    const auto all = content(*store);
    EXPECT_EQ(all.size(), 50U);
    for (const auto& [key, value] : all) EXPECT_EQ(value, std::to_string(found)) << "key " << key;
  }
}

TEST(memory_state_store, does_as_the_file_does) {
  test::MemoryStateStore store({100});
  EXPECT_EQ(store.checkpoint(), Position{100});
  keeps_changes_in_order(store);
  store.fail_commits("the disk is full");
  const auto failed = store.commit(std::vector<Change>{{"b", "4"}}, {400});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error(), "the disk is full");
  const auto next = store.after_crash();
  EXPECT_EQ(next->checkpoint(), Position{300});
  EXPECT_EQ(next->content(), store.content());
  EXPECT_TRUE(next->commit(std::vector<Change>{{"b", "4"}}, {400}));
  EXPECT_EQ(store.checkpoint(), Position{300});
  EXPECT_EQ(store.commits(), 2U);
}

}  // namespace
}  // namespace rowgate::storage
