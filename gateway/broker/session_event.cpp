#include "gateway/broker/session_event.hpp"

#include "schema/base/bytes.hpp"

namespace rowgate::broker {
namespace {

enum class Type : std::uint8_t {
  began = 1,
  left,
  will_done,
  ended,
  subscribed,
  unsubscribed,
  queued,
  assigned,
  dropped,
  received,
  done,
  returned,
  published,
};

// Encoding.

class Encoder {
 public:
  explicit Encoder(std::string& out) : out_(out) {}

  void operator()(const event::Began& e) {
    begin(Type::began, e.client_id);
    text16(e.user);
    flags({e.anew, e.will.has_value()});
    out_.le(e.expiry);
    if (e.will) will(*e.will);
  }
  void operator()(const event::Left& e) {
    begin(Type::left, e.client_id);
    flags({e.will_pending});
    out_.le(e.at.micros);
    out_.le(e.expiry);
  }
  void operator()(const event::WillDone& e) { begin(Type::will_done, e.client_id); }
  void operator()(const event::Ended& e) { begin(Type::ended, e.client_id); }
  void operator()(const event::Subscribed& e) {
    begin(Type::subscribed, e.client_id);
    text16(e.filter);
    qos(e.options.qos);
    flags({e.options.no_local, e.options.retain_as_published});
    out_.le(e.options.identifier);
  }
  void operator()(const event::Unsubscribed& e) {
    begin(Type::unsubscribed, e.client_id);
    text16(e.filter);
  }
  void operator()(const event::Queued& e) {
    begin(Type::queued, e.client_id);
    qos(e.qos);
    out_.le(e.identifier);
    message(e.message);
  }
  void operator()(const event::Assigned& e) {
    begin(Type::assigned, e.client_id);
    out_.le(e.copy);
    out_.le(e.packet_id);
    text16(e.shared);
  }
  void operator()(const event::Dropped& e) {
    begin(Type::dropped, e.client_id);
    out_.le(e.copy);
    text16(e.shared);
  }
  void operator()(const event::Received& e) { with_id(Type::received, e.client_id, e.packet_id); }
  void operator()(const event::Done& e) { with_id(Type::done, e.client_id, e.packet_id); }
  void operator()(const event::Returned& e) { with_id(Type::returned, e.client_id, e.packet_id); }
  void operator()(const event::Published& e) {
    begin(Type::published, {});
    message(e.message);
  }

 private:
  void begin(Type type, std::string_view client_id) {
    out_.u8(static_cast<std::uint8_t>(type));
    text16(client_id);
  }
  void with_id(Type type, std::string_view client_id, mqtt::PacketId id) {
    begin(type, client_id);
    out_.le(id);
  }
  void text16(std::string_view text) {
    out_.le(static_cast<std::uint16_t>(text.size()));
    out_.bytes(text);
  }
  void text32(std::string_view text) {
    out_.le(static_cast<std::uint32_t>(text.size()));
    out_.bytes(text);
  }
  void qos(mqtt::QoS q) { out_.u8(static_cast<std::uint8_t>(q)); }
  void flags(std::initializer_list<bool> bits) {
    unsigned byte = 0, bit = 1;
    for (const bool set : bits) {
      byte |= set ? bit : 0;
      bit <<= 1;
    }
    out_.u8(static_cast<std::uint8_t>(byte));
  }
  void will(const WillView& w) {
    text16(w.topic);
    text32(w.payload);
    text32(w.properties);
    qos(w.qos);
    flags({w.retain});
    out_.le(w.delay);
  }
  void message(const MessageView& m) {
    text16(m.topic);
    text32(m.payload);
    text32(m.properties);
    qos(m.qos);
    flags({m.retain, m.expires.has_value()});
    if (m.expires) out_.le(m.expires->micros);
  }

  Writer out_;
};

// Decoding. Each field that is not of this version makes the whole event invalid.

class Decoder {
 public:
  explicit Decoder(std::string_view bytes) noexcept : in_(bytes) {}

  std::optional<SessionEvent> event() noexcept {
    const auto type = static_cast<Type>(in_.u8());
    const std::string_view client_id = text16();
    std::optional<SessionEvent> decoded = body(type, client_id);
    const bool whole = !in_.failed() && in_.remaining() == 0 && valid_;
    return whole ? decoded : std::nullopt;
  }

