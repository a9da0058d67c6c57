#include "storage/replay/kept_sql.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "schema/mapper.hpp"
#include "storage/sink/literal.hpp"

namespace rowgate::storage {
namespace {

constexpr std::size_t shown_payload = 200;  // list(); even, so that no byte of a hex text is halved

/// A pattern of the database's own for a topic: GLOB's in SQLite, LIKE's in PostgreSQL.
void append_level(std::string& pattern, Dialect dialect, std::string_view level) {
  for (const char c : level) {
    if (dialect == Dialect::sqlite && (c == '*' || c == '?' || c == '[')) {
      pattern += '[';
      pattern += c;
      pattern += ']';
      continue;
    }
    if (dialect == Dialect::postgres && (c == '%' || c == '_' || c == '\\')) pattern += '\\';
    pattern += c;
  }
}

template <class Number>
bool parse_number(std::string_view text, Number& number) {
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && at == end;
}

/// One row of an answer, by the names of its columns.
class Row {
 public:
  Row(const QueryResult& answer, std::size_t row) : answer_(answer), cells_(answer.rows[row]) {}

  /// Empty: NULL, or a column that a table made by an older version does not have.
  std::string_view text(std::string_view column) const {
    const auto at = std::ranges::find(answer_.columns, column);
    if (at == answer_.columns.end()) return {};
    const auto& cell = cells_[static_cast<std::size_t>(at - answer_.columns.begin())];
    return cell ? std::string_view(*cell) : std::string_view();
  }

