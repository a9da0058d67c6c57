#include <algorithm>

#include "schema/mapper.hpp"

namespace rowgate::schema {
namespace {

constexpr std::size_t most_rows_shown = 10;

// The first level in which topic and pattern part, for a person.
std::string why_not(std::string_view pattern, std::string_view topic) {
  if (topic.starts_with('$') && !pattern.starts_with('$')) {
    return "a pattern takes a topic that begins with '$' only if it begins with that level itself";
  }
  for (std::size_t level = 1;; ++level) {
    const std::string_view want = pattern.substr(0, pattern.find('/'));
    const std::string_view have = topic.substr(0, topic.find('/'));
    const bool wild = want == "+" || want.starts_with('{');
    if (!wild && want != have) {
      return "level " + std::to_string(level) + " is '" + std::string(have) +
             "', the pattern has '" + std::string(want) + "'";
    }
    const bool pattern_ends = want.size() == pattern.size();
    const bool topic_ends = have.size() == topic.size();
    if (pattern_ends) return "the topic has more levels than the pattern";
    if (topic_ends) return "the topic has fewer levels than the pattern";
    pattern.remove_prefix(want.size() + 1);
    topic.remove_prefix(have.size() + 1);
  }
}

// The Catalog with this mapping alone, so that its rows are told apart.
std::shared_ptr<const Catalog> alone(const Catalog& catalog, std::uint32_t mapping) {
  auto one = std::make_shared<Catalog>();
  one->mappings.push_back(catalog.mappings[mapping]);
  one->tables = catalog.tables;
  one->index.add(catalog.mappings[mapping].pattern, 0);
  one->generation = catalog.generation;
  return one;
}

void append_rows(std::string& out, const RowBatch& batch) {
  const Table& table = batch.table();
  std::size_t width = 0;
  for (const Column& column : table.columns) width = std::max(width, column.name.size());
  for (std::size_t r = 0; r < std::min(batch.rows(), most_rows_shown); ++r) {
    out += "  row for table " + table.name + ":\n";
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      const Column& column = table.columns[c];
      const std::string_view type = type_name(column.type);
      out += "    " + column.name + std::string(width - column.name.size() + 2, ' ');
      out += std::string(type) + std::string(13 - type.size(), ' ');
      out += to_text(batch.row(r)[c]) + "\n";
    }
  }
  if (batch.rows() > most_rows_shown) {
    out += "  and " + std::to_string(batch.rows() - most_rows_shown) + " rows more\n";
  }
}

// `rejected` becomes true if the publish is refused.
void explain_taken(std::string& out, const Catalog& catalog, const TopicMatch& match,
                   const Message& message, bool& rejected) {
  const Mapping& mapping = catalog.mappings[match.mapping];
  out += "takes it\n";
  for (std::size_t i = 0; i < match.captures.size(); ++i) {
    out += "  {" + mapping.captures[i] + "} is '" + std::string(match.captures[i]) + "'\n";
  }
  const auto one = alone(catalog, match.mapping);
  Mapper mapper(one);
  BatchSet batches(*one);
  mapper.map(message, 0, false, batches);
  RowBatch& refused = batches.dead_letters();
  if (refused.rows() == 0 || !mapping.reject) append_rows(out, batches[mapping.table]);
  if (refused.rows() > 0) {
    const std::size_t reason = refused.table().column("reason").value();
    out += mapping.reject ? "  refuses it on arrival: " : "  dead letter: ";
    out.append(refused.row(0)[reason].as_bytes()).append("\n");
    rejected = rejected || mapping.reject;
  } else if (batches.rows() == 0) {
    out += "  no rows: the array is empty\n";
  }
}

}  // namespace

std::string explain(const std::shared_ptr<const Catalog>& catalog, const Message& message) {
  std::string out;
  bool rejected = false;
  const std::vector<TopicMatch> matches = catalog->index.match(message.topic);
  for (std::uint32_t i = 0; i < catalog->mappings.size(); ++i) {
    const Mapping& mapping = catalog->mappings[i];
    out += "mapping '" + mapping.name + "' (" + mapping.pattern + "): ";
    const auto match = std::find_if(matches.begin(), matches.end(),
                                    [&](const TopicMatch& m) { return m.mapping == i; });
    if (match != matches.end()) {
      explain_taken(out, *catalog, *match, message, rejected);
    } else {
      out += "does not take it: " + why_not(mapping.pattern, message.topic) + "\n";
    }
  }
  if (matches.empty()) out += "no mapping takes it: it is unmapped\n";
  if (rejected) {
    out +=
        "the publish is refused, for every mapping and subscriber: an MQTT 5 publisher is told "
        "0x99 (payload format invalid)\n";
  }
  return out;
}

}  // namespace rowgate::schema
