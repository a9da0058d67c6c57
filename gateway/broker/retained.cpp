#include "gateway/broker/retained.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "gateway/broker/subscription_trie.hpp"

namespace rowgate::broker {
namespace {

/// Deeper topics are not retained: the walk is recursive, and no filter may be as deep.
constexpr std::ptrdiff_t max_levels = 200;
/// What a level costs beside its name.
constexpr std::uint64_t node_bytes = 160;

std::uint64_t cost(const LiveMessage& m) {
  return sizeof m + 64 + m.topic.size() + m.payload.size() + m.properties.size();
}

bool is_expired(const LiveMessage& m, Timestamp now) {
  return m.expires && *m.expires <= now;
}

}  // namespace

struct Retained::Node {
  std::map<std::string, Node, std::less<>> children;
  std::shared_ptr<const LiveMessage> message;

  using Found = std::vector<std::shared_ptr<const LiveMessage>>;
  void add_here(Timestamp now, Found& out) const {
    if (message && !is_expired(*message, now)) out.push_back(message);
  }
  void add_all(bool first, Timestamp now, Found& out) const {
    add_here(now, out);
    for (const auto& [level, child] : children) {
      if (!first || !level.starts_with('$')) child.add_all(false, now, out);
    }
  }
  void match(std::string_view filter, bool first, Timestamp now, Found& out) const {
    bool last = false;
    const std::string_view level = take_level(filter, last);
    if (level == "#") return add_all(first, now, out);  // and this level [MQTT-4.7.1-2]
    const auto descend = [&](const Node& child) {
      if (last) {
        child.add_here(now, out);
      } else {
        child.match(filter, false, now, out);
      }
    };
    if (level != "+") {
      if (const auto it = children.find(level); it != children.end()) descend(it->second);
      return;
    }
    for (const auto& [name, child] : children) {
      if (!first || !name.starts_with('$')) descend(child);
    }
  }
  template <class Visit>
  void for_each(const Visit& visit) const {
    if (message) visit(message);
    for (const auto& [level, child] : children) child.for_each(visit);
  }
};

Retained::Retained(Limits limits) : limits_(limits), root_(std::make_unique<Node>()) {}
Retained::~Retained() = default;

bool Retained::set(std::shared_ptr<const LiveMessage> message) {
  const std::string& topic = message->topic;
  if (!message->payload.empty() && std::count(topic.begin(), topic.end(), '/') < max_levels) {
    const Node* known = find(topic);
    const std::uint64_t before = known != nullptr && known->message ? cost(*known->message) : 0;
    const std::uint64_t levels =
        static_cast<std::uint64_t>(std::count(topic.begin(), topic.end(), '/')) + 1;
    const std::uint64_t more = cost(*message) + (before != 0 ? 0 : levels * node_bytes);
    if (size_ + (before != 0 ? 0 : 1) <= limits_.messages &&
        bytes_ - before + more <= limits_.bytes) {
      Node* node = root_.get();
      std::string_view rest = topic;
      for (bool last = false; !last;) {
        const std::string_view level = take_level(rest, last);
        auto it = node->children.find(level);
        if (it == node->children.end()) {
          it = node->children.emplace(std::string(level), Node{}).first;
          bytes_ += node_bytes + level.size();
        }
        node = &it->second;
      }
      if (before == 0) ++size_;
      bytes_ += cost(*message) - before;
      node->message = std::move(message);
      return true;
    }
  }
  erase(topic);
  return message->payload.empty();
}

const Retained::Node* Retained::find(std::string_view topic) const {
  const Node* node = root_.get();
  for (bool last = false; !last;) {
    const auto it = node->children.find(take_level(topic, last));
    if (it == node->children.end()) return nullptr;
    node = &it->second;
  }
  return node;
}

void Retained::erase(std::string_view topic) {
  std::vector<std::pair<Node*, std::string_view>> path;  // parents, for pruning
  Node* node = root_.get();
  for (bool last = false; !last;) {
    const std::string_view level = take_level(topic, last);
    const auto it = node->children.find(level);
    if (it == node->children.end()) return;
    path.emplace_back(node, level);
    node = &it->second;
  }
  if (!node->message) return;
  bytes_ -= cost(*node->message);
  --size_;
  node->message.reset();
  for (auto it = path.rbegin(); it != path.rend(); ++it) {
    if (node->message || !node->children.empty()) break;
    node = it->first;
    node->children.erase(node->children.find(it->second));
    bytes_ -= node_bytes + it->second.size();
  }
}

bool Retained::has(std::string_view topic) const {
  const std::shared_lock lock(mutex_);
  const Node* node = find(topic);
  return node != nullptr && node->message != nullptr;
}

void Retained::match(std::string_view filter, Timestamp now,
                     std::vector<std::shared_ptr<const LiveMessage>>& out) const {
  const std::shared_lock lock(mutex_);
  root_->match(filter, true, now, out);
}

std::vector<std::string> Retained::expire(Timestamp now) {
  std::vector<std::string> topics;
  {
    const std::shared_lock lock(mutex_);
    root_->for_each([&](const auto& m) {
      if (is_expired(*m, now)) topics.push_back(m->topic);
    });
  }
  const std::unique_lock lock(mutex_);
  std::erase_if(topics, [&](const std::string& topic) {  // it may be another one by now
    const Node* node = find(topic);
    if (node == nullptr || !node->message || !is_expired(*node->message, now)) return true;
    erase(topic);
    return false;
  });
  return topics;
}

std::size_t Retained::size() const {
  const std::shared_lock lock(mutex_);
  return size_;
}

std::uint64_t Retained::bytes() const {
  const std::shared_lock lock(mutex_);
  return bytes_;
}

}  // namespace rowgate::broker
