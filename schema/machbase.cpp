#include "schema/machbase.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace rowgate::schema {
namespace {

// More would let a device that makes up table names fill the database with tables.
constexpr std::size_t max_tables = 1000;
constexpr std::size_t max_kept = 4096;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::string_view first_line(std::string_view text) noexcept {
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

std::string_view cut(std::string_view& text, char at) noexcept {
  const std::size_t i = text.find(at);
  const std::string_view head = text.substr(0, i);
  text = i == std::string_view::npos ? std::string_view() : text.substr(i + 1);
  return head;
}

std::string pointer_to(std::string_view name) {
  std::string pointer = "/";
  for (const char c : name) {
    if (c == '~' || c == '/') {
      pointer += c == '~' ? "~0" : "~1";
    } else {
      pointer += c;
    }
  }
  return pointer;
}

std::string names_of(const Table& table) {
  std::string names;
  for (const Column& column : table.columns) {
    if (!names.empty()) names += ", ";
    names += column.name;
  }
  return names;
}

// The property, or else the topic's part.
std::string option(const Message& message, std::string_view name, std::string_view otherwise) {
  return lower(user_property(message.properties, name).value_or(otherwise));
}

struct TopicParts {
  std::string_view method;
  std::string_view table;
  std::string_view format;
  std::string_view compression;
};

TopicParts parts_of(std::string_view topic) noexcept {
  TopicParts parts;
  cut(topic, '/');  // db
  parts.method = cut(topic, '/');
  parts.table = cut(topic, ':');
  parts.format = cut(topic, ':');
  parts.compression = topic;
  return parts;
}

}  // namespace

Table machbase_tag_table(std::string name) {
  return {.name = std::move(name),
          .columns = {{"name", Type::text, true},
                      {"time", Type::timestamptz, true},
                      {"value", Type::double_precision, false}},
          .key = {},
          .on_conflict = OnConflict::ignore,
          .time_column = "time"};
}

void add_machbase(Catalog& catalog) {
  catalog.machbase = true;
  for (const std::string_view pattern : machbase_patterns) {
    Mapping mapping;
    mapping.name = machbase_mapping;
    mapping.pattern = pattern;
    mapping.captures = {"table"};
    mapping.machbase = true;
    catalog.index.add(pattern, static_cast<std::uint32_t>(catalog.mappings.size()));
    catalog.mappings.push_back(std::move(mapping));
  }
}

Machbase::Machbase(const Catalog& catalog) : catalog_(catalog), fields_(3) {
  root_ = shapes_.add("", false);
  columns_ = shapes_.add("/data/columns");
  rows_ = shapes_.add("/data/rows");
  whole_.add("");
  shapes_.finish();
  whole_.finish();
  none_.finish();
}

std::optional<Machbase::Request> Machbase::request(const Message& message,
                                                   std::string& reason) const {
  const TopicParts parts = parts_of(message.topic);
  Request out;
  out.table = lower(parts.table);
  if (!names_a_table(out.table) || is_reserved_table(out.table)) {
    reason = "'" + out.table + "' is not a table's name that a device may use";
    return std::nullopt;
  }
  const std::string packed = option(message, "compress", parts.compression);
  if (!packed.empty() && packed != "gzip" && packed != "-") {
    reason = "compression '" + packed + "' is not known; gzip is";
    return std::nullopt;
  }
  const std::string format = option(message, "format", parts.format);
  if (parts.method == "metrics") {
    out.format = Payload::influx_fields;
  } else if (format == "csv") {
    out.format = Payload::csv;
  } else if (format == "ndjson") {
    out.format = Payload::ndjson;
  } else if (!format.empty() && format != "json") {
    reason = "format '" + format + "' is not known; json, csv and ndjson are";
    return std::nullopt;
  }
  static constexpr std::array<std::pair<std::string_view, TimeFormat>, 8> times{
      {{"ns", TimeFormat::unix_ns},
       {"us", TimeFormat::unix_us},
       {"ms", TimeFormat::unix_ms},
       {"s", TimeFormat::unix_s},
       {"rfc3339", TimeFormat::iso8601},
       {"rfc3339nano", TimeFormat::iso8601},
       {"iso8601", TimeFormat::iso8601},
       {"default", TimeFormat::iso8601}}};
  const std::string time = option(message, "timeformat", "ns");
  const auto* const known =
      std::find_if(times.begin(), times.end(), [&](const auto& one) { return one.first == time; });
  if (known == times.end()) {
    reason = "timeformat '" + time + "' is not known; s, ms, us, ns, RFC3339 and DEFAULT are";
    return std::nullopt;
  }
  out.time = known->second;
  const std::string zone = option(message, "tz", "utc");
  if (out.time == TimeFormat::iso8601 && zone != "utc") {
    reason = "times as text are taken in UTC or with their offset, not in tz '" + zone + "'";
    return std::nullopt;
  }
  const std::string header = option(message, "header", "");
  out.header_names = header == "columns";
  out.header_skipped = header == "skip";
  const auto delimiter = user_property(message.properties, "delimiter");
  if (delimiter && delimiter->size() == 1) out.delimiter = delimiter->front();
  return out;
}

void Machbase::spell(const std::vector<Leaf>& leaves, const Reader& reader, Shape& out) {
  out.positional = false;
  for (const Leaf& leaf : leaves) out.names.emplace_back(reader.path(leaf));
}

bool Machbase::json_shape(std::string_view document, Shape& out, std::string& reason) {
  if (!json_.open(document) || !json_.read(shapes_, fields_, &leaves_)) {
    reason = "the payload is not JSON: ";
    reason += json_.error().what;
    return false;
  }
  const std::string_view text = trimmed(document);
  if (text.starts_with('{')) {
    const Field rows = fields_[shapes_.slot_of(rows_)];
    const Field columns = fields_[shapes_.slot_of(columns_)];
    if (rows.kind != Field::Kind::array) {
      spell(leaves_, json_, out);
      return true;
    }
    out.rows = true;
    out.pointer = "/data/rows";
    if (columns.kind != Field::Kind::array) return true;
    std::array<Field, 1> name;
    json_.begin(columns);
    for (std::uint32_t i = 0; i < columns.elements; ++i) {
      json_.element(whole_, name);
      out.names.emplace_back(name[0].text);
    }
    return true;
  }
  const std::string_view inner = trimmed(text.substr(1));
  out.rows = text.starts_with('[') &&
             (inner.starts_with('[') || inner.starts_with('{') || inner.starts_with(']'));
  if (!inner.starts_with('{')) return true;
  const Field all = fields_[shapes_.slot_of(root_)];
  json_.begin(all);
  if (json_.element(none_, fields_, &leaves_)) spell(leaves_, json_, out);
  return true;
}

bool Machbase::shape(const Request& request, std::string_view& payload, Shape& out,
                     std::string& reason) {
  switch (request.format) {
    case Payload::json:
      return json_shape(payload, out, reason);
    case Payload::ndjson: {
      const std::string_view text = trimmed(payload);
      return text.empty() || json_shape(first_line(text), out, reason);
    }
    case Payload::csv: {
      std::string_view header = first_line(payload);
      if (request.header_skipped)
        payload.remove_prefix(std::min(payload.find('\n'), payload.size() - 1) + 1);
      while (request.header_names && !header.empty()) {
        std::string_view name = trimmed(cut(header, request.delimiter));
        if (name.size() > 1 && name.starts_with('"') && name.ends_with('"')) {
          name = name.substr(1, name.size() - 2);
        }
        out.names.emplace_back(name);
      }
      out.positional = !request.header_names;
      return true;
    }
    default:
      out.positional = false;
      out.names = {"name", "time", "value"};
      return true;
  }
}

std::size_t Machbase::table_of(const std::string& name, BatchSet& batches) {
  const auto known = tables_.find(name);
  if (known != tables_.end() && known->second < batches.mapped() &&
      lower(batches.declared(known->second).name) == name) {
    return known->second;
  }
  std::size_t index = 0;
  while (index < batches.mapped() && lower(batches.declared(index).name) != name) ++index;
  if (index == batches.mapped()) {
    if (index >= catalog_.tables.size() + max_tables) return no_table;
    batches.add_table(machbase_tag_table(name));
  }
  tables_.insert_or_assign(name, index);
  return index;
}

Machbase::Made Machbase::make(const Request& request, const Shape& shape,
                              const Table& table) const {
  Made made;
  made.mapping = std::make_unique<Mapping>();
  made.table = std::make_unique<Table>(table);
  Mapping& mapping = *made.mapping;
  mapping.name = machbase_mapping;
  mapping.payload = request.format;
  mapping.options.delimiter = request.delimiter;
  mapping.options.header = request.header_names;
  mapping.rows = shape.pointer;
  mapping.has_rows = shape.rows;
  mapping.auto_columns = !shape.positional;
  mapping.machbase = true;
  const auto pointer = [&](std::size_t column) {
    const std::string& wanted = table.columns[column].name;
    for (std::size_t i = 0; i < shape.names.size(); ++i) {
      if (lower(shape.names[i]) != lower(wanted)) continue;
      return shape.positional ? "/" + std::to_string(i) : pointer_to(shape.names[i]);
    }
    const bool in_order = shape.positional && shape.names.empty();
    return in_order ? "/" + std::to_string(column) : pointer_to(wanted);
  };
  if (shape.positional) {
    mapping.tuple = shape.names.empty() ? table.columns.size() : shape.names.size();
  }
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const Column& column = table.columns[i];
    if (column.name == table.time_column) {
      mapping.time = {.column = column.name,
                      .from = FromField{pointer(i), false},
                      .format = request.time,
                      .index = i};
      continue;
    }
    ColumnRule rule;
    rule.name = column.name;
    rule.type = column.type;
    rule.source = FromField{pointer(i), false};
    rule.required = column.not_null;
    if (column.type == Type::timestamptz) rule.format = request.time;
    rule.column = i;
    mapping.columns.push_back(std::move(rule));
  }
  made.plan = std::make_unique<Plan>(mapping, *made.table);
  made.writer = std::make_unique<RowWriter>(*made.plan, *made.table);
  return made;
}

