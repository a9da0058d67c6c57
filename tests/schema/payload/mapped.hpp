#pragma once
// A payload through a mapping, and what became of it, as text.
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "schema/mapper.hpp"
#include "schema/mapping_file.hpp"

namespace rowgate::schema {

using Cells = std::vector<std::optional<std::string>>;

struct Mapped {
  std::vector<Cells> rows;  // without the time column; text as it is, other values as SQL
  std::string reason;       // of the dead letter; empty: there is none
};

class MappedPayloads {
 public:
  explicit MappedPayloads(std::string_view toml) {
    auto parsed = parse_mapping_file(toml, 1);
    if (!parsed) throw std::runtime_error(format_errors("test", parsed.error()));
    catalog_ = *parsed;
    mapper_ = std::make_unique<Mapper>(catalog_);
  }

  Mapped map(std::string_view payload) {
    BatchSet out(*catalog_);
    Message message;
    message.topic = "t";
    message.client_id = "c";
    message.payload = payload;
    message.received_at = Timestamp{1'795'244'979'123'456};
    mapper_->map(message, 0, true, out);
    Mapped mapped;
    const std::size_t time = out[0].table().column(out[0].table().time_column).value();
    for (std::size_t r = 0; r < out[0].rows(); ++r) {
      Cells cells;
      for (std::size_t c = 0; c < out[0].table().columns.size(); ++c) {
        if (c == time) continue;
        const Value& value = out[0].row(r)[c];
        if (value.is_null()) {
          cells.emplace_back(std::nullopt);
        } else if (value.type() == Type::text) {
          cells.emplace_back(value.as_bytes());
        } else {
          cells.emplace_back(to_text(value));
        }
      }
      mapped.rows.push_back(std::move(cells));
    }
    const Table& letters = out.dead_letters().table();
    for (std::size_t r = 0; r < out.dead_letters().rows(); ++r) {
      const auto row = out.dead_letters().row(r);
      mapped.reason = row[letters.column("reason").value()].as_bytes();
    }
    return mapped;
  }

 private:
  std::shared_ptr<const Catalog> catalog_;
  std::unique_ptr<Mapper> mapper_;
};

/// Up to `most` pieces, one after the other.
inline std::string random_text(std::mt19937& random, const std::vector<std::string>& pieces,
                               std::size_t most) {
  std::string text;
  for (std::size_t n = random() % (most + 1); n > 0; --n) text += pieces[random() % pieces.size()];
  return text;
}

}  // namespace rowgate::schema
