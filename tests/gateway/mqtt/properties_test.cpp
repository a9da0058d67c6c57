#include "gateway/mqtt/properties.hpp"

#include "tests/gateway/mqtt/wire_text.hpp"

namespace rowgate::mqtt {
namespace {

using test::code_of;
using test::wire;

ReasonCode refusal(const char* block, PropertySet set) {
  return code_of(decode_property_block(wire(block), set));
}

TEST(Properties, takes_length_and_block_off_the_body) {
  const std::string bytes = wire("05 11 00000E10 | 0001 'x'");
  std::string_view body = bytes;
  const auto properties = decode_properties(body, PropertySet::connect);
  ASSERT_TRUE(properties);
  EXPECT_EQ(properties->session_expiry_interval, 3600U);
  EXPECT_EQ(properties->wire, wire("11 00000E10"));
  EXPECT_EQ(body, wire("0001 'x'"));
}

TEST(Properties, reads_the_block_of_a_connect) {
  const std::string block = wire(
      "11 FFFFFFFF | 21 000A | 27 00010000 | 22 0003 | 19 01 | 17 00 | 15 0001 'm' | 16 0002 00FF |"
      "26 0001 'a' 0001 'b' | 26 0001 'a' 0001 'b'");
  const auto properties = decode_property_block(block, PropertySet::connect);
  ASSERT_TRUE(properties) << properties.error().reason;
  EXPECT_EQ(properties->session_expiry_interval, 0xFFFFFFFFU);
  EXPECT_EQ(properties->receive_maximum, 10);
  EXPECT_EQ(properties->maximum_packet_size, 65536U);
  EXPECT_EQ(properties->topic_alias_maximum, 3);
  EXPECT_EQ(properties->request_response_information, 1);
  EXPECT_EQ(properties->request_problem_information, 0);
  EXPECT_EQ(properties->authentication_method, "m");
  EXPECT_EQ(properties->authentication_data, std::string_view("\0\xFF", 2));
  EXPECT_FALSE(properties->topic_alias);
}

TEST(Properties, reads_the_block_of_a_will) {
  const std::string block =
      wire("18 00000005 | 01 01 | 02 0000003C | 03 0004 'json' | 08 0003 'r/t' | 09 0001 00");
  const auto properties = decode_property_block(block, PropertySet::will);
  ASSERT_TRUE(properties) << properties.error().reason;
  EXPECT_EQ(properties->will_delay_interval, 5U);
  EXPECT_EQ(properties->payload_format_indicator, 1);
  EXPECT_EQ(properties->message_expiry_interval, 60U);
  EXPECT_EQ(properties->content_type, "json");
  EXPECT_EQ(properties->response_topic, "r/t");
  EXPECT_EQ(properties->correlation_data, std::string_view("\0", 1));
}

TEST(Properties, allows_each_property_in_the_packets_of_table_2_4_only) {
  // One smallest value of each property, and the sets where it may stand, by first letters:
  // Connect connacK Publish puBack pubRec pubreL pubcoMp Subscribe subAck Unsubscribe uNsuback
  // Disconnect auTh Will.
  constexpr std::string_view letters = "CKPBRLMSAUNDTW";
  const struct {
    const char* bytes;
    std::string_view sets;
  } cases[] = {
      {"01 00", "PW"},        {"02 00000000", "PW"},
      {"03 0000", "PW"},      {"08 0001 'r'", "PW"},
      {"09 0000", "PW"},      {"0B 01", "PS"},
      {"11 00000000", "CKD"}, {"12 0000", "K"},
      {"13 0000", "K"},       {"15 0000", "CKT"},
      {"17 00", "C"},         {"18 00000000", "W"},
      {"19 00", "C"},         {"1A 0000", "K"},
      {"1C 0000", "KD"},      {"1F 0000", "KBRLMANDT"},
      {"21 0001", "CK"},      {"22 0000", "CK"},
      {"23 0001", "P"},       {"24 00", "K"},
      {"25 00", "K"},         {"26 0000 0000", letters},
      {"27 00000001", "CK"},  {"28 00", "K"},
      {"29 00", "K"},         {"2A 00", "K"},
  };
  for (const auto& c : cases) {
    for (std::size_t set = 0; set < letters.size(); ++set) {
      const bool allowed = c.sets.find(letters[set]) != std::string_view::npos;
      EXPECT_EQ(refusal(c.bytes, static_cast<PropertySet>(set)),
                allowed ? ReasonCode::success : ReasonCode::malformed_packet)
          << c.bytes << " in " << letters[set];
    }
  }
}

TEST(Properties, refuses_a_property_that_stands_twice_unless_it_may) {
  EXPECT_EQ(refusal("11 00000001 11 00000001", PropertySet::connect), ReasonCode::protocol_error);
  EXPECT_EQ(refusal("0B 01 0B 02", PropertySet::subscribe), ReasonCode::protocol_error);
  EXPECT_EQ(refusal("1F 0000 1F 0000", PropertySet::puback), ReasonCode::protocol_error);
  EXPECT_EQ(refusal("0B 01 0B 02", PropertySet::publish), ReasonCode::success);
}

TEST(Properties, refuses_values_out_of_range) {
  EXPECT_EQ(refusal("21 0000", PropertySet::connect), ReasonCode::protocol_error);
  EXPECT_EQ(refusal("27 00000000", PropertySet::connect), ReasonCode::protocol_error);
  EXPECT_EQ(refusal("17 02", PropertySet::connect), ReasonCode::protocol_error);
  EXPECT_EQ(refusal("19 FF", PropertySet::connect), ReasonCode::protocol_error);
  EXPECT_EQ(refusal("0B 00", PropertySet::subscribe), ReasonCode::protocol_error);
  EXPECT_EQ(refusal("16 0000", PropertySet::connect), ReasonCode::protocol_error);  // no method
}

TEST(Properties, reads_the_widest_subscription_identifier_and_refuses_a_wider_one) {
  EXPECT_EQ(decode_property_block(wire("0B FF FF FF 7F"), PropertySet::subscribe)
                ->subscription_identifier,
            268435455U);
  EXPECT_EQ(refusal("0B 80 80 80 80 01", PropertySet::subscribe), ReasonCode::malformed_packet);
  EXPECT_EQ(refusal("0B 81 00", PropertySet::subscribe), ReasonCode::malformed_packet);  // padded
}

TEST(Properties, refuses_a_length_that_is_missing_padded_or_beyond_the_body) {
  for (const char* text : {"", "80", "80 00", "01", "FF FF FF FF 01", "06 11 00000001"}) {
    const std::string bytes = wire(text);
    std::string_view body = bytes;
    EXPECT_EQ(code_of(decode_properties(body, PropertySet::connect)), ReasonCode::malformed_packet)
        << text;
  }
}

TEST(Properties, writes_what_is_set_in_the_order_of_the_struct_and_the_user_properties_last) {
  Properties properties;
  properties.shared_subscription_available = std::uint8_t{0};
  properties.maximum_packet_size = 1048576;
  properties.receive_maximum = std::uint16_t{32};
  properties.assigned_client_identifier = "auto-1";
  std::string out;
  append_properties(out, properties, wire("26 0001 'k' 0001 'v'"));
  EXPECT_EQ(out,
            wire("1A | 12 0006 'auto-1' | 21 0020 | 27 00100000 | 2A 00 | 26 0001 'k' 0001 'v'"));
}

TEST(Properties, writes_an_empty_block_as_one_zero) {
  std::string out = "x";
  append_properties(out, {});
  EXPECT_EQ(out, wire("'x' 00"));
}

TEST(Properties, decode_what_append_wrote_in_blocks_of_one_two_and_three_length_bytes) {
  for (const std::size_t size : {0, 10, 123, 124, 125, 126, 1000, 16379, 16380, 16381, 60000}) {
    const std::string text(size, 'r');
    Properties properties;
    properties.reason_string = text;
    std::string out = "kept";
    append_properties(out, properties);
    std::string_view body = out;
    body.remove_prefix(4);
    const auto again = decode_properties(body, PropertySet::connack);
    ASSERT_TRUE(again) << size;
    EXPECT_EQ(again->reason_string, text);
    EXPECT_TRUE(body.empty());
  }
}

TEST(Properties, every_member_survives_the_way_there_and_back) {
  Properties p;
  p.session_expiry_interval = 1;
  p.assigned_client_identifier = "id";
  p.server_keep_alive = std::uint16_t{2};
  p.authentication_method = "m";
  p.authentication_data = "d";
  p.response_information = "i";
  p.server_reference = "s";
  p.reason_string = "r";
  p.receive_maximum = std::uint16_t{3};
  p.topic_alias_maximum = std::uint16_t{4};
  p.maximum_qos = std::uint8_t{1};
  p.retain_available = std::uint8_t{0};
  p.maximum_packet_size = 5;
  p.wildcard_subscription_available = std::uint8_t{1};
  p.subscription_identifier_available = std::uint8_t{0};
  p.shared_subscription_available = std::uint8_t{1};
  std::string out;
  append_properties(out, p);
  std::string_view body = out;
  const auto q = decode_properties(body, PropertySet::connack);
  ASSERT_TRUE(q) << q.error().reason;
  std::string again;
  append_properties(again, *q);
  EXPECT_EQ(again, out);
  EXPECT_EQ(q->server_keep_alive, 2);
  EXPECT_EQ(q->subscription_identifier_available, 0);
  EXPECT_EQ(q->shared_subscription_available, 1);
}

TEST(Properties, forwards_all_but_alias_subscription_identifier_and_expiry) {
  const std::string block = wire(
      "01 01 | 02 0000003C | 23 0007 | 08 0001 'r' | 26 0001 'a' 0001 '1' | 0B 05 | 09 0001 'c' |"
      "26 0001 'a' 0001 '2' | 03 0001 't'");
  std::string out = "kept";
  append_forwarded(out, block);
  EXPECT_EQ(out, wire("'kept' 01 01 | 08 0001 'r' | 26 0001 'a' 0001 '1' | 09 0001 'c' |"
                      "26 0001 'a' 0001 '2' | 03 0001 't'"));
}

TEST(Properties, finds_the_expiry_of_a_publish) {
  EXPECT_EQ(message_expiry_interval(wire("01 01 | 02 0000003C | 03 0001 't'")), 60U);
  EXPECT_EQ(message_expiry_interval(wire("26 0001 02 0001 02")), std::nullopt);
  EXPECT_EQ(message_expiry_interval({}), std::nullopt);
}

TEST(Properties, writes_single_properties_of_an_outgoing_publish) {
  std::string out;
  append_message_expiry_interval(out, 60);
  append_subscription_identifier(out, 300);
  EXPECT_EQ(out, wire("02 0000003C | 0B AC 02"));
}

TEST(Properties, finds_single_properties_of_a_publish) {
  const std::string block = wire(
      "01 01 | 26 0001 'k' 0001 '1' | 08 0003 'r/1' | 26 0001 'l' 0000 | 09 0002 00FF |"
      "26 0001 'k' 0001 '2' | 03 0004 'json'");
  EXPECT_EQ(response_topic(block), "r/1");
  EXPECT_EQ(correlation_data(block), std::string_view("\0\xFF", 2));
  EXPECT_EQ(content_type(block), "json");
  EXPECT_EQ(user_property(block, "k"), "1");  // the first of them
  EXPECT_EQ(user_property(block, "l"), "");
  EXPECT_EQ(user_property(block, "m"), std::nullopt);
  EXPECT_EQ(user_property(block, ""), std::nullopt);
}

TEST(Properties, finds_nothing_in_no_properties) {
  EXPECT_EQ(response_topic({}), std::nullopt);
  EXPECT_EQ(correlation_data({}), std::nullopt);
  EXPECT_EQ(content_type({}), std::nullopt);
  EXPECT_EQ(user_property({}, "k"), std::nullopt);
  EXPECT_TRUE(payload_is_as_indicated({}, "\xFF"));
}

}  // namespace
}  // namespace rowgate::mqtt
