// Text cases in tests/golden/mapping/*.txt: a mapping file, messages, and what must become of them.
// ROWGATE_REWRITE=1 writes what does become of them instead; review the diff.
//
// A case is sections that begin with a line `--- KIND ...`. Input sections:
//   --- mapping                                 the TOML that follows (none: the built-in mapping)
//   --- message TOPIC [client=ID] [qos=N] [retain] [property:NAME=VALUE] [hex]
//                                               the payload follows
//   --- explain TOPIC ...                       the same, for `rowgate explain`
// Output sections, written by the runner: errors, tables, result, explained.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "schema/base/bytes.hpp"
#include "schema/mapper.hpp"
#include "schema/mapping_file.hpp"
#include "schema/sparkplug.hpp"

namespace rowgate::schema {
namespace {

namespace fs = std::filesystem;

struct Block {
  std::string header;  // without "--- "; empty: the comment before the first section
  std::string body;
};

std::vector<Block> read_blocks(const std::string& text) {
  std::vector<Block> blocks(1);
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("--- ")) {
      blocks.push_back({line.substr(4), ""});
    } else {
      blocks.back().body += line + "\n";
    }
  }
  return blocks;
}

bool is_output(const std::string& header) {
  return header == "errors" || header == "tables" || header == "result" || header == "explained";
}

std::string from_hex(const std::string& text) {
  std::string out;
  std::istringstream in(text);
  for (std::string byte; in >> byte;) {
    for (std::size_t i = 0; i + 1 < byte.size(); i += 2) {
      out.push_back(static_cast<char>(std::stoi(byte.substr(i, 2), nullptr, 16)));
    }
  }
  return out;
}

// A Message and the strings it views.
struct Published {
  explicit Published(const Block& block) {
    std::istringstream in(block.header);
    std::string kind;
    in >> kind >> topic;
    payload = block.body;
    if (!payload.empty()) payload.pop_back();
    message.received_at = parse_iso8601("2026-11-21T07:09:39.123456Z").value();
    client_id = "device-1";
    for (std::string word; in >> word;) {
      if (word.starts_with("client=")) client_id = word.substr(7);
      if (word.starts_with("qos=")) message.qos = static_cast<std::uint8_t>(word[4] - '0');
      if (word == "retain") message.retain = true;
      if (word == "hex") payload = from_hex(payload);
      if (word.starts_with("property:")) add_property(word.substr(9));
    }
    message.topic = topic;
    message.client_id = client_id;
    message.payload = payload;
    message.properties = properties;
    message.position = 4096;
  }

  void add_property(const std::string& pair) {
    const std::size_t equals = pair.find('=');
    Writer out(properties);
    out.u8(0x26);
    for (const std::string& s : {pair.substr(0, equals), pair.substr(equals + 1)}) {
      out.be(static_cast<std::uint16_t>(s.size()));
      out.bytes(s);
    }
  }

  std::string topic, client_id, payload, properties;
  Message message;
};

std::string print_tables(const Catalog& catalog) {
  std::string out;
  for (const Table& table : catalog.tables) {
    out += table.name + "(";
    for (const Column& c : table.columns) {
      out += (out.back() == '(' ? "" : ", ") + c.name + " " + std::string(type_name(c.type));
      if (c.not_null) out += " not null";
    }
    out += ")";
    if (!table.key.empty()) {
      out += " key";
      for (const std::string& k : table.key) out += " " + k;
      out += table.on_conflict == OnConflict::update ? " on conflict update" : "";
    }
    out += " time " + table.time_column + "\n";
  }
  return out;
}

std::string print_rows(const RowBatch& batch) {
  std::string out;
  for (std::size_t r = 0; r < batch.rows(); ++r) {
    out += batch.table().name + ":";
    for (std::size_t c = 0; c < batch.table().columns.size(); ++c) {
      const Column& column = batch.table().columns[c];
      const Value& value = batch.row(r)[c];
      if (!value.is_null()) {
        EXPECT_EQ(value.type(), column.type) << column.name;
      }
      out += " " + column.name + "=" + to_text(value);
    }
    out += "\n";
  }
  return out;
}

std::string print_result(Mapper& mapper, BatchSet& batches, const Message& message) {
  const Verdict verdict = mapper.map(message, 0, true, batches);
  std::string out;
  std::size_t rows = 0;
  for (std::size_t i = 0; i < batches.mapped(); ++i) {
    out += print_rows(batches[i]);
    rows += batches[i].rows();
  }
  EXPECT_EQ(verdict.rows, rows);
  EXPECT_EQ(verdict.rejects, batches.dead_letters().rows());
  EXPECT_EQ(verdict.matched, batches.unmapped().rows() == 0);
  for (std::size_t r = 0; r < batches.dead_letters().rows(); ++r) {
    const Table& table = batches.dead_letters().table();
    const auto row = batches.dead_letters().row(r);
    out += "dead letter of mapping " + to_text(row[table.column("mapping").value()]) + ": " +
           std::string(row[table.column("reason").value()].as_bytes()) + "\n";
  }
  out += print_rows(batches.unmapped());
  batches.clear();
  return out.empty() ? "no rows\n" : out;
}

