#include "gateway/broker/receipts.hpp"

#include "gateway/broker/json_text.hpp"
#include "gateway/broker/session_event.hpp"
#include "gateway/mqtt/properties.hpp"
#include "gateway/mqtt/publish.hpp"
#include "schema/base/bytes.hpp"

namespace rowgate::broker {
namespace {

constexpr std::string_view property_name = "rowgate-receipt";
constexpr std::string_view asked = "commit";
constexpr std::string_view reply_property = "reply";

constexpr std::string_view word(Receipts::State state) noexcept {
  switch (state) {
    case Receipts::State::stored:
      return "stored";
    case Receipts::State::dead_letter:
      return "dead_letter";
    case Receipts::State::unmapped:
      break;
  }
  return "unmapped";
}

void append_user_property(std::string& out, std::string_view name, std::string_view value) {
  Writer writer(out);
  writer.u8(static_cast<std::uint8_t>(mqtt::PropertyId::user_property));
  for (const std::string_view text : {name, value}) {
    writer.be(static_cast<std::uint16_t>(text.size()));
    writer.bytes(text);
  }
}

/// The receipt's own properties, wire form, without their length.
std::string properties_of(std::string_view request) {
  std::string out;
  Writer writer(out);
  writer.u8(static_cast<std::uint8_t>(mqtt::PropertyId::payload_format_indicator));
  writer.u8(1);
  constexpr std::string_view json = "application/json";
  writer.u8(static_cast<std::uint8_t>(mqtt::PropertyId::content_type));
  writer.be(static_cast<std::uint16_t>(json.size()));
  writer.bytes(json);
  if (const auto correlation = mqtt::correlation_data(request)) {
    writer.u8(static_cast<std::uint8_t>(mqtt::PropertyId::correlation_data));
    writer.be(static_cast<std::uint16_t>(correlation->size()));
    writer.bytes(*correlation);
  }
  return out;
}

}  // namespace

bool Receipts::wanted(std::string_view properties) noexcept {
  // Nearly every publish ends at the first find.
  return topic(properties) || (properties.find(reply_property) != std::string_view::npos &&
                               mqtt::user_property(properties, reply_property));
}

std::optional<std::string_view> Receipts::topic(std::string_view properties) noexcept {
  // Nearly every publish ends here.
  if (properties.find(property_name) == std::string_view::npos) return std::nullopt;
  if (mqtt::user_property(properties, property_name) != asked) return std::nullopt;
  const auto response = mqtt::response_topic(properties);
  if (!response || !mqtt::is_topic_name(*response) || response->starts_with('$')) {
    return std::nullopt;
  }
  return response;
}

std::optional<std::string_view> Receipts::reply_topic(std::string_view topic,
                                                      std::string_view properties) noexcept {
  if (properties.empty() || !(topic.starts_with("db/append/") || topic.starts_with("db/write/"))) {
    return std::nullopt;
  }
  const auto reply = mqtt::user_property(properties, reply_property);
  if (!reply || !mqtt::is_topic_name(*reply) || reply->starts_with('$')) return std::nullopt;
  return reply;
}

void Receipts::tell(const schema::Message& message, State state, std::string_view reason,
                    std::string_view table) {
  const auto response = topic(message.properties);
  if (!response) return;
  JsonObject payload;
  payload.text("state", word(state));
  payload.text("topic", message.topic);
  payload.text("reason", reason);
  payload.text("table", table);
  std::string properties = properties_of(message.properties);
  append_user_property(properties, property_name, word(state));
  send(message, *response, payload.take(), properties);
}

void Receipts::reply(const schema::Message& message, State state, std::string_view reason) {
  const auto to = reply_topic(message.topic, message.properties);
  if (!to) return;
  JsonObject payload;
  payload.flag("success", state == State::stored);
  payload.text("reason", state == State::stored ? "success" : reason);
  send(message, *to, payload.take(), properties_of(message.properties));
}

void Receipts::send(const schema::Message& message, std::string_view to, std::string_view payload,
                    std::string_view properties) {
  Event receipt;
  encode(event::Published{.message = {.topic = to,
                                      .payload = payload,
                                      .properties = properties,
                                      .qos = static_cast<mqtt::QoS>(message.qos),
                                      .retain = false,
                                      .expires = std::nullopt}},
         receipt.encoded);
  later_.put(std::move(receipt), append());
}

void Receipts::retry() {
  later_.retry(append());
}

}  // namespace rowgate::broker
