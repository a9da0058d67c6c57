#include "tests/simulation/device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tests/gateway/wire.hpp"

namespace rowgate::simulation {

using mqtt::PacketType;
using mqtt::QoS;
using mqtt::Version;

Device::Device(std::size_t number, bool persistent, Version version, Messages& messages,
               Random& random, Trace& trace)
    : Client(fmt::format("device-{}", number), number, persistent, version, random, trace),
      messages_(messages) {}

std::string Device::connect(std::uint32_t connection) {
  if (!is_kept()) forget_session();
  connecting(connection, begins_anew(12));
  links_.push_back({connection});
  if (clean_) forget_session();
  wire::ConnectOptions options;
  options.version = version_;
  options.clean = clean_;
  if (persistent_ && version_ == Version::v5) options.properties = wire::expiry(3 * 24 * 3600);
  return wire::connect(client_id_, options);
}

std::string Device::publish() {
  const auto qos = static_cast<std::uint8_t>(random_.below(3));
  const bool retain = random_.one_in(4);
  const auto content =
      random_.any_of({Content::good, Content::good, Content::good, Content::good, Content::broken,
                      Content::refused, Content::other, Content::other});
  const std::string topic = fmt::format("{}/{}",
                                        retain                      ? "kept"
                                        : content == Content::other ? "other"
                                                                    : "readings",
                                        number_);
  const std::uint64_t message =
      messages_.make({.client = number_, .qos = qos, .topic = topic, .retain = retain});
  // A retained message becomes an event of a subscriber's session, which has to fit as well.
  const std::uint64_t size = retain ? 300 : random_.any_of<std::uint64_t>({50, 400, 800});
  InFlight publish{.packet_id = qos == 0 ? std::uint16_t{0} : free_id(),
                   .qos = qos,
                   .retain = retain,
                   .message = message,
                   .topic = topic,
                   .payload = Messages::payload(message, content, random_.below(size))};
  trace_.add(Event::publish, number_, qos, message);
  messages_.sent(message);
  std::string bytes = encode(publish, false);
  if (qos > 0) {
    links_.back().sent[publish.packet_id] = message;
    in_flight_.push_back(std::move(publish));
  }
  return bytes;
}

std::string Device::encode(const InFlight& publish, bool dup) const {
  const auto packet = publish.retain ? wire::retained : wire::publish;
  std::string bytes = packet(version_, publish.topic, publish.payload,
                             static_cast<QoS>(publish.qos), publish.packet_id, {});
  return dup ? wire::dup(std::move(bytes)) : bytes;
}

std::string Device::pubrel(std::uint16_t id) {
  trace_.add(Event::pubrel, number_, id);
  return wire::ack(PacketType::pubrel, id, mqtt::ReasonCode::success, version_);
}

std::uint16_t Device::free_id() const {
  std::uint16_t id = 1;
  while (std::ranges::any_of(in_flight_, [&](const InFlight& p) { return p.packet_id == id; }))
    ++id;
  return id;
}

std::string Device::disconnect() {
  trace_.add(Event::leave, number_);
  lose_connection();
  return wire::disconnect;
}

void Device::lose_connection() {
  state_ = State::away;
  answers_.clear();
}

// The server's answer to CONNECT.
std::string Device::welcome(const Answer& answer) {
  const bool present = answer.id != 0;
  if (!let_in(present, answer.code)) {
    lose_connection();
    return {};
  }
  if (!present) forget_session();
  std::string bytes;
  for (InFlight& p : in_flight_) {
    if (p.released) {
      bytes += pubrel(p.packet_id);
      continue;
    }
    trace_.add(Event::resend, number_, present ? 1 : 0, p.message);
    messages_.sent(p.message);
    links_.back().sent[p.packet_id] = p.message;
    bytes += encode(p, present);
  }
  return bytes;
}

std::string Device::read() {
  const Answer answer = answers_.front();
  answers_.pop_front();
  if (answer.type == PacketType::connack) return welcome(answer);
  const auto found =
      std::ranges::find_if(in_flight_, [&](const InFlight& p) { return p.packet_id == answer.id; });
  if (found == in_flight_.end()) throw Violation("an acknowledgement of nothing");
  switch (answer.type) {
    case PacketType::puback:
      if (found->qos != 1) throw Violation("a PUBACK of what is not QoS 1");
      in_flight_.erase(found);
      return {};
    case PacketType::pubrec:
      found->released = true;
      return pubrel(answer.id);
    case PacketType::pubcomp:
      if (!found->released) throw Violation("a PUBCOMP before PUBREL");
      in_flight_.erase(found);
      return {};
    default:
      throw Violation("a packet that a publisher does not expect");
  }
}

void Device::hear(std::uint32_t connection, std::string_view bytes) {
  if (bytes.empty()) {
    if (!hears(connection)) return;
    trace_.add(Event::cut_off, number_);
    return lose_connection();
  }
  while (!bytes.empty()) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
    const std::size_t length = byte(1);  // what a publisher gets is short, but for a 5.0 CONNACK
    Answer answer{static_cast<PacketType>(byte(0) >> 4)};
    if (answer.type == PacketType::connack) {
      answer.id = byte(2) & 1U;
      answer.code = byte(3);
    } else if (length >= 2) {
      answer.id = static_cast<std::uint16_t>(byte(2) << 8 | byte(3));
      if (length >= 3) answer.code = byte(4);
    }
    bytes.remove_prefix(2 + length);
    if (answer.type == PacketType::disconnect) continue;
    promise(connection, answer);
    // What comes on a connection that the device has given up is lost.
    if (hears(connection)) answers_.push_back(answer);
  }
}

void Device::promise(std::uint32_t connection, const Answer& answer) {
  const bool refused = answer.code >= 0x80;
  if (answer.type == PacketType::connack) {
    if (answer.code == 0 && connection == connection_) promise_session(answer.id != 0);
    return;
  }
  // The latest: another start of the gateway counts its connections from zero again.
  const auto link = std::find_if(links_.rbegin(), links_.rend(),
                                 [&](const Link& l) { return l.connection == connection; });
  if (link == links_.rend() || answer.id >= packet_ids) throw Violation("an answer to nobody");
  const std::uint64_t message = link->sent[answer.id];
  if (answer.type == PacketType::pubcomp) {
    trace_.add(Event::pubcomp, number_, answer.id, message);
    return;
  }
  trace_.add(answer.type == PacketType::puback ? Event::puback : Event::pubrec, number_, answer.id,
             message);
  if (refused) throw Violation("a publish is refused that is not to be");
  messages_.promised(message);
}

void Device::forget_session() {
  std::erase_if(in_flight_, [](const InFlight& p) { return p.qos == 2; });
}

}  // namespace rowgate::simulation
