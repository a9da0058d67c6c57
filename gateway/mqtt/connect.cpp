#include "gateway/mqtt/connect.hpp"

#include <algorithm>

#include "gateway/mqtt/publish.hpp"
#include "gateway/mqtt/wire.hpp"

namespace rowgate::mqtt {

namespace {

enum ConnectFlag : unsigned {
  reserved_flag = 0x01,
  clean_start_flag = 0x02,
  will_flag = 0x04,
  will_qos_bits = 0x18,
  will_retain_flag = 0x20,
  password_flag = 0x40,
  user_name_flag = 0x80,
};

constexpr Error cut_off = malformed("CONNECT is cut off");
constexpr Error wrong_version = {ReasonCode::unsupported_protocol_version,
                                 "protocol is not MQTT 3.1, 3.1.1 or 5.0 "
                                 "[MQTT-3.1.2-1, -2]"};

const char* flags_fault(unsigned flags, Version version) noexcept {
  const bool with_will = (flags & will_flag) != 0;
  const bool qos_3 = (flags & will_qos_bits) == will_qos_bits;
  if (qos_3 && (with_will || version != Version::v31)) return "will QoS is 3 [MQTT-3.1.2-12]";
  if (version == Version::v31) return nullptr;  // disregards the rest
  if ((flags & reserved_flag) != 0) return "reserved CONNECT flag is set [MQTT-3.1.2-3]";
  if (!with_will && (flags & (will_qos_bits | will_retain_flag)) != 0) {
    return "will QoS or will retain without a will [MQTT-3.1.2-11, -13]";
  }
  if (version == Version::v311 && (flags & (user_name_flag | password_flag)) == password_flag) {
    return "password without a user name [MQTT-3.1.2-22]";
  }
  return nullptr;
}

constexpr std::string_view v31_name = "MQIsdp";

bool is_v31(std::string_view name, std::uint8_t level) noexcept {
  return name == v31_name && level == 3;
}

// Properties of CONNECT or of the will: none in 3.1.1. Moves `reader` behind them.
Decoded<Properties> read_properties(Reader& reader, std::string_view body, Version version,
                                    PropertySet set) {
  if (version != Version::v5) return Properties{};
  std::string_view rest = body.substr(reader.offset());
  auto properties = decode_properties(rest, set);
  reader.view(reader.remaining() - rest.size());
  return properties;
}

Decoded<WillView> read_will(Reader& reader, std::string_view body, unsigned flags,
                            Version version) {
  WillView will;
  will.qos = static_cast<QoS>((flags & will_qos_bits) >> 3);
  will.retain = (flags & will_retain_flag) != 0;
  const auto properties = read_properties(reader, body, version, PropertySet::will);
  if (!properties) return properties.error();
  will.properties = *properties;
  will.topic = read_binary(reader);
  will.payload = read_binary(reader);
  if (reader.failed()) return cut_off;
  if (!is_text(will.topic)) return malformed("will topic is not UTF-8 [MQTT-3.1.3-11]");
  if (!is_topic_name(will.topic)) {
    return Error{ReasonCode::topic_name_invalid, "will topic is no topic name [MQTT-4.7.3-1]"};
  }
  return will;
}

// What the version says of a client identifier that is text; nullptr: nothing against it.
const char* client_id_fault(const ConnectView& view) noexcept {
  if (view.version == Version::v31) {
    const auto characters = std::count_if(view.client_id.begin(), view.client_id.end(),
                                          [](char c) { return (c & 0xC0) != 0x80; });
    return characters >= 1 && characters <= 23
               ? nullptr
               : "client identifier is not of 1 to 23 characters (MQTT 3.1, section 3.1)";
  }
  return view.version == Version::v311 && view.client_id.empty() && !view.clean_start
             ? "empty client identifier without Clean Session [MQTT-3.1.3-8]"
             : nullptr;
}

// From the client identifier to the end (section 3.1.3).
Decoded<ConnectView> read_payload(Reader& reader, std::string_view body, unsigned flags,
                                  ConnectView view) {
  view.client_id = read_binary(reader);
  if (reader.failed()) return cut_off;
  if (!is_text(view.client_id)) {
    return malformed("client identifier is not UTF-8 without U+0000 [MQTT-3.1.3-4]");
  }
  if ((flags & will_flag) != 0) {
    const auto will = read_will(reader, body, flags, view.version);
    if (!will) return will.error();
    view.will = *will;
  }
  // In 3.1 the Remaining Length takes precedence over these flags.
  const auto follows = [&](unsigned flag) {
    return (flags & flag) != 0 && (view.version != Version::v31 || reader.remaining() > 0);
  };
  if (follows(user_name_flag)) view.user_name = read_binary(reader);
  if (follows(password_flag)) view.password = read_binary(reader);
  if (reader.failed()) return cut_off;
  if (view.user_name && !is_text(*view.user_name)) {
    return malformed("user name is not UTF-8 without U+0000 [MQTT-3.1.3-12]");
  }
  if (reader.remaining() > 0) return malformed("bytes after the end of CONNECT");
  if (const char* fault = client_id_fault(view)) {
    return Error{ReasonCode::client_identifier_not_valid, fault};
  }
  return view;
}

}  // namespace

Decoded<ConnectView> decode_connect(const Frame& frame) {
  Reader reader(frame.body);
  const std::string_view name = read_binary(reader);
  const std::uint8_t level = reader.u8();
  if (reader.failed()) return cut_off;
  const bool known = name == "MQTT" ? level == 4 || level == 5 : is_v31(name, level);
  if (!known) return wrong_version;

  ConnectView view;
  view.version = static_cast<Version>(level);
  const unsigned flags = reader.u8();
  view.clean_start = (flags & clean_start_flag) != 0;
  view.keep_alive = reader.be<std::uint16_t>();
  if (reader.failed()) return cut_off;
  if (const char* fault = flags_fault(flags, view.version)) return malformed(fault);

  const auto properties = read_properties(reader, frame.body, view.version, PropertySet::connect);
  if (!properties) return properties.error();
  view.properties = *properties;
  return read_payload(reader, frame.body, flags, view);
}

Version peek_version(const Frame& frame) noexcept {
  Reader reader(frame.body);
  const std::string_view name = read_binary(reader);
  const std::uint8_t level = reader.u8();
  if (is_v31(name, level)) return Version::v31;
  // Mosquitto's bridges set the top bit of the level: 0x84 means 3.1.1 too.
  return name != v31_name && (level & 0x7F) >= 5 ? Version::v5 : Version::v311;
}

void encode_connack(std::string& out, Version version, const Connack& connack,
                    std::uint32_t maximum_packet_size) {
  const bool present = connack.session_present && connack.code == ReasonCode::success;
  if (version != Version::v5) {
    append_fixed_header(out, PacketType::connack, 0, 2);
    out.push_back(present && version != Version::v31 ? 1 : 0);
    out.push_back(static_cast<char>(connack_code_v311(connack.code)));
    return;
  }
  std::string properties;
  append_with_problem(properties, connack.properties, 2,
                      {.reason_string = connack.properties.reason_string.value_or(""),
                       .user_properties = connack.user_properties,
                       .maximum_packet_size = maximum_packet_size});
  append_fixed_header(out, PacketType::connack, 0, 2 + properties.size());
  out.push_back(present ? 1 : 0);
  out.push_back(static_cast<char>(connack.code));
  out += properties;
}

}  // namespace rowgate::mqtt