 private:
  std::optional<SessionEvent> body(Type type, std::string_view client_id) noexcept {
    switch (type) {
      case Type::began: {
        event::Began e{.client_id = client_id, .anew = true, .expiry = 0, .will = {}};
        e.user = text16();
        const unsigned bits = flags(2);
        e.anew = (bits & 1) != 0;
        e.expiry = in_.le<std::uint32_t>();
        if ((bits & 2) != 0) e.will = will();
        return e;
      }
      case Type::left: {
        event::Left e{.client_id = client_id, .at = {}, .expiry = 0, .will_pending = false};
        e.will_pending = flags(1) != 0;
        e.at.micros = in_.le<std::int64_t>();
        e.expiry = in_.le<std::uint32_t>();
        return e;
      }
      case Type::will_done:
        return event::WillDone{client_id};
      case Type::ended:
        return event::Ended{client_id};
      case Type::subscribed: {
        event::Subscribed e{.client_id = client_id, .filter = text16(), .options = {}};
        e.options.qos = qos();
        const unsigned bits = flags(2);
        e.options.no_local = (bits & 1) != 0;
        e.options.retain_as_published = (bits & 2) != 0;
        e.options.identifier = in_.le<std::uint32_t>();
        return e;
      }
      case Type::unsubscribed:
        return event::Unsubscribed{client_id, text16()};
      case Type::published:
        return event::Published{message()};
      default:
        return of_copy(type, client_id);
    }
  }
  std::optional<SessionEvent> of_copy(Type type, std::string_view client_id) noexcept {
    switch (type) {
      case Type::queued: {
        event::Queued e{.client_id = client_id, .qos = qos(), .identifier = 0, .message = {}};
        e.identifier = in_.le<std::uint32_t>();
        e.message = message();
        return e;
      }
      case Type::assigned: {
        event::Assigned e{.client_id = client_id, .copy = in_.le<CopyId>(), .packet_id = 0};
        e.packet_id = in_.le<mqtt::PacketId>();
        e.shared = text16();
        return e;
      }
      case Type::dropped: {
        event::Dropped e{.client_id = client_id, .copy = in_.le<CopyId>()};
        e.shared = text16();
        return e;
      }
      case Type::received:
        return event::Received{client_id, in_.le<mqtt::PacketId>()};
      case Type::done:
        return event::Done{client_id, in_.le<mqtt::PacketId>()};
      case Type::returned:
        return event::Returned{client_id, in_.le<mqtt::PacketId>()};
      default:
        return std::nullopt;
    }
  }

  std::string_view text16() noexcept { return in_.view(in_.le<std::uint16_t>()); }
  std::string_view text32() noexcept { return in_.view(in_.le<std::uint32_t>()); }
  mqtt::QoS qos() noexcept {
    const std::uint8_t value = in_.u8();
    valid_ = valid_ && value <= 2;
    return static_cast<mqtt::QoS>(value);
  }
  unsigned flags(unsigned count) noexcept {
    const unsigned bits = in_.u8();
    valid_ = valid_ && (bits >> count) == 0;
    return bits;
  }
  WillView will() noexcept {
    WillView w;
    w.topic = text16();
    w.payload = text32();
    w.properties = text32();
    w.qos = qos();
    w.retain = flags(1) != 0;
    w.delay = in_.le<std::uint32_t>();
    return w;
  }
  MessageView message() noexcept {
    MessageView m;
    m.topic = text16();
    m.payload = text32();
    m.properties = text32();
    m.qos = qos();
    const unsigned bits = flags(2);
    m.retain = (bits & 1) != 0;
    if ((bits & 2) != 0) m.expires = Timestamp{in_.le<std::int64_t>()};
    return m;
  }

  Reader in_;
  bool valid_ = true;
};

}  // namespace

void encode(const SessionEvent& event, std::string& out) {
  std::visit(Encoder(out), event);
}

std::optional<SessionEvent> decode_event(std::string_view bytes) noexcept {
  return Decoder(bytes).event();
}

}  // namespace rowgate::broker
