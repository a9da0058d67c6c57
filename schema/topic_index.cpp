#include "schema/topic_index.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <unordered_map>

#include "schema/base/utf8.hpp"

namespace rowgate::schema {
namespace {

struct NameHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view s) const noexcept {
    return std::hash<std::string_view>{}(s);
  }
};

enum class LevelKind : std::uint8_t { literal, single, rest };

struct Level {
  LevelKind kind = LevelKind::literal;
  std::string_view capture;  // empty: not captured
};

bool is_capture_name(std::string_view name) noexcept {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

Result<Level, PatternError> parse_level(std::string_view level, std::size_t offset) {
  if (level == "+") return Level{LevelKind::single, {}};
  if (level == "#") return Level{LevelKind::rest, {}};
  const std::size_t special = level.find_first_of("+#{}");
  if (special == std::string_view::npos) return Level{};
  if (level[special] == '+' || level[special] == '#') {
    return PatternError{offset + special, std::string("'") + level[special] +
                                              "' must be a whole level, as in site/+/temp"};
  }
  if (level.front() != '{' || level.find('}') != level.size() - 1) {
    return PatternError{offset + special, "a capture is a whole level: {name} or {name...}"};
  }
  std::string_view name = level.substr(1, level.size() - 2);
  const bool rest = name.ends_with("...");
  if (rest) name.remove_suffix(3);
  if (!is_capture_name(name)) {
    return PatternError{offset + 1, "a capture's name is letters, digits, '_' and '-'"};
  }
  return Level{rest ? LevelKind::rest : LevelKind::single, name};
}

// Calls f(level text, its offset, is last) for each level.
template <class F>
void each_level(std::string_view pattern, F f) {
  std::size_t begin = 0;
  while (true) {
    const std::size_t slash = pattern.find('/', begin);
    const bool last = slash == std::string_view::npos;
    if (!f(pattern.substr(begin, last ? slash : slash - begin), begin, last) || last) return;
    begin = slash + 1;
  }
}

struct CapturedLevel {
  std::uint32_t level;
  bool rest;
};

struct Terminal {
  std::uint32_t mapping;
  std::vector<CapturedLevel> captures;
};

}  // namespace

Result<std::vector<std::string>, PatternError> parse_pattern(std::string_view pattern) {
  if (pattern.empty()) return PatternError{0, "a topic pattern must not be empty"};
  if (pattern.size() > 65'535) return PatternError{65'535, "a topic is at most 65535 bytes"};
  if (!is_utf8(pattern) || has_nul(pattern)) {
    return PatternError{0, "a topic pattern is UTF-8 without NUL"};
  }
  std::vector<std::string> captures;
  PatternError error;
  each_level(pattern, [&](std::string_view text, std::size_t offset, bool last) {
    const auto level = parse_level(text, offset);
    if (!level) {
      error = level.error();
    } else if (level->kind == LevelKind::rest && !last) {
      error = {offset, std::string(text) + " must be the last level"};
    } else if (!level->capture.empty()) {
      if (std::find(captures.begin(), captures.end(), level->capture) != captures.end()) {
        error = {offset, "capture '" + std::string(level->capture) + "' stands twice"};
      } else {
        captures.emplace_back(level->capture);
      }
    }
    return error.message.empty();
  });
  if (!error.message.empty()) return error;
  return captures;
}

struct TopicIndex::Node {
  std::unordered_map<std::string, std::unique_ptr<Node>, NameHash, std::equal_to<>> literals;
  std::unique_ptr<Node> single;
  std::vector<Terminal> here;  // the pattern ends at this level
  std::vector<Terminal> rest;  // the pattern ends here with # or {name...}
  std::vector<Terminal> all;   // root only: add_all

  const Node* literal(std::string_view text) const {
    if (literals.size() == 1) {  // as most have: no need to hash
      const auto& [name, child] = *literals.begin();
      return name == text ? child.get() : nullptr;
    }
    const auto it = literals.find(text);
    return it != literals.end() ? it->second.get() : nullptr;
  }

  Node& child(std::string_view text, LevelKind kind) {
    std::unique_ptr<Node>& next =
        kind == LevelKind::single ? single : literals.try_emplace(std::string(text)).first->second;
    if (!next) next = std::make_unique<Node>();
    return *next;
  }
};

namespace {

// A walk of the trie for one topic.
template <class Node>
class Walk {
 public:
  Walk(std::string_view topic, std::vector<TopicMatch>* out) : topic_(topic), out_(out) {}

  bool found() const noexcept { return count_ > 0; }
  std::size_t count() const noexcept { return count_; }

