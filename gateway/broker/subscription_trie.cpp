#include "gateway/broker/subscription_trie.hpp"

#include <algorithm>
#include <map>

namespace rowgate::broker {

std::string_view take_level(std::string_view& rest, bool& last) noexcept {
  const std::size_t slash = rest.find('/');
  last = slash == std::string_view::npos;
  const std::string_view level = rest.substr(0, slash);
  rest = last ? std::string_view{} : rest.substr(slash + 1);
  return level;
}

struct SubscriptionTrie::Entry {
  Receiver* receiver;
  SubscriptionOptions options;
  storage::Position since;
};

struct SubscriptionTrie::Node {
  std::map<std::string, std::unique_ptr<Node>, std::less<>> children;  // `+` is a level like others
  std::vector<Entry> here;  // filters that end at this level
  std::vector<Entry> rest;  // filters that end in `#` after this level

  bool unused() const noexcept { return children.empty() && here.empty() && rest.empty(); }
};

struct SubscriptionTrie::Search {
  std::string_view publisher;
  storage::Position at;
  std::uint64_t round;
  std::vector<Match>& out;
};

SubscriptionTrie::SubscriptionTrie() : root_(std::make_unique<Node>()) {}
SubscriptionTrie::~SubscriptionTrie() = default;

bool SubscriptionTrie::add(std::string_view filter, Receiver& receiver,
                           const SubscriptionOptions& options, storage::Position since) {
  Node* node = root_.get();
  std::vector<Entry>* entries = nullptr;
  for (bool last = false; entries == nullptr;) {
    const std::string_view level = take_level(filter, last);
    if (level == "#") {
      entries = &node->rest;
      break;
    }
    auto it = node->children.find(level);
    if (it == node->children.end()) {
      it = node->children.emplace(std::string(level), std::make_unique<Node>()).first;
    }
    node = it->second.get();
    if (last) entries = &node->here;
  }
  for (Entry& e : *entries) {
    if (e.receiver == &receiver) {
      e.options = options;
      e.since = std::min(e.since, since);
      return false;
    }
  }
  entries->push_back({&receiver, options, since});
  ++size_;
  return true;
}

bool SubscriptionTrie::remove(std::string_view filter, const Receiver& receiver) {
  std::vector<std::pair<Node*, std::string>> path;  // parents, for pruning
  Node* node = root_.get();
  std::vector<Entry>* entries = nullptr;
  for (bool last = false; entries == nullptr;) {
    const std::string_view level = take_level(filter, last);
    if (level == "#") {
      entries = &node->rest;
      break;
    }
    const auto it = node->children.find(level);
    if (it == node->children.end()) return false;
    path.emplace_back(node, std::string(level));
    node = it->second.get();
    if (last) entries = &node->here;
  }
  const auto found = std::find_if(entries->begin(), entries->end(),
                                  [&](const Entry& e) { return e.receiver == &receiver; });
  if (found == entries->end()) return false;
  entries->erase(found);
  --size_;
  for (auto it = path.rbegin(); it != path.rend() && node->unused(); ++it) {
    node = it->first;
    node->children.erase(it->second);
  }
  return true;
}

void SubscriptionTrie::match(std::string_view topic, std::string_view publisher,
                             storage::Position at, std::vector<Match>& out) {
  out.clear();
  if (size_ == 0) return;
  Search search{publisher, at, ++round_, out};
  find(*root_, topic, true, search);
}

void SubscriptionTrie::find(const Node& node, std::string_view levels, bool first, Search& search) {
  const bool wildcards = !first || levels.substr(0, 1) != "$";
  if (wildcards) collect(node.rest, search);
  bool last = false;
  const std::string_view level = take_level(levels, last);
  const auto descend = [&](const Node& child) {
    if (!last) return find(child, levels, false, search);
    collect(child.here, search);
    collect(child.rest, search);  // `a/#` takes `a` [MQTT-4.7.1-2]
  };
  if (const auto it = node.children.find(level); it != node.children.end()) descend(*it->second);
  if (!wildcards) return;
  if (const auto it = node.children.find("+"); it != node.children.end()) descend(*it->second);
}

void SubscriptionTrie::collect(const std::vector<Entry>& entries, Search& search) {
  for (const Entry& e : entries) {
    Receiver& receiver = *e.receiver;
    if (search.at < e.since) continue;
    if (e.options.no_local && receiver.name == search.publisher) continue;  // [MQTT-3.8.3-3]
    if (receiver.round_ != search.round) {
      receiver.round_ = search.round;
      receiver.found_ = search.out.size();
      search.out.push_back({&receiver, {}, false, {}});
    }
    Match& m = search.out[receiver.found_];
    m.qos = std::max(m.qos, e.options.qos);
    m.retain_as_published = m.retain_as_published || e.options.retain_as_published;
    if (e.options.identifier != 0) m.identifiers.push_back(e.options.identifier);
  }
}

}  // namespace rowgate::broker
