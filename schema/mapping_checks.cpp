// What a column asks of its values beside their type: constant, min, max, values, map, drift,
// store.
#include <algorithm>
#include <array>

#include "schema/checks.hpp"
#include "schema/mapping_parse.hpp"
#include "schema/number.hpp"

namespace rowgate::schema {
namespace {

using namespace std::string_view_literals;

constexpr std::array not_with_constant{"required"sv, "scale"sv,  "offset"sv, "on_error"sv,
                                       "null_if"sv,  "format"sv, "drift"sv,  "min"sv,
                                       "max"sv,      "values"sv, "map"sv,    "store"sv};
constexpr std::array checks{"min"sv, "max"sv, "values"sv, "map"sv, "drift"sv};
constexpr std::array store_keys{"deadband"sv, "deadband_percent"sv, "at_least_every"sv};

bool is_number_type(Type type) noexcept {
  return type == Type::bigint || type == Type::double_precision || type == Type::numeric;
}

// One column's keys, read one after the other.
class ColumnChecks {
 public:
  ColumnChecks(const Section& section, ColumnRule& rule, Errors& errors)
      : section_(section), rule_(rule), errors_(errors), column_("column '" + rule.name + "': ") {}

  void parse() {
    parse_map();
    parse_values();
    rule_.min = bound("min");
    rule_.max = bound("max");
    check_bounds();
    check_results();
  }

 private:
  void error(const toml::node& where, const std::string& message, std::string hint = {}) {
    errors_.add(where, column_ + message, std::move(hint));
  }

  // A scalar that a column of this type stores, and its value there.
  std::optional<Literal> literal(const toml::node& node, const std::string& what, Value& value) {
    const auto parsed = literal_of(node);
    if (!parsed) {
      error(node, what + " must be a string, a number, a boolean or a time",
            node.is_table() ? "a key with a point in it needs quotes" : "");
      return std::nullopt;
    }
    const std::string_view wrong = literal_value(*parsed, rule_.type, arena_, value);
    if (wrong.empty()) return parsed;
    error(node, what + " " + to_text(*parsed) + " " + std::string(wrong),
          "the column is " + std::string(type_name(rule_.type)));
    return std::nullopt;
  }

  std::optional<Literal> bound(const std::string& key) {
    const toml::node* node = section_.find(key);
    if (node == nullptr) return std::nullopt;
    if (!is_number_type(rule_.type) && rule_.type != Type::timestamptz) {
      error(*node, key + " needs a type that has an order: bigint, double, numeric, timestamptz");
      return std::nullopt;
    }
    Value value;
    return literal(*node, key, value);
  }

  Value value_of(const Literal& literal) {
    Value value;
    literal_value(literal, rule_.type, arena_, value);
    return value;
  }

  void check_bounds() {
    if (!rule_.min || !rule_.max || !is_less(value_of(*rule_.max), value_of(*rule_.min))) return;
    error(*section_.find("min"), "min is above max, so that no value fits");
  }

  void parse_values() {
    const toml::node* node = section_.find("values");
    if (node == nullptr) return;
    if (rule_.type == Type::jsonb || rule_.type == Type::bytea || rule_.type == Type::timestamptz) {
      return error(*node,
                   "values needs a type of single words or numbers: text, bigint, double, "
                   "numeric, boolean, uuid");
    }
    const toml::array* list = node->as_array();
    if (list == nullptr || list->empty()) {
      return error(*node, "values must be a list", "for example values = [\"on\", \"off\"]");
    }
    std::vector<Value> seen;
    for (const toml::node& element : *list) {
      Value value;
      const auto word = literal(element, "value", value);
      if (!word) continue;
      if (std::any_of(seen.begin(), seen.end(),
                      [&](const Value& v) { return is_equal(v, value); })) {
        error(element, "value " + to_text(*word) + " stands twice");
      }
      seen.push_back(value);
      rule_.values.push_back(*word);
    }
  }

  void parse_map() {
    const toml::node* node = section_.find("map");
    if (node == nullptr) return;
    const toml::table* table = node->as_table();
    if (table == nullptr || table->empty()) {
      return error(*node, "map must be a table",
                   "for example map = { on = 1, off = 0, \"*\" = -1 }");
    }
    for (const std::string_view key : {"scale"sv, "offset"sv, "format"sv}) {
      if (section_.find(key) == nullptr) continue;
      error(*section_.find(key), "map and " + std::string(key) + " exclude each other",
            "write the map's values as the column is to hold them");
    }
    for (const Entry& entry : in_file_order(*table)) {
      Value value;
      const auto to = literal(*entry.value, "map's value for '" + entry.name + "'", value);
      if (!to) continue;
      if (entry.name == "*") {
        rule_.map_otherwise = *to;
        continue;
      }
      for (const auto& [key, other] : rule_.map) {
        if (!is_number(key) || !is_number(entry.name) || to_double(key) != to_double(entry.name)) {
          continue;
        }
        errors_.add(entry.where,
                    column_ + "map has " + key + " and " + entry.name + ", which are one number");
      }
      rule_.map.emplace_back(entry.name, *to);
    }
    if (rule_.map.empty() && rule_.map_otherwise) {
      error(*node, "map has only \"*\", so that every value is the same", "use constant");
    }
  }

