#include "gateway/net/websocket_frames.hpp"

#include <gtest/gtest.h>

#include "tests/gateway/net/client.hpp"

namespace rowgate::net {
namespace {

using namespace std::string_literals;
using State = FrameDecoder::State;

/// Everything `bytes` give, cut into pieces of `size`.
struct Decoded {
  std::string payload{};
  std::string answers{};
  State state = State::open;
  std::string reason{};
};

Decoded decode(std::string bytes, std::size_t size = SIZE_MAX) {
  FrameDecoder decoder;
  Decoded all;
  for (std::size_t at = 0; at < bytes.size() && decoder.state() == State::open;) {
    const std::span<char> piece = std::span(bytes).subspan(at, std::min(size, bytes.size() - at));
    all.payload.append(piece.data(), decoder.decode(piece, all.answers));
    at += piece.size();
  }
  all.state = decoder.state();
  all.reason = decoder.reason();
  return all;
}

std::string close_frame(unsigned code) {
  return "\x88\x02"s + static_cast<char>(code >> 8U) + static_cast<char>(code);
}

TEST(WebSocketFrames, AnyCutGivesTheSameBytes) {
  std::string long_payload;
  for (int i = 0; i < 70'000; ++i) long_payload.push_back(static_cast<char>(i * 7));
  const std::string medium = long_payload.substr(0, 300);
  const std::string sent = frame(op_binary, "ab") + frame(op_binary, medium) +
                           frame(op_binary, "c", false) + frame(op_ping, "now") +
                           frame(op_more, "", false) + frame(op_more, "de") + frame(op_binary, "") +
                           frame(op_binary, long_payload);
  for (const std::size_t size : {1U, 2U, 3U, 5U, 7U, 13U, 64U, 1000U, 100'000U}) {
    const Decoded got = decode(sent, size);
    EXPECT_EQ(got.state, State::open);
    EXPECT_TRUE(got.payload == "ab" + medium + "cde" + long_payload) << size;
    EXPECT_EQ(got.answers, "\x8A\x03now") << size;
  }
}

TEST(WebSocketFrames, ATextFrameClosesTheConnection) {
  const Decoded got = decode(frame(op_binary, "ab") + frame(op_text, "hello"));
  EXPECT_EQ(got.state, State::failed);
  EXPECT_EQ(got.payload, "ab");
  EXPECT_EQ(got.answers, close_frame(1003));
  EXPECT_NE(got.reason.find("MQTT-6.0.0-1"), std::string::npos);
}

TEST(WebSocketFrames, ACloseIsAnsweredWithItsCode) {
  EXPECT_EQ(decode(frame(op_close, "\x03\xE9 bye")).answers, close_frame(1001));
  EXPECT_EQ(decode(frame(op_close, "\x03\xE9 bye")).state, State::closed);
  EXPECT_EQ(decode(frame(op_close, "")).answers, close_frame(1000));
  for (const std::string& bad : {"\x03"s, "\x03\xED"s, "\0\0"s, "\x13\x88"s}) {
    const Decoded got = decode(frame(op_close, bad));
    EXPECT_EQ(got.state, State::failed);
    EXPECT_EQ(got.answers, close_frame(1002));
  }
}

TEST(WebSocketFrames, RefusesWhatRfc6455Forbids) {
  std::string long_ping = frame(op_ping, std::string(126, 'x'));
  std::string reserved = frame(op_binary, "x");
  reserved[0] = static_cast<char>(static_cast<unsigned char>(reserved[0]) | 0x40U);
  const std::string cases[] = {
      "\x82\x01x"s,  // not masked
      long_ping,
      reserved,
      frame(op_ping, "x", false),  // a control frame in pieces
      frame(3, "x"),
      frame(11, "x"),                                        // unknown kinds
      frame(op_more, "x"),                                   // continues nothing
      frame(op_binary, "x", false) + frame(op_binary, "y"),  // a message in a message
      "\x82\xFE\0\x05"s + std::string(9, 'm'),               // lengths in too many bytes
      "\x82\xFF\0\0\0\0\0\0\x01\0"s + std::string(9, 'm'),
      "\x82\xFF\x80\0\0\0\0\x01\0\0"s + std::string(9, 'm'),
  };
  for (const std::string& bytes : cases) {
    for (const std::size_t size : {1U, 1000U}) {
      const Decoded got = decode(bytes, size);
      EXPECT_EQ(got.state, State::failed) << testing::PrintToString(bytes);
      ASSERT_GE(got.answers.size(), 4U);
      EXPECT_EQ(got.answers.substr(got.answers.size() - 4), close_frame(1002));
      EXPECT_FALSE(got.reason.empty());
    }
  }
}

TEST(WebSocketFrames, AnswersToPingsAreBounded) {
  std::string flood;
  for (int i = 0; i < 1000; ++i) flood += frame(op_ping, std::string(125, 'p'));
  EXPECT_LE(decode(flood).answers.size(), FrameDecoder::max_answers + 127);
}

TEST(WebSocketFrames, HeadsSayTheirLengthInTheFewestBytes) {
  const auto head = [](std::size_t size) {
    std::string to;
    append_frame_head(to, size);
    return to;
  };
  EXPECT_EQ(head(0), "\x82\0"s);
  EXPECT_EQ(head(125), "\x82\x7D"s);
  EXPECT_EQ(head(126), "\x82\x7E\0\x7E"s);
  EXPECT_EQ(head(65'535), "\x82\x7E\xFF\xFF"s);
  EXPECT_EQ(head(65'536), "\x82\x7F\0\0\0\0\0\x01\0\0"s);
}

}  // namespace
}  // namespace rowgate::net
