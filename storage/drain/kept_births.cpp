#include "storage/drain/kept_births.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <utility>

#include "schema/mapper.hpp"

namespace rowgate::storage {
namespace {

/// `\x` and hex digits, as QueryResult has bytea. nullopt: it is not that.
std::optional<std::string> from_hex(std::string_view text) {
  if (!text.starts_with("\\x") || text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 2 - 1);
  for (std::size_t i = 2; i < text.size(); i += 2) {
    unsigned char byte = 0;
    const auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
    if (error != std::errc() || end != text.data() + i + 2) return std::nullopt;
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

std::optional<schema::KeptBirth> to_birth(std::vector<std::optional<std::string>>& row) {
  for (const auto& cell : row)
    if (!cell) return std::nullopt;
  schema::KeptBirth birth{std::move(*row[0]), std::move(*row[1]), 0, {}};
  const std::string& position = *row[2];
  std::from_chars(position.data(), position.data() + position.size(), birth.position);
  auto payload = from_hex(*row[3]);
  if (!payload) return std::nullopt;
  birth.payload = std::move(*payload);
  return birth;
}

}  // namespace

SinkResult<std::vector<schema::KeptBirth>> read_births(SinkLane& sink, const std::string& gateway,
                                                       Position from) {
  if (const auto made = sink.ensure(schema::sparkplug_table()); !made) return made.error();
  if (const auto begun = sink.begin(); !begun) return begun.error();
  std::string name;  // as a literal
  for (const char c : gateway) name.append(c == '\'' ? 2 : 1, c);
  auto found = sink.select(
      fmt::format("SELECT edge, device, position, payload FROM rowgate_sparkplug WHERE gateway = "
                  "'{}'",
                  name));
  sink.rollback();
  if (!found) return found.error();
  std::vector<schema::KeptBirth> births;
  for (auto& row : found->rows) {
    auto birth = to_birth(row);
    if (birth && birth->position >= from.value) births.push_back(std::move(*birth));
  }
  return births;
}

SinkResult<void> KeptBirths::use(std::shared_ptr<const schema::Catalog> catalog, SinkLane& sink,
                                 OpenBatch& batch) {
  if (catalog != catalog_) {
    const bool had = std::exchange(sparkplug_, schema::has_sparkplug(*catalog));
    // Births that came while nobody looked are not kept: those before them may be out of date.
    if (sparkplug_ && !had && catalog_) from_ = batch.end();
    if (sparkplug_ != had) known_ = !sparkplug_;
    catalog_ = catalog;
  }
  if (!known_) {
    auto births = read_births(sink, gateway_, from_);
    if (!births) return births.error();
    batch.load_births(std::move(*births));
    known_ = true;
  }
  batch.use(std::move(catalog));
  return {};
}

}  // namespace rowgate::storage
