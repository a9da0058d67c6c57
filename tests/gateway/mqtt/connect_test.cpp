#include "gateway/mqtt/connect.hpp"

#include "tests/gateway/mqtt/wire_text.hpp"

namespace rowgate::mqtt {
namespace {

using test::code_of;
using test::frame_of;
using test::wire;

// A CONNECT from its body.
std::string connect(const char* body) {
  const std::string bytes = wire(body);
  std::string out("\x10", 1);
  append_varint(out, static_cast<std::uint32_t>(bytes.size()));
  return out + bytes;
}
ReasonCode refusal(const char* body) {
  const std::string bytes = connect(body);
  return code_of(decode_connect(frame_of(bytes)));
}

TEST(Connect, reads_the_smallest_3_1_1_connect) {
  const std::string bytes = connect("0004 'MQTT' 04 02 003C | 0004 'dev1'");
  const auto view = decode_connect(frame_of(bytes));
  ASSERT_TRUE(view) << view.error().reason;
  EXPECT_EQ(view->version, Version::v311);
  EXPECT_TRUE(view->clean_start);
  EXPECT_EQ(view->keep_alive, 60);
  EXPECT_EQ(view->client_id, "dev1");
  EXPECT_FALSE(view->will);
  EXPECT_FALSE(view->user_name);
  EXPECT_FALSE(view->password);
}

TEST(Connect, reads_will_user_name_and_password_of_3_1_1) {
  const std::string bytes = connect(
      "0004 'MQTT' 04 EC 000A | 0001 'c' | 0004 'gone' 0003 'bye' | 0004 'user' | 0002 FF00");
  const auto view = decode_connect(frame_of(bytes));
  ASSERT_TRUE(view) << view.error().reason;
  EXPECT_FALSE(view->clean_start);
  ASSERT_TRUE(view->will);
  EXPECT_EQ(view->will->topic, "gone");
  EXPECT_EQ(view->will->payload, "bye");
  EXPECT_EQ(view->will->qos, QoS::at_least_once);
  EXPECT_TRUE(view->will->retain);
  EXPECT_EQ(view->user_name, "user");
  EXPECT_EQ(view->password, std::string_view("\xFF\0", 2));
}

TEST(Connect, reads_properties_of_the_connection_and_of_the_will_in_5_0) {
  const std::string bytes = connect(
      "0004 'MQTT' 05 16 0000 | 08 11 00000E10 21 0014 | 0000 |"
      "05 18 00000001 0001 'w' 0000");
  const auto view = decode_connect(frame_of(bytes));
  ASSERT_TRUE(view) << view.error().reason;
  EXPECT_EQ(view->version, Version::v5);
  EXPECT_EQ(view->client_id, "");
  EXPECT_EQ(view->properties.session_expiry_interval, 3600U);
  EXPECT_EQ(view->properties.receive_maximum, 20);
  ASSERT_TRUE(view->will);
  EXPECT_EQ(view->will->qos, QoS::exactly_once);
  EXPECT_FALSE(view->will->retain);
  EXPECT_EQ(view->will->properties.will_delay_interval, 1U);
  EXPECT_EQ(view->will->topic, "w");
  EXPECT_EQ(view->will->payload, "");
}

TEST(Connect, takes_a_password_without_a_user_name_in_5_0_only) {
  const std::string bytes = connect("0004 'MQTT' 05 42 0000 00 0000 0002 'pw'");
  const auto view = decode_connect(frame_of(bytes));
  ASSERT_TRUE(view);
  EXPECT_EQ(view->password, "pw");
  EXPECT_EQ(refusal("0004 'MQTT' 04 42 0000 0000 0002 'pw'"), ReasonCode::malformed_packet);
}

TEST(Connect, refuses_other_protocols_and_levels) {
  const ReasonCode unsupported = ReasonCode::unsupported_protocol_version;
  EXPECT_EQ(refusal("0006 'MQIsdp' 04 02 003C 0001 'c'"), unsupported);
  EXPECT_EQ(refusal("0006 'MQIsdp' 05 02 003C 00 0001 'c'"), unsupported);
  EXPECT_EQ(refusal("0006 'MQIsdp' 83 02 003C 0001 'c'"), unsupported);
  EXPECT_EQ(refusal("0004 'MQTT' 03 02 003C 0001 'c'"), unsupported);
  EXPECT_EQ(refusal("0004 'MQTT' 06 02 003C 00 0001 'c'"), unsupported);
  EXPECT_EQ(refusal("0004 'mqtt' 04 02 003C 0001 'c'"), unsupported);
  EXPECT_EQ(refusal("0000 04 02 003C 0001 'c'"), unsupported);
  EXPECT_EQ(refusal("0004 'MQTT' 84 02 003C 0001 'c'"), unsupported);
}

TEST(Connect, tells_in_which_form_to_refuse) {
  const auto peek = [](const char* body) {
    const std::string bytes = connect(body);
    return peek_version(frame_of(bytes));
  };
  EXPECT_EQ(peek("0004 'MQTT' 04 FF"), Version::v311);
  EXPECT_EQ(peek("0004 'MQTT' 05 FF"), Version::v5);
  EXPECT_EQ(peek("0004 'MQTT' 06"), Version::v5);
  EXPECT_EQ(peek("0006 'MQIsdp' 03"), Version::v31);
  EXPECT_EQ(peek("0006 'MQIsdp' 83"), Version::v311);
  EXPECT_EQ(peek("0006 'MQIsdp' 05"), Version::v311);
  EXPECT_EQ(peek("0004 'MQTT' 03"), Version::v311);
  EXPECT_EQ(peek("0004 'MQTT' 84"), Version::v311);  // Mosquitto's bridge
  EXPECT_EQ(peek("0004 'MQ'"), Version::v311);
  EXPECT_EQ(peek(""), Version::v311);
}

TEST(Connect, refuses_flags_that_contradict_each_other) {
  for (const char* body : {"0004 'MQTT' 04 03 0000 0001 'c'",                // reserved [3.1.2-3]
                           "0004 'MQTT' 04 0A 0000 0001 'c'",                // will QoS, no will
                           "0004 'MQTT' 04 22 0000 0001 'c'",                // will retain, no will
                           "0004 'MQTT' 04 1E 0000 0001 'c' 0001 'w' 0000",  // will QoS 3
                           "0004 'MQTT' 05 01 0000 00 0001 'c'",             // 5.0 the same
                           "0004 'MQTT' 05 1E 0000 00 0001 'c' 00 0001 'w' 0000"}) {
    EXPECT_EQ(refusal(body), ReasonCode::malformed_packet) << body;
  }
}

TEST(Connect, refuses_an_empty_client_identifier_that_wants_a_session_in_3_1_1) {
  EXPECT_EQ(refusal("0004 'MQTT' 04 00 0000 0000"), ReasonCode::client_identifier_not_valid);
  EXPECT_EQ(refusal("0004 'MQTT' 04 02 0000 0000"), ReasonCode::success);
  EXPECT_EQ(refusal("0004 'MQTT' 05 00 0000 00 0000"), ReasonCode::success);
}

TEST(Connect, refuses_text_that_is_not_text) {
  for (const char* body : {"0004 'MQTT' 04 02 0000 0001 FF",                 // client id
                           "0004 'MQTT' 04 02 0000 0001 00",                 // U+0000
                           "0004 'MQTT' 04 06 0000 0001 'c' 0001 C3 0000",   // will topic
                           "0004 'MQTT' 04 82 0000 0001 'c' 0003 ED A0 80",  // user name: surrogate
                           "0004 'MQTT' 05 82 0000 00 0001 'c' 0001 00"}) {
    EXPECT_EQ(refusal(body), ReasonCode::malformed_packet) << body;
  }
}

TEST(Connect, refuses_a_will_topic_that_is_no_topic_name) {
  EXPECT_EQ(refusal("0004 'MQTT' 04 06 0000 0001 'c' 0001 '#' 0000"),
            ReasonCode::topic_name_invalid);
  EXPECT_EQ(refusal("0004 'MQTT' 04 06 0000 0001 'c' 0000 0000"), ReasonCode::topic_name_invalid);
}

TEST(Connect, refuses_properties_of_other_packets) {
  EXPECT_EQ(refusal("0004 'MQTT' 05 02 0000 03 23 0001 0001 'c'"), ReasonCode::malformed_packet);
  EXPECT_EQ(refusal("0004 'MQTT' 05 06 0000 00 0001 'c' 05 11 00000001 0001 'w' 0000"),
            ReasonCode::malformed_packet);
  EXPECT_EQ(refusal("0004 'MQTT' 05 02 0000 03 21 0000 0001 'c'"), ReasonCode::protocol_error);
}

TEST(Connect, refuses_bytes_behind_the_last_field) {
  EXPECT_EQ(refusal("0004 'MQTT' 04 02 0000 0001 'c' 00"), ReasonCode::malformed_packet);
  EXPECT_EQ(refusal("0004 'MQTT' 05 02 0000 00 0001 'c' 'xyz'"), ReasonCode::malformed_packet);
}

TEST(Connect, refuses_every_cut_of_a_whole_connect) {
  const std::string whole = wire(
      "0004 'MQTT' 05 EE 0000 | 03 21 0014 | 0001 'c' | 02 01 01 0001 'w' 0001 'p' | 0001 'u' |"
      "0001 'p'");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    Frame frame;
    frame.type = PacketType::connect;
    frame.body = std::string_view(whole).substr(0, size);
    EXPECT_EQ(code_of(decode_connect(frame)), ReasonCode::malformed_packet) << size;
  }
}

TEST(Connack, is_four_bytes_in_3_1_1) {
  std::string out;
  encode_connack(out, Version::v311, {.session_present = true});
  encode_connack(out, Version::v311, {.code = ReasonCode::bad_user_name_or_password});
  EXPECT_EQ(out, wire("20 02 01 00 | 20 02 00 04"));
}

TEST(Connack, carries_properties_in_5_0) {
  Connack connack;
  connack.properties.receive_maximum = std::uint16_t{100};
  connack.properties.shared_subscription_available = std::uint8_t{0};
  std::string out;
  encode_connack(out, Version::v5, connack);
  EXPECT_EQ(out, wire("20 08 00 00 05 21 0064 2A 00"));
}

TEST(Connack, never_says_session_present_with_a_refusal) {  // [MQTT-3.2.2-4], [MQTT-3.2.2-6]
  std::string out;
  encode_connack(out, Version::v311, {.session_present = true, .code = ReasonCode::server_busy});
  encode_connack(out, Version::v5, {.session_present = true, .code = ReasonCode::server_busy});
  EXPECT_EQ(out, wire("20 02 00 03 | 20 03 00 89 00"));
}

TEST(Connect, reads_3_1_as_3_1_1_under_its_own_name_and_level) {
  const std::string bytes =
      connect("0006 'MQIsdp' 03 C6 003C | 0001 'c' | 0001 'w' 0000 | 0001 'u' | 0001 'p'");
  const auto view = decode_connect(frame_of(bytes));
  ASSERT_TRUE(view) << view.error().reason;
  EXPECT_EQ(view->version, Version::v31);
  EXPECT_TRUE(view->clean_start);
  EXPECT_EQ(view->client_id, "c");
  EXPECT_EQ(view->will->topic, "w");
  EXPECT_EQ(view->user_name, "u");
  EXPECT_EQ(view->password, "p");
}

TEST(Connect, takes_client_identifiers_of_1_to_23_characters_in_3_1) {
  EXPECT_EQ(refusal("0006 'MQIsdp' 03 02 003C 0000"), ReasonCode::client_identifier_not_valid);
  EXPECT_EQ(refusal("0006 'MQIsdp' 03 02 003C 0001 'c'"), ReasonCode::success);
  EXPECT_EQ(refusal("0006 'MQIsdp' 03 02 003C 0017 '12345678901234567890123'"),
            ReasonCode::success);
  EXPECT_EQ(refusal("0006 'MQIsdp' 03 02 003C 0018 '1234567890123456789012ä'"),
            ReasonCode::success);  // 23 characters, 24 bytes
  EXPECT_EQ(refusal("0006 'MQIsdp' 03 02 003C 0018 '123456789012345678901234'"),
            ReasonCode::client_identifier_not_valid);
  EXPECT_EQ(refusal("0004 'MQTT' 04 02 003C 0018 '123456789012345678901234'"), ReasonCode::success);
}

TEST(Connect, disregards_in_3_1_the_flags_that_only_3_1_1_reserves) {
  EXPECT_EQ(refusal("0006 'MQIsdp' 03 03 003C 0001 'c'"), ReasonCode::success);
  EXPECT_EQ(refusal("0006 'MQIsdp' 03 3A 003C 0001 'c'"), ReasonCode::success);
  EXPECT_EQ(refusal("0006 'MQIsdp' 03 1E 003C 0001 'c' 0001 'w' 0000"),
            ReasonCode::malformed_packet);  // will QoS 3
}

TEST(Connect, lets_a_3_1_user_name_or_password_be_missing_at_the_end) {
  const std::string bytes = connect("0006 'MQIsdp' 03 C2 003C 0001 'c' 0001 'u'");
  const auto view = decode_connect(frame_of(bytes));
  ASSERT_TRUE(view) << view.error().reason;
  EXPECT_EQ(view->user_name, "u");
  EXPECT_FALSE(view->password);
  EXPECT_EQ(refusal("0006 'MQIsdp' 03 C2 003C 0001 'c'"), ReasonCode::success);
  EXPECT_EQ(refusal("0006 'MQIsdp' 03 82 003C 0001 'c' 0002 'u'"), ReasonCode::malformed_packet);
}

TEST(Connack, has_no_session_present_in_3_1) {
  std::string out;
  encode_connack(out, Version::v31, {.session_present = true});
  encode_connack(out, Version::v31, {.code = ReasonCode::client_identifier_not_valid});
  EXPECT_EQ(out, wire("20 02 00 00 | 20 02 00 02"));
}

TEST(Connack, says_everything_a_server_can_say) {
  Connack connack;
  Properties& p = connack.properties;
  p.session_expiry_interval = 1;
  p.assigned_client_identifier = "i";
  p.server_keep_alive = std::uint16_t{60};
  p.response_information = "r/";
  p.server_reference = "s";
  p.reason_string = "why";
  p.receive_maximum = std::uint16_t{2};
  p.topic_alias_maximum = std::uint16_t{3};
  p.maximum_qos = std::uint8_t{1};
  p.retain_available = std::uint8_t{0};
  p.maximum_packet_size = 256;
  p.wildcard_subscription_available = std::uint8_t{1};
  p.subscription_identifier_available = std::uint8_t{0};
  p.shared_subscription_available = std::uint8_t{1};
  const std::string user_properties = wire("26 0001 'k' 0001 'v'");
  connack.user_properties = user_properties;
  std::string out;
  encode_connack(out, Version::v5, connack);
  EXPECT_EQ(out, wire("20 3A 00 00 37 | 11 00000001 | 12 0001 'i' | 13 003C | 1A 0002 'r/' |"
                      "1C 0001 's' | 1F 0003 'why' | 21 0002 | 22 0003 | 24 01 | 25 00 |"
                      "27 00000100 | 28 01 | 29 00 | 2A 01 | 26 0001 'k' 0001 'v'"));
}

TEST(Connack, leaves_out_what_would_exceed_the_maximum_packet_size) {  // [MQTT-3.2.2-19, -20]
  Connack connack;
  connack.properties.receive_maximum = std::uint16_t{2};
  connack.properties.reason_string = "why";
  const std::string user_properties = wire("26 0001 'k' 0001 'v'");
  connack.user_properties = user_properties;
  const auto encoded = [&](std::uint32_t limit) {
    std::string out;
    encode_connack(out, Version::v5, connack, limit);
    return out;
  };
  EXPECT_EQ(encoded(21), wire("20 13 00 00 10 1F 0003 'why' 21 0002 26 0001 'k' 0001 'v'"));
  EXPECT_EQ(encoded(20), wire("20 0C 00 00 09 1F 0003 'why' 21 0002"));
  EXPECT_EQ(encoded(13), wire("20 06 00 00 03 21 0002"));
}

}  // namespace
}  // namespace rowgate::mqtt
