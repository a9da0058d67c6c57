// Mappings that write one table: its columns are the union of theirs.
#include <algorithm>

#include "schema/mapping_parse.hpp"

namespace rowgate::schema {
namespace {

// PostgreSQL stops at 1600, SQLite at 2000; automatic columns come on top of these.
constexpr std::size_t max_columns = 1000;

std::string on_line(const toml::source_region& where) {
  return " on line " + std::to_string(where.begin.line);
}

class TableMerge {
 public:
  TableMerge(const ParsedMapping& first, Errors& errors)
      : errors_(errors), first_(first), key_from_(first.key.empty() ? nullptr : &first) {
    table_.name = first.table;
    table_.time_column = first.mapping.time.column;
  }

  const std::string& name() const noexcept { return table_.name; }

  void add(ParsedMapping& parsed) {
    Mapping& mapping = parsed.mapping;
    ++mappings_;
    if (parsed.table != table_.name) {
      errors_.add(parsed.table_where,
                  "table '" + parsed.table + "' and table '" + table_.name + "'" +
                      on_line(first_.table_where) + " differ only in case",
                  "SQLite takes them for one; write them alike");
    }
    if (mapping.time.column != table_.time_column) {
      errors_.add(parsed.time_where,
                  "table '" + table_.name + "' has time column '" + table_.time_column + "'" +
                      on_line(first_.time_where) + " and '" + mapping.time.column + "' here",
                  "a table has one time column");
    }
    mapping.time.index = column(mapping.time.column, Type::timestamptz, true, parsed.time_where);
    for (std::size_t i = 0; i < mapping.columns.size(); ++i) {
      ColumnRule& rule = mapping.columns[i];
      rule.column = column(rule.name, rule.type, rule.required, parsed.column_where[i]);
    }
    if (mapping.layout == Layout::narrow) {
      column("name", Type::text, true, parsed.where);
      column("value", Type::double_precision, true, parsed.where);
    }
    merge_key(parsed);
  }

  Table finish(const std::vector<ParsedMapping>& all, std::size_t index) {
    for (std::size_t i = 0; i < table_.columns.size(); ++i) {
      // A column that one mapping leaves out, or may leave NULL, is NULL in that mapping's rows.
      table_.columns[i].not_null = required_by_[i] == mappings_;
    }
    if (table_.columns.size() > max_columns) {
      errors_.add(
          first_.table_where,
          "table '" + table_.name + "' has " + std::to_string(table_.columns.size()) + " columns",
          "at most " + std::to_string(max_columns));
    }
    for (const ParsedMapping& parsed : all) {
      if (parsed.mapping.table == index) check_key(parsed);
    }
    return std::move(table_);
  }

 private:
  std::size_t column(const std::string& name, Type type, bool required,
                     const toml::source_region& where) {
    auto index = table_.column(name);
    if (!index) {
      index = table_.columns.size();
      table_.columns.push_back({name, type, false});
      required_by_.push_back(0);
      where_.push_back(where);
    } else if (table_.columns[*index].type != type) {
      errors_.add(where,
                  "column '" + name + "' of table '" + table_.name + "' is " +
                      std::string(type_name(type)) + " here and " +
                      std::string(type_name(table_.columns[*index].type)) + on_line(where_[*index]),
                  "mappings that write one table agree on its columns");
    }
    if (required) ++required_by_[*index];
    return *index;
  }

  void merge_key(const ParsedMapping& parsed) {
    if (parsed.key.empty()) return;
    const OnConflict on_conflict = parsed.on_conflict.value_or(OnConflict::ignore);
    if (table_.key.empty()) {
      table_.key = parsed.key;
      table_.on_conflict = on_conflict;
      key_from_ = &parsed;
    } else if (table_.key != parsed.key || table_.on_conflict != on_conflict) {
      errors_.add(parsed.key_where,
                  "table '" + table_.name + "' has another key or on_conflict" +
                      on_line(key_from_->key_where),
                  "mappings that write one table agree on its key");
    }
  }

  // Every mapping of a table with a key must fill it.
  void check_key(const ParsedMapping& parsed) {
    const Mapping& mapping = parsed.mapping;
    for (const std::string& name : table_.key) {
      const bool filled =
          name == mapping.time.column || (mapping.layout == Layout::narrow && name == "name") ||
          std::any_of(mapping.columns.begin(), mapping.columns.end(),
                      [&](const ColumnRule& rule) { return rule.name == name && rule.required; });
      if (!filled) {
        errors_.add(parsed.where,
                    "table '" + table_.name + "' has key column '" + name + "'" +
                        on_line(key_from_->key_where) + ", which mapping '" + mapping.name +
                        "' does not fill",
                    "give it the column, with required = true");
      }
    }
  }

  Errors& errors_;
  const ParsedMapping& first_;
  const ParsedMapping* key_from_;
  Table table_;
  std::size_t mappings_ = 0;
  std::vector<std::size_t> required_by_;  // mappings, one a column
  std::vector<toml::source_region> where_;
};

bool same_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

std::vector<Table> merge_tables(std::vector<ParsedMapping>& mappings, Errors& errors) {
  std::vector<TableMerge> merges;
  merges.reserve(mappings.size());
  for (ParsedMapping& parsed : mappings) {
    auto it = std::find_if(merges.begin(), merges.end(), [&](const TableMerge& m) {
      return same_ignoring_case(m.name(), parsed.table);
    });
    if (it == merges.end()) {
      merges.emplace_back(parsed, errors);
      it = merges.end() - 1;
    }
    parsed.mapping.table = static_cast<std::size_t>(it - merges.begin());
    it->add(parsed);
  }
  std::vector<Table> tables;
  for (std::size_t i = 0; i < merges.size(); ++i) tables.push_back(merges[i].finish(mappings, i));
  return tables;
}

}  // namespace rowgate::schema
