#include "tests/simulation/subscriber.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gateway/mqtt/publish.hpp"
#include "tests/gateway/wire.hpp"

namespace rowgate::simulation {

using mqtt::PacketType;
using mqtt::QoS;
using mqtt::Version;

namespace {

constexpr const char* filters[] = {"#",      "readings/#", "readings/+", "readings/0", "other/+",
                                   "kept/+", "+/1",        "wills/#",    "wills/+"};

/// By the specification's words, level by level (4.7.1).
bool matches(std::string_view filter, std::string_view topic) {
  const auto level = [](std::string_view& rest) {
    const std::size_t slash = rest.find('/');
    const std::string_view first = rest.substr(0, slash);
    rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
    return first;
  };
  while (!filter.empty() && !topic.empty()) {
    const std::string_view wanted = level(filter);
    if (wanted == "#") return true;
    if (const std::string_view has = level(topic); wanted != "+" && wanted != has) return false;
  }
  return topic.empty() && (filter.empty() || filter == "#");
}

std::uint16_t id_of(std::string_view body) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(body[i]); };
  return static_cast<std::uint16_t>(byte(0) << 8 | byte(1));
}

}  // namespace

Subscriber::Subscriber(Options options, Messages& messages, Random& random, Trace& trace)
    : Client(fmt::format("subscriber-{}", options.number), options.number, options.persistent,
             options.version, random, trace),
      options_(std::move(options)),
      messages_(messages) {}

bool Subscriber::must_ask() const noexcept {
  return may_ask() && (subscriptions_.empty() ||
                       std::ranges::any_of(subscriptions_, [](const auto& s) { return !s.sure; }));
}

bool Subscriber::at_rest() const noexcept {
  return may_ask() && !must_ask() && packets_.empty() && held_.empty();
}

// ---- What it sends ------------------------------------------------------------------------------

std::string Subscriber::connect(std::uint32_t connection) {
  if (!is_kept()) forget_session();
  const bool clean = begins_anew(25);
  settle_will(clean);
  connecting(connection, clean);
  if (clean) forget_session();
  wire::ConnectOptions packet;
  packet.version = version_;
  packet.clean = clean;
  if (version_ == Version::v5) {
    if (persistent_) packet.properties = wire::expiry(3 * 24 * 3600);
    if (options_.receive_maximum != 0) {
      packet.properties += '\x21' + wire::number16(options_.receive_maximum);
    }
  }
  if (options_.probe.empty() && random_.one_in(2)) {
    const auto qos = static_cast<std::uint8_t>(random_.below(3));
    const std::string topic = fmt::format("wills/{}", number_);
    const bool retain = random_.one_in(3);
    link_.will = messages_.make(
        {.client = number_, .qos = qos, .topic = topic, .retain = retain, .will = true});
    wills_.push_back(*link_.will);
    link_.delayed = version_ == Version::v5 && random_.one_in(3);
    trace_.add(Event::will, number_, *link_.will, link_.delayed ? 1 : 0);
    packet.will = wire::WillOptions{
        topic, Messages::payload(*link_.will, Content::other, random_.below(300)),
        static_cast<QoS>(qos), retain, link_.delayed ? wire::will_delay(2) : std::string{}};
  }
  return wire::connect(client_id_, packet);
}

/// Whether the Will of the connection that is over has to come, now that the next one begins. One
/// with a delay is taken back where the session goes on in time.
void Subscriber::settle_will(bool clean) {
  const Link over = std::exchange(link_, {});
  if (over.will && over.let_in && !over.goodbye && (!over.delayed || clean)) {
    messages_.promised(*over.will);
  }
}

std::string Subscriber::ask() {
  const auto unsure =
      std::ranges::find_if(subscriptions_, [](const Subscription& s) { return !s.sure; });
  if (unsure != subscriptions_.end()) return subscribe(unsure->filter, unsure->qos);
  const auto qos = static_cast<std::uint8_t>(random_.any_of({0, 1, 1, 2, 2, 2}));
  if (!options_.probe.empty()) return subscribe(options_.probe, 2);
  if (subscriptions_.empty() || random_.one_in(3)) return subscribe(new_filter(), qos);
  Subscription& one =
      subscriptions_[static_cast<std::size_t>(random_.below(subscriptions_.size()))];
  return random_.one_in(3) ? unsubscribe(one) : subscribe(one.filter, qos);
}

