#pragma once
// All patterns of a Catalog in one trie: topic -> the mappings that take it, with their captures.
// Patterns: literal levels, `+`, `{name}` (a level, captured), `#`, `{name...}` (the rest,
// captured; last level only). As for subscriptions, a wildcard or capture in the first level takes
// no topic that begins with `$` [MQTT-4.7.2-1], and `a/#` takes `a` too [MQTT-4.7.1-2]. Immutable
// after building; match is const and may be called from any thread.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schema/base/result.hpp"

namespace rowgate::schema {

struct PatternError {
  std::size_t offset = 0;  // in the pattern
  std::string message;
};

/// The pattern's capture names in order, or what is wrong with it.
Result<std::vector<std::string>, PatternError> parse_pattern(std::string_view pattern);

/// Where a capture stands in its topic.
struct Capture {
  std::uint32_t begin = 0;
  std::uint32_t size = 0;
  std::string_view of(std::string_view topic) const { return topic.substr(begin, size); }
};

struct TopicMatch {
  std::uint32_t mapping = 0;
  std::vector<Capture> captures;  // one a capture of the pattern
};

class TopicIndex {
 public:
  TopicIndex();
  ~TopicIndex();
  TopicIndex(TopicIndex&&) noexcept;
  TopicIndex& operator=(TopicIndex&&) noexcept;

  /// Precondition: parse_pattern accepts it.
  void add(std::string_view pattern, std::uint32_t mapping);
  /// Takes every topic, those that begin with `$` too; no captures. For the built-in mapping.
  void add_all(std::uint32_t mapping);
  /// Every match, in order of mapping index. Time is bounded by the topic's levels and the matches,
  /// not by the number of patterns.
  std::vector<TopicMatch> match(std::string_view topic) const;
  /// The same into `out`, whose memory is used again.
  void match(std::string_view topic, std::vector<TopicMatch>& out) const;
  bool matches(std::string_view topic) const;

 private:
  struct Node;
  std::unique_ptr<Node> root_;
};

}  // namespace rowgate::schema
