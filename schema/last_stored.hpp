#pragma once
// Report by exception (`store`): the row stored last of each series, and whether the next differs
// enough from it. Bounded: beyond its limits the series not seen for longest are forgotten, and
// what is forgotten is stored again. One a mapping and lane; not thread-safe.
#include <cstddef>
#include <cstdint>
#include <list>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "schema/mapping.hpp"
#include "schema/value.hpp"

namespace rowgate::schema {

class LastStored {
 public:
  struct Watched {
    std::size_t column;  // index in the row
    StoreRule rule;
  };
  /// What makes a series: these columns' values, and, where `topic`, the message's topic.
  struct Series {
    std::vector<std::size_t> columns;
    bool topic = false;
  };
  struct Limits {
    std::size_t series = 100'000;
    std::size_t bytes = 64U << 20;  // of keys and values, about
    std::size_t text = 256;         // a longer text always counts as changed
  };
  LastStored(std::vector<Watched> watched, Series series, std::size_t time_column)
      : LastStored(std::move(watched), std::move(series), time_column, Limits{}) {}
  LastStored(std::vector<Watched> watched, Series series, std::size_t time_column, Limits limits)
      : watched_(std::move(watched)),
        series_(std::move(series)),
        time_column_(time_column),
        limits_(limits) {}

  /// True: the row is to be stored, and is the last one of its series from now on. `always`: it is,
  /// whatever it holds.
  bool take(std::span<const Value> row, std::string_view topic, bool always);

  /// The rows taken from now on belong to one message.
  void begin_message() noexcept { ++message_; }
  /// They are not stored after all: their series are forgotten.
  void take_back() noexcept;
  void forget() noexcept;
  std::size_t size() const noexcept { return entries_.size(); }

 private:
  struct Kept {
    Value value;  // text-like: its bytes are `text`
    std::string text;
    bool known = false;  // false: it counts as changed
  };
  struct Entry {
    std::string key;
    Timestamp time;
    std::vector<Kept> values;  // one a watched column
    std::size_t bytes = 0;
    std::uint64_t message = 0;  // that touched it last
  };

  void make_key(std::span<const Value> row, std::string_view topic);
  bool differs(const Entry& last, std::span<const Value> row) const;
  void keep(Entry& entry, std::span<const Value> row);
  void drop(std::list<Entry>::iterator entry) noexcept;

  std::vector<Watched> watched_;
  Series series_;
  std::size_t time_column_;
  Limits limits_;
  std::list<Entry> entries_;  // seen last first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_key_;
  std::size_t bytes_ = 0;
  std::uint64_t message_ = 0;
  std::string key_;
};

}  // namespace rowgate::schema
