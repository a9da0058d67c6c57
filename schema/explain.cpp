#include <algorithm>

#include "schema/latest_rows.hpp"
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

void append_rows(std::string& out, const RowBatch& batch, const Explain& how) {
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
    if (how.sql) out.append("    ").append(how.sql(batch, r)).append("\n");
  }
  if (batch.rows() > most_rows_shown) {
    out += "  and " + std::to_string(batch.rows() - most_rows_shown) + " rows more\n";
  }
}

void append_captures(std::string& out, const Mapping& mapping, const TopicMatch& match,
                     std::string_view topic) {
  for (std::size_t i = 0; i < match.captures.size(); ++i) {
    out +=
        "  {" + mapping.captures[i] + "} is '" + std::string(match.captures[i].of(topic)) + "'\n";
  }
}

// Mappings told of, one by one; what the message becomes in each is asked of the Mapper alone.
class Explanation {
 public:
  Explanation(std::shared_ptr<const Catalog> catalog, const Message& message, const Explain& how)
      : catalog_(std::move(catalog)),
        message_(message),
        how_(how),
        mapper_(catalog_),
        batches_(*catalog_),
        matches_(catalog_->index.match(message.topic)) {}

  std::string text() {
    bool told = false;
    for (std::uint32_t i = 0; i < catalog_->mappings.size(); ++i) {
      const Mapping& mapping = catalog_->mappings[i];
      if (how_.only != nullptr && how_.only->mapping != mapping.name) continue;
      told = true;
      out_ += "mapping '" + mapping.name + "' (" + mapping.pattern + "): ";
      const auto match = std::find_if(matches_.begin(), matches_.end(),
                                      [&](const TopicMatch& m) { return m.mapping == i; });
      if (match != matches_.end()) {
        out_ += "takes it\n";
        append_captures(out_, mapping, *match, message_.topic);
        take(mapping);
      } else {
        out_ += "does not take it: " + why_not(mapping.pattern, message_.topic) + "\n";
      }
    }
    if (!told && how_.only != nullptr) {
      out_.append("mapping '").append(how_.only->mapping).append("' is not there any more\n");
    } else if (how_.only == nullptr && matches_.empty()) {
      out_ += "no mapping takes it: it is unmapped\n";
    }
    if (rejected_ && how_.only == nullptr) {
      out_ +=
          "the publish is refused, for every mapping and subscriber: an MQTT 5 publisher is told "
          "0x99 (payload format invalid)\n";
    }
    return std::move(out_);
  }

 private:
  void take(const Mapping& mapping) {
    batches_.clear();
    const Only only{mapping.name,
                    how_.only != nullptr ? how_.only->rows : std::span<const RowRange>()};
    const Verdict verdict = mapper_.map(message_, 0, false, batches_, &only);
    const RowBatch& refused = batches_.dead_letters();
    const bool rejects = refused.rows() > 0 && mapping.reject && how_.only == nullptr;
    bool rows = false;
    for (std::size_t t = 0; t < batches_.mapped() && !rejects; ++t) {
      fill_latest(t);
      rows = rows || batches_[t].rows() > 0;
      append_rows(out_, batches_[t], how_);
    }
    if (refused.rows() > 0) {
      const std::size_t reason = refused.table().column("reason").value();
      out_ += rejects ? "  refuses it on arrival: " : "  dead letter: ";
      out_.append(refused.row(0)[reason].as_bytes()).append("\n");
      rejected_ = rejected_ || rejects;
    } else if (!rows) {
      const std::string why = verdict.filtered > 0 ? mapper_.why_filtered()
                                                   : std::string("there is nothing in it to store");
      out_ += "  no rows: " + why + "\n";
    }
  }

  void fill_latest(std::size_t table) {
    if (table >= catalog_->tables.size() || !catalog_->tables[table].latest_of) return;
    latest_.fill(batches_[table], batches_[*catalog_->tables[table].latest_of]);
  }

  std::shared_ptr<const Catalog> catalog_;
  const Message& message_;
  const Explain& how_;
  Mapper mapper_;
  BatchSet batches_;
  LatestRows latest_;
  std::vector<TopicMatch> matches_;
  bool rejected_ = false;
  std::string out_;
};

}  // namespace

std::string explain(const std::shared_ptr<const Catalog>& catalog, const Message& message,
                    const Explain& how) {
  return Explanation(catalog, message, how).text();
}

}  // namespace rowgate::schema
