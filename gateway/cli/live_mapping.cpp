#include "gateway/cli/live_mapping.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "gateway/cli/mapping_source.hpp"
#include "gateway/cli/table_misfits.hpp"
#include "gateway/config/config.hpp"
#include "storage/os/clock.hpp"

namespace rowgate::cli {
namespace {

using http::MappingChange;
using Outcome = MappingChange::Outcome;

constexpr std::size_t most_waiting = 1'000;
constexpr std::chrono::seconds retry_after{2};
constexpr std::chrono::seconds wait_for_version{2};  // that an answer waits for its number

constexpr std::string_view built_in_text =
    "# The built-in mapping: every message becomes a row of table telemetry(ts, topic, client_id,\n"
    "# value, payload). Start the gateway with --mapping FILE to have one of your own.\n";

std::string_view name_of(LiveMapping::Source source) {
  constexpr std::string_view names[] = {"start", "file", "signal", "http", "rollback"};
  return names[static_cast<std::size_t>(source)];
}

/// Whether an If-Match field names this ETag: a list of them, or "*" [RFC 9110, 13.1.1].
bool matches(std::string_view field, std::string_view etag) {
  return field == "*" || field.find(etag) != std::string_view::npos;
}

MappingChange refusal(Outcome outcome, std::string message, std::string etag = {}) {
  MappingChange change;
  change.outcome = outcome;
  change.message = std::move(message);
  change.etag = std::move(etag);
  return change;
}

http::MappingVersion shown(storage::KeptMapping kept) {
  http::MappingVersion version{kept.version,        kept.applied_at,      std::move(kept.source),
                               std::move(kept.who), std::move(kept.etag), std::move(kept.content)};
  if (kept.version == 0) version.version.reset();
  return version;
}

http::HistoryError away(const storage::SinkError& error) {
  return {fmt::format("The history cannot be read: {}", error.message)};
}

constexpr const char* no_file =
    "The built-in mapping is in force and there is no file to write: start the gateway with "
    "--mapping FILE.";

}  // namespace

LiveMapping::LiveMapping(std::string file)
    : file_(std::move(file)),
      catalog_(schema::built_in_catalog()),
      text_(file_.empty() ? std::string(built_in_text) : read_mapping_file(file_)),
      etag_(etag_of(text_)) {
  if (file_.empty()) return;
  catalog_.set(parse_catalog(file_, text_, 1));
  keep(text_, Source::start, owner_of(file_));
}

LiveMapping::~LiveMapping() {
  stop();
}

void LiveMapping::start(storage::Sink& sink, std::unique_ptr<storage::MappingHistory> history) {
  sink_ = &sink;
  history_ = std::move(history);
  look_at_tables_ = true;
  thread_ = std::jthread([this](const std::stop_token& stop) {
    pthread_setname_np(pthread_self(), "rowgate-mapping");
    run(stop);
  });
}

void LiveMapping::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

// mutex_ is held, or nobody else is there yet.
void LiveMapping::keep(const std::string& text, Source source, const std::string& who) {
  if (waiting_.size() == most_waiting) {
    spdlog::warn(
        "the database has been away for {} mappings: the oldest is not kept in its history",
        most_waiting);
    waiting_.pop_front();
  }
  waiting_.push_back({{.version = 0,
                       .applied_at = os::system_clock().now(),
                       .source = std::string(name_of(source)),
                       .who = who,
                       .etag = etag_,
                       .content = text},
                      ++kept_});
  version_.reset();
}

void LiveMapping::put_in_force(std::string text, std::shared_ptr<const schema::Catalog> catalog,
                               Source source, const std::string& who) {
  catalog_.set(std::move(catalog));
  {
    const std::lock_guard lock(mutex_);
    look_at_tables_ = true;
    std::string etag = etag_of(text);
    if (etag != etag_) {
      etag_ = std::move(etag);
      text_ = std::move(text);
      keep(text_, source, who);
    }
  }
  woken_.notify_all();
}

void LiveMapping::reload_soon(Source source) {
  {
    const std::lock_guard lock(mutex_);
    wanted_ = wanted_ == Source::signal ? Source::signal : source;
  }
  woken_.notify_all();
}

http::Answer LiveMapping::reload(Source source, const std::string& who) {
  if (file_.empty()) return {false, "the built-in mapping is in force: no file to reload"};
  const std::lock_guard changing(changing_);
  try {
    std::string text = read_mapping_file(file_);
    // What the API has just written is seen to change as well.
    if (source == Source::file && etag_of(text) == current().etag) return {true, {}};
    put_in_force(text, parse_catalog(file_, text, catalog_.generation() + 1), source, who);
  } catch (const std::exception& error) {
    spdlog::error("the mapping stays as it was: {}", error.what());
    return {false, error.what()};
  }
  const auto now = catalog_.get();
  std::string done = fmt::format("mapping {} reloaded: {} mappings, {} tables", file_,
                                 now->mappings.size(), now->tables.size());
  spdlog::info("{}", done);
  return {true, done};
}

http::MappingText LiveMapping::current() const {
  const std::lock_guard lock(mutex_);
  return {text_, etag_};
}

MappingChange LiveMapping::validate(const std::string& text) const {
  auto parsed = schema::parse_mapping_file(text, 1);
  if (parsed.has_error()) {
    MappingChange change =
        refusal(Outcome::refused, "This is not a mapping that could be in force.");
    change.errors = parsed.error();
    return change;
  }
  MappingChange change;
  change.mappings = (*parsed)->mappings.size();
  change.tables = (*parsed)->tables.size();
  change.message = fmt::format("{} mappings into {} tables", change.mappings, change.tables);
  if (sink_ != nullptr) change.warnings = table_misfits(*sink_, **parsed).texts();
  return change;
}

MappingChange LiveMapping::apply(std::string text, std::string_view if_match,
                                 const std::string& who, bool strict) {
  if (file_.empty()) return refusal(Outcome::no_file, no_file);
  const std::lock_guard changing(changing_);
  const std::string etag = current().etag;
  if (!matches(if_match, etag)) {
    return refusal(Outcome::stale,
                   "Another mapping is in force than the one that If-Match names: read it again "
                   "(GET /api/v1/mapping) and make your change there.",
                   etag);
  }
  if (if_match != "*" && !file_is(etag)) {
    return refusal(Outcome::stale,
                   fmt::format("{} is not the mapping in force: it was changed on disk, and is new "
                               "or was refused (see the log). Reload or mend it first, or send "
                               "If-Match: * to replace it all the same.",
                               file_),
                   etag);
  }
  return accept(std::move(text), Source::http, who, strict);
}

/// A file that cannot be read holds nothing that a new one would destroy.
bool LiveMapping::file_is(const std::string& etag) const {
  try {
    return etag_of(read_mapping_file(file_)) == etag;
  } catch (const config::ConfigError&) {
    return true;
  }
}

MappingChange LiveMapping::rollback(std::int64_t number, const std::string& who) {
  if (file_.empty()) return refusal(Outcome::no_file, no_file);
  const auto old = history_->get(number);
  if (!old) return refusal(Outcome::database_away, away(old.error()).message);
  if (!*old) return refusal(Outcome::unknown, "The history has no such version.");
  const std::lock_guard changing(changing_);
  return accept((*old)->content, Source::rollback, fmt::format("{}: to version {}", who, number),
                false);
}

MappingChange LiveMapping::accept(std::string text, Source source, const std::string& who,
                                  bool strict) {
  const std::string etag = current().etag;
  auto parsed = schema::parse_mapping_file(text, catalog_.generation() + 1);
  if (parsed.has_error()) {
    MappingChange change =
        refusal(Outcome::refused, "The mapping is refused whole; the one in force stays.", etag);
    change.errors = parsed.error();
    return change;
  }
  TableMisfits misfits = table_misfits(*sink_, **parsed);
  if (strict && !misfits.tables.empty()) {
    MappingChange change = refusal(
        Outcome::refused, "Tables do not fit the database; the mapping in force stays.", etag);
    for (auto& [table, why] : misfits.tables)
      change.errors.push_back({0, 0, table + ": " + why, {}});
    return change;
  }
  if (strict && !misfits.unknown.empty()) {
    return refusal(Outcome::database_away, "The tables cannot be looked at: " + misfits.unknown,
                   etag);
  }
  try {
    replace_mapping_file(file_, text);
  } catch (const std::exception& error) {
    spdlog::error("the mapping stays as it was: {}", error.what());
    return refusal(Outcome::not_written,
                   fmt::format("The mapping stays as it was: {}", error.what()), etag);
  }
  put_in_force(std::move(text), *parsed, source, who);
  spdlog::info("mapping {} replaced by {} ({}): {} mappings, {} tables", file_, who,
               name_of(source), (*parsed)->mappings.size(), (*parsed)->tables.size());
  return accepted((*parsed)->tables.size(), misfits.texts());
}

MappingChange LiveMapping::accepted(std::size_t tables, std::vector<std::string> warnings) {
  MappingChange change;
  change.mappings = catalog_.get()->mappings.size();
  change.tables = tables;
  change.warnings = std::move(warnings);
  std::unique_lock lock(mutex_);
  const std::uint64_t mine = kept_;
  written_.wait_for(lock, wait_for_version,
                    [&] { return waiting_.empty() || waiting_.front().number > mine; });
  change.etag = etag_;
  change.version = version_;
  change.message = change.version ? fmt::format("In force as version {}.", *change.version)
                                  : "In force; its version follows when the database takes it.";
  return change;
}

http::HistoryResult<std::vector<http::MappingVersion>> LiveMapping::history(
    std::int64_t before, std::size_t limit) const {
  std::vector<http::MappingVersion> all;
  if (before == 0) {
    const std::lock_guard lock(mutex_);
    for (auto it = waiting_.rbegin(); it != waiting_.rend() && all.size() < limit; ++it) {
      all.push_back(shown(it->kept));
      all.back().text.clear();
    }
  }
  if (all.size() == limit || history_ == nullptr) return all;
  auto kept = history_->list(before, limit - all.size());
  if (!kept && all.empty()) return away(kept.error());
  if (!kept) return all;  // what waits is what there is to say
  for (storage::KeptMapping& one : *kept) all.push_back(shown(std::move(one)));
  return all;
}

http::HistoryResult<std::optional<http::MappingVersion>> LiveMapping::version(
    std::int64_t number) const {
  if (history_ == nullptr) return std::optional<http::MappingVersion>();
  auto kept = history_->get(number);
  if (!kept) return away(kept.error());
  if (!*kept) return std::optional<http::MappingVersion>();
  return std::optional<http::MappingVersion>(shown(std::move(**kept)));
}

http::MappingEndpoints LiveMapping::endpoints() {
  return {
      .current = [this] { return current(); },
      .apply = [this](std::string text, std::string_view if_match, std::string who,
                      bool strict) { return apply(std::move(text), if_match, who, strict); },
      .validate = [this](const std::string& text) { return validate(text); },
      .history = [this](std::int64_t before, std::size_t limit) { return history(before, limit); },
      .version = [this](std::int64_t number) { return version(number); },
      .rollback = [this](std::int64_t number, std::string who) { return rollback(number, who); }};
}

void LiveMapping::run(const std::stop_token& stop) {
  bool away = false;
  while (!stop.stop_requested()) {
    std::optional<Source> wanted;
    bool look = false;
    {
      std::unique_lock lock(mutex_);
      const auto due = [&] { return wanted_ || look_at_tables_ || (!away && !waiting_.empty()); };
      if (waiting_.empty()) {
        woken_.wait(lock, stop, due);
      } else {
        woken_.wait_for(lock, stop, retry_after, due);
      }
      wanted = std::exchange(wanted_, std::nullopt);
      look = std::exchange(look_at_tables_, false);
    }
    if (wanted) {
      reload(*wanted, owner_of(file_));
      look = look || *wanted == Source::signal;
    }
    away = !write_history();
    if (look) say_misfits();
  }
  write_history();
  const std::lock_guard lock(mutex_);
  if (!waiting_.empty()) {
    spdlog::warn("{} mappings that were in force are not in the database's history",
                 waiting_.size());
  }
}

bool LiveMapping::write_history() {
  for (;;) {
    storage::KeptMapping next;
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.empty()) return true;
      next = waiting_.front().kept;
    }
    const auto version = history_->record(next, next.source == name_of(Source::start));
    if (!version) {
      if (!said_away_) {
        spdlog::warn("the mapping's history waits for the database: {}", version.error().message);
      }
      said_away_ = true;
      return false;
    }
    said_away_ = false;
    {
      const std::lock_guard lock(mutex_);
      // keep() may have dropped it in the meantime.
      if (!waiting_.empty() && waiting_.front().kept.applied_at == next.applied_at &&
          waiting_.front().kept.etag == next.etag) {
        if (waiting_.front().number == kept_) version_ = *version;
        waiting_.pop_front();
      }
    }
    written_.notify_all();
  }
}

// A table that cannot take a mapping's rows makes dead letters, not losses; but it is better said
// before the first message than after.
void LiveMapping::say_misfits() {
  for (const auto& [table, why] : table_misfits(*sink_, *catalog_.get()).tables) {
    spdlog::error("{}; until then messages for table {} become dead letters", why, table);
  }
}

}  // namespace rowgate::cli