  // What the map and the list of values hold must pass the other checks.
  void check_results() {
    ColumnRule others{.name = rule_.name,
                      .type = rule_.type,
                      .source = FromField{},
                      .null_if = std::nullopt,
                      .format = std::nullopt,
                      .min = rule_.min,
                      .max = rule_.max};
    const auto check = [&](const Literal& literal, std::string_view key) {
      const Checks other_checks(others);
      const std::string_view wrong = other_checks.wrong(value_of(literal));
      if (wrong.empty()) return;
      error(*section_.find(key),
            std::string(key) + " has " + to_text(literal) + ", which " + std::string(wrong));
    };
    for (const Literal& literal : rule_.values) check(literal, "values");
    others.values = rule_.values;
    for (const auto& [key, to] : rule_.map) check(to, "map");
    if (rule_.map_otherwise) check(*rule_.map_otherwise, "map");
  }

  const Section& section_;
  ColumnRule& rule_;
  Errors& errors_;
  std::string column_;
  Arena arena_;
};

}  // namespace

std::optional<Type> parse_constant(const Section& section, const Entry& entry, ColumnRule& rule,
                                   Errors& errors) {
  const toml::node& node = *section.find("constant");
  const std::string column = "column '" + entry.name + "': ";
  const auto literal = literal_of(node);
  if (!literal) {
    errors.add(node, column + "constant must be a string, a number, a boolean or a time");
    return std::nullopt;
  }
  rule.source = Constant{*literal};
  rule.required = true;  // it is always there
  for (const std::string_view key : not_with_constant) {
    if (section.find(key) == nullptr) continue;
    errors.add(*section.find(key), column + "a constant has no '" + std::string(key) + "'",
               "write the value as the column is to hold it");
  }
  return natural_type(*literal);
}

void check_constant(const Section& section, const ColumnRule& rule, Errors& errors) {
  Arena arena;
  Value value;
  const Literal& literal = std::get<Constant>(rule.source).value;
  const std::string_view wrong = literal_value(literal, rule.type, arena, value);
  if (wrong.empty()) return;
  errors.add(*section.find("constant"),
             "column '" + rule.name + "': constant " + to_text(literal) + " " + std::string(wrong));
}

std::optional<StoreRule> parse_store(const toml::node& node, const std::string& what, Type type,
                                     Errors& errors) {
  const toml::table* table = node.as_table();
  if (table == nullptr) {
    errors.add(node, what + "store must be a table",
               "for example store = { deadband = 0.5, at_least_every = \"5m\" }");
    return std::nullopt;
  }
  const Section section(*table, "store", store_keys, errors);
  StoreRule rule;
  rule.percent = section.find("deadband_percent") != nullptr;
  const std::string_view key = rule.percent ? "deadband_percent"sv : "deadband"sv;
  if (rule.percent && section.find("deadband") != nullptr) {
    errors.add(*section.find("deadband"),
               what + "deadband and deadband_percent exclude each other");
  }
  rule.deadband = section.number(key).value_or(0.0);
  if (rule.deadband < 0.0) {
    errors.add(*section.find(key), what + std::string(key) + " is below 0");
  } else if (rule.deadband > 0.0 && !is_number_type(type)) {
    errors.add(*section.find(key),
               what + std::string(key) + " needs type double, bigint or numeric",
               "deadband = 0 stores every change of any type");
  }
  if (const auto text = section.text("at_least_every")) {
    rule.at_least_every = span_of(*text);
    if (!rule.at_least_every) {
      errors.add(*section.find("at_least_every"), "'" + *text + "' is not a time span",
                 "a number and ms, s, m, h or d: \"5m\"");
    }
  }
  return rule;
}

void parse_checks(const Section& section, const Mapping& mapping, ColumnRule& rule,
                  Errors& errors) {
  const std::string column = "column '" + rule.name + "': ";
  const auto* meta = std::get_if<FromMeta>(&rule.source);
  if (meta != nullptr && meta->meta == Meta::received_at) {
    for (const std::string_view key : checks) {
      if (section.find(key) == nullptr) continue;
      errors.add(*section.find(key),
                 column + "the receive time needs no '" + std::string(key) + "'", "it always fits");
    }
  } else {
    ColumnChecks(section, rule, errors).parse();
  }
  const toml::node* store = section.find("store");
  if (store == nullptr) return;
  if (mapping.layout == Layout::narrow) {
    errors.add(*store, column + "store is a key of the mapping where layout = \"narrow\"",
               "it looks at each row's value");
    return;
  }
  rule.store = parse_store(*store, column, rule.type, errors);
}

}  // namespace rowgate::schema
