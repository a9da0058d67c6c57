#include "tests/simulation/messages.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace rowgate::simulation {
namespace {

/// The first number in it.
std::uint64_t number_in(std::string_view text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  std::size_t at = 0;
  while (at < text.size() && !digit(text[at])) ++at;
  if (at == text.size()) throw Violation(fmt::format("nobody sent this: {}", text));
  std::uint64_t n = 0;
  for (; at < text.size() && digit(text[at]); ++at)
    n = n * 10 + static_cast<std::uint64_t>(text[at] - '0');
  return n;
}

bool is_own(std::string_view table) {
  return table.starts_with("rowgate_");
}

}  // namespace

std::uint64_t Messages::make(Publish publish) {
  all_.push_back({.publish = std::move(publish)});
  return all_.size() - 1;
}

std::string Messages::payload(std::uint64_t message, Content content, std::size_t size) {
  const std::string padding(size, 'x');
  if (content == Content::broken) return fmt::format("{} is no JSON {}", message, padding);
  return fmt::format(R"({{"n":{},"v":{},"p":"{}"}})", message,
                     content == Content::refused ? 666 : 1, padding);
}

void Messages::look_at(storage::Journal& journal) {
  if (journal.durable() < seen_) {
    throw Violation(fmt::format("the journal was on disk up to position {}, and ends at {} now",
                                seen_.value, journal.durable().value));
  }
  seen_ = std::max(seen_, journal.first());
  while (seen_ < journal.durable()) {
    const auto batch = journal.read(seen_, {}, std::chrono::milliseconds(0));
    storage::RecordCursor cursor(*batch, seen_);
    storage::RecordView record;
    while (cursor.next_special(true, record)) {
      if (record.type != storage::RecordType::publish) continue;
      add(record, record.position < journal.recovered());
    }
    seen_ = batch->end();
  }
}

std::uint64_t Messages::find(std::string_view payload) const {
  const std::uint64_t number = number_in(payload);
  if (number >= all_.size()) throw Violation(fmt::format("nobody sent this: {}", payload));
  return number;
}

/// `recovered`: an earlier process appended it.
void Messages::add(const storage::RecordView& record, bool recovered) {
  const std::uint64_t number = find(record.publish.payload);
  Message& m = all_[number];
  ++m.durable;
  trace_.add(Event::durable, number, record.position.value);
  if (m.publish.will) {
    // A process that dies between a Will and the record that it is done leaves it to the next one.
    const std::uint64_t life = recovered ? life_ - 1 : life_;
    if (m.durable > 1 && m.life == life) throw Violation("a Will is published twice");
    if (m.over) throw Violation("a Will is published after its client's next connection began");
    m.life = life;
  }
  if (record.publish.retain != m.publish.retain) throw Violation("RETAIN came or went");
  if (!record.publish.retain) return;
  Retained& last = retained_[m.publish.topic];
  last.message = number;
  last.place = m.retained_at = ++places_;
  if (m.publish.qos == 0) last.best_effort = places_;
}

void Messages::compare(const test::MemoryDatabase& database) {
  for (const test::MemoryDatabase::Row& row : database.rows()) {
    // The sixth column of the gateway's own tables is the payload; the second of the mapped ones is
    // the number.
    const std::uint64_t number = number_in(is_own(row.table) ? row.values[5] : row.values[1]);
    if (number >= all_.size()) {
      throw Violation(fmt::format("the database has what nobody sent: {} {}", row.table,
                                  fmt::join(row.values, " | ")));
    }
    ++all_[number].stored;
    in_order(row, number);
    trace_.add(Event::row, number, is_own(row.table) ? 1 : 0);
  }
  for (std::uint64_t number = 0; number < all_.size(); ++number) compare(number, all_[number]);
}

void Messages::compare(std::uint64_t number, const Message& m) const {
  const auto fail = [&](std::string_view what) {
    throw Violation(fmt::format(
        "{}: {} {} of client {}, QoS {}, sent {} times, {}promised, {} times in the journal, {} "
        "times in the database",
        what, m.publish.will ? "Will" : "message", number, m.publish.client, m.publish.qos, m.sent,
        m.promised ? "" : "not ", m.durable, m.stored));
  };
  if (m.stored < m.durable) fail("lost between the journal and the database");
  if (m.stored > m.durable) fail("more often in the database than in the journal");
  if (m.promised && m.stored == 0)
    fail(m.publish.will ? "a Will is lost" : "an acknowledged message is lost");
  if (m.publish.will) return;  // how often it may come, add() knows
  if (m.stored > m.sent) fail("stored more often than it was sent");
  if (m.publish.qos != 1 && m.stored > 1) fail("stored twice");
}

/// What a client sent later lies behind, table by table, where it is stored for the first time.
void Messages::in_order(const test::MemoryDatabase::Row& row, std::uint64_t number) {
  const Message& m = all_[number];
  // A dead letter that the database made lies behind those of the same commit that it did not.
  if (m.stored > 1 || row.table == "rowgate_dead_letter") return;
  const auto found = std::ranges::find_if(newest_, [&](const Newest& n) {
    return n.client == m.publish.client && n.table == row.table;
  });
  if (found == newest_.end()) {
    newest_.push_back({row.table, m.publish.client, number});
    return;
  }
  if (number < found->number) {
    throw Violation(fmt::format("message {} of client {} is behind its message {} in table {}",
                                number, m.publish.client, found->number, row.table));
  }
  found->number = number;
}

}  // namespace rowgate::simulation
