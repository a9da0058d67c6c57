// Topic names and filters, a line each: what is valid, whom the trie finds beside a matcher as
// simple as section 4.7 is written, and the algebra of filters that ACLs stand on. A line that
// begins with
// `-` takes the subscription away again.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/broker/subscription_trie.hpp"
#include "gateway/mqtt/publish.hpp"
#include "gateway/security/filters.hpp"
#include "tests/fuzz/must.hpp"

using namespace rowgate;

namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t end = 0; (end = text.find(separator)) != std::string_view::npos;) {
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  parts.push_back(text);
  return parts;
}

bool takes(std::string_view filter, std::string_view topic) {
  if (topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#'))) return false;
  const auto wanted = split(filter, '/');
  const auto levels = split(topic, '/');
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == "#") return true;  // also of the level above: `a/#` takes `a`
    if (i >= levels.size()) return i == levels.size() && wanted[i] == "#";
    if (wanted[i] != "+" && wanted[i] != levels[i]) return false;
  }
  return wanted.size() == levels.size();
}

/// Section 4.7.1 once more.
bool is_filter(std::string_view filter) {
  const auto levels = split(filter, '/');
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const bool plain = levels[i].find_first_of("+#") == std::string_view::npos;
    const bool last = i + 1 == levels.size();
    if (!plain && levels[i] != "+" && !(levels[i] == "#" && last)) return false;
  }
  return !filter.empty();
}

void check_alone(std::string_view line) {
  const bool is_name = mqtt::is_topic_name(line);
  const bool filter = mqtt::is_topic_filter(line);
  if (is_name) must(filter && line.find_first_of("+#") == std::string_view::npos);
  if (filter) must(is_filter(line));
  if (const auto shared = mqtt::shared_filter(line)) {
    must(line.starts_with(mqtt::share_prefix));
    must(!shared->group.empty() && shared->group.find_first_of("/+#") == std::string_view::npos);
    must(mqtt::is_topic_filter(shared->filter));
    must(std::string("$share/").append(shared->group).append("/").append(shared->filter) == line);
  }
}

void check_pairs(const std::vector<std::string_view>& filters,
                 const std::vector<std::string_view>& names) {
  for (const std::string_view a : filters) {
    for (const std::string_view b : filters) {
      const bool covers = security::covers(a, b);
      if (covers) must(security::overlap(a, b));
      must(security::overlap(a, b) == security::overlap(b, a));
      for (const std::string_view topic : names) {
        if (covers && takes(b, topic)) must(takes(a, topic));
        if (takes(a, topic) && takes(b, topic)) must(security::overlap(a, b));
      }
    }
    for (const std::string_view topic : names) must(security::covers(a, topic) == takes(a, topic));
  }
}

/// Subscriptions of four clients, as a list.
class Naive {
 public:
  explicit Naive(std::array<std::unique_ptr<broker::Receiver>, 4>& receivers)
      : receivers_(receivers) {}

  void add(broker::SubscriptionTrie& trie, std::string_view filter, std::size_t client) {
    broker::SubscriptionOptions options;
    options.qos = static_cast<mqtt::QoS>(client % 3);
    const bool was_new = all_.emplace(filter, client).second;
    must(trie.add(filter, *receivers_[client], options, {}) == was_new);
    must(trie.size() == all_.size());
  }
  void remove(broker::SubscriptionTrie& trie, std::string_view filter, std::size_t client) {
    const bool was_there = all_.erase({std::string(filter), client}) == 1;
    must(trie.remove(filter, *receivers_[client]) == was_there);
    must(trie.size() == all_.size());
  }
  void match(broker::SubscriptionTrie& trie, std::string_view topic) {
    std::vector<broker::Match> found;
    trie.match(topic, "publisher", {1}, found);
    std::set<const broker::Receiver*> expected;
    for (const auto& [filter, client] : all_) {
      if (takes(filter, topic)) expected.insert(receivers_[client].get());
    }
    must(found.size() == expected.size());
    for (const broker::Match& one : found) must(expected.count(one.receiver) == 1);
  }

 private:
  std::array<std::unique_ptr<broker::Receiver>, 4>& receivers_;
  std::set<std::pair<std::string, std::size_t>> all_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  std::array<std::unique_ptr<broker::Receiver>, 4> receivers;
  for (std::size_t i = 0; i < receivers.size(); ++i) {
    receivers[i] = std::make_unique<broker::Receiver>(std::to_string(i));
  }
  broker::SubscriptionTrie trie;
  Naive naive(receivers);
  std::vector<std::string_view> filters;
  std::vector<std::string_view> names;
  std::size_t client = 0;
  for (std::string_view line : split(input, '\n')) {
    check_alone(line);
    const bool taken_away = line.starts_with('-');
    if (taken_away) line.remove_prefix(1);
    client = (client + line.size()) % receivers.size();
    if (!mqtt::is_topic_filter(line)) continue;
    if (taken_away) {
      naive.remove(trie, line, client);
    } else {
      naive.add(trie, line, client);
    }
    if (filters.size() < 12) filters.push_back(line);
    if (mqtt::is_topic_name(line) && names.size() < 12) names.push_back(line);
    for (const std::string_view topic : names) naive.match(trie, topic);
  }
  check_pairs(filters, names);
  return 0;
}
