// Which rows of a mapping are made, and what becomes of what does not fit: filter, rest, drift,
// store and series.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "schema/mapping_parse.hpp"
#include "schema/row_writer.hpp"

namespace rowgate::schema {
namespace {

using namespace std::string_view_literals;

constexpr std::array condition_keys{"from"sv,     "root"sv,  "topic"sv,  "meta"sv,   "is"sv,
                                    "is_not"sv,   "in"sv,    "not_in"sv, "exists"sv, "above"sv,
                                    "at_least"sv, "below"sv, "at_most"sv};
constexpr std::array sources{"from"sv, "root"sv, "topic"sv, "meta"sv};
constexpr std::array tests{"is"sv, "is_not"sv, "in"sv, "not_in"sv, "exists"sv};
constexpr std::array bounds{"above"sv, "at_least"sv, "below"sv, "at_most"sv};
constexpr std::array<std::pair<std::string_view, Drift>, 3> drifts{
    {{"strict", Drift::strict}, {"coerce", Drift::coerce}, {"spill", Drift::spill}}};
constexpr std::string_view filter_hint = "for example filter = { from = \"/valid\", is = true }";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::size_t count_of(const Section& section, std::span<const std::string_view> keys) {
  return static_cast<std::size_t>(
      std::count_if(keys.begin(), keys.end(),
                    [&](std::string_view key) { return section.find(key) != nullptr; }));
}

// One table of `filter`.
class ConditionParser {
 public:
  ConditionParser(const toml::table& table, const Mapping& mapping, Errors& errors)
      : section_(table, "filter", condition_keys, errors), mapping_(mapping), errors_(errors) {}

  Condition parse() {
    parse_source();
    const std::size_t words = count_of(section_, tests);
    const std::size_t ranges = count_of(section_, bounds);
    if (words + ranges == 0 || words > 1 || (words == 1 && ranges > 0)) {
      errors_.add(section_.where(), "a condition of filter needs one test",
                  "is, is_not, in, not_in, exists, or a range of above, at_least, below, at_most");
      return std::move(condition_);
    }
    if (ranges > 0) {
      parse_range();
    } else {
      parse_test();
    }
    return std::move(condition_);
  }

 private:
  void parse_source() {
    if (count_of(section_, sources) != 1) {
      errors_.add(section_.where(), "a condition of filter needs exactly one source",
                  "from = \"/field\", topic = \"capture\" or meta = \"client_id\"");
      return;
    }
    if (section_.find("topic") != nullptr) {
      if (const auto from = parse_capture(section_, mapping_, errors_)) condition_.source = *from;
      condition_.text = fmt::format("{{{}}}", section_.text("topic").value_or(""));
    } else if (section_.find("meta") != nullptr) {
      Type natural = Type::text;
      if (auto from = parse_meta(section_, natural, errors_)) condition_.source = std::move(*from);
      condition_.text = section_.text("meta").value_or("");
      if (natural == Type::timestamptz) {
        errors_.add(*section_.find("meta"), "the receive time cannot be filtered by");
      }
    } else if (auto from = parse_field(section_, mapping_, errors_)) {
      condition_.text = from->pointer.empty() ? "the payload" : from->pointer;
      condition_.source = std::move(*from);
    }
  }

  void add_value(const toml::node& node) {
    const auto value = literal_of(node);
    if (!value || std::holds_alternative<Timestamp>(*value)) {
      errors_.add(node, "filter compares with a string, a number or a boolean");
    } else if (std::find(condition_.values.begin(), condition_.values.end(), *value) !=
               condition_.values.end()) {
      errors_.add(node, "value " + to_text(*value) + " stands twice");
    } else {
      condition_.text += condition_.values.empty() ? " " : ", ";
      condition_.text += to_text(*value);
      condition_.values.push_back(*value);
    }
  }

  void parse_test() {
    using Test = Condition::Test;
    const auto key = *std::find_if(tests.begin(), tests.end(),
                                   [&](std::string_view k) { return section_.find(k) != nullptr; });
    const toml::node& node = *section_.find(key);
    if (key == "exists") {
      condition_.test = section_.flag(key) ? Test::exists : Test::absent;
      condition_.text += condition_.test == Test::exists ? " exists" : " does not exist";
      return;
    }
    condition_.text.append(" ").append(key);
    std::replace(condition_.text.end() - static_cast<std::ptrdiff_t>(key.size()),
                 condition_.text.end(), '_', ' ');
    if (key == "is" || key == "is_not") {
      condition_.test = key == "is" ? Test::is : Test::is_not;
      return add_value(node);
    }
    condition_.test = key == "in" ? Test::in : Test::not_in;
    const toml::array* list = node.as_array();
    if (list == nullptr || list->empty()) {
      errors_.add(node, std::string(key) + " must be a list",
                  "for example " + std::string(key) + " = [\"a\", \"b\"]");
      return;
    }
    for (const toml::node& element : *list) add_value(element);
  }

