// Rows that the database refuses, of messages of many rows: the dead letter names them, and a
// replay stores nothing that is stored already.
#include <unistd.h>

#include <filesystem>

#include "storage/sink/sqlite/sink.hpp"
#include "tests/storage/drain/drain_fixture.hpp"

namespace rowgate::storage {
namespace {

using test::DrainTest;
using test::RunningDrain;

class RefusedRows : public DrainTest {
 protected:
  void SetUp() override {
    DrainTest::SetUp();
    std::string pattern = (std::filesystem::temp_directory_path() / "rowgate-refused-XXXXXX");
    directory_ = ::mkdtemp(pattern.data());
    sink_ = sqlite::make_sink(directory_ + "/t.db", sqlite::Synchronous::full);
    const auto lane = sink_->lane({});
    ASSERT_TRUE(lane->connect());
    ASSERT_TRUE(lane->begin());
    ASSERT_TRUE(lane->execute("CREATE TABLE t (ts TEXT, n BIGINT CHECK (n < 100))"));
    ASSERT_TRUE(lane->commit_without_checkpoint());
  }
  void TearDown() override {
    DrainTest::TearDown();
    std::filesystem::remove_all(directory_);
  }
  std::string cells(const std::string& sql) {
    const auto answer = sink_->query(sql);
    EXPECT_TRUE(answer) << answer.error().message;
    std::string text;
    if (answer)
      for (const auto& row : answer->rows) text += row[0].value_or("NULL") + ";";
    return text;
  }
  std::string directory_;
  std::unique_ptr<Sink> sink_;
};

TEST_F(RefusedRows, AreNamedInTheDeadLetter) {
  const auto catalog = test::catalog_of(R"(
[[mapping]]
name = "many"
topic = "m"
table = "t"
rows = ""
[mapping.columns]
n = { from = "", type = "bigint", required = true }

[[mapping]]
name = "one"
topic = "o"
table = "t"
[mapping.columns]
n = { from = "/n", type = "bigint", required = true }
)");
  RunningDrain drain(*journal, sink_->lane({}), catalog);
  publish("m", "[1, 200, 300, 4, 500, \"x\", 7]");
  publish("o", R"({"n": 800})");
  publish("m", "[8, 900]");
  publish("o", R"({"n": 10})");
  ASSERT_TRUE(eventually([&] { return journal->durable() == journal->appended(); }));
  drain.start();
  ASSERT_TRUE(eventually([&] { return drain.done() == 4; }));
  EXPECT_EQ(drain.stop(), DrainEnd::stopped) << drain.error;
  EXPECT_EQ(cells("SELECT n FROM t ORDER BY n"), "1;4;7;8;10;");
  EXPECT_EQ(cells("SELECT mapping || ' ' || coalesce(rows, 'all') FROM rowgate_dead_letter "
                  "ORDER BY position, rows"),
            "many 1-2,4;many 5;one all;many 1;");
}

}  // namespace
}  // namespace rowgate::storage