std::string Subscriber::new_filter() {
  return filters[random_.below(std::size(filters))];
}

std::string Subscriber::subscribe(const std::string& filter, std::uint8_t qos) {
  asked_ = Asked{true, filter, ++last_id_};
  trace_.add(Event::subscribe, number_, last_id_, qos);
  Subscription* one = find(filter);
  if (one == nullptr) one = &subscriptions_.emplace_back(Subscription{filter, qos});
  // What replaces a subscription loses nothing in between [MQTT-3.8.4-3].
  if (qos == 0) one->since = UINT64_MAX;
  one->qos = qos;
  one->qos_since = UINT64_MAX;
  one->sure = false;
  expected_before_ = expected_.size();
  for (const auto& [topic, last] : messages_.retained()) {
    if (qos > 0 && matches(filter, topic)) expected_.push_back({topic, last.place});
  }
  return wire::subscribe(version_, last_id_, filter, qos);
}

std::string Subscriber::unsubscribe(Subscription& subscription) {
  asked_ = Asked{false, subscription.filter, ++last_id_};
  trace_.add(Event::unsubscribe, number_, last_id_);
  subscription.sure = false;
  subscription.since = subscription.qos_since = UINT64_MAX;
  std::erase_if(expected_, [&](const Expected& e) { return matches(asked_->filter, e.topic); });
  expected_before_ = expected_.size();
  return wire::unsubscribe(version_, last_id_, subscription.filter);
}

std::string Subscriber::disconnect() {
  trace_.add(Event::leave, number_);
  lose_connection();
  if (version_ == Version::v5 && random_.one_in(3)) return "\xE0\x01\x04";  // with Will
  link_.goodbye = true;
  return wire::disconnect;
}

void Subscriber::lose_connection() {
  state_ = State::away;
  packets_.clear();
  on_wire_.clear();
  if (asked_) expected_.resize(expected_before_);
  asked_.reset();
}

// ---- What it reads ------------------------------------------------------------------------------

std::string Subscriber::read() {
  const Packet packet = packets_.front();
  packets_.pop_front();
  switch (packet.type) {
    case PacketType::connack:
      return welcome(packet);
    case PacketType::publish:
      return take(packet);
    case PacketType::pubrel:
      trace_.add(Event::released, number_, packet.id);
      held_.erase(packet.id);
      on_wire_.erase(packet.id);
      return wire::ack(PacketType::pubcomp, packet.id, mqtt::ReasonCode::success, version_);
    default:
      answered(packet);
      return {};
  }
}

std::string Subscriber::welcome(const Packet& packet) {
  const bool present = packet.id != 0;
  if (!let_in(present, packet.code)) {
    lose_connection();
    return {};
  }
  if (!present) forget_session();
  return {};
}

void Subscriber::answered(const Packet& packet) {
  if (!asked_ || asked_->id != packet.id) throw Violation("an answer to what was not asked");
  const Asked asked = *std::exchange(asked_, std::nullopt);
  trace_.add(Event::answered, number_, packet.id, packet.code);
  if (asked.subscribe != (packet.type == PacketType::suback)) {
    throw Violation("SUBACK for UNSUBSCRIBE, or the other way round");
  }
  Subscription& one = *find(asked.filter);
  if (!asked.subscribe) {
    std::erase_if(subscriptions_, [&](const auto& s) { return s.filter == asked.filter; });
    nothing_since_ = messages_.count();
    // Copies made before may have the highest QoS of both.
    for (Subscription& s : subscriptions_) {
      if (s.sure) s.qos_since = nothing_since_;
    }
    return;
  }
  if (packet.code != one.qos) throw Violation("another QoS is granted than was asked for");
  one.sure = true;
  one.qos_since = messages_.count();
  if (one.qos > 0) one.since = std::min(one.since, one.qos_since);
}

