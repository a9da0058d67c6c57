#include "schema/sparkplug.hpp"

#include <sparkplug_b.pb.h>

#include <algorithm>
#include <array>
#include <utility>

#include "schema/mapping.hpp"
#include "schema/payload/reader.hpp"

namespace rowgate::schema {
namespace {

using Is = SparkplugTopic::Type;

constexpr std::string_view name_space = "spBv1.0";
constexpr std::string_view bdseq_name = "bdSeq";
constexpr std::uint64_t sequence_numbers = 256;
constexpr std::uint32_t boolean_type = 11;

constexpr std::array<std::pair<std::string_view, Is>, 8> types{{{"NBIRTH", Is::nbirth},
                                                                {"NDATA", Is::ndata},
                                                                {"NDEATH", Is::ndeath},
                                                                {"NCMD", Is::ncmd},
                                                                {"DBIRTH", Is::dbirth},
                                                                {"DDATA", Is::ddata},
                                                                {"DDEATH", Is::ddeath},
                                                                {"DCMD", Is::dcmd}}};

/// Cuts the first level off.
std::string_view take_level(std::string_view& topic) noexcept {
  const std::size_t slash = topic.find('/');
  const std::string_view level = topic.substr(0, slash);
  topic.remove_prefix(slash == std::string_view::npos ? topic.size() : slash + 1);
  return level;
}

bool parse_into(SparkplugPayload& payload, std::string_view bytes) {
  return bytes.size() <= PayloadLimits{}.bytes &&
         payload.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

std::optional<std::uint64_t> bdseq_of(const SparkplugPayload& payload) {
  for (const SparkplugPayload::Metric& metric : payload.metrics()) {
    if (metric.name() != bdseq_name) continue;
    if (metric.has_long_value()) return metric.long_value();
    if (metric.has_int_value()) return metric.int_value();
  }
  return std::nullopt;
}

}  // namespace

bool has_sparkplug(const Catalog& catalog) noexcept {
  return std::ranges::any_of(catalog.mappings, [](const Mapping& mapping) {
    return mapping.payload == Payload::sparkplug_b;
  });
}

std::optional<SparkplugTopic> sparkplug_topic(std::string_view topic) noexcept {
  if (take_level(topic) != name_space) return std::nullopt;
  SparkplugTopic parts;
  parts.group = take_level(topic);
  parts.type_name = take_level(topic);
  const bool has_device = topic.find('/') != std::string_view::npos;
  parts.edge = take_level(topic);
  parts.device = topic;
  const auto type =
      std::ranges::find(types, parts.type_name, [](const auto& t) { return t.first; });
  if (type == types.end()) return std::nullopt;
  parts.type = type->second;
  const bool of_device = parts.type_name.front() == 'D';
  if (parts.group.empty() || parts.edge.empty() || of_device != has_device ||
      of_device == parts.device.empty() || parts.device.find('/') != std::string_view::npos) {
    return std::nullopt;
  }
  return parts;
}

std::string sparkplug_node(const SparkplugTopic& topic) {
  std::string name(topic.group);
  return name.append("/").append(topic.edge);
}

SparkplugSessions::SparkplugSessions(std::size_t limit)
    : limit_(limit), payload_(std::make_unique<SparkplugPayload>()) {}
SparkplugSessions::~SparkplugSessions() = default;

// ---- The messages -------------------------------------------------------------------------------

const SparkplugPayload* SparkplugSessions::parse(std::string_view payload) {
  if (payload.data() == parsed_.data() && payload.size() == parsed_.size() && !parsed_.empty()) {
    return payload_.get();
  }
  parsed_ = {};
  if (!parse_into(*payload_, payload)) return nullptr;
  parsed_ = payload;
  return payload_.get();
}

void SparkplugSessions::see(const Message& message) {
  saw_birth_ = false;
  parsed_ = {};  // another message's bytes may stand where the last one's stood
  if (!message.topic.starts_with(name_space)) return;
  const auto topic = sparkplug_topic(message.topic);
  if (!topic) return;
  const SparkplugPayload* payload = parse(message.payload);
  if (payload == nullptr) return;
  const std::string name = sparkplug_node(*topic);
  switch (topic->type) {
    case Is::nbirth: {
      Node& node = open(name);
      forget_births(node);  // its devices must be born again too
      keep(node, "", *payload);
      node.seq = payload->seq();
      node.alive = true;
      rebirths_.erase(name);
      break;
    }
    case Is::dbirth: {
      Node& node = open(name);
      check_sequence(node, name, *payload);
      keep(node, topic->device, *payload);
      if (!node.alive) rebirths_.insert(name);
      break;
    }
    case Is::ndata:
    case Is::ddata: {
      Node& node = open(name);
      check_sequence(node, name, *payload);
      see_data(node, name, topic->device, *payload);
      break;
    }
    case Is::ddeath:
      check_sequence(open(name), name, *payload);
      break;
    case Is::ndeath: {
      // A Will may come after the birth of the next session [tck-id-payloads-ndeath-bdseq].
      Node& node = open(name);
      const auto own = node.births.find("");
      const auto bdseq = bdseq_of(*payload);
      if (own == node.births.end() || !bdseq || own->second->bdseq == bdseq) node.alive = false;
      break;
    }
    case Is::ncmd:  // of a host: not part of the node's session
    case Is::dcmd:
      break;
  }
}

void SparkplugSessions::check_sequence(Node& node, const std::string& name,
                                       const SparkplugPayload& payload) {
  if (!payload.has_seq()) return;
  // The same again is a message sent again [MQTT-3.3.1-1], not one that is missing.
  if (node.seq && payload.seq() != (*node.seq + 1) % sequence_numbers &&
      payload.seq() != *node.seq) {
    ++gaps_;
    rebirths_.insert(name);
  }
  node.seq = payload.seq();
}

void SparkplugSessions::see_data(const Node& node, const std::string& name, std::string_view device,
                                 const SparkplugPayload& payload) {
  const auto birth = node.births.find(device);
  bool known = node.alive && birth != node.births.end();
  for (const SparkplugPayload::Metric& metric : payload.metrics()) {
    if (!known) break;
    known = !metric.name().empty() || !metric.has_alias() ||
            birth->second->metric(metric.alias()) != nullptr;
  }
  if (!known) rebirths_.insert(name);
}

// ---- What is known of the nodes -----------------------------------------------------------------

SparkplugSessions::Node& SparkplugSessions::open(const std::string& name) {
  const auto [at, made] = open_.try_emplace(name);
  if (made) {
    if (const auto settled = settled_.find(name); settled != settled_.end()) {
      at->second = settled->second;
    }
  }
  return at->second;
}

const SparkplugSessions::Node* SparkplugSessions::find(const std::string& name) const {
  if (const auto open = open_.find(name); open != open_.end()) return &open->second;
  const auto settled = settled_.find(name);
  return settled != settled_.end() ? &settled->second : nullptr;
}

const SparkplugBirth* SparkplugSessions::birth(const SparkplugTopic& topic) const {
  const Node* node = find(sparkplug_node(topic));
  if (node == nullptr) return nullptr;
  const auto birth = node->births.find(topic.device);
  return birth != node->births.end() ? birth->second.get() : nullptr;
}

std::shared_ptr<const SparkplugBirth> SparkplugSessions::make_birth(
    const SparkplugPayload& payload) {
  auto birth = std::make_shared<SparkplugBirth>();
  birth->bdseq = bdseq_of(payload);
  birth->weight = sizeof(SparkplugBirth);
  for (const SparkplugPayload::Metric& metric : payload.metrics()) {
    if (metric.name().empty()) continue;
    birth->weight += 2 * metric.name().size() + 256;
    birth->datatypes[metric.name()] = metric.datatype();
    if (metric.has_alias()) birth->by_alias[metric.alias()] = {metric.name(), metric.datatype()};
  }
  return birth;
}

void SparkplugSessions::keep(Node& node, std::string_view device, const SparkplugPayload& payload) {
  if (const auto old = node.births.find(device); old != node.births.end()) {
    weight_ -= old->second->weight;
    node.births.erase(old);
  }
  saw_birth_ = true;
  auto birth = make_birth(payload);
  if (weight_ + birth->weight > limit_) return;
  weight_ += birth->weight;
  node.births.emplace(device, std::move(birth));
}

void SparkplugSessions::forget_births(Node& node) {
  for (const auto& [device, birth] : node.births) weight_ -= birth->weight;
  node.births.clear();
}

void SparkplugSessions::load(std::vector<KeptBirth> births) {
  settled_.clear();
  revert();
  weight_ = settled_weight_ = 0;
  std::ranges::sort(births, {}, &KeptBirth::position);
  for (const KeptBirth& kept : births) {
    const SparkplugPayload* payload = parse(kept.payload);
    if (payload == nullptr) continue;
    Node& node = open(kept.node);
    if (kept.device.empty()) {
      forget_births(node);
      node.alive = true;
    }
    keep(node, kept.device, *payload);
  }
  parsed_ = {};
  settle();
}

void SparkplugSessions::settle() {
  for (auto& [name, node] : open_) settled_[name] = std::move(node);
  open_.clear();
  settled_weight_ = weight_;
  rebirths_.clear();
  gaps_ = 0;
}

void SparkplugSessions::revert() {
  open_.clear();
  weight_ = settled_weight_;
  rebirths_.clear();
  gaps_ = 0;
}

// ---- Without a session --------------------------------------------------------------------------

bool needs_birth(const Message& message) {
  const auto topic = sparkplug_topic(message.topic);
  if (!topic || topic->is_birth()) return false;
  SparkplugPayload payload;
  if (!parse_into(payload, message.payload)) return false;
  return std::ranges::any_of(payload.metrics(), [](const SparkplugPayload::Metric& metric) {
    return metric.name().empty() ? metric.has_alias() : !metric.has_datatype();
  });
}

std::string rebirth_topic(std::string_view node) {
  const std::size_t slash = node.find('/');
  std::string topic(name_space);
  topic.append("/").append(node.substr(0, slash)).append("/NCMD");
  return topic.append(node.substr(std::min(slash, node.size())));
}

std::string rebirth_payload(Timestamp now) {
  const auto milliseconds =
      static_cast<std::uint64_t>(std::max<std::int64_t>(now.micros, 0) / 1000);
  SparkplugPayload payload;
  payload.set_timestamp(milliseconds);
  SparkplugPayload::Metric* metric = payload.add_metrics();
  metric->set_name("Node Control/Rebirth");
  metric->set_timestamp(milliseconds);
  metric->set_datatype(boolean_type);
  metric->set_boolean_value(true);
  return payload.SerializeAsString();
}

}  // namespace rowgate::schema
