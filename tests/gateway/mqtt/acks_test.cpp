#include "gateway/mqtt/acks.hpp"

#include "tests/gateway/mqtt/wire_text.hpp"

namespace rowgate::mqtt {
namespace {

using test::code_of;
using test::frame_of;
using test::wire;

Decoded<Ack> decode(const char* text, Version version) {
  const std::string bytes = wire(text);
  return decode_ack(frame_of(bytes), version);
}

TEST(Acks, reads_each_type_of_3_1_1) {
  for (const char* text : {"40 02 000A", "50 02 000A", "62 02 000A", "70 02 000A"}) {
    const auto ack = decode(text, Version::v311);
    ASSERT_TRUE(ack) << text;
    EXPECT_EQ(ack->packet_id, 10);
    EXPECT_EQ(ack->code, ReasonCode::success);
  }
}

TEST(Acks, reads_a_5_0_ack_without_code_with_code_and_with_properties) {
  EXPECT_EQ(decode("40 02 0001", Version::v5)->code, ReasonCode::success);
  EXPECT_EQ(decode("40 03 0001 10", Version::v5)->code, ReasonCode::no_matching_subscribers);
  EXPECT_EQ(decode("50 04 0001 97 00", Version::v5)->code, ReasonCode::quota_exceeded);
  EXPECT_EQ(decode("62 04 0001 92 00", Version::v5)->code, ReasonCode::packet_identifier_not_found);
  EXPECT_EQ(decode("70 0B 0001 00 07 26 0001 'a' 0001 'b'", Version::v5)->packet_id, 1);
  EXPECT_EQ(decode("40 0A 0001 80 06 1F 0003 'why'", Version::v5)->code,
            ReasonCode::unspecified_error);
}

TEST(Acks, refuses_packet_identifier_0_and_a_cut_off_one) {
  for (const Version version : {Version::v311, Version::v5}) {
    EXPECT_EQ(code_of(decode("40 02 0000", version)), ReasonCode::malformed_packet);
    EXPECT_EQ(code_of(decode("40 01 00", version)), ReasonCode::malformed_packet);
    EXPECT_EQ(code_of(decode("62 00", version)), ReasonCode::malformed_packet);
  }
}

TEST(Acks, refuses_more_than_two_bytes_in_3_1_1) {
  EXPECT_EQ(code_of(decode("40 03 0001 00", Version::v311)), ReasonCode::malformed_packet);
}

TEST(Acks, refuses_codes_of_other_packets) {
  EXPECT_EQ(code_of(decode("40 03 0001 92", Version::v5)), ReasonCode::protocol_error);
  EXPECT_EQ(code_of(decode("50 03 0001 01", Version::v5)), ReasonCode::protocol_error);
  EXPECT_EQ(code_of(decode("62 03 0001 10", Version::v5)), ReasonCode::protocol_error);
  EXPECT_EQ(code_of(decode("70 03 0001 80", Version::v5)), ReasonCode::protocol_error);
  EXPECT_EQ(code_of(decode("40 03 0001 FF", Version::v5)), ReasonCode::protocol_error);
}

TEST(Acks, refuses_properties_that_are_cut_off_foreign_or_followed_by_bytes) {
  EXPECT_EQ(code_of(decode("40 04 0001 00 01", Version::v5)), ReasonCode::malformed_packet);
  EXPECT_EQ(code_of(decode("40 09 0001 00 05 11 00000001", Version::v5)),
            ReasonCode::malformed_packet);
  EXPECT_EQ(code_of(decode("40 05 0001 00 00 00", Version::v5)), ReasonCode::malformed_packet);
}

TEST(Acks, writes_a_code_only_where_it_says_something) {
  std::string out;
  encode_ack(out, Version::v311, PacketType::puback, {0x1234, ReasonCode::quota_exceeded});
  encode_ack(out, Version::v5, PacketType::pubrec, {1, ReasonCode::success});
  encode_ack(out, Version::v5, PacketType::pubrel, {2, ReasonCode::packet_identifier_not_found});
  encode_ack(out, Version::v5, PacketType::pubcomp, {0xFFFF, ReasonCode::success});
  EXPECT_EQ(out, wire("40 02 1234 | 50 02 0001 | 62 03 0002 92 | 70 02 FFFF"));
}

TEST(Acks, decode_what_encode_wrote) {
  const ReasonCode codes[] = {ReasonCode::success, ReasonCode::not_authorized};
  for (const PacketType type : {PacketType::puback, PacketType::pubrec}) {
    for (const ReasonCode code : codes) {
      std::string out;
      encode_ack(out, Version::v5, type, {77, code});
      const auto ack = decode_ack(frame_of(out), Version::v5);
      ASSERT_TRUE(ack);
      EXPECT_EQ(ack->packet_id, 77);
      EXPECT_EQ(ack->code, code);
    }
  }
}

TEST(Acks, carry_problem_information_in_5_0_only) {
  const std::string user_properties = wire("26 0001 'k' 0001 'v'");
  const Ack ack{1, ReasonCode::payload_format_invalid};
  std::string out;
  encode_ack(out, Version::v5, PacketType::puback, ack, {.reason_string = "why"});
  encode_ack(out, Version::v5, PacketType::pubrel, {2, ReasonCode::packet_identifier_not_found},
             {.user_properties = user_properties});
  encode_ack(out, Version::v5, PacketType::pubrec, {3, ReasonCode::success},
             {.reason_string = "a"});
  encode_ack(out, Version::v311, PacketType::puback, ack, {.reason_string = "why"});
  EXPECT_EQ(out, wire("40 0A 0001 99 06 1F 0003 'why' | 62 0B 0002 92 07 26 0001 'k' 0001 'v' |"
                      "50 08 0003 00 04 1F 0001 'a' | 40 02 0001"));
}

TEST(Acks, are_silent_where_no_problem_information_was_asked_for) {  // [MQTT-3.1.2-29]
  std::string out;
  encode_ack(out, Version::v5, PacketType::puback, {1, ReasonCode::quota_exceeded},
             {.reason_string = "why", .user_properties = "no", .requested = false});
  EXPECT_EQ(out, wire("40 03 0001 97"));
}

TEST(Acks, leave_out_what_would_exceed_the_maximum_packet_size) {  // [MQTT-3.4.2-2, -3]
  const std::string user_properties = wire("26 0001 'k' 0001 'v'");
  const auto encoded = [&](std::uint32_t limit) {
    std::string out;
    encode_ack(
        out, Version::v5, PacketType::pubcomp, {1, ReasonCode::packet_identifier_not_found},
        {.reason_string = "why", .user_properties = user_properties, .maximum_packet_size = limit});
    return out;
  };
  EXPECT_EQ(encoded(19), wire("70 11 0001 92 0D 1F 0003 'why' 26 0001 'k' 0001 'v'"));
  EXPECT_EQ(encoded(18), wire("70 0A 0001 92 06 1F 0003 'why'"));
  EXPECT_EQ(encoded(11), wire("70 03 0001 92"));
}

TEST(Acks, read_a_pubrel_sent_again_with_dup_from_a_3_1_client_only) {
  EXPECT_EQ(decode("6A 02 0001", Version::v31)->packet_id, 1);
  EXPECT_EQ(code_of(decode("6A 02 0001", Version::v311)), ReasonCode::malformed_packet);
  EXPECT_EQ(code_of(decode("6A 02 0001", Version::v5)), ReasonCode::malformed_packet);
}

}  // namespace
}  // namespace rowgate::mqtt