  void visit(const Node& node, std::size_t begin, std::uint32_t level) {
    if (found() && out_ == nullptr) return;
    const bool wildcards = level > 0 || !topic_.starts_with('$');
    if (wildcards) take(node.rest);
    if (begin == ended) {
      take(node.here);
      return;
    }
    const std::size_t slash = topic_.find('/', begin);
    const bool last = slash == std::string_view::npos;
    const std::size_t next = last ? ended : slash + 1;
    if (!last) note(level + 1, next);
    if (const Node* child = node.literal(topic_.substr(begin, last ? slash : slash - begin))) {
      visit(*child, next, level + 1);
    }
    if (wildcards && node.single) visit(*node.single, next, level + 1);
  }

  void take(const std::vector<Terminal>& terminals) {
    for (const Terminal& t : terminals) {
      ++count_;
      if (out_ == nullptr) return;
      if (out_->size() < count_) out_->emplace_back();
      TopicMatch& match = (*out_)[count_ - 1];
      match.mapping = t.mapping;
      match.captures.clear();
      for (const CapturedLevel& c : t.captures) match.captures.push_back(capture(c));
    }
  }

  static constexpr std::size_t ended = static_cast<std::size_t>(-1);

 private:
  // Where a level begins; every way through the trie finds it at the same place.
  void note(std::uint32_t level, std::size_t begin) noexcept {
    if (level >= begins_.size() || level < levels_) return;
    begins_[level] = static_cast<std::uint32_t>(begin);
    levels_ = level + 1;
  }

  // Precondition: the walk has come as far as the capture's level, or the topic ends before it.
  Capture capture(const CapturedLevel& c) const noexcept {
    std::uint32_t level = std::min(c.level, levels_ - 1);
    std::size_t begin = begins_[level];
    for (; level < c.level; ++level) {  // deeper than what is noted, or not there
      const std::size_t slash = topic_.find('/', begin);
      if (slash == std::string_view::npos) return between(topic_.size(), topic_.size());  // a/#
      begin = slash + 1;
    }
    if (c.rest) return between(begin, topic_.size());
    if (c.level + 1 < levels_) return between(begin, begins_[c.level + 1] - 1);
    return between(begin, std::min(topic_.find('/', begin), topic_.size()));
  }
  static Capture between(std::size_t begin, std::size_t end) noexcept {
    return {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end - begin)};
  }

  std::string_view topic_;
  std::vector<TopicMatch>* out_;
  std::size_t count_ = 0;
  std::array<std::uint32_t, 16> begins_{};  // of the levels passed; a topic has 64 KiB at most
  std::uint32_t levels_ = 1;                // of them
};

}  // namespace

TopicIndex::TopicIndex() : root_(std::make_unique<Node>()) {}
TopicIndex::~TopicIndex() = default;
TopicIndex::TopicIndex(TopicIndex&&) noexcept = default;
TopicIndex& TopicIndex::operator=(TopicIndex&&) noexcept = default;

void TopicIndex::add(std::string_view pattern, std::uint32_t mapping) {
  Node* node = root_.get();
  Terminal terminal{mapping, {}};
  std::uint32_t depth = 0;
  each_level(pattern, [&](std::string_view text, std::size_t offset, bool last) {
    const Level level = *parse_level(text, offset);
    const bool rest = level.kind == LevelKind::rest;
    if (!level.capture.empty()) terminal.captures.push_back({depth, rest});
    if (!rest) node = &node->child(text, level.kind);
    if (last) (rest ? node->rest : node->here).push_back(std::move(terminal));
    ++depth;
    return true;
  });
}

void TopicIndex::add_all(std::uint32_t mapping) {
  root_->all.push_back({mapping, {}});
}

void TopicIndex::match(std::string_view topic, std::vector<TopicMatch>& out) const {
  Walk<Node> walk(topic, &out);
  walk.take(root_->all);
  walk.visit(*root_, 0, 0);
  out.resize(walk.count());
  if (out.size() < 2) return;
  std::sort(out.begin(), out.end(),
            [](const TopicMatch& a, const TopicMatch& b) { return a.mapping < b.mapping; });
}

std::vector<TopicMatch> TopicIndex::match(std::string_view topic) const {
  std::vector<TopicMatch> out;
  match(topic, out);
  return out;
}

bool TopicIndex::matches(std::string_view topic) const {
  Walk<Node> walk(topic, nullptr);
  walk.take(root_->all);
  walk.visit(*root_, 0, 0);
  return walk.found();
}

}  // namespace rowgate::schema
