#pragma once
// Packets as text a reader can check against the specification:
//   wire("10 10 | 0004 'MQTT' 04 02 003C | 0004 'dev1'")
// Hex pairs, 'text' for its bytes, | and spaces ignored.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <string_view>

#include "gateway/mqtt/frame.hpp"

namespace rowgate::mqtt::test {

inline unsigned nibble(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  throw std::invalid_argument(std::string("not hex in a test's bytes: ") + c);
}

inline std::string wire(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == ' ' || text[i] == '|' || text[i] == '\n') {
      ++i;
    } else if (text[i] == '\'') {
      const std::size_t end = text.find('\'', i + 1);
      out += text.substr(i + 1, end - i - 1);
      i = end + 1;
    } else {
      out.push_back(static_cast<char>(nibble(text[i]) << 4 | nibble(text.at(i + 1))));
      i += 2;
    }
  }
  return out;
}

/// The one whole packet that `bytes` is; they must outlive the frame.
inline Frame frame_of(const std::string& bytes) {
  const FrameResult result = next_frame(bytes, std::size_t{1} << 28);
  EXPECT_EQ(result.status, FrameResult::Status::frame) << result.error.reason;
  EXPECT_EQ(result.frame.size, bytes.size()) << "a test's Remaining Length is wrong";
  return result.frame;
}
Frame frame_of(std::string&&) = delete;

/// The code a decoder refused with; success if it did not refuse.
template <class T>
ReasonCode code_of(const Decoded<T>& decoded) {
  return decoded ? ReasonCode::success : decoded.error().code;
}

}  // namespace rowgate::mqtt::test
