// One [[mapping]] but its columns.
#include "schema/mapping_parse.hpp"

#include <algorithm>
#include <array>

#include "schema/payload/field_tree.hpp"

namespace rowgate::schema {
namespace {

using namespace std::string_view_literals;

constexpr std::array mapping_keys{
    "name"sv,          "topic"sv, "event"sv,       "table"sv,   "payload"sv, "time"sv,
    "key"sv,           "rows"sv,  "on_conflict"sv, "columns"sv, "layout"sv,  "on_error"sv,
    "rows_on_error"sv, "rest"sv,  "drift"sv,       "filter"sv,  "series"sv,  "store"sv};
constexpr std::array time_keys{"from"sv, "root"sv, "format"sv, "column"sv};
constexpr std::array<std::pair<std::string_view, Layout>, 2> layouts{
    {{"wide", Layout::wide}, {"narrow", Layout::narrow}}};
constexpr std::array<std::pair<std::string_view, OnConflict>, 2> conflicts{
    {{"ignore", OnConflict::ignore}, {"update", OnConflict::update}}};
enum class Event : std::uint8_t { presence };
constexpr std::array<std::pair<std::string_view, Event>, 1> events{{{"presence", Event::presence}}};
constexpr std::array<std::pair<std::string_view, bool>, 2> rejects{
    {{"dead_letter", false}, {"reject", true}}};

// A place inside a string value: its quote, then `offset` bytes.
toml::source_region inside(const toml::node& text, std::size_t offset) {
  toml::source_region where = text.source();
  where.begin.column += static_cast<toml::source_index>(offset + 1);
  return where;
}

void parse_topic(const Section& section, Mapping& mapping, Errors& errors) {
  mapping.pattern = section.required_text("topic", "site/{site}/room/{room}/climate");
  if (mapping.pattern.empty()) return;
  const std::string_view first =
      std::string_view(mapping.pattern).substr(0, mapping.pattern.find('/'));
  if (first == presence_topic || first == "$SYS") {
    errors.add(*section.find("topic"),
               "topics below " + std::string(first) + " are the gateway's own",
               "event = \"presence\" maps connects and disconnects");
  }
  auto captures = parse_pattern(mapping.pattern);
  if (captures) {
    mapping.captures = std::move(*captures);
  } else {
    errors.add(inside(*section.find("topic"), captures.error().offset),
               "topic pattern: " + captures.error().message);
  }
}

// `event` stands in the place of `topic`: the messages are the gateway's own.
void parse_event(const Section& section, Mapping& mapping, Errors& errors) {
  mapping.presence = section.choice<Event>("event", events).has_value();
  mapping.pattern.assign(presence_pattern);
  mapping.captures = *parse_pattern(mapping.pattern);
  for (const std::string_view key : {"topic"sv, "payload"sv, "rows"sv}) {
    if (section.find(key) == nullptr) continue;
    errors.add(*section.find(key), "'event' and '" + std::string(key) + "' exclude each other",
               "an event is a JSON object of the gateway's own");
  }
}

void parse_on_error(const Section& section, Mapping& mapping, Errors& errors) {
  mapping.reject = section.choice<bool>("on_error", rejects).value_or(false);
  if (mapping.reject && mapping.presence) {
    errors.add(*section.find("on_error"), "an event has no publisher who could be refused",
               "leave out 'on_error'");
  }
}

void parse_table(const Section& section, ParsedMapping& parsed, Errors& errors) {
  parsed.table = section.required_text("table", "room_climate");
  if (parsed.table.empty()) return;
  const toml::node& node = *section.find("table");
  parsed.table_where = node.source();
  const std::string_view name = parsed.table;
  const std::size_t dot = name.find('.');
  const bool two_parts = dot != std::string_view::npos;
  const std::string_view last = two_parts ? name.substr(dot + 1) : name;
  if ((two_parts && !is_identifier(name.substr(0, dot))) || !is_identifier(last) ||
      last.find('.') != std::string_view::npos) {
    errors.add(node, "'" + parsed.table + "' is not a table's name",
               "name or schema.name, each 1 to 63 bytes");
  } else if (last.starts_with("rowgate_") || last.starts_with("sqlite_") ||
             last.starts_with("pg_")) {
    errors.add(node, "table '" + parsed.table + "' belongs to the gateway or the database",
               "names that begin with rowgate_, sqlite_ or pg_ are reserved");
  }
}

void parse_rows(const Section& section, Mapping& mapping, Errors& errors) {
  const auto rows = section.text("rows");
  if (!rows) return;
  const std::string wrong = FieldTree::check(*rows);
  if (!wrong.empty()) {
    errors.add(*section.find("rows"), "rows '" + *rows + "': " + wrong);
  } else if (!has_fields(mapping.payload)) {
    errors.add(*section.find("rows"), "rows needs a payload that has fields",
               "payload = \"json\", for example");
  } else if (is_rows(mapping.payload)) {
    errors.add(*section.find("rows"), "each record of such a payload is a row already",
               "leave out 'rows'");
  } else {
    mapping.rows = *rows;
    mapping.has_rows = true;
  }
}

/// Where the records of a format that knows of time have it; empty: nowhere.
std::string_view time_of(Payload payload) {
  if (payload == Payload::influx) return "/time";
  return payload == Payload::senml ? "/t" : "";
}

/// Such a record's own time is the row's, and its format is known.
void parse_own_time(const Section& section, Mapping& mapping, Errors& errors) {
  const std::string_view own = time_of(mapping.payload);
  if (own.empty()) return;
  if (!mapping.time.from) mapping.time.from = FromField{std::string(own), false};
  if (mapping.time.from->pointer != own) return;
  const bool influx = mapping.payload == Payload::influx;
  mapping.time.format = influx ? mapping.options.precision : TimeFormat::unix_s;
  if (section.find("format") == nullptr) return;
  errors.add(*section.find("format"), "the payload says what " + std::string(own) + " is",
             influx ? "leave out 'format'; payload = { format = \"influx\", precision = \"ms\" }"
                    : "leave out 'format'");
}

void parse_time(const Section& section, ParsedMapping& parsed, Errors& errors) {
  TimeRule& time = parsed.mapping.time;
  parsed.time_where = section.where();
  const toml::node* node = section.find("time");
  if (node == nullptr) {
    const toml::table none;
    return parse_own_time(Section(none, "time", time_keys, errors), parsed.mapping, errors);
  }
  parsed.time_where = node->source();
  const toml::table* table = node->as_table();
  if (table == nullptr) {
    errors.add(*node, "time must be a table",
               "for example time = { from = \"/ts\", format = \"unix_ms\" }");
    return;
  }
  const Section inner(*table, "time", time_keys, errors);
  time.from = parse_field(inner, parsed.mapping, errors);
  if (const auto column = inner.text("column")) time.column = *column;
  if (!is_identifier(time.column)) {
    errors.add(*inner.find("column"), "'" + time.column + "' is not a column's name",
               "1 to 63 bytes");
  }
  const auto format = inner.choice<TimeFormat>("format", time_formats);
  if (format) time.format = *format;
  parse_own_time(inner, parsed.mapping, errors);
  if (!time.from && inner.find("format") != nullptr && inner.find("from") == nullptr &&
      inner.find("root") == nullptr) {
    errors.add(*inner.find("format"), "time has a format but no 'from'",
               "without 'from' the time is the receive time");
  }
}

bool has_column(const Mapping& mapping, std::string_view name) {
  if (name == mapping.time.column) return true;
  if (mapping.layout == Layout::narrow && name == "name") return true;
  return std::any_of(mapping.columns.begin(), mapping.columns.end(),
                     [&](const ColumnRule& rule) { return rule.name == name; });
}

void parse_key(const Section& section, ParsedMapping& parsed, Errors& errors) {
  parsed.on_conflict = section.choice<OnConflict>("on_conflict", conflicts);
  const toml::node* node = section.find("key");
  if (node == nullptr) {
    if (parsed.on_conflict) {
      errors.add(*section.find("on_conflict"), "on_conflict needs a key",
                 "for example key = [\"site\", \"room\", \"ts\"]");
    }
    return;
  }
  parsed.key_where = node->source();
  const toml::array* array = node->as_array();
  if (array == nullptr || array->empty()) {
    errors.add(*node, "key must be a list of columns",
               "for example key = [\"site\", \"room\", \"ts\"]");
    return;
  }
  std::vector<std::string_view> names{parsed.mapping.time.column};
  for (const ColumnRule& rule : parsed.mapping.columns) names.push_back(rule.name);
  for (const toml::node& element : *array) {
    const auto* name = element.as_string();
    if (name == nullptr) {
      errors.add(element, "key must be a list of columns");
    } else if (!has_column(parsed.mapping, name->get())) {
      errors.add(element, "key column '" + name->get() + "' is not a column of this mapping",
                 suggest(name->get(), names));
    } else if (std::find(parsed.key.begin(), parsed.key.end(), name->get()) != parsed.key.end()) {
      errors.add(element, "key column '" + name->get() + "' stands twice");
    } else {
      parsed.key.push_back(name->get());
    }
  }
  // NULLs never equal each other, so a key with one would not make a re-send the same row.
  for (ColumnRule& rule : parsed.mapping.columns) {
    if (std::find(parsed.key.begin(), parsed.key.end(), rule.name) != parsed.key.end()) {
      rule.required = true;
    }
  }
}

}  // namespace

const std::vector<std::pair<std::string_view, Type>> column_types{
    {"boolean", Type::boolean},
    {"bigint", Type::bigint},
    {"double", Type::double_precision},
    {"text", Type::text},
    {"timestamptz", Type::timestamptz},
    {"jsonb", Type::jsonb},
    {"bytea", Type::bytea},
    {"uuid", Type::uuid},
    {"numeric", Type::numeric}};

const std::vector<std::pair<std::string_view, TimeFormat>> time_formats{
    {"unix_s", TimeFormat::unix_s},
    {"unix_ms", TimeFormat::unix_ms},
    {"unix_us", TimeFormat::unix_us},
    {"unix_ns", TimeFormat::unix_ns},
    {"iso8601", TimeFormat::iso8601}};

std::optional<FromField> parse_field(const Section& section, const Mapping& mapping,
                                     Errors& errors) {
  const bool root = section.find("root") != nullptr;
  const std::string_view key = root ? "root" : "from";
  const auto pointer = section.text(key);
  if (!pointer) return std::nullopt;
  const toml::node& node = *section.find(key);
  const std::string wrong = FieldTree::check(*pointer);
  if (!wrong.empty()) {
    errors.add(node, std::string(key) + " '" + *pointer + "': " + wrong);
  } else if (root && section.find("from") != nullptr) {
    errors.add(node, "'from' and 'root' exclude each other");
  } else if (root && !mapping.has_rows) {
    errors.add(node, "'root' needs rows; without rows every field is at the root", "use 'from'");
  } else if (!has_fields(mapping.payload) && !pointer->empty()) {
    errors.add(node, "a scalar or raw payload has no fields", "from = \"\" is the whole payload");
  }
  return FromField{*pointer, root};
}

ParsedMapping parse_mapping(const toml::table& table, Errors& errors) {
  const Section section(table, "mapping", mapping_keys, errors);
  ParsedMapping parsed;
  Mapping& mapping = parsed.mapping;
  parsed.where = section.where();
  mapping.name = section.required_text("name", "room-climate");
  if (section.find("event") != nullptr) {
    parse_event(section, mapping, errors);
  } else {
    parse_topic(section, mapping, errors);
  }
  parse_on_error(section, mapping, errors);
  parse_table(section, parsed, errors);
  parse_payload(section, mapping, errors);
  mapping.layout = section.choice<Layout>("layout", layouts).value_or(Layout::wide);
  if (mapping.layout == Layout::narrow && !has_fields(mapping.payload)) {
    errors.add(*section.find("layout"), "layout = \"narrow\" needs a payload that has fields",
               "payload = \"json\", for example");
  }
  parse_rows(section, mapping, errors);
  parse_time(section, parsed, errors);
  mapping.drift = parse_drift(section).value_or(Drift::strict);
  parse_filter(section, mapping, errors);
  parse_columns(section, table, parsed, errors);
  parse_key(section, parsed, errors);
  finish_columns(section, parsed, errors);
  return parsed;
}

}  // namespace rowgate::schema