Compression Machbase::compression(const Message& message) {
  const std::string packed = option(message, "compress", parts_of(message.topic).compression);
  return packed == "gzip" ? Compression::gzip : Compression::automatic;
}

std::optional<Machbase::Way> Machbase::way(const Message& message, std::string_view payload,
                                           BatchSet& batches, std::string& reason) {
  const auto asked = request(message, reason);
  if (!asked) return std::nullopt;
  Shape found;
  if (!shape(*asked, payload, found, reason)) return std::nullopt;
  const std::size_t index = table_of(asked->table, batches);
  if (index == no_table) {
    reason = "the devices have made " + std::to_string(max_tables) +
             " tables already; declare table '" + asked->table + "' in the mapping file";
    return std::nullopt;
  }
  const Table& table = batches.declared(index);
  for (const std::string& name : found.names) {
    const bool known = std::any_of(table.columns.begin(), table.columns.end(),
                                   [&](const Column& c) { return lower(c.name) == lower(name); });
    if (known || !found.positional) continue;
    reason = "table '" + table.name + "' has no column '" + name + "'; it has " + names_of(table);
    return std::nullopt;
  }
  key_ = asked->table;
  key_ += {'\n',
           static_cast<char>(asked->format),
           static_cast<char>(asked->time),
           asked->delimiter,
           asked->header_names ? 'h' : '-',
           found.rows ? 'r' : '-',
           found.positional ? 'p' : '-'};
  key_ += found.pointer;
  for (const std::string& name : found.names) key_.append("\n").append(name);
  auto made = made_.find(key_);
  if (made == made_.end()) {
    if (made_.size() >= max_kept) made_.clear();
    made = made_.emplace(key_, make(*asked, found, table)).first;
  }
  return Way{made->second.plan.get(), made->second.writer.get(), index, payload};
}

}  // namespace rowgate::schema