 private:
  const QueryResult& answer_;
  const std::vector<std::optional<std::string>>& cells_;
};

}  // namespace

TopicFilter::TopicFilter(std::string_view filter) : filter_(filter) {
  if (!filter_.empty()) index_.add(filter_, 0);
}

bool TopicFilter::takes(std::string_view topic) const {
  return filter_.empty() || index_.matches(topic);
}

std::string TopicFilter::condition(Dialect dialect) const {
  const std::string_view any = dialect == Dialect::sqlite ? "*" : "%";
  std::string pattern;
  for (std::string_view rest = filter_;;) {
    const auto slash = rest.find('/');
    const std::string_view level = rest.substr(0, slash);
    if (level == "#") {  // `a/#` takes `a` too
      if (!pattern.empty()) pattern.pop_back();
      pattern += any;
    } else if (level == "+") {
      pattern += any;
    } else {
      append_level(pattern, dialect, level);
    }
    if (slash == std::string_view::npos) break;
    pattern += '/';
    rest.remove_prefix(slash + 1);
  }
  return fmt::format("topic {} {}", dialect == Dialect::sqlite ? "GLOB" : "LIKE",
                     text_literal(dialect, pattern));
}

std::string KeptSql::table() const {
  const std::string& name = kept_ == Kept::dead_letters ? schema::dead_letter_table().name
                                                        : schema::unmapped_table().name;
  // A ctid names a row of one table; somebody's partitions of it have ctids of their own.
  return dialect_ == Dialect::sqlite ? name : "ONLY " + name;
}

std::string_view KeptSql::id_column() const noexcept {
  return dialect_ == Dialect::sqlite ? "rowid" : "ctid";
}

std::string KeptSql::id_literal(std::uint64_t id) const {
  if (dialect_ == Dialect::sqlite) return std::to_string(std::min<std::uint64_t>(id, INT64_MAX));
  const std::uint64_t block = std::min<std::uint64_t>(id >> 16, UINT32_MAX);
  return fmt::format("'({},{})'::tid", block, id & 0xffffU);
}

std::optional<std::uint64_t> KeptSql::parse_id(std::string_view text) const {
  std::uint64_t id = 0;
  if (dialect_ == Dialect::sqlite) return parse_number(text, id) ? std::optional(id) : std::nullopt;
  std::uint32_t block = 0;
  std::uint16_t offset = 0;
  const auto comma = text.find(',');
  if (comma == std::string_view::npos || !text.starts_with('(') || !text.ends_with(')') ||
      !parse_number(text.substr(1, comma - 1), block) ||
      !parse_number(text.substr(comma + 1, text.size() - comma - 2), offset))
    return std::nullopt;
  return (std::uint64_t{block} << 16) | offset;
}

std::string KeptSql::is_one_of(std::span<const std::uint64_t> ids) const {
  std::string list;
  for (const std::uint64_t id : ids) {
    if (!list.empty()) list += ", ";
    list += id_literal(id);
  }
  if (dialect_ == Dialect::sqlite) return fmt::format("rowid IN ({})", list);
  return fmt::format("ctid = ANY (ARRAY[{}])", list);
}

std::string KeptSql::where(const KeptFilter& filter) const {
  std::string sql;
  const auto also = [&](const std::string& condition) {
    sql += sql.empty() ? " WHERE " : " AND ";
    sql += condition;
  };
  if (!filter.mapping.empty() && kept_ == Kept::dead_letters)
    also("mapping = " + text_literal(dialect_, filter.mapping));
  if (!filter.topic.empty()) also(TopicFilter(filter.topic).condition(dialect_));
  // Both databases order our ISO 8601 texts as the times they mean.
  if (filter.since) also("received_at >= " + text_literal(dialect_, to_iso8601(*filter.since)));
  if (filter.until) also("received_at < " + text_literal(dialect_, to_iso8601(*filter.until)));
  if (filter.id) also(fmt::format("{} = {}", id_column(), id_literal(*filter.id)));
  if (filter.after > 0) also(fmt::format("{} > {}", id_column(), id_literal(filter.after)));
  if (filter.before < UINT64_MAX)
    also(fmt::format("{} < {}", id_column(), id_literal(filter.before)));
  return sql;
}

std::string KeptSql::id_and_time() const {
  if (dialect_ == Dialect::sqlite)
    return "SELECT rowid AS rowgate_id, received_at AS rowgate_received";
  return "SELECT ctid AS rowgate_id, to_char(received_at AT TIME ZONE 'UTC', "
         "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS rowgate_received";
}

std::string KeptSql::list(const KeptFilter& filter, std::size_t limit) const {
  return fmt::format(
      "{}, topic, client_id, qos, retain, encoding, {}position, substr(payload, 1, {}) AS payload, "
      "length(payload) > {} AS cut FROM {} t{} ORDER BY {} DESC LIMIT {}",
      id_and_time(), kept_ == Kept::dead_letters ? "mapping, reason, " : "", shown_payload,
      shown_payload, table(), where(filter), id_column(), limit);
}

std::string KeptSql::from(std::span<const std::uint64_t> ids, const KeptFilter& filter,
                          bool lock) const {
  const std::string conditions = where(filter);
  // A transaction that writes has SQLite to itself.
  return fmt::format(" FROM {} t{}{}{}{}", table(), conditions,
                     conditions.empty() ? " WHERE " : " AND ", is_one_of(ids),
                     lock && dialect_ == Dialect::postgres ? " FOR UPDATE" : "");
}

std::string KeptSql::read(std::span<const std::uint64_t> ids, const KeptFilter& filter,
                          bool lock) const {
  return id_and_time() + ", t.*" + from(ids, filter, lock);
}

std::string KeptSql::lock(std::span<const std::uint64_t> ids, const KeptFilter& filter) const {
  return fmt::format("SELECT {}, topic{}", id_column(), from(ids, filter, true));
}

std::string KeptSql::remove(std::span<const std::uint64_t> ids) const {
  return fmt::format("DELETE FROM {} WHERE {}", table(), is_one_of(ids));
}

std::string KeptSql::give_reason(std::uint64_t id, std::string_view reason,
                                 std::string_view rows) const {
  std::string shown(reason);  // PostgreSQL's text cannot hold U+0000
  std::replace(shown.begin(), shown.end(), '\0', '?');
  return fmt::format(
      "UPDATE {} SET reason = {}, rows = {} WHERE {} = {}", table(), text_literal(dialect_, shown),
      rows.empty() ? "NULL" : text_literal(dialect_, rows), id_column(), id_literal(id));
}

SinkResult<std::vector<KeptMessage>> KeptSql::parse(const QueryResult& answer) const {
  std::vector<KeptMessage> messages;
  for (std::size_t r = 0; r < answer.rows.size(); ++r) {
    const Row row(answer, r);
    const auto wrong = [&](std::string_view column) {
      return SinkError{
          CommitOutcome::row_rejected,
          fmt::format("{}, row {}: column {} is not as Rowgate writes it ('{}')", table(),
                      row.text("rowgate_id"), column, row.text(column).substr(0, 40))};
    };
    KeptMessage message;
    const auto id = parse_id(row.text("rowgate_id"));
    if (!id) return wrong("rowgate_id");
    message.id = *id;
    const auto received = parse_iso8601(row.text("rowgate_received"));
    if (!received) return wrong("rowgate_received");
    message.received_at = *received;
    message.topic = row.text("topic");
    message.client_id = row.text("client_id");
    if (!parse_number(row.text("qos"), message.qos)) return wrong("qos");
    const auto is_true = [&](std::string_view column) {
      return row.text(column) == "t" || row.text(column) == "1";
    };
    message.retain = is_true("retain");
    message.cut = is_true("cut");
    if (!parse_number(row.text("position"), message.position)) return wrong("position");
    message.payload = row.text("payload");
    if (row.text("encoding") == "hex") {
      auto bytes = unhex(message.payload);
      if (!bytes) return wrong("payload");
      message.payload = std::move(*bytes);
    }
    if (std::string_view properties = row.text("properties"); !properties.empty()) {
      auto bytes = properties.starts_with("\\x") ? unhex(properties.substr(2)) : std::nullopt;
      if (!bytes) return wrong("properties");
      message.properties = std::move(*bytes);
    }
    message.mapping = row.text("mapping");
    message.reason = row.text("reason");
    message.rows = row.text("rows");
    messages.push_back(std::move(message));
  }
  return messages;
}

}  // namespace rowgate::storage