std::string Subscriber::take(const Packet& packet) {
  trace_.add(Event::taken, number_, packet.message, packet.id);
  if (packet.qos < 2) {
    note(packet);
    if (packet.qos == 0) return {};
    on_wire_.erase(packet.id);
    return wire::ack(PacketType::puback, packet.id, mqtt::ReasonCode::success, version_);
  }
  const auto [held, fresh] = held_.emplace(packet.id, packet.message);
  if (held->second != packet.message) {
    fail(fmt::format("comes under packet id {}, which is message {}'s", packet.id, held->second),
         packet.message);
  }
  if (!fresh && !packet.dup) fail("comes again without DUP", packet.message);
  if (fresh) {
    note(packet);
    if (!packet.retain && ++book(packet.message).exact > messages_.durable(packet.message)) {
      fail("comes twice at QoS 2", packet.message);
    }
  }
  return wire::ack(PacketType::pubrec, packet.id, mqtt::ReasonCode::success, version_);
}

void Subscriber::note(const Packet& packet) {
  const std::uint64_t number = packet.message;
  const Messages::Publish& publish = messages_[number];
  Book& b = book(number);
  if (packet.retain) {
    if (!publish.retain) fail("was never retained", number);
    b.retained = session_;
    return;
  }
  check_qos(packet);
  if (packet.qos == 0 || std::exchange(b.arrived, session_) == session_ || !is_owed(number)) return;
  std::uint64_t& newest = newest_[publish.client];
  if (number < newest) fail(fmt::format("comes behind message {}", newest), number);
  newest = number;
}

/// As far as what it subscribed to is certain: the lower of two, of overlapping filters the highest
/// [MQTT-3.3.4-2].
void Subscriber::check_qos(const Packet& packet) const {
  const Messages::Publish& publish = messages_[packet.message];
  bool wanted = false, sure = true;
  std::uint8_t qos = 0;
  for (const Subscription& s : subscriptions_) {
    if (!matches(s.filter, publish.topic)) continue;
    wanted = true;
    sure = sure && packet.message >= s.qos_since;
    qos = std::max(qos, s.qos);
  }
  if (!wanted && packet.message >= nothing_since_) fail("was not asked for", packet.message);
  if (wanted && sure && packet.qos != std::min(qos, publish.qos)) {
    fail(fmt::format("comes at QoS {}", packet.qos), packet.message);
  }
}

// ---- What the server says -----------------------------------------------------------------------

void Subscriber::hear(std::uint32_t connection, std::string_view bytes) {
  const bool ours = hears(connection);
  if (bytes.empty()) {
    if (!ours) return;
    trace_.add(Event::cut_off, number_);
    return lose_connection();
  }
  while (!bytes.empty()) {
    const mqtt::FrameResult found = mqtt::next_frame(bytes, 1U << 20);
    if (found.status != mqtt::FrameResult::Status::frame) throw Violation("no whole packet");
    bytes.remove_prefix(found.frame.size);
    if (found.frame.type == PacketType::disconnect) continue;
    const Packet packet = decode(found.frame);
    promise(connection, packet);
    // What comes on a connection that it has given up is lost.
    if (ours) packets_.push_back(packet);
  }
}

Subscriber::Packet Subscriber::decode(const mqtt::Frame& frame) const {
  Packet packet{frame.type};
  const std::string_view body = frame.body;
  switch (frame.type) {
    case PacketType::connack:
      packet.id = static_cast<std::uint8_t>(body[0]) & 1U;
      packet.code = static_cast<std::uint8_t>(body[1]);
      return packet;
    case PacketType::publish: {
      const auto publish = mqtt::decode_publish(frame, version_);
      if (!publish) throw Violation(publish.error().reason);
      packet.id = publish->packet_id;
      packet.qos = static_cast<std::uint8_t>(publish->qos);
      packet.retain = publish->retain;
      packet.dup = publish->dup;
      packet.message = messages_.find(publish->payload);
      if (publish->topic != messages_[packet.message].topic) {
        fail("comes with another topic", packet.message);
      }
      return packet;
    }
    case PacketType::suback:
    case PacketType::unsuback:
    case PacketType::pubrel:
      packet.id = id_of(body);
      if (body.size() > 2) packet.code = static_cast<std::uint8_t>(body.back());
      return packet;
    default:
      throw Violation("a packet that a subscriber does not expect");
  }
}

