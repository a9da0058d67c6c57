#include "schema/last_stored.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>

#include "schema/number.hpp"

namespace rowgate::schema {
namespace {

// What an entry takes beside its bytes: list and map nodes.
constexpr std::size_t entry_overhead = 160;

bool is_inline(Type type) noexcept {
  return type == Type::boolean || type == Type::bigint || type == Type::double_precision ||
         type == Type::timestamptz;
}

// A bigint's 64 bits fit where the platform's long double has that many (x86-64).
long double number_of(const Value& value, std::string_view text) noexcept {
  switch (value.type()) {
    case Type::double_precision:
      return value.as_double();
    case Type::numeric:
      return to_double(text).value_or(0.0);
    default:
      return static_cast<long double>(value.as_bigint());
  }
}

// `rounding`: the values are doubles, of which 1.1 - 1.0 is a little more than 0.1.
bool exceeds(const StoreRule& rule, long double before, long double now, bool rounding) noexcept {
  constexpr long double few_ulps = 4 * std::numeric_limits<double>::epsilon();
  const long double change = std::abs(now - before);
  const long double slack = rounding ? few_ulps * std::max(std::abs(before), std::abs(now)) : 0.0L;
  const long double band = rule.percent ? std::abs(before) * (rule.deadband / 100.0L)
                                        : static_cast<long double>(rule.deadband);
  return change > band + slack;
}

void append(std::string& key, std::string_view bytes) {
  const auto size = static_cast<std::uint32_t>(bytes.size());
  char raw[sizeof size];
  std::memcpy(raw, &size, sizeof size);
  key.append(raw, sizeof raw).append(bytes);
}

void append(std::string& key, const Value& value) {
  if (value.is_null()) {
    key.push_back('\0');
    return;
  }
  key.push_back('\1');
  if (!is_inline(value.type())) return append(key, value.as_bytes());
  char raw[sizeof(std::int64_t)];
  if (value.type() == Type::double_precision) {
    const double bits = value.as_double();
    std::memcpy(raw, &bits, sizeof raw);
  } else {
    const std::int64_t bits = value.as_bigint();
    std::memcpy(raw, &bits, sizeof raw);
  }
  key.append(raw, sizeof raw);
}

}  // namespace

void LastStored::make_key(std::span<const Value> row, std::string_view topic) {
  key_.clear();
  if (series_.topic) append(key_, topic);
  for (const std::size_t column : series_.columns) append(key_, row[column]);
}

bool LastStored::differs(const Entry& last, std::span<const Value> row) const {
  const std::int64_t passed = row[time_column_].as_timestamp().micros - last.time.micros;
  for (std::size_t i = 0; i < watched_.size(); ++i) {
    const auto& [column, rule] = watched_[i];
    // Back in time as well as forth: late rows of another time are news too.
    if (rule.at_least_every && std::abs(passed) >= rule.at_least_every->count()) return true;
    const Value& now = row[column];
    const Kept& kept = last.values[i];
    if (!kept.known || now.is_null() != kept.value.is_null()) return true;
    if (now.is_null()) continue;
    const bool inline_value = is_inline(now.type());
    const std::string_view text = inline_value ? std::string_view() : now.as_bytes();
    if (rule.deadband > 0.0) {
      const bool rounding = now.type() != Type::bigint;
      if (exceeds(rule, number_of(kept.value, kept.text), number_of(now, text), rounding)) {
        return true;
      }
    } else if (now.type() == Type::double_precision) {
      if (now.as_double() != kept.value.as_double()) return true;
    } else if (inline_value ? now.as_bigint() != kept.value.as_bigint() : text != kept.text) {
      return true;
    }
  }
  return false;
}

void LastStored::keep(Entry& entry, std::span<const Value> row) {
  entry.time = row[time_column_].as_timestamp();
  entry.values.resize(watched_.size());
  bytes_ -= entry.bytes;
  entry.bytes = entry_overhead + entry.key.size() + watched_.size() * sizeof(Kept);
  for (std::size_t i = 0; i < watched_.size(); ++i) {
    Kept& kept = entry.values[i];
    kept.value = row[watched_[i].column];
    kept.known = true;
    if (kept.value.is_null() || is_inline(kept.value.type())) continue;
    const std::string_view bytes = kept.value.as_bytes();
    kept.known = bytes.size() <= limits_.text;
    kept.text.assign(kept.known ? bytes : std::string_view());
    // The row's bytes do not live as long as this does.
    kept.value = Value::of_bytes(kept.value.type(), {});
    entry.bytes += kept.text.size();
  }
  bytes_ += entry.bytes;
}

bool LastStored::take(std::span<const Value> row, std::string_view topic, bool always) {
  make_key(row, topic);
  const auto found = by_key_.find(key_);
  if (found != by_key_.end()) {
    Entry& entry = *found->second;
    entries_.splice(entries_.begin(), entries_, found->second);
    entry.message = message_;
    if (!always && !differs(entry, row)) return false;
    keep(entry, row);
    return true;
  }
  Entry& entry = entries_.emplace_front();
  entry.key = key_;
  entry.message = message_;
  by_key_.emplace(entry.key, entries_.begin());
  keep(entry, row);
  while (entries_.size() > 1 && (entries_.size() > limits_.series || bytes_ > limits_.bytes)) {
    drop(std::prev(entries_.end()));
  }
  return true;
}

void LastStored::drop(std::list<Entry>::iterator entry) noexcept {
  bytes_ -= entry->bytes;
  by_key_.erase(entry->key);
  entries_.erase(entry);
}

void LastStored::take_back() noexcept {
  while (!entries_.empty() && entries_.front().message == message_) drop(entries_.begin());
}

void LastStored::forget() noexcept {
  by_key_.clear();
  entries_.clear();
  bytes_ = 0;
}

}  // namespace rowgate::schema
