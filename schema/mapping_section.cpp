#include "schema/mapping_section.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "schema/nearest.hpp"

namespace rowgate::schema {

void Errors::add(const toml::source_region& where, std::string message, std::string hint) {
  errors_.push_back({where.begin.line, where.begin.column, std::move(message), std::move(hint)});
}

std::vector<MappingError> Errors::take() {
  std::stable_sort(errors_.begin(), errors_.end(), [](const auto& a, const auto& b) {
    return std::tie(a.line, a.column) < std::tie(b.line, b.column);
  });
  return std::move(errors_);
}

std::string suggest(std::string_view word, std::span<const std::string_view> known) {
  const std::string_view near = nearest(word, known);
  if (!near.empty()) return "did you mean '" + std::string(near) + "'?";
  std::string all = "one of:";
  for (const std::string_view k : known) {
    all += all.back() == ':' ? " " : ", ";
    all += k;
  }
  return known.empty() ? std::string() : all;
}

std::vector<Entry> in_file_order(const toml::table& table) {
  std::vector<Entry> entries;
  for (const auto& [key, value] : table) {
    entries.push_back({std::string(key.str()), key.source(), &value});
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.where.begin.line, a.where.begin.column) <
           std::tie(b.where.begin.line, b.where.begin.column);
  });
  return entries;
}

Section::Section(const toml::table& table, std::string what,
                 std::span<const std::string_view> known, Errors& errors)
    : table_(table), what_(std::move(what)), errors_(errors) {
  for (const Entry& entry : in_file_order(table)) {
    if (std::find(known.begin(), known.end(), entry.name) != known.end()) continue;
    errors_.add(entry.where, "unknown key '" + entry.name + "' in " + what_,
                suggest(entry.name, known));
  }
}

std::optional<std::string> Section::text(std::string_view key) const {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  const auto* value = node->as_string();
  if (value == nullptr) {
    errors_.add(*node, std::string(key) + " must be a string", "put it in quotes");
    return std::nullopt;
  }
  return value->get();
}

std::string Section::required_text(std::string_view key, std::string_view example) const {
  const toml::node* node = find(key);
  const std::string like =
      "for example " + std::string(key) + " = \"" + std::string(example) + "\"";
  if (node == nullptr) {
    errors_.add(where(), what_ + " has no '" + std::string(key) + "'", like);
    return {};
  }
  std::string value = text(key).value_or("");
  if (value.empty() && node->is_string()) {
    errors_.add(*node, std::string(key) + " must not be empty", like);
  }
  return value;
}

std::optional<double> Section::number(std::string_view key) const {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  const auto value = node->value<double>();
  if (!node->is_number() || !value || !std::isfinite(*value)) {
    errors_.add(*node, std::string(key) + " must be a number");
    return std::nullopt;
  }
  return value;
}

bool Section::flag(std::string_view key) const {
  const toml::node* node = find(key);
  if (node == nullptr) return false;
  const auto* value = node->as_boolean();
  if (value == nullptr) errors_.add(*node, std::string(key) + " must be true or false");
  return value != nullptr && value->get();
}

}  // namespace rowgate::schema