void Subscriber::promise(std::uint32_t connection, const Packet& packet) {
  if (packet.type == PacketType::publish) return promise_copy(connection, packet);
  if (packet.type != PacketType::connack || packet.code != 0 || connection != connection_) return;
  promise_session(packet.id != 0);
  link_.let_in = true;
  for (const std::uint64_t will : wills_) {
    if (will != link_.will) messages_.over(will);
  }
  wills_.clear();
  if (link_.will) wills_.push_back(*link_.will);
}

void Subscriber::promise_copy(std::uint32_t connection, const Packet& packet) {
  trace_.add(Event::copy, number_, packet.message,
             packet.qos + (packet.dup ? 10U : 0U) + (packet.retain ? 100U : 0U));
  const std::uint32_t durable = messages_.durable(packet.message);
  if (durable == 0) fail("is sent before it is on disk", packet.message);
  if (!packet.retain && !packet.dup && ++book(packet.message).first > durable) {
    fail("is sent twice as if for the first time", packet.message);
  }
  if (packet.qos == 0 || !hears(connection)) return;
  on_wire_.insert(packet.id);
  if (options_.receive_maximum != 0 && on_wire_.size() > options_.receive_maximum) {
    fail("is sent beyond the Receive Maximum", packet.message);
  }
}

// ---- Its books ----------------------------------------------------------------------------------

void Subscriber::forget_session() {
  ++session_;
  subscriptions_.clear();
  expected_.clear();
  expected_before_ = 0;
  held_.clear();
  newest_.clear();
  nothing_since_ = messages_.count();
}

Subscriber::Subscription* Subscriber::find(std::string_view filter) noexcept {
  const auto found =
      std::ranges::find_if(subscriptions_, [&](const auto& s) { return s.filter == filter; });
  return found == subscriptions_.end() ? nullptr : &*found;
}

bool Subscriber::is_owed(std::uint64_t message) const {
  const Messages::Publish& publish = messages_[message];
  return publish.qos > 0 && std::ranges::any_of(subscriptions_, [&](const Subscription& s) {
           return message >= s.since && matches(s.filter, publish.topic);
         });
}

Subscriber::Book& Subscriber::book(std::uint64_t message) {
  if (books_.size() <= message) books_.resize(messages_.count());
  return books_[message];
}

void Subscriber::compare() const {
  const auto has = [&](std::uint64_t n, bool retained) {
    if (n >= books_.size()) return false;
    return books_[n].arrived == session_ || (retained && books_[n].retained == session_);
  };
  for (std::uint64_t n = 0; n < messages_.count(); ++n) {
    if (messages_.durable(n) > 0 && is_owed(n) && !has(n, false)) fail("never comes", n);
  }
  for (const Expected& e : expected_) {
    // What was retained at QoS 0 may come so.
    const Messages::Retained& last = messages_.retained().at(e.topic);
    bool found = last.best_effort >= e.place;
    for (std::uint64_t n = 0; !found && n < messages_.count(); ++n) {
      found = messages_.retained_at(n) >= e.place && messages_[n].topic == e.topic && has(n, true);
    }
    if (!found) fail("was retained, and never comes", last.message);
  }
}

void Subscriber::compare_retained() const {
  for (std::uint64_t n = 0; n < messages_.count(); ++n) {
    const std::string& topic = messages_[n].topic;
    const auto last = messages_.retained().find(topic);
    const bool is = last != messages_.retained().end() && last->second.message == n;
    const bool came = n < books_.size() && books_[n].retained == session_;
    if (is && !came) fail("was retained, and is not any more", n);
    if (came && !is) fail("is retained, though there is a later one", n);
  }
}

void Subscriber::fail(std::string_view what, std::uint64_t message) const {
  const Messages::Publish& publish = messages_[message];
  throw Violation(fmt::format(
      "subscriber {}: message {} of client {} on {}, QoS {}{}, {} times in the journal: {}",
      number_, message, publish.client, publish.topic, publish.qos,
      publish.retain ? ", retained" : "", messages_.durable(message), what));
}

}  // namespace rowgate::simulation
