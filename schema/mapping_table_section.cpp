#include "schema/mapping_table_section.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace rowgate::schema {
namespace {

using namespace std::string_view_literals;
using std::chrono::seconds;

constexpr std::array table_keys{"index"sv,      "indexes"sv,     "partition"sv, "retention"sv,
                                "hypertable"sv, "distributed"sv, "latest"sv,    "latest_key"sv};
constexpr std::array hypertable_keys{"chunk"sv, "compress_after"sv, "compress_by"sv};
constexpr std::array<std::pair<std::string_view, TimeIndex>, 3> time_indexes{
    {{"brin", TimeIndex::brin}, {"btree", TimeIndex::btree}, {"none", TimeIndex::none}}};
constexpr std::array<std::pair<std::string_view, Span>, 4> spans{
    {{"1h", Span::hour}, {"1d", Span::day}, {"1w", Span::week}, {"1mo", Span::month}}};
constexpr std::string_view time_hint = "a number and m, h, d, w or y: \"90d\"";
constexpr seconds least_time{60};
constexpr seconds most_time{100LL * 365 * 86'400};
/// A partition's name is the table's and its first minute.
constexpr std::size_t longest_partitioned_name = 48;

std::optional<seconds> parse_time(std::string_view text) {
  std::uint32_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end + 1 != text.data() + text.size()) return std::nullopt;
  for (const auto& [unit, length] : {std::pair{'m', 60LL},
                                     {'h', 3'600LL},
                                     {'d', 86'400LL},
                                     {'w', 7 * 86'400LL},
                                     {'y', 365 * 86'400LL}}) {
    if (*end == unit) return seconds(count * length);
  }
  return std::nullopt;
}

/// One [table.NAME].
class TableSection {
 public:
  TableSection(const toml::table& toml, Table& table, Errors& errors)
      : section_(toml, "[table." + table.name + "]", table_keys, errors),
        table_(table),
        errors_(errors) {}

  void parse() {
    Storage& storage = table_.storage;
    storage.index = section_.choice<TimeIndex>("index", time_indexes).value_or(storage.index);
    parse_indexes();
    storage.partition = section_.choice<Span>("partition", spans);
    storage.retention = time(section_, "retention");
    parse_hypertable();
    storage.distributed = section_.text("distributed").value_or("");
    if (!storage.distributed.empty()) check_column(*section_.find("distributed"));
    check_combination();
    check_key();
  }

  /// The table of the last rows, if the section asks for one.
  std::optional<Table> latest() {
    const toml::node* node = section_.find("latest");
    const toml::node* key = section_.find("latest_key");
    if (node == nullptr || (node->is_boolean() && !node->as_boolean()->get())) {
      if (key != nullptr) errors_.add(*key, "latest_key needs latest = true");
      return std::nullopt;
    }
    Table latest = table_;
    latest.storage = {};
    latest.storage.index = TimeIndex::none;
    latest.on_conflict = OnConflict::latest;
    if (const auto* name = node->as_string()) {
      latest.name = name->get();
    } else if (node->is_boolean()) {
      latest.name += "_latest";
    } else {
      errors_.add(*node, "latest must be true or a table's name", "latest = true");
      return std::nullopt;
    }
    if (!names_a_table(latest.name) || is_reserved_table(latest.name)) {
      errors_.add(*node, "'" + latest.name + "' cannot be the name of the table of last rows",
                  "1 to 63 bytes, not beginning with rowgate_, sqlite_ or pg_; write latest = "
                  "\"name\" to choose another");
    }
    if (key != nullptr) {
      latest.key = columns(*key);
    } else {
      std::erase(latest.key, table_.time_column);
      if (latest.key.empty()) {
        errors_.add(*node, "latest needs to know of what the last row is kept",
                    "for example latest_key = [\"device\"]");
      }
    }
    if (std::find(latest.key.begin(), latest.key.end(), table_.time_column) != latest.key.end()) {
      errors_.add(*key, "latest_key holds the time column: every row would be the last of its own",
                  "leave out '" + table_.time_column + "'");
    }
    return latest;
  }

 private:
  std::optional<seconds> time(const Section& section, std::string_view key) {
    const auto text = section.text(key);
    if (!text) return std::nullopt;
    const auto parsed = parse_time(*text);
    const toml::node& node = *section.find(key);
    if (!parsed) {
      errors_.add(node, std::string(key) + " '" + *text + "' is not a time",
                  std::string(time_hint));
    } else if (*parsed < least_time || *parsed > most_time) {
      errors_.add(node, std::string(key) + " '" + *text + "' is out of range",
                  "1m to 100y; without the key there is none");
    } else {
      return parsed;
    }
    return std::nullopt;
  }

  bool check_column(const toml::node& node) {
    const auto* name = node.as_string();
    if (name == nullptr) {
      errors_.add(node, "a column's name must be a string", "put it in quotes");
      return false;
    }
    if (table_.column(name->get())) return true;
    std::vector<std::string_view> known;
    for (const Column& column : table_.columns) known.push_back(column.name);
    errors_.add(node, "table '" + table_.name + "' has no declared column '" + name->get() + "'",
                suggest(name->get(), known));
    return false;
  }

  /// A list of columns, none twice and not empty; what is wrong is reported and left out.
  std::vector<std::string> columns(const toml::node& node) {
    const toml::array* array = node.as_array();
    std::vector<std::string> names;
    if (array == nullptr || array->empty()) {
      errors_.add(node, "expected a list of columns", "for example [\"device\", \"ts\"]");
      return names;
    }
    for (const toml::node& element : *array) {
      if (!check_column(element)) continue;
      const std::string& name = element.as_string()->get();
      if (std::find(names.begin(), names.end(), name) != names.end()) {
        errors_.add(element, "column '" + name + "' stands twice");
      } else {
        names.push_back(name);
      }
    }
    return names;
  }

  void parse_indexes() {
    const toml::node* node = section_.find("indexes");
    if (node == nullptr) return;
    const toml::array* array = node->as_array();
    if (array == nullptr || array->empty() || !array->front().is_array()) {
      errors_.add(*node, "indexes must be a list of lists of columns",
                  "for example indexes = [[\"device\", \"ts\"]]");
      return;
    }
    for (const toml::node& element : *array) table_.storage.indexes.push_back(columns(element));
  }

  void parse_hypertable() {
    const toml::node* node = section_.find("hypertable");
    if (node == nullptr) return;
    const toml::table* toml = node->as_table();
    if (toml == nullptr) {
      errors_.add(*node, "hypertable must be a table",
                  "for example hypertable = { chunk = \"1d\", compress_after = \"7d\" }");
      return;
    }
    const Section inner(*toml, "hypertable", hypertable_keys, errors_);
    Hypertable hypertable;
    hypertable.chunk = time(inner, "chunk").value_or(seconds(7 * 86'400));
    hypertable.compress_after = time(inner, "compress_after");
    if (const toml::node* by = inner.find("compress_by")) {
      hypertable.compress_by = columns(*by);
      if (inner.find("compress_after") == nullptr) {
        errors_.add(*by, "compress_by needs compress_after", "for example compress_after = \"7d\"");
      }
    }
    table_.storage.hypertable = std::move(hypertable);
  }

  void check_combination() {
    const Storage& storage = table_.storage;
    if (storage.partition && storage.hypertable) {
      errors_.add(*section_.find("partition"), "'partition' and 'hypertable' exclude each other",
                  "a hypertable makes its own partitions, called chunks");
    }
    if (storage.hypertable && !storage.distributed.empty()) {
      errors_.add(*section_.find("distributed"),
                  "'hypertable' and 'distributed' exclude each other",
                  "TimescaleDB and Citus do not work on one table");
    }
    if (storage.retention && storage.index == TimeIndex::none && !storage.partition &&
        !storage.hypertable) {
      errors_.add(*section_.find("index"),
                  "retention without an index reads the whole table again "
                  "and again",
                  "leave out 'index', or give the table partitions");
    }
    if (storage.partition && last_part(table_.name).size() > longest_partitioned_name) {
      errors_.add(*section_.find("partition"),
                  "table '" + table_.name + "' has too long a name for partitions",
                  "at most " + std::to_string(longest_partitioned_name) +
                      " bytes: a partition's name is the table's and its first minute");
    }
  }

  /// A unique key holds within a partition, a chunk, a shard: it must name what they are made by.
  void check_key() {
    if (table_.key.empty()) return;
    const Storage& storage = table_.storage;
    const auto check = [&](std::string_view word, const std::string& column) {
      if (std::find(table_.key.begin(), table_.key.end(), column) != table_.key.end()) return;
      errors_.add(*section_.find(word),
                  "the key of table '" + table_.name + "' does not hold '" + column + "', which " +
                      std::string(word) + " parts it by",
                  "add '" + column + "' to the key: a database keeps a key unique within a part");
    };
    if (storage.partition) check("partition", table_.time_column);
    if (storage.hypertable) check("hypertable", table_.time_column);
    if (!storage.distributed.empty()) check("distributed", storage.distributed);
  }

  const Section section_;
  Table& table_;
  Errors& errors_;
};

void unknown_table(const Entry& entry, const std::vector<Table>& tables, Errors& errors) {
  std::vector<std::string_view> known;
  known.reserve(tables.size());
  for (const Table& table : tables) known.push_back(table.name);
  std::string hint = suggest(entry.name, known);
  // [table.plant.room] is a table `room` in a table `plant`.
  const toml::table* section = entry.value->as_table();
  for (const std::string_view name : known) {
    if (section == nullptr || !name.starts_with(entry.name + ".")) continue;
    if (!section->contains(name.substr(entry.name.size() + 1))) continue;
    hint = "write [table.\"" + std::string(name) + "\"]";
  }
  errors.add(entry.where, "no mapping writes table '" + entry.name + "'", std::move(hint));
}

bool same_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

void parse_table_sections(const toml::table& file, std::vector<Table>& tables, Errors& errors) {
  const toml::node* node = file.get("table");
  if (node == nullptr) return;
  const toml::table* sections = node->as_table();
  if (sections == nullptr) {
    errors.add(*node, "'table' must be a table", "write [table.NAME], in single brackets");
    return;
  }
  std::vector<Table> latest;
  for (const Entry& entry : in_file_order(*sections)) {
    const auto table = std::find_if(tables.begin(), tables.end(),
                                    [&](const Table& t) { return t.name == entry.name; });
    if (table == tables.end()) {
      unknown_table(entry, tables, errors);
      continue;
    }
    const toml::table* toml = entry.value->as_table();
    if (toml == nullptr) {
      errors.add(*entry.value, "table '" + entry.name + "' must be a table",
                 "write [table." + entry.name + "]");
      continue;
    }
    TableSection section(*toml, *table, errors);
    section.parse();
    auto last = section.latest();
    if (!last) continue;
    last->latest_of = static_cast<std::size_t>(table - tables.begin());
    const auto taken = [&](const Table& t) { return same_ignoring_case(t.name, last->name); };
    if (std::any_of(tables.begin(), tables.end(), taken) ||
        std::any_of(latest.begin(), latest.end(), taken)) {
      errors.add(*toml->get("latest"), "table '" + last->name + "' is another table already",
                 "write latest = \"name\" to choose another");
    }
    latest.push_back(std::move(*last));
  }
  tables.insert(tables.end(), std::make_move_iterator(latest.begin()),
                std::make_move_iterator(latest.end()));
}

}  // namespace rowgate::schema
