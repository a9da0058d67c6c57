#include "storage/sink/mapping_history.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "storage/sink/postgres/mapping_history.hpp"
#include "storage/sink/sqlite/mapping_history.hpp"
#include "tests/support/postgres.hpp"

namespace rowgate::storage {
namespace {

class mapping_history : public testing::TestWithParam<bool> {
 protected:
  mapping_history() {
    if (GetParam()) {
      url_ = test::PostgresServer::shared().new_database();
    } else {
      url_ = testing::TempDir() + "rowgate-mapping-history-test.db";
      std::filesystem::remove(url_);
    }
  }
  ~mapping_history() override {
    if (!GetParam()) std::filesystem::remove(url_);
  }
  std::unique_ptr<MappingHistory> history(const std::string& gateway = "plant") {
    return GetParam() ? postgres::make_mapping_history(url_, gateway)
                      : sqlite::make_mapping_history(url_, gateway);
  }
  static KeptMapping mapping(const std::string& etag, std::int64_t at, std::string text = "t'x") {
    return {0, {at}, "http", "Änna", etag, std::move(text)};
  }
  std::string url_;
};

TEST_P(mapping_history, versions_count_up_and_come_back_as_they_were) {
  const auto kept = history();
  EXPECT_EQ(*kept->record(mapping("a", 1'767'225'600'123'456, "first\n"), false), 1);
  EXPECT_EQ(*kept->record(mapping("b", 1'767'225'601'000'000, "second\n"), false), 2);
  const auto list = kept->list(0, 10);
  ASSERT_TRUE(list) << list.error().message;
  ASSERT_EQ(list->size(), 2U);
  EXPECT_EQ((*list)[0].version, 2);
  EXPECT_EQ((*list)[0].content, "");
  const auto first = kept->get(1);
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((*first)->applied_at.micros, 1'767'225'600'123'456);
  EXPECT_EQ((*first)->content, "first\n");
  EXPECT_EQ((*first)->who, "Änna");
  EXPECT_EQ((*first)->source, "http");
  EXPECT_EQ((*first)->etag, "a");
  EXPECT_FALSE(*kept->get(3));
}

TEST_P(mapping_history, before_anything_is_kept_it_is_empty) {
  if (!GetParam()) {
    EXPECT_FALSE(history()->list(0, 10)) << "there is no database yet";
    return;
  }
  EXPECT_TRUE(history()->list(0, 10)->empty());
  EXPECT_FALSE(*history()->get(1));
}

TEST_P(mapping_history, same_again_adds_nothing) {
  const auto kept = history();
  EXPECT_EQ(*kept->record(mapping("a", 1'000'000), false), 1);
  EXPECT_EQ(*kept->record(mapping("a", 1'000'000), false), 1) << "the answer was lost";
  EXPECT_EQ(*kept->record(mapping("a", 2'000'000), false), 2);
}

TEST_P(mapping_history, start_with_the_newest_text_adds_nothing) {
  const auto kept = history();
  EXPECT_EQ(*kept->record(mapping("a", 1'000'000), true), 1);
  EXPECT_EQ(*kept->record(mapping("a", 2'000'000), true), 1);
  EXPECT_EQ(*kept->record(mapping("b", 3'000'000), true), 2);
  EXPECT_EQ(*kept->record(mapping("a", 4'000'000), true), 3) << "it is not the newest any more";
}

TEST_P(mapping_history, each_gateway_has_its_own) {
  EXPECT_EQ(*history("a")->record(mapping("x", 1'000'000), false), 1);
  EXPECT_EQ(*history("b")->record(mapping("x", 1'000'000), false), 1);
  EXPECT_EQ(history("a")->list(0, 10)->size(), 1U);
}

TEST_P(mapping_history, is_read_in_pages) {
  const auto kept = history();
  for (int i = 1; i <= 5; ++i) ASSERT_TRUE(kept->record(mapping("x", i * 1'000'000), false));
  const auto page = kept->list(4, 2);
  ASSERT_EQ(page->size(), 2U);
  EXPECT_EQ((*page)[0].version, 3);
  EXPECT_EQ((*page)[1].version, 2);
}

INSTANTIATE_TEST_SUITE_P(sinks, mapping_history, testing::Bool(),
                         [](const auto& sink) { return sink.param ? "postgres" : "sqlite"; });

}  // namespace
}  // namespace rowgate::storage
