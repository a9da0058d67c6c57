#include "gateway/cli/table_misfits.hpp"

#include <fmt/format.h>

#include <chrono>

namespace rowgate::cli {
namespace {

constexpr std::chrono::seconds long_enough{5};

}  // namespace

std::vector<std::string> TableMisfits::texts() const {
  std::vector<std::string> all;
  for (const auto& [table, why] : tables) {
    all.push_back(fmt::format("table {}: {}; messages for it become dead letters", table, why));
  }
  if (!unknown.empty()) {
    all.push_back(fmt::format("not all tables were looked at: {}", unknown));
  }
  return all;
}

TableMisfits table_misfits(storage::Sink& sink, const schema::Catalog& catalog) {
  TableMisfits found;
  const auto until = std::chrono::steady_clock::now() + long_enough;
  for (const schema::Table& table : catalog.tables) {
    if (std::chrono::steady_clock::now() > until) {
      found.unknown = "it takes too long";
      break;
    }
    const auto plan = sink.plan(table);
    if (!plan && plan.error().outcome == storage::CommitOutcome::retry) {
      found.unknown = plan.error().message;
      break;
    }
    if (!plan) found.tables.emplace_back(table.name, plan.error().message);
  }
  return found;
}

}  // namespace rowgate::cli