std::string run(const std::string& text) {
  std::string out;
  std::shared_ptr<const Catalog> catalog = built_in_catalog();
  SparkplugSessions sparkplug;  // sees all messages, as a lane does
  std::unique_ptr<Mapper> mapper = std::make_unique<Mapper>(catalog, &sparkplug);
  std::unique_ptr<BatchSet> batches = std::make_unique<BatchSet>(*catalog);
  for (const Block& block : read_blocks(text)) {
    if (is_output(block.header)) continue;
    if (!block.header.empty()) out += "--- " + block.header + "\n";
    out += block.body;
    if (block.header == "mapping") {
      auto parsed = parse_mapping_file(block.body, 1);
      if (!parsed) {
        out += "--- errors\n" + format_errors("mapping.toml", parsed.error());
        continue;
      }
      catalog = *parsed;
      mapper = std::make_unique<Mapper>(catalog, &sparkplug);
      batches = std::make_unique<BatchSet>(*catalog);
      out += "--- tables\n" + print_tables(*catalog);
    } else if (block.header.starts_with("message ")) {
      out += "--- result\n" + print_result(*mapper, *batches, Published(block).message);
    } else if (block.header.starts_with("explain ")) {
      out += "--- explained\n" + explain(catalog, Published(block).message);
    } else if (!block.header.empty()) {
      ADD_FAILURE() << "unknown section: " << block.header;
    }
  }
  return out;
}

void write_file(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// The page's ```toml and ```rowgate blocks, the latter with their results made anew. A block
// "```toml FILE" shows a part of a file of this repository.
std::string run_page(const std::string& page) {
  std::string out;
  std::string toml;
  std::string fence;
  std::string body;
  std::istringstream in(page);
  for (std::string line; std::getline(in, line);) {
    if (fence.empty() || line != "```") {
      (fence.empty() ? out : body) += line + "\n";
      if (fence.empty() && line.starts_with("```")) fence = line;
      continue;
    }
    if (fence.starts_with("```toml")) toml = "--- mapping\n" + body;
    if (fence.starts_with("```toml ")) {
      const std::string file = fence.substr(8);
      const bool same = read_file(ROWGATE_SOURCE_DIR "/" + file).find(body) != std::string::npos;
      EXPECT_TRUE(same) << "the page shows another text than " << file;
    }
    if (fence == "```rowgate") {
      const std::string done = run(toml + body);
      body = done.substr(done.find("--- ", toml.empty() ? 0 : done.find("--- tables") + 4));
    } else if (fence.starts_with("```toml")) {
      EXPECT_TRUE(parse_mapping_file(body, 1)) << body;
    }
    out += body + "```\n";
    body.clear();
    fence.clear();
  }
  return out;
}

class GoldenMapping : public testing::TestWithParam<fs::path> {};

TEST_P(GoldenMapping, gives_what_the_file_says) {
  const std::string expected = read_file(GetParam());
  const std::string actual = run(expected);
  if (std::getenv("ROWGATE_REWRITE") != nullptr) {
    write_file(GetParam(), actual);
    return;
  }
  EXPECT_EQ(expected, actual) << GetParam() << "\nROWGATE_REWRITE=1 rewrites the file";
}

std::vector<fs::path> cases() {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(ROWGATE_SOURCE_DIR "/tests/golden/mapping")) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

INSTANTIATE_TEST_SUITE_P(Cases, GoldenMapping, testing::ValuesIn(cases()), [](const auto& of) {
  std::string name = of.param.stem().string();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

class Page : public testing::TestWithParam<std::string> {};

TEST_P(Page, its_examples_are_true) {
  const fs::path path = ROWGATE_SOURCE_DIR "/docs/" + GetParam() + ".md";
  const std::string expected = read_file(path);
  ASSERT_FALSE(expected.empty());
  const std::string actual = run_page(expected);
  if (std::getenv("ROWGATE_REWRITE") != nullptr) return write_file(path, actual);
  EXPECT_EQ(expected, actual) << "ROWGATE_REWRITE=1 rewrites the page";
}

INSTANTIATE_TEST_SUITE_P(Mapping, Page, testing::Values("mapping", "cookbook"),
                         [](const auto& of) { return of.param; });

// The examples of deploy/ are mapping files people copy: they must be right.
TEST(ExampleMappings, are_accepted) {
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(ROWGATE_SOURCE_DIR "/deploy/examples")) {
    if (entry.path().extension() != ".toml" || !read_file(entry.path()).starts_with("# Mapping")) {
      continue;
    }
    ++files;
    const auto parsed = parse_mapping_file(read_file(entry.path()), 1);
    EXPECT_TRUE(parsed) << format_errors(entry.path().string(), parsed.error());
  }
  EXPECT_GE(files, 2U);
}

}  // namespace
}  // namespace rowgate::schema
