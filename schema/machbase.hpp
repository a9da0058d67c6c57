#pragma once
// machbase-neo's MQTT topics, as its public documentation describes them, so that its devices can
// be pointed here unchanged: db/append/TABLE, db/write/TABLE (with :FORMAT:COMPRESSION, or the MQTT
// 5 user properties format, timeformat, tz, delimiter, header, compress), db/metrics/TABLE. A
// message's topic, properties and shape become a Mapping like any other, made when it is first
// seen. Table and column names are written in lower case, as SQL reads them without quotes.
// A table nobody declared is machbase's tag table: name text, time timestamptz, value double.
// One a Mapper; not thread-safe. Nothing a message contains makes it throw.
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "schema/batch_set.hpp"
#include "schema/mapping.hpp"
#include "schema/message.hpp"
#include "schema/payload/json.hpp"
#include "schema/plan.hpp"
#include "schema/row_writer.hpp"

namespace rowgate::schema {

/// The mappings a file with `machbase_neo = true` has beside its own bear this name.
inline constexpr std::string_view machbase_mapping = "machbase-neo";
inline constexpr std::string_view machbase_patterns[] = {"db/append/{table}", "db/write/{table}",
                                                         "db/metrics/{table}"};

/// `name text, time timestamptz, value double`.
Table machbase_tag_table(std::string name);

/// Adds the mappings of machbase-neo's topics.
void add_machbase(Catalog& catalog);

class Machbase {
 public:
  /// The catalog's tables are known by name. It outlives this.
  explicit Machbase(const Catalog& catalog);

  struct Way {
    const Plan* plan = nullptr;
    RowWriter* writer = nullptr;
    std::size_t table = 0;     // in the BatchSet
    std::string_view payload;  // what is left of it to decode
  };
  /// How the message is packed.
  static Compression compression(const Message& message);
  /// What becomes of the message with this payload, unpacked. nullopt: `reason`.
  std::optional<Way> way(const Message& message, std::string_view payload, BatchSet& batches,
                         std::string& reason);

 private:
  struct Request {
    std::string table;  // lower case
    Payload format = Payload::json;
    TimeFormat time = TimeFormat::unix_ns;
    bool header_names = false;    // header=columns
    bool header_skipped = false;  // header=skip
    char delimiter = ',';
  };
  /// Where a row's values stand.
  struct Shape {
    bool rows = false;               // an array of rows
    std::string pointer;             // to it
    bool positional = true;          // a row is an array, in the order of `names` or the table
    std::vector<std::string> names;  // as the message spells them
  };
  struct Made {
    std::unique_ptr<Mapping> mapping;
    std::unique_ptr<Table> table;
    std::unique_ptr<Plan> plan;
    std::unique_ptr<RowWriter> writer;
  };

  std::optional<Request> request(const Message& message, std::string& reason) const;
  bool shape(const Request& request, std::string_view& payload, Shape& out, std::string& reason);
  bool json_shape(std::string_view document, Shape& out, std::string& reason);
  static void spell(const std::vector<Leaf>& leaves, const Reader& reader, Shape& out);
  std::size_t table_of(const std::string& name, BatchSet& batches);
  Made make(const Request& request, const Shape& shape, const Table& table) const;

  static constexpr std::size_t no_table = static_cast<std::size_t>(-1);

  const Catalog& catalog_;
  JsonReader json_;
  FieldTree shapes_;  // root_, columns_ and rows_
  FieldTree whole_;   // one value
  FieldTree none_;    // everything is a leaf
  std::size_t root_ = 0, columns_ = 0, rows_ = 0;
  std::vector<Field> fields_;
  std::vector<Leaf> leaves_;
  std::string key_;
  std::unordered_map<std::string, std::size_t> tables_;  // lower-case name -> index
  std::unordered_map<std::string, Made> made_;           // by all that a Made depends on
};

}  // namespace rowgate::schema
