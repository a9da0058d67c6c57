#include "storage/replay/page.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "storage/drain/automatic_columns.hpp"
#include "storage/drain/bisect.hpp"

namespace rowgate::storage {
namespace {

using schema::RowRange;

// A message has no more rows than this: where a search among them begins.
constexpr std::uint32_t last_row = 65'535;

constexpr std::size_t most_reasons = 20;

/// In order, and neighbours as one.
std::vector<RowRange> joined(std::vector<RowRange> ranges) {
  std::ranges::sort(ranges, {}, &RowRange::first);
  std::vector<RowRange> out;
  for (const RowRange& range : ranges) {
    const bool touches = !out.empty() && (out.back().last == RowRange::open_end ||
                                          range.first <= out.back().last + 1);
    if (!touches)
      out.push_back(range);
    else
      out.back().last = std::max(out.back().last, range.last);
  }
  return out;
}

/// As the table keeps it: PostgreSQL's text cannot hold U+0000.
std::string without_nul(std::string_view reason) {
  std::string text(reason);
  std::replace(text.begin(), text.end(), '\0', '?');
  return text;
}

std::string text_of(const schema::RowBatch& rows, std::size_t row, std::string_view column) {
  const schema::Value& value = rows.row(row)[rows.table().column(column).value()];
  return std::string(value.is_null() ? std::string_view() : value.as_bytes());
}

}  // namespace

ReplayPage::ReplayPage(SinkLane& lane, const KeptSql& sql,
                       std::shared_ptr<const schema::Catalog> catalog, const ReplayOptions& options)
    : lane_(lane),
      sql_(sql),
      options_(options),
      catalog_(std::move(catalog)),
      topics_(options.filter.topic),
      mapper_(catalog_),
      batches_(*catalog_) {}

// ---- From the table to rows ---------------------------------------------------------------------

SinkResult<void> ReplayPage::read(std::span<const std::uint64_t> ids, bool lock) {
  asked_ = ids.size();
  if (!lock) barred_.clear();
  const auto answer = lane_.select(sql_.read(ids, options_.filter, lock));
  if (!answer) return answer.error();
  auto messages = sql_.parse(*answer);
  if (!messages) return SinkError{CommitOutcome::fatal, messages.error().message};
  batches_.clear();  // its rows are views into the messages
  messages_ = std::move(*messages);
  std::erase_if(messages_, [this](const KeptMessage& m) { return !topics_.takes(m.topic); });
  std::ranges::sort(messages_, {}, &KeptMessage::id);
  map_all();
  return {};
}

void ReplayPage::map_all() {
  batches_.clear();
  passages_.clear();
  untaken_.clear();
  for (std::size_t m = 0; m < messages_.size(); ++m) {
    const KeptMessage& message = messages_[m];
    const auto only = schema::parse_rows(message.rows);
    if (!only) {
      untaken_.emplace_back(m, "column rows is not as Rowgate writes it");
      continue;
    }
    std::string why_not;
    for (const std::uint32_t mapping : mappings_for(message, why_not)) {
      Passage& passage = passages_.emplace_back(Passage{m, mapping, *only});
      const auto barred = barred_.find({message.id, mapping});
      if (barred != barred_.end())
        passage.refusal = Refusal{barred->second, message.rows};
      else
        map(passage, static_cast<std::uint32_t>(passages_.size() - 1));
    }
    if (!why_not.empty()) untaken_.emplace_back(m, std::move(why_not));
  }
}

bool ReplayPage::takes(std::uint32_t mapping, const std::string& topic) const {
  return std::ranges::any_of(catalog_->index.match(topic), [mapping](const schema::TopicMatch& m) {
    return m.mapping == mapping;
  });
}

std::vector<std::uint32_t> ReplayPage::mappings_for(const KeptMessage& message,
                                                    std::string& why_not) const {
  const auto named = [this](const std::string& name) -> std::optional<std::uint32_t> {
    const auto at = std::ranges::find(catalog_->mappings, name, &schema::Mapping::name);
    if (at == catalog_->mappings.end()) return std::nullopt;
    return static_cast<std::uint32_t>(at - catalog_->mappings.begin());
  };
  if (options_.kept == Kept::unmapped) {
    std::vector<std::uint32_t> all;
    for (const schema::TopicMatch& match : catalog_->index.match(message.topic))
      all.push_back(match.mapping);
    if (all.empty()) why_not = "no mapping takes the topic";
    return all;
  }
  const auto own = named(message.mapping);
  if (own && takes(*own, message.topic)) {
    // Before dead letters named the rows that they are about, the other rows were stored.
    const bool in_part =
        message.rows.empty() && message.reason.find("(the others are stored)") != std::string::npos;
    if (!in_part || !catalog_->tables[catalog_->mappings[*own].table].key.empty()) return {*own};
    why_not =
        "an older version stored some of its rows and did not keep which: they would be stored "
        "twice, since the table has no key";
    return {};
  }
  const auto instead = options_.instead.empty() ? std::nullopt : named(options_.instead);
  if (instead && takes(*instead, message.topic)) return {*instead};
  why_not = fmt::format("mapping '{}' {}", message.mapping,
                        own ? "does not take the topic any more" : "is not there any more");
  if (instead) why_not += fmt::format(", nor does '{}' take the topic", options_.instead);
  return {};
}

void ReplayPage::map(Passage& passage, std::uint32_t source) {
  const schema::RowBatch& dead = batches_.dead_letters();
  const std::size_t before = dead.rows();
  const schema::Only only{catalog_->mappings[passage.mapping].name, passage.only};
  const schema::Verdict verdict =
      mapper_.map(messages_[passage.message].message(), source, false, batches_, &only);
  mapper_.forget();  // a dead letter is stored, however near to the row before it
  passage.rows = verdict.rows;
  passage.refusal.reset();
  if (dead.rows() == before) return;
  passage.refusal = Refusal{text_of(dead, before, "reason"), text_of(dead, before, "rows")};
  // Never wider than what was asked for: the other rows are stored already.
  if (passage.refusal->rows.empty()) passage.refusal->rows = schema::format_rows(passage.only);
}

// ---- Tables -------------------------------------------------------------------------------------

SinkResult<void> ReplayPage::ensure_tables() {
  // Each round but the last bars a message or gives a column another type.
  for (std::size_t round = 0; round < 1000; ++round) {
    bool again = false;
    for (std::size_t t = 0; t < batches_.mapped() && !again; ++t) {
      if (batches_.declared(t).latest_of) {  // its table comes before it
        if (const auto r = ensure_latest(t); !r) return r;
        continue;
      }
      if (batches_[t].rows() == 0) continue;
      const auto changed = ensure_table(t);
      if (!changed) return changed.error();
      again = *changed;
    }
    if (!again) return {};
    map_all();
  }
  return SinkError{CommitOutcome::fatal, "the columns of a table never came to rest"};
}

SinkResult<bool> ReplayPage::ensure_table(std::size_t table) {
  schema::RowBatch& rows = batches_[table];
  bool barred = false;
  const auto refuse = [&](std::size_t row, const std::string& reason) {
    const Passage& passage = passages_[rows.source(row)];
    barred_[{messages_[passage.message].id, passage.mapping}] = without_nul(reason);
    barred = true;
  };
  const auto fits = ensure_automatic(lane_, batches_.declared(table), rows, refuse);
  if (fits) {
    ensured_[table] = rows.table();
    return *fits || barred;
  }
  if (fits.error().outcome != CommitOutcome::row_rejected) return fits.error();
  for (std::size_t row = 0; row < rows.rows(); ++row) refuse(row, fits.error().message);
  return true;
}

void ReplayPage::fill_latest(std::size_t table) {
  latest_.fill(batches_[table], batches_[*batches_.declared(table).latest_of]);
}

SinkResult<void> ReplayPage::ensure_latest(std::size_t table) {
  fill_latest(table);
  const schema::RowBatch& rows = batches_[table];
  if (rows.rows() == 0) return {};
  const auto fits = lane_.ensure(rows.table());
  if (fits) {
    ensured_[table] = rows.table();
    return {};
  }
  if (fits.error().outcome != CommitOutcome::row_rejected) return fits;
  ensured_.erase(table);
  warn(rows.table(), fits.error().message);
  return {};
}

SinkResult<void> ReplayPage::insert_latest(std::size_t table) {
  fill_latest(table);
  const schema::RowBatch& rows = batches_[table];
  const auto ensured = ensured_.find(table);
  if (rows.rows() == 0 || ensured == ensured_.end() || ensured->second != rows.table()) return {};
  return insert_bisected(
      lane_, {&rows, 0, rows.rows()},
      [&](std::size_t, const std::string& reason) { warn(rows.table(), reason); });
}

void ReplayPage::warn(const schema::Table& table, const std::string& reason) {
  if (warnings_.size() >= most_reasons) return;
  warnings_.insert(
      fmt::format("table {} of last rows is not kept for some rows, which are stored "
                  "all the same: {}",
                  table.name, reason));
}

// ---- Rows into their tables ---------------------------------------------------------------------

SinkResult<void> ReplayPage::insert_tables(bool savepoint) {
  for (std::size_t t = 0; t < batches_.mapped(); ++t) {
    if (batches_.declared(t).latest_of) {
      if (const auto done = insert_latest(t); !done) return done;
      continue;
    }
    const schema::RowBatch& rows = batches_[t];
    if (rows.rows() == 0) continue;
    // The messages are those that the tables were made to fit for; but be sure.
    const auto ensured = ensured_.find(t);
    if (ensured == ensured_.end() || ensured->second != rows.table())
      return SinkError{CommitOutcome::retry, "table " + rows.table().name + " changed meanwhile"};
    if (const auto done = lane_.insert({&rows, 0, rows.rows()}, savepoint); !done) return done;
  }
  return {};
}

SinkResult<void> ReplayPage::insert_together() {
  return insert_tables(false);
}

SinkResult<void> ReplayPage::insert_apart() {
  for (Passage& passage : passages_) {
    const bool barred = barred_.contains({messages_[passage.message].id, passage.mapping});
    if (barred || passage.rows == 0) continue;
    if (const auto done = insert_passage(passage); !done) return done;
  }
  return {};
}

SinkResult<void> ReplayPage::insert_passage(Passage& passage) {
  const auto by_mapping = passage.refusal;
  std::vector<RowRange> refused;
  std::string reason;
  std::size_t stored = 0;
  const bool whole =
      catalog_->mappings[passage.mapping].rows_on_error == schema::RowsOnError::all_or_nothing;
  const auto insert = [&](const std::vector<RowRange>& only, bool search) -> SinkResult<void> {
    return insert_rows(passage, only, search, refused, reason, stored);
  };
  if (whole || passage.only.empty()) {
    const std::vector<RowRange> all{{0, RowRange::open_end}};
    if (const auto done = insert(whole ? passage.only : all, !whole); !done) return done;
  } else {
    for (const RowRange& range : passage.only)
      if (const auto done = insert({range}, true); !done) return done;
  }
  passage.rows = stored;
  passage.refusal = by_mapping;
  if (reason.empty()) return {};
  if (by_mapping && stored > 0) {
    const auto others = schema::parse_rows(by_mapping->rows).value_or(std::vector<RowRange>());
    refused.insert(refused.end(), others.begin(), others.end());
  }
  passage.refusal =
      Refusal{without_nul(reason),
              schema::format_rows(stored > 0 ? joined(std::move(refused)) : passage.only)};
  return {};
}

SinkResult<void> ReplayPage::insert_rows(const Passage& passage, const std::vector<RowRange>& only,
                                         bool search, std::vector<RowRange>& refused,
                                         std::string& reason, std::size_t& stored) {
  Passage part{passage.message, passage.mapping, only};
  batches_.clear();
  map(part, 0);
  if (part.rows == 0) return {};
  // A passage ends in one table, so its savepoint is that of all its rows.
  const auto done = insert_tables(true);
  if (done) {
    stored += part.rows;
    return {};
  }
  if (done.error().outcome != CommitOutcome::row_rejected) return done;
  if (reason.empty()) reason = done.error().message;
  if (!search) return {};
  const RowRange range = only.front();
  const std::uint32_t last = std::min(range.last, last_row);
  if (range.first >= last) {
    refused.push_back(range);
    return {};
  }
  const std::uint32_t middle = range.first + (last - range.first) / 2;
  const auto left = insert_rows(passage, {{range.first, middle}}, true, refused, reason, stored);
  if (!left) return left;
  return insert_rows(passage, {{middle + 1, range.last}}, true, refused, reason, stored);
}

// ---- What becomes of the messages ---------------------------------------------------------------

SinkResult<void> ReplayPage::settle() {
  return options_.kept == Kept::unmapped ? settle_unmapped() : settle_dead_letters();
}

SinkResult<void> ReplayPage::settle_dead_letters() {
  std::vector<std::uint64_t> settled;
  for (const Passage& passage : passages_) {
    const KeptMessage& message = messages_[passage.message];
    if (!passage.refusal) {
      settled.push_back(message.id);
      continue;
    }
    const auto& [reason, rows] = *passage.refusal;
    if (reason == message.reason && rows == message.rows) continue;
    const auto given = lane_.execute(sql_.give_reason(message.id, reason, rows));
    if (!given) return given.error();
    if (*given != 1) return SinkError{CommitOutcome::retry, "a dead letter changed meanwhile"};
  }
  return remove(settled);
}

SinkResult<void> ReplayPage::settle_unmapped() {
  std::vector<std::uint64_t> settled;
  schema::RowBatch refused(schema::dead_letter_table());
  for (const Passage& passage : passages_) {
    const KeptMessage& message = messages_[passage.message];
    if (settled.empty() || settled.back() != message.id) settled.push_back(message.id);
    if (!passage.refusal) continue;
    const auto rows = schema::parse_rows(passage.refusal->rows);
    schema::add_dead_letter(refused, message.message(), 0, catalog_->mappings[passage.mapping].name,
                            passage.refusal->reason,
                            rows ? std::span<const RowRange>(*rows) : std::span<const RowRange>());
  }
  if (refused.rows() > 0) {
    const auto kept = lane_.insert({&refused, 0, refused.rows()}, false);
    if (!kept) return SinkError{CommitOutcome::fatal, kept.error().message};
  }
  return remove(settled);
}

SinkResult<void> ReplayPage::remove(const std::vector<std::uint64_t>& ids) {
  if (ids.empty()) return {};
  const auto removed = lane_.execute(sql_.remove(ids));
  if (!removed) return removed.error();
  if (*removed == ids.size()) return {};
  return SinkError{CommitOutcome::retry, "the messages changed meanwhile"};
}

void ReplayPage::count(ReplayReport& report) const {
  const auto because = [&report](const std::string& reason) {
    const auto known = report.reasons.find(reason);
    if (known != report.reasons.end())
      ++known->second;
    else if (report.reasons.size() < most_reasons)
      report.reasons.emplace(reason, 1);
  };
  report.messages += asked_;
  report.warnings.insert(warnings_.begin(), warnings_.end());
  report.gone += asked_ - messages_.size();
  report.untaken += untaken_.size();
  for (const auto& [message, why_not] : untaken_) because(why_not);
  for (std::size_t p = 0; p < passages_.size();) {
    const std::size_t message = passages_[p].message;
    bool all = true;
    bool some = false;
    for (; p < passages_.size() && passages_[p].message == message; ++p) {
      const Passage& passage = passages_[p];
      report.rows += passage.rows;
      all = all && !passage.refusal;
      some = some || !passage.refusal || passage.rows > 0;
      if (passage.refusal) because(passage.refusal->reason);
    }
    ++(all ? report.stored : some ? report.partly : report.refused);
  }
}

}  // namespace rowgate::storage
