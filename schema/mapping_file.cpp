#include "schema/mapping_file.hpp"

#include <fmt/format.h>

#include <array>
#include <map>

#include "schema/machbase.hpp"
#include "schema/mapping_parse.hpp"
#include "schema/mapping_table_section.hpp"

namespace rowgate::schema {
namespace {

// The elements of [[mapping]], or an error.
std::vector<const toml::table*> mapping_tables(const toml::table& file, Errors& errors) {
  static constexpr std::array<std::string_view, 3> known{"mapping", "table", "machbase_neo"};
  const Section section(file, "the mapping file", known, errors);
  const toml::node* node = section.find("mapping");
  std::vector<const toml::table*> tables;
  if (node == nullptr) {
    if (!errors.any() && section.find("machbase_neo") == nullptr) {
      errors.add(toml::source_region{}, "the file has no [[mapping]]",
                 "without a mapping file the built-in mapping stores every message");
    }
    return tables;
  }
  const toml::array* array = node->as_array();
  if (array == nullptr) {
    errors.add(*node, "'mapping' must be an array of tables", "write [[mapping]], in two brackets");
    return tables;
  }
  for (const toml::node& element : *array) {
    if (const toml::table* table = element.as_table()) {
      tables.push_back(table);
    } else {
      errors.add(element, "'mapping' must be an array of tables", "write [[mapping]]");
    }
  }
  return tables;
}

void check_names(const std::vector<ParsedMapping>& mappings, Errors& errors) {
  std::map<std::string_view, std::uint32_t> lines;
  for (const ParsedMapping& m : mappings) {
    if (m.mapping.name.empty()) continue;
    const auto [it, added] = lines.try_emplace(m.mapping.name, m.where.begin.line);
    if (!added) {
      errors.add(m.where, "two mappings are named '" + m.mapping.name + "'",
                 "the other is on line " + std::to_string(it->second) +
                     "; the name says in dead letters which one it was");
    }
  }
}

// What is known of the catalog as a whole once its mappings stand.
void finish(Catalog& catalog) {
  std::shared_ptr<Catalog> rejecting;
  for (const Mapping& mapping : catalog.mappings) {
    catalog.presence = catalog.presence || mapping.presence;
    if (!mapping.reject) continue;
    if (!rejecting) {
      rejecting = std::make_shared<Catalog>();
      rejecting->tables = catalog.tables;
      rejecting->generation = catalog.generation;
    }
    rejecting->index.add(mapping.pattern, static_cast<std::uint32_t>(rejecting->mappings.size()));
    rejecting->mappings.push_back(mapping);
  }
  catalog.rejecting = std::move(rejecting);
}

}  // namespace

Result<std::shared_ptr<const Catalog>, std::vector<MappingError>> parse_mapping_file(
    std::string_view text, std::uint64_t generation) {
  Errors errors;
  toml::table file;
  try {
    file = toml::parse(text);
  } catch (const toml::parse_error& e) {
    errors.add(e.source(), "not valid TOML: " + std::string(e.description()));
    return errors.take();
  }
  std::vector<ParsedMapping> parsed;
  for (const toml::table* table : mapping_tables(file, errors)) {
    parsed.push_back(parse_mapping(*table, errors));
  }
  check_names(parsed, errors);
  auto catalog = std::make_shared<Catalog>();
  catalog->tables = merge_tables(parsed, errors);
  const bool machbase = parse_machbase(file, catalog->tables, errors);
  parse_table_sections(file, catalog->tables, errors);
  if (errors.any()) return errors.take();
  catalog->generation = generation;
  for (ParsedMapping& m : parsed) {
    catalog->index.add(m.mapping.pattern, static_cast<std::uint32_t>(catalog->mappings.size()));
    catalog->mappings.push_back(std::move(m.mapping));
  }
  if (machbase) add_machbase(*catalog);
  finish(*catalog);
  return std::shared_ptr<const Catalog>(std::move(catalog));
}

std::string format_errors(std::string_view file, const std::vector<MappingError>& errors) {
  std::string out;
  for (const MappingError& e : errors) {
    const std::string place =
        e.line > 0 ? fmt::format("{}:{}:{}", file, e.line, e.column) : std::string(file);
    const std::string hint = e.hint.empty() ? std::string() : fmt::format(" ({})", e.hint);
    out += fmt::format("{}: {}{}\n", place, e.message, hint);
  }
  return out;
}

}  // namespace rowgate::schema