  void parse_bound(std::string_view open, std::string_view closed,
                   std::optional<Condition::Bound>& bound) {
    for (const std::string_view key : {open, closed}) {
      if (section_.find(key) == nullptr) continue;
      if (bound) {
        errors_.add(*section_.find(key),
                    fmt::format("'{}' and '{}' exclude each other", open, closed));
      }
      bound = Condition::Bound{section_.number(key).value_or(0.0), key == closed};
      if (condition_.least && condition_.most) condition_.text += " and";
      condition_.text += key.starts_with("at_") ? " at " : " ";
      condition_.text += key.starts_with("at_") ? key.substr(3) : key;
      condition_.text.append(" ").append(content_of(bound->value));
    }
  }

  void parse_range() {
    condition_.test = Condition::Test::range;
    parse_bound("above", "at_least", condition_.least);
    parse_bound("below", "at_most", condition_.most);
    if (!condition_.least || !condition_.most) return;
    const bool open = !condition_.least->inclusive || !condition_.most->inclusive;
    const double least = condition_.least->value;
    const double most = condition_.most->value;
    if (least > most || (open && least == most)) {
      errors_.add(section_.where(), "no number passes this condition: " + condition_.text);
    }
  }

  Section section_;
  const Mapping& mapping_;
  Errors& errors_;
  Condition condition_{.source = FromField{}};
};

void add_condition(const toml::node& node, Mapping& mapping, Errors& errors) {
  if (const toml::table* table = node.as_table()) {
    mapping.filter.push_back(ConditionParser(*table, mapping, errors).parse());
  } else {
    errors.add(node, "a condition of filter must be a table", std::string(filter_hint));
  }
}

bool always_fits(const ColumnRule& rule) {
  const auto* meta = std::get_if<FromMeta>(&rule.source);
  return std::holds_alternative<Constant>(rule.source) ||
         std::holds_alternative<RestOfFields>(rule.source) ||
         (meta != nullptr && meta->meta == Meta::received_at);
}

// The mapping's own drift reaches a column only where it has something to do.
bool takes_default(const ColumnRule& rule, Drift drift) {
  if (always_fits(rule) || rule.on_error == OnError::null) return false;
  if (drift != Drift::spill) return true;
  if (rule.required) return false;
  const bool checked = !rule.values.empty() || !rule.map.empty();
  return checked || (rule.type != Type::text && rule.type != Type::jsonb);
}

void check_spill(const ParsedMapping& parsed, std::size_t index, Errors& errors) {
  const ColumnRule& rule = parsed.mapping.columns[index];
  const toml::source_region& where = parsed.column_where[index];
  const std::string column = "column '" + rule.name + "': ";
  std::string name = rule.name;
  name += spill_suffix;
  if (rule.required) {
    errors.add(where, column + "required and drift = \"spill\" contradict",
               "a column of the key is required too; use \"strict\" or \"coerce\"");
  }
  if (!is_identifier(name)) {
    errors.add(where, column + "'" + name + "' is too long for a column's name",
               "with drift = \"spill\" a name has at most 57 bytes");
  }
  for (std::size_t i = 0; i < parsed.column_where.size(); ++i) {
    if (lower(parsed.mapping.columns[i].name) != lower(name)) continue;
    errors.add(parsed.column_where[i],
               "column '" + parsed.mapping.columns[i].name + "' is where what does not fit '" +
                   rule.name + "' goes",
               "drift = \"spill\" makes it; give this one another name");
  }
  if (lower(parsed.mapping.time.column) == lower(name)) {
    errors.add(parsed.time_where,
               "the time column has the name of a column that drift = \"spill\" "
               "of '" +
                   rule.name + "' makes");
  }
}

void resolve_drift(ParsedMapping& parsed, Errors& errors) {
  Mapping& mapping = parsed.mapping;
  const std::size_t declared = mapping.columns.size();
  for (std::size_t i = 0; i < declared; ++i) {
    ColumnRule& rule = mapping.columns[i];
    const auto& own = i < parsed.drifts.size() ? parsed.drifts[i] : std::nullopt;
    rule.drift = own.value_or(takes_default(rule, mapping.drift) ? mapping.drift : Drift::strict);
    if (rule.drift == Drift::spill && rule.on_error == OnError::null) {
      errors.add(parsed.column_where[i], "column '" + rule.name +
                                             "': on_error = \"null\" and drift = \"spill\" "
                                             "contradict");
    }
    if (rule.drift == Drift::spill) check_spill(parsed, i, errors);
  }
  for (std::size_t i = 0; i < declared; ++i) {
    if (mapping.columns[i].drift != Drift::spill) continue;
    std::string name = mapping.columns[i].name;
    name += spill_suffix;
    mapping.columns.push_back({.name = std::move(name),
                               .source = SpillOf{i},
                               .null_if = std::nullopt,
                               .format = std::nullopt});
    parsed.column_where.push_back(parsed.column_where[i]);
  }
}

void parse_series(const Section& section, ParsedMapping& parsed, bool stores, Errors& errors) {
  Mapping& mapping = parsed.mapping;
  const toml::node* node = section.find("series");
  if (node == nullptr) {
    const bool many = mapping.has_rows || is_rows(mapping.payload);
    if (stores && many && parsed.key.size() < 2) {
      errors.add(
          parsed.where, "store needs 'series' where a message has many rows",
          "series = [\"sensor\"] names the columns whose rows are compared; or give it a key");
    }
    return;
  }
  if (!stores) errors.add(*node, "series needs a column with 'store'");
  const toml::array* list = node->as_array();
  if (list == nullptr || list->empty()) {
    errors.add(*node, "series must be a list of columns", "for example series = [\"sensor\"]");
    return;
  }
  std::vector<std::string_view> names;
  for (const ColumnRule& rule : mapping.columns) names.push_back(rule.name);
  if (mapping.layout == Layout::narrow) names.push_back("name");
  for (const toml::node& element : *list) {
    const auto* name = element.as_string();
    if (name == nullptr) {
      errors.add(element, "series must be a list of columns");
    } else if (name->get() == mapping.time.column) {
      errors.add(element, "series has the time column, so that each row is one of its own");
    } else if (std::find(names.begin(), names.end(), name->get()) == names.end()) {
      errors.add(element, "series column '" + name->get() + "' is not a column of this mapping",
                 suggest(name->get(), names));
    } else if (std::find(mapping.series.begin(), mapping.series.end(), name->get()) !=
               mapping.series.end()) {
      errors.add(element, "series column '" + name->get() + "' stands twice");
    } else {
      mapping.series.push_back(name->get());
    }
  }
}

}  // namespace

std::optional<Drift> parse_drift(const Section& section) {
  return section.choice<Drift>("drift", drifts);
}

void parse_filter(const Section& section, Mapping& mapping, Errors& errors) {
  const toml::node* node = section.find("filter");
  if (node == nullptr) return;
  const toml::array* list = node->as_array();
  if (list == nullptr) return add_condition(*node, mapping, errors);
  if (list->empty()) errors.add(*node, "filter is empty", std::string(filter_hint));
  for (const toml::node& element : *list) add_condition(element, mapping, errors);
}

void parse_rest(const Section& section, ParsedMapping& parsed, Errors& errors) {
  Mapping& mapping = parsed.mapping;
  const auto name = section.text("rest");
  if (!name) return;
  const toml::node& node = *section.find("rest");
  if (!has_fields(mapping.payload)) {
    errors.add(node, "rest needs a payload that has fields", "payload = \"json\", for example");
  }
  if (mapping.auto_columns || mapping.layout == Layout::narrow) {
    errors.add(node,
               std::string("rest and ") +
                   (mapping.auto_columns ? "automatic columns" : "layout = \"narrow\"") +
                   " exclude each other",
               "both take what no column takes");
  }
  mapping.columns.push_back({.name = *name,
                             .type = Type::jsonb,
                             .source = RestOfFields{},
                             .null_if = std::nullopt,
                             .format = std::nullopt});
  parsed.column_where.push_back(node.source());
}

void finish_columns(const Section& section, ParsedMapping& parsed, Errors& errors) {
  Mapping& mapping = parsed.mapping;
  bool stores = std::any_of(mapping.columns.begin(), mapping.columns.end(),
                            [](const ColumnRule& rule) { return rule.store.has_value(); });
  if (const toml::node* store = section.find("store")) {
    stores = true;
    if (mapping.layout == Layout::narrow) {
      mapping.store = parse_store(*store, "", Type::double_precision, errors);
    } else {
      errors.add(*store, "store is a key of a column, but for layout = \"narrow\"",
                 "for example temp = { from = \"/temp\", type = \"double\", store = { deadband = "
                 "0.5 } }");
    }
  }
  parse_series(section, parsed, stores, errors);
  resolve_drift(parsed, errors);
}

}  // namespace rowgate::schema
