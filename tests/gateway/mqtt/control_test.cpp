#include "gateway/mqtt/control.hpp"

#include "gateway/mqtt/properties.hpp"
#include "tests/gateway/mqtt/wire_text.hpp"

namespace rowgate::mqtt {
namespace {

using test::code_of;
using test::frame_of;
using test::wire;

Decoded<DisconnectView> disconnect(const char* text, Version version) {
  const std::string bytes = wire(text);
  return decode_disconnect(frame_of(bytes), version);
}
ReasonCode auth_refusal(const char* text) {
  const std::string bytes = wire(text);
  return code_of(decode_auth(frame_of(bytes)));
}

TEST(Disconnect, has_no_body_in_3_1_1) {
  EXPECT_TRUE(disconnect("E0 00", Version::v311));
  EXPECT_EQ(code_of(disconnect("E0 01 00", Version::v311)), ReasonCode::malformed_packet);
}

TEST(Disconnect, reads_code_and_session_expiry_of_5_0) {
  EXPECT_EQ(disconnect("E0 00", Version::v5)->code, ReasonCode::success);
  EXPECT_EQ(disconnect("E0 01 04", Version::v5)->code, ReasonCode::disconnect_with_will);
  const auto view = disconnect("E0 07 00 05 11 0000003C", Version::v5);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->session_expiry_interval, 60U);
}

TEST(Disconnect, refuses_the_codes_only_a_server_sends) {
  for (const char* text : {"E0 01 87", "E0 01 89", "E0 01 8B", "E0 01 8D", "E0 01 8E", "E0 01 8F",
                           "E0 01 9A", "E0 01 A2", "E0 01 01", "E0 01 FF"}) {
    EXPECT_EQ(code_of(disconnect(text, Version::v5)), ReasonCode::protocol_error) << text;
  }
}

TEST(Disconnect, refuses_properties_that_are_cut_off_or_followed_by_bytes) {
  EXPECT_EQ(code_of(disconnect("E0 02 00 05", Version::v5)), ReasonCode::malformed_packet);
  EXPECT_EQ(code_of(disconnect("E0 03 00 00 00", Version::v5)), ReasonCode::malformed_packet);
  EXPECT_EQ(code_of(disconnect("E0 05 00 03 21 0001", Version::v5)), ReasonCode::malformed_packet);
}

TEST(Disconnect, writes_no_more_than_it_has_to_say) {
  std::string out;
  encode_disconnect(out, ReasonCode::success);
  encode_disconnect(out, ReasonCode::protocol_error);
  encode_disconnect(out, ReasonCode::malformed_packet, "why");
  EXPECT_EQ(out, wire("E0 00 | E0 01 82 | E0 08 81 06 1F 0003 'why'"));
}

TEST(Disconnect, writes_reasons_longer_than_one_length_byte_counts) {
  const std::string reason(300, 'r');
  std::string out;
  encode_disconnect(out, ReasonCode::quota_exceeded, reason);
  std::string_view body = frame_of(out).body;
  body.remove_prefix(1);
  const auto properties = decode_properties(body, PropertySet::disconnect);
  ASSERT_TRUE(properties);
  EXPECT_EQ(properties->reason_string, reason);
  EXPECT_TRUE(body.empty());
}

TEST(Pingreq, carries_nothing) {
  const std::string ping = wire("C0 00");
  EXPECT_TRUE(decode_pingreq(frame_of(ping)));
  const std::string full = wire("C0 01 00");
  EXPECT_EQ(code_of(decode_pingreq(frame_of(full))), ReasonCode::malformed_packet);
  std::string out;
  encode_pingresp(out);
  EXPECT_EQ(out, wire("D0 00"));
}

TEST(Disconnect, names_another_server) {
  std::string out;
  encode_disconnect(out, {.code = ReasonCode::server_moved, .server_reference = "b:1883"});
  EXPECT_EQ(out, wire("E0 0B 9D 09 1C 0006 'b:1883'"));
}

TEST(Disconnect, says_why_also_to_those_who_did_not_ask) {  // [MQTT-3.1.2-29]
  std::string out;
  encode_disconnect(out, {.code = ReasonCode::server_busy,
                          .problem = {.reason_string = "why", .requested = false}});
  EXPECT_EQ(out, wire("E0 08 89 06 1F 0003 'why'"));
}

TEST(Disconnect, leaves_out_what_would_exceed_the_maximum_packet_size) {  // [MQTT-3.14.2-3, -4]
  const std::string user_properties = wire("26 0001 'k' 0001 'v'");
  const auto encoded = [&](std::uint32_t limit) {
    std::string out;
    encode_disconnect(out, {.code = ReasonCode::server_busy,
                            .problem = {.reason_string = "why",
                                        .user_properties = user_properties,
                                        .maximum_packet_size = limit}});
    return out;
  };
  EXPECT_EQ(encoded(17), wire("E0 0F 89 0D 1F 0003 'why' 26 0001 'k' 0001 'v'"));
  EXPECT_EQ(encoded(16), wire("E0 08 89 06 1F 0003 'why'"));
  EXPECT_EQ(encoded(9), wire("E0 01 89"));
}

TEST(Auth, is_read_with_method_and_data) {
  const std::string bytes = wire("F0 0B 18 09 15 0001 'm' 16 0002 'dd'");
  const auto view = decode_auth(frame_of(bytes));
  ASSERT_TRUE(view) << view.error().reason;
  EXPECT_EQ(view->code, ReasonCode::continue_authentication);
  EXPECT_EQ(view->method, "m");
  EXPECT_EQ(view->data, "dd");
  const std::string again = wire("F0 06 19 04 15 0001 'm'");
  EXPECT_EQ(decode_auth(frame_of(again))->code, ReasonCode::re_authenticate);
  EXPECT_FALSE(decode_auth(frame_of(again))->data);
}

TEST(Auth, is_refused_where_a_client_cannot_send_it) {
  EXPECT_EQ(auth_refusal("F0 00"), ReasonCode::protocol_error);  // means success
  EXPECT_EQ(auth_refusal("F0 06 00 04 15 0001 'm'"), ReasonCode::protocol_error);
  EXPECT_EQ(auth_refusal("F0 02 19 00"), ReasonCode::protocol_error);              // no method
  EXPECT_EQ(auth_refusal("F0 06 18 04 16 0001 'd'"), ReasonCode::protocol_error);  // data alone
  EXPECT_EQ(auth_refusal("F0 0A 18 08 15 0001 'm' 15 0001 'm'"), ReasonCode::protocol_error);
  EXPECT_EQ(auth_refusal("F0 02 80 00"), ReasonCode::protocol_error);
  EXPECT_EQ(auth_refusal("F0 01 18"), ReasonCode::malformed_packet);
  EXPECT_EQ(auth_refusal("F0 03 18 00 00"), ReasonCode::malformed_packet);
  EXPECT_EQ(auth_refusal("F0 05 18 03 21 0001"), ReasonCode::malformed_packet);
}

}  // namespace
}  // namespace rowgate::mqtt
