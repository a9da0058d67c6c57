#include "gateway/topics/fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>

#include "schema/base/time.hpp"
#include "schema/base/utf8.hpp"

namespace rowgate::topics {
namespace {

using nlohmann::ordered_json;
using schema::Type;

constexpr std::size_t most_fields = 200;
constexpr unsigned deepest = 8;
constexpr std::size_t most_rows = 50;  // of all messages together
constexpr std::size_t longest_example = 80;

std::string escaped(const std::string& key) {
  std::string out;
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash != (text[i] == '-')) return false;
    if (!dash && std::string_view("0123456789abcdefABCDEF").find(text[i]) == std::string_view::npos)
      return false;
  }
  return true;
}

bool is_time_text(std::string_view text) {
  return text.size() >= 16 && parse_iso8601(text).has_value();
}

Type type_of(const ordered_json& value) {
  constexpr double exact = 9007199254740992.0;  // 2^53
  switch (value.type()) {
    case ordered_json::value_t::boolean:
      return Type::boolean;
    case ordered_json::value_t::number_integer:
    case ordered_json::value_t::number_unsigned:
      return std::abs(value.get<double>()) >= exact ? Type::bigint : Type::double_precision;
    case ordered_json::value_t::number_float:
      return Type::double_precision;
    case ordered_json::value_t::string: {
      const auto& text = value.get_ref<const std::string&>();
      if (is_time_text(text)) return Type::timestamptz;
      return is_uuid(text) ? Type::uuid : Type::text;
    }
    default:
      return Type::jsonb;
  }
}

/// The type of a field that has been `a` and is now `b`.
Type together(Type a, Type b) {
  if (a == b) return a;
  const auto either = [&](Type one, Type other) {
    return (a == one && b == other) || (a == other && b == one);
  };
  if (either(Type::bigint, Type::double_precision)) return Type::double_precision;
  if (either(Type::text, Type::timestamptz) || either(Type::text, Type::uuid)) return Type::text;
  return Type::jsonb;
}

std::string example_of(const ordered_json& value) {
  std::string text = value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  std::replace(text.begin(), text.end(), '\x7f', '?');  // goes into comments
  if (text.size() > longest_example) {
    std::size_t end = longest_example;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    text.resize(end);
    text += "...";
  }
  return text;
}

class Fields {
 public:
  explicit Fields(std::vector<FoundField>& to) : fields_(to) {}

  void add(const ordered_json& value, const std::string& pointer, unsigned depth) {
    if (value.is_object() && !value.empty() && depth < deepest) {
      for (const auto& [key, member] : value.items()) {
        add(member, fmt::format("{}/{}", pointer, escaped(key)), depth + 1);
      }
      return;
    }
    if (value.is_null()) return;  // says nothing of its type
    note(value, pointer);
  }

 private:
  void note(const ordered_json& value, const std::string& pointer) {
    const auto found = std::find_if(fields_.begin(), fields_.end(),
                                    [&](const FoundField& f) { return f.pointer == pointer; });
    if (found != fields_.end()) {
      ++found->seen;
      found->type = together(found->type, type_of(value));
      found->is_number = found->is_number && value.is_number();
      found->example = example_of(value);
      return;
    }
    if (fields_.size() == most_fields) return;
    fields_.push_back(
        {pointer, type_of(value), example_of(value), 1, value.is_structured(), value.is_number()});
  }

  std::vector<FoundField>& fields_;
};

bool is_rows(const ordered_json& value) {
  return value.is_array() && !value.empty() &&
         std::all_of(value.begin(), value.end(), [](const auto& one) { return one.is_object(); });
}

/// Where the rows are, if one document holds many.
std::optional<std::string> find_rows(const ordered_json& document) {
  if (is_rows(document)) return "";
  if (!document.is_object()) return std::nullopt;
  std::optional<std::string> found;
  for (const auto& [key, member] : document.items()) {
    if (!is_rows(member)) continue;
    if (found) return std::nullopt;  // two arrays: which one is not ours to say
    found = fmt::format("/{}", escaped(key));
  }
  return found;
}

/// The documents of one payload; none: it is not JSON. More than one: NDJSON.
std::vector<ordered_json> parse(std::string_view payload) {
  std::vector<ordered_json> found;
  ordered_json whole = ordered_json::parse(payload, nullptr, false);
  if (!whole.is_discarded()) {
    found.push_back(std::move(whole));
    return found;
  }
  while (!payload.empty()) {
    const std::string_view line = payload.substr(0, payload.find('\n'));
    payload.remove_prefix(std::min(payload.size(), line.size() + 1));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    ordered_json one = ordered_json::parse(line, nullptr, false);
    if (!one.is_object()) return {};
    found.push_back(std::move(one));
  }
  return found;
}

