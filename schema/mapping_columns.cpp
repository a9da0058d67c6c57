// The columns of one [[mapping]].
#include <algorithm>
#include <array>
#include <cstdio>

#include "schema/mapping_parse.hpp"
#include "schema/nearest.hpp"

namespace rowgate::schema {
namespace {

using namespace std::string_view_literals;

constexpr std::array column_keys{"topic"sv, "from"sv,     "root"sv,     "meta"sv,    "constant"sv,
                                 "type"sv,  "required"sv, "scale"sv,    "offset"sv,  "min"sv,
                                 "max"sv,   "values"sv,   "on_error"sv, "null_if"sv, "format"sv,
                                 "drift"sv, "map"sv,      "store"sv};
constexpr std::array<std::pair<std::string_view, Meta>, 5> metas{
    {{"client_id", Meta::client_id},
     {"topic", Meta::topic},
     {"qos", Meta::qos},
     {"retain", Meta::retain},
     {"received_at", Meta::received_at}}};
constexpr std::array<std::pair<std::string_view, OnError>, 2> on_errors{
    {{"dead_letter", OnError::dead_letter}, {"null", OnError::null}}};
constexpr std::string_view user_property_prefix = "user_property:";

// Sets rule.source and returns the type the source has by itself.
std::optional<Type> parse_source(const Section& section, const Entry& entry, const Mapping& mapping,
                                 ColumnRule& rule, Errors& errors) {
  const bool field = section.find("from") != nullptr || section.find("root") != nullptr;
  const bool topic = section.find("topic") != nullptr;
  const bool meta = section.find("meta") != nullptr;
  const bool constant = section.find("constant") != nullptr;
  if (int{field} + int{topic} + int{meta} + int{constant} != 1) {
    errors.add(entry.where, "column '" + entry.name + "' needs exactly one source",
               "from = \"/field\", topic = \"capture\", meta = \"client_id\" or constant = 1");
    return Type::text;
  }
  if (constant) return parse_constant(section, entry, rule, errors).value_or(Type::text);
  if (topic) {
    if (const auto from = parse_capture(section, mapping, errors)) rule.source = *from;
    return Type::text;
  }
  if (meta) {
    Type natural = Type::text;
    if (auto from = parse_meta(section, natural, errors)) rule.source = std::move(*from);
    return natural;
  }
  if (auto from = parse_field(section, mapping, errors)) rule.source = std::move(*from);
  return std::nullopt;
}

// The text of a `null_if` value: what the field would have to be.
std::optional<std::string> parse_null_if(const Section& section) {
  const toml::node* node = section.find("null_if");
  if (node == nullptr) return std::nullopt;
  if (const auto* text = node->as_string()) return text->get();
  if (const auto* whole = node->as_integer()) return std::to_string(whole->get());
  if (const auto* flag = node->as_boolean()) return flag->get() ? "true" : "false";
  if (const auto number = section.number("null_if")) {
    std::string text(32, '\0');
    const int n = std::snprintf(text.data(), text.size(), "%.17g", *number);
    text.resize(static_cast<std::size_t>(n));
    return text;
  }
  return std::nullopt;
}

bool type_fits_meta(Meta meta, Type type) {
  switch (meta) {
    case Meta::qos:
      return type == Type::bigint || type == Type::double_precision || type == Type::text;
    case Meta::retain:
      return type == Type::boolean || type == Type::text;
    case Meta::received_at:
      return type == Type::timestamptz;
    default:
      return true;
  }
}

void check_combination(const Section& section, const Entry& entry, const Mapping& mapping,
                       const ColumnRule& rule, Errors& errors) {
  const std::string column = "column '" + entry.name + "': ";
  const bool number = rule.type == Type::bigint || rule.type == Type::double_precision;
  for (const std::string_view key : {"scale"sv, "offset"sv}) {
    if (section.find(key) != nullptr && !number) {
      errors.add(*section.find(key), column + std::string(key) + " needs type double or bigint");
    }
  }
  if (section.find("scale") != nullptr && rule.scale == 0.0) {
    errors.add(*section.find("scale"), column + "a scale of 0 makes every value the same");
  }
  if (section.find("format") != nullptr && rule.type != Type::timestamptz) {
    errors.add(*section.find("format"), column + "format needs type timestamptz");
  }
  if (rule.required && rule.on_error == OnError::null) {
    errors.add(*section.find("on_error"), column + "required and on_error = \"null\" contradict");
  }
  const bool field = std::holds_alternative<FromField>(rule.source);
  if (rule.type == Type::jsonb && (!field || !has_fields(mapping.payload))) {
    errors.add(entry.where, column + "jsonb needs a field of a JSON payload");
  }
  const auto* meta = std::get_if<FromMeta>(&rule.source);
  if (meta != nullptr && !type_fits_meta(meta->meta, rule.type)) {
    errors.add(entry.where,
               column + "this source does not fit type " + std::string(type_name(rule.type)),
               "leave out 'type'");
  }
}

ColumnRule parse_column(const Entry& entry, const Mapping& mapping, std::optional<Drift>& drift,
                        Errors& errors) {
  ColumnRule rule{
      .name = entry.name, .source = FromField{}, .null_if = std::nullopt, .format = std::nullopt};
  const toml::table* table = entry.value->as_table();
  if (table == nullptr) {
    errors.add(*entry.value, "column '" + entry.name + "' must be a table",
               "for example " + entry.name + " = { from = \"/field\", type = \"double\" }");
    return rule;
  }
  const Section section(*table, "column '" + entry.name + "'", column_keys, errors);
  const auto natural = parse_source(section, entry, mapping, rule, errors);
  const auto type = section.choice<Type>("type", column_types);
  if (type || natural) {
    rule.type = type.value_or(natural.value_or(Type::text));
  } else if (section.find("type") == nullptr) {
    errors.add(entry.where, "column '" + entry.name + "' has no 'type'",
               "double for measurements; or boolean, bigint, text, timestamptz, jsonb, bytea, "
               "uuid, numeric");
    return rule;
  } else {
    return rule;
  }
  if (std::holds_alternative<Constant>(rule.source)) {
    check_constant(section, rule, errors);
    return rule;
  }
  rule.required = section.flag("required");
  rule.on_error = section.choice<OnError>("on_error", on_errors).value_or(OnError::dead_letter);
  rule.scale = section.number("scale").value_or(1.0);
  rule.offset = section.number("offset").value_or(0.0);
  rule.null_if = parse_null_if(section);
  rule.format = section.choice<TimeFormat>("format", time_formats);
  drift = parse_drift(section);
  parse_checks(section, mapping, rule, errors);
  check_combination(section, entry, mapping, rule, errors);
  return rule;
}

// The captures as text columns; without any, the topic, so that a row says where it is from.
void add_captures(ParsedMapping& parsed, const toml::source_region& where) {
  Mapping& mapping = parsed.mapping;
  if (mapping.presence) return;  // an event says of itself who it is about
  const auto add = [&](std::string name, ValueSource source) {
    mapping.columns.push_back({.name = std::move(name),
                               .source = std::move(source),
                               .null_if = std::nullopt,
                               .format = std::nullopt});
    parsed.column_where.push_back(where);
  };
  for (std::size_t i = 0; i < mapping.captures.size(); ++i) add(mapping.captures[i], FromTopic{i});
  if (mapping.captures.empty()) add("topic", FromMeta{Meta::topic, {}});
}

void parse_table_of_columns(const toml::table& table, ParsedMapping& parsed, Errors& errors) {
  for (const Entry& entry : in_file_order(table)) {
    if (entry.name == "*") {
      const auto* word = entry.value->as_string();
      if (word == nullptr || word->get() != "auto") {
        errors.add(*entry.value, "the column '*' can only be \"auto\"",
                   "it stands for all fields that no column names");
      }
      parsed.mapping.auto_columns = true;
      continue;
    }
    std::optional<Drift> drift;
    parsed.mapping.columns.push_back(parse_column(entry, parsed.mapping, drift, errors));
    parsed.drifts.push_back(drift);
    parsed.column_where.push_back(entry.where);
  }
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

void check_names(const ParsedMapping& parsed, Errors& errors) {
  const Mapping& mapping = parsed.mapping;
  std::vector<std::string> seen{lower(mapping.time.column)};
  if (mapping.layout == Layout::narrow) {
    seen.insert(seen.end(), {"name", "value"});
    if (seen[0] == "name" || seen[0] == "value") {
      errors.add(parsed.time_where, "the time column '" + mapping.time.column +
                                        "' has a name that layout = \"narrow\" uses");
    }
  }
  for (std::size_t i = 0; i < mapping.columns.size(); ++i) {
    const std::string& name = mapping.columns[i].name;
    if (!is_identifier(name)) {
      errors.add(parsed.column_where[i], "'" + name + "' is not a column's name", "1 to 63 bytes");
    }
    std::string key = lower(name);
    if (key == seen[0]) {
      errors.add(parsed.column_where[i], "column '" + name + "' is the time column already",
                 "give one of them another name: time = { column = \"...\" }");
    } else if (std::find(seen.begin(), seen.end(), key) != seen.end()) {
      errors.add(parsed.column_where[i], "column '" + name + "' stands twice",
                 "databases differ in whether A and a are one name; layout = \"narrow\" has name "
                 "and value of its own");
    }
    seen.push_back(std::move(key));
  }
}

}  // namespace

std::optional<FromMeta> parse_meta(const Section& section, Type& natural, Errors& errors) {
  natural = Type::text;
  const auto* word = section.find("meta")->as_string();
  if (word != nullptr && word->get().starts_with(user_property_prefix)) {
    std::string name = word->get().substr(user_property_prefix.size());
    if (name.empty()) {
      errors.add(*section.find("meta"), "the user property has no name",
                 "for example meta = \"user_property:unit\"");
    }
    return FromMeta{Meta::user_property, std::move(name)};
  }
  const auto meta = section.choice<Meta>("meta", metas);
  if (!meta) return std::nullopt;
  if (*meta == Meta::qos) natural = Type::bigint;
  if (*meta == Meta::retain) natural = Type::boolean;
  if (*meta == Meta::received_at) natural = Type::timestamptz;
  return FromMeta{*meta, {}};
}

std::optional<FromTopic> parse_capture(const Section& section, const Mapping& mapping,
                                       Errors& errors) {
  const auto name = section.text("topic");
  if (!name) return std::nullopt;
  const auto it = std::find(mapping.captures.begin(), mapping.captures.end(), *name);
  if (it != mapping.captures.end()) {
    return FromTopic{static_cast<std::size_t>(it - mapping.captures.begin())};
  }
  const std::vector<std::string_view> known(mapping.captures.begin(), mapping.captures.end());
  errors.add(
      *section.find("topic"), "the topic pattern has no capture {" + *name + "}",
      known.empty() ? "write a level of the pattern as {" + *name + "}" : suggest(*name, known));
  return std::nullopt;
}

void parse_columns(const Section& section, const toml::table& table, ParsedMapping& parsed,
                   Errors& errors) {
  Mapping& mapping = parsed.mapping;
  const toml::node* node = table.get("columns");
  const bool narrow = mapping.layout == Layout::narrow;
  if (node == nullptr) {
    if (narrow || section.find("rest") != nullptr) {
      add_captures(parsed, table.source());
    } else {
      errors.add(table.source(), "mapping has no 'columns'",
                 "write [mapping.columns], or columns = \"auto\" for every field as a column");
    }
  } else if (const auto* word = node->as_string(); word != nullptr && word->get() == "auto") {
    mapping.auto_columns = true;
    add_captures(parsed, node->source());
  } else if (const toml::table* columns = node->as_table()) {
    parse_table_of_columns(*columns, parsed, errors);
    if (columns->empty()) errors.add(*node, "[mapping.columns] is empty");
  } else {
    errors.add(*node, "columns must be a table or \"auto\"", "write [mapping.columns]");
  }
  parse_rest(section, parsed, errors);
  if (node == nullptr) return check_names(parsed, errors);
  if (mapping.auto_columns && narrow) {
    errors.add(*node, "automatic columns and layout = \"narrow\" exclude each other");
  }
  if (mapping.auto_columns && !has_fields(mapping.payload)) {
    errors.add(*node, "automatic columns need a payload that has fields");
  }
  check_names(parsed, errors);
}

}  // namespace rowgate::schema
