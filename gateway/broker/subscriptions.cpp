#include "gateway/broker/subscriptions.hpp"

#include <algorithm>
#include <map>
#include <mutex>

namespace rowgate::broker {
namespace {

struct Entry {
  std::shared_ptr<Subscriber> subscriber;
  SubscriptionOptions options;
};

/// Cuts the first level off `rest`; `last` when nothing follows it.
std::string_view take_level(std::string_view& rest, bool& last) noexcept {
  const std::size_t slash = rest.find('/');
  last = slash == std::string_view::npos;
  const std::string_view level = rest.substr(0, slash);
  rest = last ? std::string_view{} : rest.substr(slash + 1);
  return level;
}

void collect(const std::vector<Entry>& entries, std::string_view publisher,
             std::vector<Recipient>& out) {
  for (const Entry& e : entries) {
    if (e.options.no_local && e.subscriber->client_id == publisher) continue;  // [MQTT-3.8.3-3]
    const auto same = std::find_if(
        out.begin(), out.end(), [&](const Recipient& r) { return r.subscriber == e.subscriber; });
    Recipient& r =
        same != out.end() ? *same : out.emplace_back(Recipient{e.subscriber, {}, {}, {}});
    r.qos = std::max(r.qos, e.options.qos);
    r.retain_as_published = r.retain_as_published || e.options.retain_as_published;
    if (e.options.identifier != 0) r.identifiers.push_back(e.options.identifier);
  }
}

}  // namespace

struct Subscriptions::Node {
  std::map<std::string, std::unique_ptr<Node>, std::less<>> children;  // `+` is a level like others
  std::vector<Entry> here;  // filters that end at this level
  std::vector<Entry> rest;  // filters that end in `#` after this level

  bool unused() const noexcept { return children.empty() && here.empty() && rest.empty(); }

  void match(std::string_view levels, bool first, std::string_view publisher,
             std::vector<Recipient>& out) const {
    const bool wildcards = !first || levels.substr(0, 1) != "$";
    if (wildcards) collect(rest, publisher, out);
    bool last = false;
    const std::string_view level = take_level(levels, last);
    const auto descend = [&](const Node& child) {
      if (!last) return child.match(levels, false, publisher, out);
      collect(child.here, publisher, out);
      collect(child.rest, publisher, out);  // `a/#` takes `a` [MQTT-4.7.1-2]
    };
    if (const auto it = children.find(level); it != children.end()) descend(*it->second);
    if (wildcards) {
      if (const auto it = children.find("+"); it != children.end()) descend(*it->second);
    }
  }
};

Subscriptions::Subscriptions() : root_(std::make_unique<Node>()) {}
Subscriptions::~Subscriptions() = default;

bool Subscriptions::add(std::string_view filter, const std::shared_ptr<Subscriber>& subscriber,
                        SubscriptionOptions options) {
  const std::unique_lock lock(mutex_);
  Node* node = root_.get();
  std::vector<Entry>* entries = nullptr;
  for (bool last = false; entries == nullptr;) {
    const std::string_view level = take_level(filter, last);
    if (level == "#") {
      entries = &node->rest;
      break;
    }
    auto& child = node->children[std::string(level)];
    if (!child) child = std::make_unique<Node>();
    node = child.get();
    if (last) entries = &node->here;
  }
  for (Entry& e : *entries) {
    if (e.subscriber == subscriber) {
      e.options = options;
      return false;
    }
  }
  entries->push_back({subscriber, options});
  count_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool Subscriptions::remove(std::string_view filter, const Subscriber& subscriber) {
  const std::unique_lock lock(mutex_);
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
  const auto removed =
      std::erase_if(*entries, [&](const Entry& e) { return e.subscriber.get() == &subscriber; });
  if (removed == 0) return false;
  count_.fetch_sub(1, std::memory_order_relaxed);
  for (auto it = path.rbegin(); it != path.rend() && node->unused(); ++it) {
    node = it->first;
    node->children.erase(it->second);
  }
  return true;
}

void Subscriptions::match(std::string_view topic, std::string_view publisher,
                          std::vector<Recipient>& out) const {
  const std::shared_lock lock(mutex_);
  root_->match(topic, true, publisher, out);
}

}  // namespace rowgate::broker
