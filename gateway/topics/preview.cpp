#include "gateway/topics/preview.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>

#include "schema/base/time.hpp"
#include "schema/base/utf8.hpp"
#include "schema/mapper.hpp"

namespace rowgate::topics {
namespace {

using nlohmann::json;

constexpr std::size_t most_rows = 20;
constexpr std::size_t payload_shown = 2'048;

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

std::string text_column(const schema::RowBatch& batch, std::size_t row, std::string_view name) {
  const auto column = batch.table().column(name);
  if (!column || batch.row(row)[*column].is_null()) return {};
  return std::string(batch.row(row)[*column].as_bytes());
}

/// One catalog's Mapper with the rows of the message it was given last.
class Side {
 public:
  explicit Side(const std::shared_ptr<const schema::Catalog>& catalog)
      : mapper_(catalog), rows_(*catalog) {}

  PreviewOutcome of(const schema::Message& message) {
    PreviewOutcome outcome;
    rows_.clear();
    outcome.unmapped = !mapper_.map(message, 0, false, rows_).matched;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const schema::RowBatch& batch = rows_[i];
      const bool own = &batch == &rows_.dead_letters() || &batch == &rows_.unmapped() ||
                       &batch == &rows_.births();
      if (!own) add_rows(batch, outcome);
    }
    const schema::RowBatch& refused = rows_.dead_letters();
    for (std::size_t row = 0; row < std::min(refused.rows(), most_rows); ++row) {
      outcome.dead_letters.push_back(
          {text_column(refused, row, "mapping"), text_column(refused, row, "reason")});
    }
    return outcome;
  }

 private:
  static void add_rows(const schema::RowBatch& batch, PreviewOutcome& outcome) {
    for (std::size_t row = 0; row < batch.rows() && outcome.rows.size() < most_rows; ++row) {
      PreviewRow& shown = outcome.rows.emplace_back();
      shown.table = batch.table().name;
      for (std::size_t c = 0; c < batch.table().columns.size(); ++c) {
        shown.columns.push_back(batch.table().columns[c].name);
        shown.values.push_back(json_text(batch.row(row)[c]));
      }
    }
  }

  schema::Mapper mapper_;
  schema::BatchSet rows_;
};

}  // namespace

std::string json_text(const schema::Value& value) {
  using schema::Type;
  if (value.is_null()) return "null";
  switch (value.type()) {
    case Type::boolean:
      return value.as_bool() ? "true" : "false";
    case Type::bigint:
      return std::to_string(value.as_bigint());
    case Type::double_precision:
      return std::isfinite(value.as_double()) ? dump(value.as_double())
                                              : dump(schema::to_text(value));
    case Type::text:
    case Type::numeric:
      return dump(value.as_bytes());
    case Type::timestamptz:
      return dump(to_iso8601(value.as_timestamp()));
    case Type::jsonb: {
      const json parsed = json::parse(value.as_bytes(), nullptr, false);
      return parsed.is_discarded() ? dump(value.as_bytes()) : std::string(value.as_bytes());
    }
    case Type::bytea:
      return dump(fmt::format("\\x{}", hex(value.as_bytes())));
    case Type::uuid: {
      std::string text;
      const std::string digits = hex(value.as_bytes());
      for (std::size_t i = 0; i < digits.size(); ++i) {
        if (i == 8 || i == 12 || i == 16 || i == 20) text += '-';
        text += digits[i];
      }
      return dump(text);
    }
  }
  return "null";
}

std::string payload_json(const std::string& payload) {
  const bool cut = payload.size() > payload_shown;
  std::string_view shown = std::string_view(payload).substr(0, payload_shown);
  json out;
  if (is_utf8(payload)) {
    // Not through the middle of a character.
    while (cut && !shown.empty() && !is_utf8(shown)) shown.remove_suffix(1);
    out["text"] = shown;
  } else {
    out["hex"] = hex(shown);
  }
  if (cut) out["truncated"] = true;
  return dump(out);
}

std::vector<PreviewMessage> preview(std::shared_ptr<const schema::Catalog> before,
                                    std::shared_ptr<const schema::Catalog> after,
                                    std::span<const SeenTopic> topics) {
  Side old_side(before);
  Side new_side(after);
  std::vector<PreviewMessage> all;
  for (const SeenTopic& topic : topics) {
    for (const KeptMessage& message : topic.messages) {
      const schema::Message view = message.view(topic.topic);
      all.push_back({topic.topic, &message, old_side.of(view), new_side.of(view)});
    }
  }
  return all;
}

}  // namespace rowgate::topics
