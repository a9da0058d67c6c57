// The SQL for a mapping's tables: tests/golden/ddl/*.txt. A case is a mapping file, then a line
// `--- sql`, then what both databases would run on 2026-11-21T12:00:00Z where nothing is there yet.
// ROWGATE_REWRITE=1 writes that; review the diff.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "schema/mapping_file.hpp"
#include "storage/sink/postgres/ddl.hpp"
#include "storage/sink/sqlite/ddl.hpp"

namespace rowgate::storage {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view mark = "--- sql\n";

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

void print(std::string& out, const Changes& changes) {
  for (const Step& step : changes.steps) {
    out += "  " + step.sql + ";\n";
    if (!step.otherwise.empty()) out += "    or: " + step.otherwise + "\n";
  }
  for (const std::string& note : changes.notes) out += "  note: " + note + "\n";
}

std::string sql_for(const std::string& toml) {
  const auto catalog = schema::parse_mapping_file(toml, 1);
  if (!catalog) return schema::format_errors("mapping.toml", catalog.error());
  std::string out;
  for (const schema::Table& table : (*catalog)->tables) {
    out += "sqlite\n";
    print(out, sqlite::plan_changes(nullptr, table));
    out += "  " + sqlite::insert_row(table) + ";\n";
    if (table.storage.retention) out += "  " + sqlite::delete_older(table) + ";\n";
    postgres::Surroundings around;
    around.now = *parse_iso8601("2026-11-21T12:00:00Z");
    around.schema_exists = table.name.find('.') == std::string::npos;
    out += "postgresql\n";
    print(out, postgres::plan_changes(nullptr, table, around));
    out += "  " + postgres::copy_into(table) + ";\n";
    if (!table.key.empty()) out += "  " + postgres::merge_stage(table, "stage") + ";\n";
    if (!table.storage.hypertable && table.storage.distributed.empty()) continue;
    around.timescaledb = around.citus = postgres::Extension::installed;
    out += "postgresql with timescaledb, or citus\n";
    print(out, postgres::plan_changes(nullptr, table, around));
  }
  return out;
}

class GoldenDdl : public testing::TestWithParam<fs::path> {};

TEST_P(GoldenDdl, is_what_the_file_says) {
  const std::string expected = read_file(GetParam());
  const std::string toml = expected.substr(0, expected.find(mark));
  const std::string actual = toml + std::string(mark) + sql_for(toml);
  if (std::getenv("ROWGATE_REWRITE") != nullptr) {
    std::ofstream(GetParam(), std::ios::binary) << actual;
    return;
  }
  EXPECT_EQ(expected, actual) << GetParam() << "\nROWGATE_REWRITE=1 rewrites the file";
}

std::vector<fs::path> cases() {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(ROWGATE_SOURCE_DIR "/tests/golden/ddl"))
    paths.push_back(entry.path());
  std::ranges::sort(paths);
  return paths;
}

INSTANTIATE_TEST_SUITE_P(Cases, GoldenDdl, testing::ValuesIn(cases()), [](const auto& of) {
  std::string name = of.param.stem().string();
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace rowgate::storage
