#include "gateway/mqtt/types.hpp"

#include <gtest/gtest.h>

namespace rowgate::mqtt {
namespace {

TEST(Types, names_packets_as_the_specification_does) {
  EXPECT_EQ(to_string(PacketType::connect), "CONNECT");
  EXPECT_EQ(to_string(PacketType::pubcomp), "PUBCOMP");
  EXPECT_EQ(to_string(PacketType::auth), "AUTH");
  EXPECT_EQ(to_string(PacketType{}), "reserved");
}

TEST(Types, tells_a_3_1_1_client_the_nearest_return_code) {
  EXPECT_EQ(connack_code_v311(ReasonCode::success), 0);
  EXPECT_EQ(connack_code_v311(ReasonCode::unsupported_protocol_version), 1);
  EXPECT_EQ(connack_code_v311(ReasonCode::client_identifier_not_valid), 2);
  EXPECT_EQ(connack_code_v311(ReasonCode::server_busy), 3);
  EXPECT_EQ(connack_code_v311(ReasonCode::server_shutting_down), 3);
  EXPECT_EQ(connack_code_v311(ReasonCode::bad_user_name_or_password), 4);
  EXPECT_EQ(connack_code_v311(ReasonCode::not_authorized), 5);
}

TEST(Types, never_calls_a_refusal_accepted) {
  for (unsigned code = 0x80; code <= 0xFF; ++code) {
    EXPECT_NE(connack_code_v311(static_cast<ReasonCode>(code)), 0) << code;
  }
}

}  // namespace
}  // namespace rowgate::mqtt
