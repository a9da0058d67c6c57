#include "gateway/broker/presence.hpp"

#include <utility>

#include "gateway/broker/json_text.hpp"

namespace rowgate::broker {
namespace {

using What = PresenceEvent::What;

constexpr std::string_view word(What what) noexcept {
  switch (what) {
    case What::connected:
      return "connected";
    case What::disconnected:
      return "disconnected";
    case What::taken_over:
      return "taken_over";
    case What::will:
      break;
  }
  return "will";
}

constexpr std::string_view word(mqtt::Version version) noexcept {
  switch (version) {
    case mqtt::Version::v31:
      return "3.1";
    case mqtt::Version::v311:
      return "3.1.1";
    case mqtt::Version::v5:
      break;
  }
  return "5.0";
}

using mqtt::ReasonCode;
constexpr std::pair<ReasonCode, std::string_view> reason_names[] = {
    {ReasonCode::success, "normal"},
    {ReasonCode::disconnect_with_will, "with_will"},
    {ReasonCode::no_matching_subscribers, "no_matching_subscribers"},
    {ReasonCode::no_subscription_existed, "no_subscription_existed"},
    {ReasonCode::continue_authentication, "continue_authentication"},
    {ReasonCode::re_authenticate, "re_authenticate"},
    {ReasonCode::unspecified_error, "unspecified_error"},
    {ReasonCode::malformed_packet, "malformed_packet"},
    {ReasonCode::protocol_error, "protocol_error"},
    {ReasonCode::implementation_specific_error, "implementation_specific_error"},
    {ReasonCode::unsupported_protocol_version, "unsupported_protocol_version"},
    {ReasonCode::client_identifier_not_valid, "client_identifier_not_valid"},
    {ReasonCode::bad_user_name_or_password, "bad_user_name_or_password"},
    {ReasonCode::not_authorized, "not_authorized"},
    {ReasonCode::server_unavailable, "server_unavailable"},
    {ReasonCode::server_busy, "server_busy"},
    {ReasonCode::banned, "banned"},
    {ReasonCode::server_shutting_down, "server_shutting_down"},
    {ReasonCode::bad_authentication_method, "bad_authentication_method"},
    {ReasonCode::keep_alive_timeout, "keep_alive_timeout"},
    {ReasonCode::session_taken_over, "session_taken_over"},
    {ReasonCode::topic_filter_invalid, "topic_filter_invalid"},
    {ReasonCode::topic_name_invalid, "topic_name_invalid"},
    {ReasonCode::packet_identifier_in_use, "packet_identifier_in_use"},
    {ReasonCode::packet_identifier_not_found, "packet_identifier_not_found"},
    {ReasonCode::receive_maximum_exceeded, "receive_maximum_exceeded"},
    {ReasonCode::topic_alias_invalid, "topic_alias_invalid"},
    {ReasonCode::packet_too_large, "packet_too_large"},
    {ReasonCode::message_rate_too_high, "message_rate_too_high"},
    {ReasonCode::quota_exceeded, "quota_exceeded"},
    {ReasonCode::administrative_action, "administrative_action"},
    {ReasonCode::payload_format_invalid, "payload_format_invalid"},
    {ReasonCode::retain_not_supported, "retain_not_supported"},
    {ReasonCode::qos_not_supported, "qos_not_supported"},
    {ReasonCode::use_another_server, "use_another_server"},
    {ReasonCode::server_moved, "server_moved"},
    {ReasonCode::shared_subscriptions_not_supported, "shared_subscriptions_not_supported"},
    {ReasonCode::connection_rate_exceeded, "connection_rate_exceeded"},
    {ReasonCode::maximum_connect_time, "maximum_connect_time"},
    {ReasonCode::subscription_identifiers_not_supported, "subscription_identifiers_not_supported"},
    {ReasonCode::wildcard_subscriptions_not_supported, "wildcard_subscriptions_not_supported"},
};

/// A client id may hold what a topic name may not [MQTT-3.3.2-2].
std::string topic_of(std::string_view client_id) {
  std::string topic(schema::presence_topic);
  topic += '/';
  for (const char c : client_id) {
    if (c == '+') {
      topic.append("%2B");
    } else if (c == '#') {
      topic.append("%23");
    } else {
      topic += c;
    }
  }
  return topic;
}

std::string payload_of(const PresenceEvent& event) {
  JsonObject json;
  json.text("event", word(event.what));
  json.text("client_id", event.client_id);
  json.text("user", event.user);
  json.text("address", event.address);
  json.text("protocol", event.protocol ? word(*event.protocol) : std::string_view{});
  if (event.what == What::connected) {
    json.flag("clean_start", event.clean_start);
    json.flag("session_present", event.session_present);
  } else if (event.what == What::will) {
    json.text("topic", event.topic);
  } else {
    json.text("reason", event.reason);
  }
  return json.take();
}

}  // namespace

std::string_view reason_name(mqtt::ReasonCode code) noexcept {
  for (const auto& [known, name] : reason_names) {
    if (known == code) return name;
  }
  return "unspecified_error";
}

void Presence::record(const PresenceEvent& event) {
  if (!catalog_.get()->presence) return;
  later_.put(Record{std::string(event.client_id), topic_of(event.client_id), payload_of(event),
                    clock_.now()},
             append());
}

void Presence::retry() {
  later_.retry(append());
}

Result<storage::Appended, storage::AppendError> Presence::append(const Record& record) {
  const storage::Lane lane = storage::lane_of(record.client_id, journal_.lanes());
  // QoS 1, with nobody to acknowledge it to: the journal drops QoS 0 first.
  auto appended = journal_.append({.client_id = record.client_id,
                                   .topic = record.topic,
                                   .properties = {},
                                   .payload = record.payload,
                                   .received_at = record.at,
                                   .lane = lane,
                                   .packet_id = 0,
                                   .qos = 1,
                                   .retain = false});
  if (appended) ledger_.received(thread_, lane);
  return appended;
}

}  // namespace rowgate::broker
