#include "gateway/mqtt/frame.hpp"

#include "tests/gateway/mqtt/wire_text.hpp"

namespace rowgate::mqtt {
namespace {

using test::wire;
using Status = FrameResult::Status;
constexpr std::size_t no_limit = std::size_t{1} << 28;

TEST(Frame, cuts_the_first_packet_of_a_stream) {
  const std::string bytes = wire("C0 00 | 32 07 0001 'a' 0009 'hi' | E0 00");
  const FrameResult ping = next_frame(bytes, no_limit);
  ASSERT_EQ(ping.status, Status::frame);
  EXPECT_EQ(ping.frame.type, PacketType::pingreq);
  EXPECT_EQ(ping.frame.size, 2U);

  const FrameResult publish = next_frame(std::string_view(bytes).substr(2), no_limit);
  ASSERT_EQ(publish.status, Status::frame);
  EXPECT_EQ(publish.frame.type, PacketType::publish);
  EXPECT_EQ(publish.frame.flags, 2);
  EXPECT_EQ(publish.frame.body, wire("0001 'a' 0009 'hi'"));
  EXPECT_EQ(publish.frame.size, 9U);
}

TEST(Frame, asks_for_two_bytes_when_it_has_none) {
  EXPECT_EQ(next_frame({}, no_limit).status, Status::need_more);
  EXPECT_EQ(next_frame({}, no_limit).wanted, 2U);
}

TEST(Frame, says_exactly_how_much_is_wanted_once_the_length_is_there) {
  EXPECT_EQ(next_frame(wire("30"), no_limit).wanted, 2U);
  EXPECT_EQ(next_frame(wire("30 80"), no_limit).wanted, 3U);
  EXPECT_EQ(next_frame(wire("30 80 01"), no_limit).wanted, 131U);
  EXPECT_EQ(next_frame(wire("30 0A 00 01 61"), no_limit).wanted, 12U);
}

TEST(Frame, reads_the_boundaries_of_table_2_4) {
  const struct {
    const char* header;
    std::size_t remaining;
  } cases[] = {{"30 00", 0},
               {"30 7F", 127},
               {"30 80 01", 128},
               {"30 FF 7F", 16383},
               {"30 80 80 01", 16384},
               {"30 FF FF 7F", 2097151},
               {"30 80 80 80 01", 2097152},
               {"30 FF FF FF 7F", 268435455}};
  for (const auto& c : cases) {
    const std::string header = wire(c.header);
    const FrameResult result = next_frame(header, std::size_t{1} << 30);
    const std::size_t whole = header.size() + c.remaining;
    EXPECT_EQ(result.status == Status::frame ? result.frame.size : result.wanted, whole)
        << c.header;
  }
}

TEST(Frame, refuses_a_remaining_length_of_five_bytes) {
  for (const char* text : {"30 80 80 80 80", "30 FF FF FF FF", "30 80 80 80 80 01"}) {
    const FrameResult result = next_frame(wire(text), no_limit);
    EXPECT_EQ(result.status, Status::error) << text;
    EXPECT_EQ(result.error.code, ReasonCode::malformed_packet) << text;
  }
}

TEST(Frame, lets_a_padded_remaining_length_through) {
  const std::string bytes = wire("C0 80 00");
  const FrameResult result = next_frame(bytes, no_limit);
  ASSERT_EQ(result.status, Status::frame);
  EXPECT_EQ(result.frame.size, 3U);
  EXPECT_TRUE(result.frame.body.empty());
}

TEST(Frame, refuses_a_packet_over_the_limit_before_its_body_arrives) {
  EXPECT_EQ(next_frame(wire("30 62"), 100).status, Status::need_more);  // 2 + 98: fits
  const FrameResult result = next_frame(wire("30 63"), 100);
  EXPECT_EQ(result.status, Status::error);
  EXPECT_EQ(result.error.code, ReasonCode::packet_too_large);
}

TEST(Frame, checks_the_reserved_flags_of_every_type_at_its_first_byte) {
  for (unsigned first = 0; first <= 0xFF; ++first) {
    const unsigned type = first >> 4;
    const unsigned flags = first & 15;
    const bool two = type == 6 || type == 8 || type == 10;  // PUBREL, SUBSCRIBE, UNSUBSCRIBE
    const bool resent = two && flags == 10;                 // the DUP bit of MQTT 3.1
    const bool valid = type == 3 || (type != 0 && flags == (two ? 2U : 0U)) || resent;
    const FrameResult result = next_frame(std::string(1, static_cast<char>(first)), no_limit);
    EXPECT_EQ(result.status, valid ? Status::need_more : Status::error) << first;
    if (!valid) {
      EXPECT_EQ(result.error.code, ReasonCode::malformed_packet) << first;
    }
  }
}

TEST(Frame, writes_a_variable_byte_integer_in_the_fewest_bytes) {
  const struct {
    std::uint32_t value;
    const char* bytes;
  } cases[] = {{0, "00"},
               {127, "7F"},
               {128, "80 01"},
               {16383, "FF 7F"},
               {16384, "80 80 01"},
               {2097151, "FF FF 7F"},
               {2097152, "80 80 80 01"},
               {268435455, "FF FF FF 7F"}};
  for (const auto& c : cases) {
    std::string out;
    append_varint(out, c.value);
    EXPECT_EQ(out, wire(c.bytes)) << c.value;
    EXPECT_EQ(out.size(), varint_size(c.value)) << c.value;
  }
}

}  // namespace
}  // namespace rowgate::mqtt
