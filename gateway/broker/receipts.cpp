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
std::string properties_of(std::string_view request, Receipts::State state) {
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
  append_user_property(out, property_name, word(state));
  return out;
}

}  // namespace

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

void Receipts::tell(const schema::Message& message, State state, std::string_view reason,
                    std::string_view table) {
  const auto response = topic(message.properties);
  if (!response) return;
  JsonObject payload;
  payload.text("state", word(state));
  payload.text("topic", message.topic);
  payload.text("reason", reason);
  payload.text("table", table);
  const std::string json = payload.take();
  const std::string properties = properties_of(message.properties, state);
  Event receipt;
  encode(event::Published{.message = {.topic = *response,
                                      .payload = json,
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