std::string lower_last_level(const std::string& pointer) {
  std::string name = pointer.substr(pointer.rfind('/') + 1);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

std::optional<schema::TimeFormat> time_format(const FoundField& field) {
  if (field.type == Type::timestamptz) return schema::TimeFormat::iso8601;
  if (!field.is_number) return std::nullopt;
  const double value = std::strtod(field.example.c_str(), nullptr);
  if (value >= 1e8 && value < 1e11) return schema::TimeFormat::unix_s;
  if (value >= 1e11 && value < 1e14) return schema::TimeFormat::unix_ms;
  if (value >= 1e14 && value < 1e17) return schema::TimeFormat::unix_us;
  if (value >= 1e17 && value < 1e20) return schema::TimeFormat::unix_ns;
  return std::nullopt;
}

std::optional<FoundTime> find_time(const PayloadShape& shape) {
  constexpr std::array names{"ts",   "time",     "timestamp",   "datetime",   "date_time",
                             "date", "at",       "t",           "when",       "time_stamp",
                             "tst",  "unixtime", "measured_at", "created_at", "last_seen"};
  for (const char* name : names) {
    for (const FoundField& field : shape.fields) {
      // In every row: a row without it would become a dead letter.
      if (lower_last_level(field.pointer) != name || field.seen < shape.looked_at) continue;
      if (const auto format = time_format(field)) return FoundTime{field.pointer, *format};
    }
  }
  return std::nullopt;
}

void look_at_rows(PayloadShape& shape, const std::vector<ordered_json>& documents) {
  Fields fields(shape.fields);
  for (const ordered_json& document : documents) {
    const ordered_json* rows = nullptr;
    if (shape.rows) {
      const ordered_json::json_pointer pointer(*shape.rows);
      if (document.contains(pointer)) rows = &document.at(pointer);
    }
    if (!shape.rows) {
      if (shape.looked_at++ < most_rows) fields.add(document, "", 0);
    } else if (rows != nullptr && rows->is_array()) {
      for (const ordered_json& row : *rows) {
        if (shape.looked_at++ < most_rows) fields.add(row, "", 0);
      }
    }
  }
  shape.looked_at = std::min(shape.looked_at, most_rows);
}

}  // namespace

PayloadShape shape_of(std::span<const KeptMessage> messages) {
  PayloadShape shape;
  std::vector<ordered_json> documents;
  bool all_json = !messages.empty();
  bool all_text = !messages.empty();
  bool lines = false;
  for (const KeptMessage& message : messages) {
    std::vector<ordered_json> found = parse(message.payload);
    lines = lines || found.size() > 1;
    all_json = all_json && !found.empty();
    all_text = all_text && is_utf8(message.payload) && !has_nul(message.payload);
    std::move(found.begin(), found.end(), std::back_inserter(documents));
  }
  const bool objects =
      all_json && std::all_of(documents.begin(), documents.end(),
                              [](const ordered_json& d) { return d.is_structured(); });
  if (objects) {
    shape.payload = lines ? schema::Payload::ndjson : schema::Payload::json;
    if (!lines) shape.rows = find_rows(documents.back());
    look_at_rows(shape, documents);
    shape.time = find_time(shape);
    return shape;
  }
  if (!all_text) return shape;
  shape.payload = schema::Payload::scalar;
  shape.looked_at = messages.size();
  const bool numbers = all_json && std::all_of(documents.begin(), documents.end(),
                                               [](const ordered_json& d) { return d.is_number(); });
  FoundField value{"", numbers ? Type::double_precision : Type::text, {}, messages.size()};
  value.is_number = numbers;
  value.example = example_of(ordered_json(messages.back().payload));
  shape.fields.push_back(std::move(value));
  return shape;
}

const char* word_of(schema::TimeFormat format) {
  constexpr std::array words{"unix_s", "unix_ms", "unix_us", "unix_ns", "iso8601"};
  return words[static_cast<std::size_t>(format)];
}

const char* word_of(schema::Payload payload) {
  switch (payload) {
    case schema::Payload::json:
      return "json";
    case schema::Payload::ndjson:
      return "ndjson";
    case schema::Payload::scalar:
      return "scalar";
    default:
      return "raw";
  }
}

}  // namespace rowgate::topics
