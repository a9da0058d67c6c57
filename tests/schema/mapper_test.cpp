#include "schema/mapper.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "schema/mapping_file.hpp"
#include "schema/row_writer.hpp"

namespace {
std::atomic<std::size_t> allocations{0};
}

// Counts what the steady state must not do. AddressSanitizer has operators of its own, and takes a
// mixture of the two (simdjson's library uses them too) for an error.
#ifndef __SANITIZE_ADDRESS__
void* operator new(std::size_t n) {
  ++allocations;
  if (void* p = std::malloc(n == 0 ? 1 : n)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}
#endif

namespace rowgate::schema {
namespace {

std::shared_ptr<const Catalog> catalog_of(std::string_view toml) {
  auto parsed = parse_mapping_file(toml, 1);
  if (!parsed) throw std::runtime_error(format_errors("test", parsed.error()));
  return *parsed;
}

struct Fixture {
  explicit Fixture(std::shared_ptr<const Catalog> with)
      : catalog(std::move(with)), mapper(catalog), out(*catalog) {}
  Verdict map(std::string_view topic, std::string_view payload, std::uint32_t source = 0) {
    Message message;
    message.topic = topic;
    message.client_id = "c";
    message.payload = payload;
    return mapper.map(message, source, true, out);
  }
  std::string reason(std::size_t i = 0) {
    const std::size_t column = out.dead_letters().table().column("reason").value();
    return std::string(out.dead_letters().row(i)[column].as_bytes());
  }
  std::shared_ptr<const Catalog> catalog;
  Mapper mapper;
  BatchSet out;
};

constexpr std::string_view climate = R"(
[[mapping]]
name = "climate"
topic = "site/{site}/climate"
table = "climate"
time = { from = "/ts", format = "unix_ms" }
[mapping.columns]
site = { topic = "site" }
temp = { from = "/temp", type = "double" }
n    = { from = "/n", type = "bigint" }
text = { from = "/text", type = "text" }
)";

TEST(Mapper, a_dead_letters_reason_holds_no_nul) {
  Fixture f(catalog_of(R"(
[[mapping]]
name = "auto"
topic = "t"
table = "t"
columns = "auto"
)"));
  f.map("t", R"({"a\u0000b": 1})");
  ASSERT_EQ(f.out.dead_letters().rows(), 1U);
  EXPECT_EQ(f.reason().find("field 'a?b'"), 0U) << "PostgreSQL would refuse a NUL";
}

TEST(Mapper, records_the_source_of_each_row) {
  Fixture f(catalog_of(climate));
  f.map("site/a/climate", R"({"ts":1})", 7);
  f.map("site/a/climate", "{", 8);
  f.map("other", "", 9);
  EXPECT_EQ(f.out[0].source(0), 7U);
  EXPECT_EQ(f.out.dead_letters().source(0), 8U);
  EXPECT_EQ(f.out.unmapped().source(0), 9U);
  EXPECT_EQ(f.out.rows(), 3U);
  f.out.clear();
  EXPECT_EQ(f.out.rows(), 0U);
}

TEST(Mapper, does_not_store_an_unmapped_message_it_is_not_asked_to) {
  Fixture f(catalog_of(climate));
  Message message;
  message.topic = "other";
  const Verdict verdict = f.mapper.map(message, 0, false, f.out);
  EXPECT_FALSE(verdict.matched);
  EXPECT_EQ(f.out.rows(), 0U);
}

TEST(Mapper, does_not_allocate_in_the_steady_state) {
  // AddressSanitizer has an operator new of its own, so there nothing is counted and this only
  // runs.
  Fixture json(catalog_of(climate));
  Fixture built_in(built_in_catalog());
  const auto batch = [&] {
    for (std::uint32_t i = 0; i < 100; ++i) {
      const std::string_view topic = i % 2 == 0 ? "site/a/climate" : "site/another-site/climate";
      json.map(topic, R"({"ts":1795244979123,"temp":21.5,"n":12,"text":"caf\u00e9","x":[{}]})", i);
      built_in.map(topic, R"({"temp":21.5,"unit":"C"})", i);
      built_in.map(topic, "\xff\xfe", i);
    }
    json.out.clear();
    built_in.out.clear();
  };
  batch();
  batch();
  const std::size_t before = allocations;
  batch();
  EXPECT_EQ(allocations - before, 0U);
}

TEST(Mapper, stores_an_unchanged_value_again_once_told_to_forget) {
  Fixture f(catalog_of(R"(
[[mapping]]
name = "m"
topic = "t"
table = "t"
[mapping.columns]
v = { from = "/v", type = "double", store = { deadband = 1 } }
)"));
  EXPECT_EQ(f.map("t", R"({"v":1})").rows, 1U);
  const Verdict same = f.map("t", R"({"v":2})");
  EXPECT_EQ(same.rows, 0U);
  EXPECT_EQ(same.filtered, 1U);
  EXPECT_TRUE(same.matched);
  f.mapper.forget();
  EXPECT_EQ(f.map("t", R"({"v":2})").rows, 1U);
}

TEST(Mapper, takes_more_topics_than_the_cache_has_slots) {
  Fixture f(catalog_of(climate));
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 40'000; ++i) {
      const std::string site = "s" + std::to_string(i);
      const std::string topic = "site/" + site + "/climate";
      ASSERT_EQ(f.map(topic, R"({"ts":1})").rows, 1U);
      ASSERT_EQ(f.out[0].row(0)[1].as_bytes(), site);
      f.out.clear();
    }
  }
}

TEST(Mapper, the_built_in_mapping_stores_every_message) {
  Fixture f(built_in_catalog());
  std::string all;
  for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>(c));
  for (const std::string& payload :
       {std::string(), all, std::string(100'000, '['), std::string("{\"a\":1e999}"),
        std::string(200, '9'), std::string("-"), std::string("{\"a\":{\"b\":")}) {
    const Verdict verdict = f.map("$weird/topic", payload);
    EXPECT_EQ(verdict.rows, 1U);
    EXPECT_EQ(verdict.rejects, 0U);
    EXPECT_TRUE(verdict.matched);
  }
}

constexpr std::string_view automatic = R"(
[[mapping]]
name = "auto"
topic = "auto/{id}"
table = "auto"
columns = "auto"
)";

TEST(Mapper, automatic_columns_stay_after_clear_and_are_null_in_earlier_rows) {
  Fixture f(catalog_of(automatic));
  f.map("auto/1", R"({"a":1})");
  f.map("auto/1", R"({"b":2})");
  ASSERT_EQ(f.out[0].table().columns.size(), 4U);
  EXPECT_TRUE(f.out[0].row(0)[3].is_null());
  EXPECT_EQ(f.out[0].row(1)[3].as_double(), 2.0);
  f.out.clear();
  EXPECT_EQ(f.out[0].table().columns.size(), 4U);
  f.map("auto/1", R"({"b":3})");
  EXPECT_EQ(f.out[0].row(0)[3].as_double(), 3.0);
}

TEST(Mapper, automatic_columns_are_found_again_in_another_batch_set) {
  Fixture f(catalog_of(automatic));
  f.map("auto/1", R"({"a":1,"b":2})");
  BatchSet fresh(*f.catalog);
  Message message;
  message.topic = "auto/1";
  message.payload = R"({"b":2})";
  EXPECT_EQ(f.mapper.map(message, 0, true, fresh).rows, 1U);
  ASSERT_EQ(fresh[0].table().columns.size(), 3U);
  EXPECT_EQ(fresh[0].table().columns[2].name, "b");
  EXPECT_EQ(fresh[0].row(0)[2].as_double(), 2.0);
}

TEST(Mapper, the_number_of_automatic_columns_is_limited) {
  Fixture f(catalog_of(automatic));
  std::string payload = "{";
  for (std::size_t i = 0; i < max_auto_columns; ++i) payload += "\"f" + std::to_string(i) + "\":1,";
  payload.back() = '}';
  EXPECT_EQ(f.map("auto/1", payload).rows, 1U);
  EXPECT_EQ(f.map("auto/1", R"({"one_more":1})").rejects, 1U);
  EXPECT_NE(f.reason().find("200 automatic columns"), std::string::npos) << f.reason();
  EXPECT_EQ(f.map("auto/1", R"({"f0":2})").rows, 1U);
}

TEST(Mapper, the_rows_of_one_message_are_limited) {
  Fixture f(catalog_of(R"(
[[mapping]]
name = "rows"
topic = "rows"
table = "rows"
rows = ""
[mapping.columns]
x = { from = "", type = "bigint" }
)"));
  const auto array = [](std::size_t n) {
    std::string text = "[0";
    for (std::size_t i = 1; i < n; ++i) text += ",0";
    return text + "]";
  };
  EXPECT_EQ(f.map("rows", array(65'536)).rows, 65'536U);
  f.out.clear();
  const Verdict verdict = f.map("rows", array(65'537));
  EXPECT_EQ(verdict.rows, 0U);
  EXPECT_EQ(verdict.rejects, 1U);
}

TEST(Mapper, the_values_of_one_message_are_limited) {
  Fixture f(catalog_of(R"(
[[mapping]]
name = "rows"
topic = "rows"
table = "rows"
rows = ""
columns = "auto"
)"));
  std::string payload = "[{";
  for (int i = 0; i < 100; ++i) payload += "\"f" + std::to_string(i) + "\":1,";
  payload.back() = '}';
  for (int i = 0; i < 50'000; ++i) payload += ",{}";
  payload += "]";
  const Verdict verdict = f.map("rows", payload);
  EXPECT_EQ(verdict.rows, 0U);
  EXPECT_EQ(verdict.rejects, 1U);
}

TEST(Mapper, takes_topics_of_any_length) {
  Fixture f(catalog_of(climate));
  for (const std::size_t n : {200U, 300U, 60'000U, 300U}) {
    const std::string site(n, 's');
    const std::string topic = "site/" + site + "/climate";
    ASSERT_EQ(f.map(topic, R"({"ts":1})").rows, 1U);
    EXPECT_EQ(f.out[0].row(0)[1].as_bytes(), site);
    f.out.clear();
  }
}

TEST(Mapper, a_refused_narrow_message_leaves_no_row_behind) {
  Fixture f(catalog_of(R"(
[[mapping]]
name = "n"
topic = "n"
table = "n"
layout = "narrow"
)"));
  const std::string payload = R"({"a":1,"b":2,"c":1e999})";
  const Verdict verdict = f.map("n", payload);
  EXPECT_EQ(verdict.rows, 0U);
  EXPECT_EQ(verdict.rejects, 1U);
  EXPECT_EQ(f.out[0].rows(), 0U);
}

TEST(Mapper, a_reason_shows_at_most_forty_bytes_of_a_value_cut_between_characters) {
  Fixture f(catalog_of(climate));
  std::string value;
  for (int i = 0; i < 1000; ++i) value += "é";
  const std::string payload = "{\"ts\":1,\"temp\":\"x" + value + "\"}";
  f.map("site/a/climate", payload);
  EXPECT_LT(f.reason().size(), 200U);
  EXPECT_NE(f.reason().find("é...\""), std::string::npos) << f.reason();
}

}  // namespace
}  // namespace rowgate::schema
