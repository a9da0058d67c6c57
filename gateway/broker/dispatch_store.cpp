// The keys and values of the StateStore: docs/session-store.md.
#include <fmt/format.h>

#include <stdexcept>

#include "gateway/broker/dispatch_state.hpp"
#include "schema/base/bytes.hpp"

namespace rowgate::broker {
namespace {

[[noreturn]] void damaged(std::string_view key) {
  throw std::runtime_error(fmt::format(
      "the session store has a value of kind '{}' that cannot be read: the file is damaged; put a "
      "copy of the whole data directory back, or move the file away to start without the sessions",
      key.substr(0, 1)));
}

/// What stands before the separator and behind it. Names hold no U+0000 [MQTT-1.5.4-2].
std::pair<std::string_view, std::string_view> split(std::string_view key) {
  const std::size_t zero = key.find('\0', 1);
  if (zero == std::string_view::npos) damaged(key);
  return {key.substr(1, zero - 1), key.substr(zero + 1)};
}

std::uint64_t id_of(std::string_view key, std::string_view id) {
  if (id.size() != 8) damaged(key);
  return load_be<std::uint64_t>(id.data());
}

void text(Writer& out, std::string_view s) {
  out.le(static_cast<std::uint32_t>(s.size()));
  out.bytes(s);
}
std::string_view text(Reader& in) {
  return in.view(in.le<std::uint32_t>());
}

void copy(Writer& out, const Copy& c) {
  out.u8(static_cast<std::uint8_t>(static_cast<unsigned>(c.qos) | (c.retain ? 4U : 0U)));
  out.le(static_cast<std::uint16_t>(c.identifiers.size()));
  for (const std::uint32_t id : c.identifiers) out.le(id);
}
bool copy(Reader& in, Copy& c) {
  const unsigned flags = in.u8();
  c.qos = static_cast<mqtt::QoS>(flags & 3);
  c.retain = (flags & 4) != 0;
  for (auto n = in.le<std::uint16_t>(); n > 0 && !in.failed(); --n) {
    c.identifiers.push_back(in.le<std::uint32_t>());
  }
  return !in.failed() && flags <= 7 && (flags & 3) != 3;
}

}  // namespace

std::string store_key(StoreKey kind, std::string_view name) {
  std::string key(1, static_cast<char>(kind));
  return key.append(name);
}
std::string store_key(StoreKey kind, std::string_view name, std::string_view second) {
  std::string key = store_key(kind, name);
  key.push_back('\0');
  return key.append(second);
}
std::string store_key(StoreKey kind, std::string_view name, std::uint64_t id) {
  char bytes[8];
  store_be(bytes, id);
  return store_key(kind, name, std::string_view(bytes, sizeof bytes));
}

std::string encode_session(const ClientState& client) {
  std::string bytes;
  Writer out(bytes);
  const unsigned flags = (client.durable ? 1U : 0U) | (client.left_at ? 2U : 0U) |
                         (client.will ? 4U : 0U) | (client.will && client.will->retain ? 8U : 0U);
  out.u8(static_cast<std::uint8_t>(flags));
  out.le(client.expiry);
  text(out, client.user);
  if (client.left_at) out.le(client.left_at->micros);
  if (client.will) {
    const Will& will = *client.will;
    out.u8(static_cast<std::uint8_t>(will.qos));
    out.le(will.delay);
    text(out, will.topic);
    text(out, will.payload);
    text(out, will.properties);
  }
  return bytes;
}

std::string encode_options(const SubscriptionOptions& options) {
  std::string bytes;
  Writer out(bytes);
  const unsigned flags = static_cast<unsigned>(options.qos) | (options.no_local ? 4U : 0U) |
                         (options.retain_as_published ? 8U : 0U);
  out.u8(static_cast<std::uint8_t>(flags));
  out.le(options.identifier);
  return bytes;
}

std::string encode_copy(const Copy& c) {
  std::string bytes;
  Writer out(bytes);
  copy(out, c);
  return bytes;
}

std::string encode_flight(const CopyInFlight& flight) {
  std::string bytes;
  Writer out(bytes);
  out.le(flight.order);
  out.u8(flight.received ? 1 : 0);
  out.le(flight.copy.id);
  text(out, flight.shared);
  copy(out, flight.copy);
  return bytes;
}

void Dispatch::State::load(storage::StateStore& store) {
  reached = store.checkpoint();
  store.load([this](std::string_view key, std::string_view value) { load(key, value); });
  for (auto it = contents.begin(); it != contents.end();) {
    if (it->second.copies == 0) {
      changes.erase(store_key(StoreKey::message, {}, it->first));
      it = contents.erase(it);
    } else {
      ++it;
    }
  }
}

void Dispatch::State::load(std::string_view key, std::string_view value) {
  if (key.empty()) damaged("?");
  const auto kind = static_cast<StoreKey>(key.front());
  if (kind == StoreKey::version) {
    if (value != store_version) {
      throw std::runtime_error(
          "the session store was written by a newer version of the gateway: start that one");
    }
    version_known = true;
    return;
  }
  if (!version_known) damaged(key);
  switch (kind) {
    case StoreKey::message: {
      auto message = decode_message(value);
      if (!message) damaged(key);
      contents[id_of(key, split(key).second)].message = std::move(message);
      return;
    }
    case StoreKey::session:
      return load_session(key.substr(1), value);
    case StoreKey::subscription:
      return load_subscription(key, value);
    case StoreKey::waiting:
    case StoreKey::group_waiting:
      return load_waiting(key, value);
    case StoreKey::in_flight:
      return load_in_flight(key, value);
    case StoreKey::retained: {
      auto message = decode_message(value);
      if (!message) damaged(key);
      const auto held = retained.hold();
      retained.set(std::move(message));
      return;
    }
    default:
      damaged(key);
  }
}

void Dispatch::State::load_session(std::string_view id, std::string_view value) {
  auto client = std::make_unique<ClientState>(id);
  Reader in(value);
  const unsigned flags = in.u8();
  client->recorded = true;
  client->durable = (flags & 1) != 0;
  client->expiry = in.le<std::uint32_t>();
  client->user = text(in);
  if ((flags & 2) != 0) client->left_at = Timestamp{in.le<std::int64_t>()};
  if ((flags & 4) != 0) {
    Will will;
    will.retain = (flags & 8) != 0;
    const std::uint8_t qos = in.u8();
    will.qos = static_cast<mqtt::QoS>(qos);
    will.delay = in.le<std::uint32_t>();
    will.topic = text(in);
    will.payload = text(in);
    will.properties = text(in);
    if (qos > 2) damaged("2");
    client->will = std::move(will);
  }
  if (in.failed() || in.remaining() != 0 || flags > 15) damaged("2");
  if (client->durable) counters.sessions.fetch_add(1, std::memory_order_relaxed);
  recorded.emplace(std::string(id), std::move(client));
}

void Dispatch::State::load_subscription(std::string_view key, std::string_view value) {
  const auto [id, filter] = split(key);
  Reader in(value);
  const unsigned flags = in.u8();
  const SubscriptionOptions subscription{.qos = static_cast<mqtt::QoS>(flags & 3),
                                         .no_local = (flags & 4) != 0,
                                         .retain_as_published = (flags & 8) != 0,
                                         .identifier = in.le<std::uint32_t>()};
  ClientState* client = find_durable(id);
  if (in.failed() || (flags & 3) == 3 || client == nullptr) damaged(key);
  subscribe(*client, filter, subscription, {});
}

void Dispatch::State::load_waiting(std::string_view key, std::string_view value) {
  const auto [name, id] = split(key);
  Copy c;
  Reader in(value);
  c.id = id_of(key, id);
  c.durable = true;
  const auto content = contents.find(c.id);
  if (!copy(in, c) || content == contents.end()) damaged(key);
  c.message = content->second.message;
  if (static_cast<StoreKey>(key.front()) == StoreKey::waiting) {
    ClientState* client = find_durable(name);
    if (client == nullptr) damaged(key);
    hold(c);
    client->queue.push(std::move(c));
  } else if (SharedGroup* group = find_group(name)) {
    hold(c);
    group->queue.push(std::move(c));
  } else {  // it was with a client whom the crash has ended, of a group that is gone
    changes.erase(std::string(key));
  }
}

void Dispatch::State::load_in_flight(std::string_view key, std::string_view value) {
  const auto [id, packet] = split(key);
  ClientState* client = find_durable(id);
  CopyInFlight flight;
  Reader in(value);
  flight.order = in.le<std::uint64_t>();
  const unsigned received = in.u8();
  flight.copy.id = in.le<CopyId>();
  flight.shared = text(in);
  if (!copy(in, flight.copy) || received > 1 || client == nullptr) damaged(key);
  flight.copy.durable = true;
  flight.received = received == 1;
  flight.sent = true;
  if (!flight.received) {
    const auto content = contents.find(flight.copy.id);
    if (content == contents.end()) damaged(key);
    flight.copy.message = content->second.message;
    flight.bytes = flight.copy.bytes();
    hold(flight.copy);
    client->window_bytes += flight.bytes;
  }
  const std::uint64_t number = id_of(key, packet);
  if (number == 0 || number > 0xFFFF) damaged(key);
  client->in_flight.emplace(static_cast<mqtt::PacketId>(number), std::move(flight));
}

}  // namespace rowgate::broker
