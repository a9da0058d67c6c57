#include "gateway/broker/change_set.hpp"

#include <algorithm>

#include "schema/base/bytes.hpp"

namespace rowgate::broker {
namespace {

template <class To>
To widen(ChangeSet::Value&& value) {
  return std::visit([](auto&& v) { return To(std::forward<decltype(v)>(v)); }, std::move(value));
}

}  // namespace

void ChangeSet::add(std::string key, Value value) {
  using Wide = decltype(Pending::value);
  const auto [it, fresh] = changes_.try_emplace(std::move(key));
  if (fresh) it->second.fresh = true;  // else it was erased a moment ago, and the store has it
  it->second.value = widen<Wide>(std::move(value));
}

void ChangeSet::set(std::string key, Value value) {
  using Wide = decltype(Pending::value);
  changes_[std::move(key)].value = widen<Wide>(std::move(value));
}

void ChangeSet::erase(const std::string& key) {
  const auto [it, known] = changes_.try_emplace(key);
  if (!known && it->second.fresh) {
    changes_.erase(it);
  } else {
    it->second.value = Erased{};
  }
}

std::vector<storage::StateStore::Change> ChangeSet::take() {
  std::vector<storage::StateStore::Change> out;
  out.reserve(changes_.size());
  for (auto& [key, pending] : changes_) {
    storage::StateStore::Change change{key, std::nullopt};
    if (auto* text = std::get_if<std::string>(&pending.value)) {
      change.value = std::move(*text);
    } else if (const auto* message =
                   std::get_if<std::shared_ptr<const LiveMessage>>(&pending.value)) {
      change.value = encode_message(**message);
    }
    out.push_back(std::move(change));
  }
  changes_.clear();
  // In the order of the keys: kinder to a B-tree.
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  return out;
}

std::string encode_message(const LiveMessage& message) {
  std::string out;
  out.reserve(20 + message.topic.size() + message.payload.size() + message.properties.size());
  Writer writer(out);
  const unsigned flags =
      static_cast<unsigned>(message.qos) | (message.retain ? 4U : 0U) | (message.expires ? 8U : 0U);
  writer.u8(static_cast<std::uint8_t>(flags));
  if (message.expires) writer.le(message.expires->micros);
  writer.le(static_cast<std::uint16_t>(message.topic.size()));
  writer.bytes(message.topic);
  writer.le(static_cast<std::uint32_t>(message.properties.size()));
  writer.bytes(message.properties);
  writer.bytes(message.payload);
  return out;
}

std::shared_ptr<const LiveMessage> decode_message(std::string_view bytes) {
  Reader in(bytes);
  auto message = std::make_shared<LiveMessage>();
  const unsigned flags = in.u8();
  if (flags > 15 || (flags & 3) == 3) return nullptr;
  message->qos = static_cast<mqtt::QoS>(flags & 3);
  message->retain = (flags & 4) != 0;
  if ((flags & 8) != 0) message->expires = Timestamp{in.le<std::int64_t>()};
  message->topic = in.view(in.le<std::uint16_t>());
  message->properties = in.view(in.le<std::uint32_t>());
  if (in.failed()) return nullptr;
  message->payload = in.rest();
  return message;
}

}  // namespace rowgate::broker
