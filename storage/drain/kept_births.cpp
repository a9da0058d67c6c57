#include "storage/drain/kept_births.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <utility>

#include "schema/mapper.hpp"
#include "storage/sink/literal.hpp"

namespace rowgate::storage {
namespace {

std::optional<schema::KeptBirth> to_birth(std::vector<std::optional<std::string>>& row) {
  for (const auto& cell : row)
    if (!cell) return std::nullopt;
  schema::KeptBirth birth{std::move(*row[0]), std::move(*row[1]), 0, {}};
  const std::string& position = *row[2];
  std::from_chars(position.data(), position.data() + position.size(), birth.position);
  const std::string& digits = *row[3];  // as QueryResult has bytea
  auto payload =
      digits.starts_with("\\x") ? unhex(std::string_view(digits).substr(2)) : std::nullopt;
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
