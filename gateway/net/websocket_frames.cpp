#include "gateway/net/websocket_frames.hpp"

#include <algorithm>
#include <cstring>

namespace rowgate::net {
namespace {

constexpr std::uint8_t op_continuation = 0, op_text = 1, op_binary = 2, op_close = 8, op_ping = 9,
                       op_pong = 10;
constexpr std::uint8_t final_bit = 0x80, reserved_bits = 0x70, masked_bit = 0x80;

bool is_control(std::uint8_t opcode) {
  return opcode >= op_close;
}

/// to[i] = from[i] ^ mask, the mask beginning at its `phase`; `to` may lie before `from` in the
/// same buffer.
void unmask(char* to, const char* from, std::size_t size, const std::array<std::uint8_t, 4>& mask,
            std::size_t phase) {
  std::memmove(to, from, size);
  std::array<std::uint8_t, 8> turned{};
  for (std::size_t i = 0; i < turned.size(); ++i) turned[i] = mask[(phase + i) % 4];
  std::uint64_t word = 0;
  std::memcpy(&word, turned.data(), sizeof word);
  std::size_t i = 0;
  for (; i + sizeof word <= size; i += sizeof word) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, to + i, sizeof bytes);
    bytes ^= word;
    std::memcpy(to + i, &bytes, sizeof bytes);
  }
  for (; i < size; ++i) {
    to[i] = static_cast<char>(static_cast<std::uint8_t>(to[i]) ^ mask[(phase + i) % 4]);
  }
}

void append_control(std::string& to, std::uint8_t opcode, std::string_view payload) {
  to.push_back(static_cast<char>(final_bit | opcode));
  to.push_back(static_cast<char>(payload.size()));
  to.append(payload);
}

bool is_close_code(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

}  // namespace

std::size_t FrameDecoder::head_wanted() const noexcept {
  if (head_had_ < 2) return 2;
  const std::uint8_t length = head_[1] & 0x7FU;
  return 2U + (length == 126 ? 2U : length == 127 ? 8U : 0U) + 4U;
}

std::size_t FrameDecoder::decode(std::span<char> bytes, std::string& answers) {
  std::size_t at = 0, payload = 0;
  while (state_ == State::open) {
    if (!in_frame_) {
      while (head_had_ < head_wanted() && at < bytes.size()) {
        head_[head_had_++] = static_cast<std::uint8_t>(bytes[at++]);
      }
      if (head_had_ >= 2 && (head_[1] & masked_bit) == 0) {
        fail("a frame that is not masked", CloseCode::protocol_error, answers);
        break;
      }
      if (head_had_ < head_wanted()) break;
      begin_frame(answers);
      continue;
    }
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size() - at));
    char* const to = is_control(opcode_) ? control_.data() + control_had_ : bytes.data() + payload;
    unmask(to, bytes.data() + at, n, mask_, masked_);
    (is_control(opcode_) ? control_had_ : payload) += n;
    masked_ = (masked_ + n) % 4;
    at += n;
    left_ -= n;
    if (left_ > 0) break;
    in_frame_ = false;
    if (is_control(opcode_)) end_control(answers);
  }
  return payload;
}

void FrameDecoder::begin_frame(std::string& answers) {
  const auto refuse = [&](std::string_view why) { fail(why, CloseCode::protocol_error, answers); };
  const bool final = (head_[0] & final_bit) != 0;
  opcode_ = head_[0] & 0x0FU;
  const std::size_t extended = head_wanted() - 6;  // bytes of length beyond the first
  left_ = extended == 0 ? head_[1] & 0x7FU : 0U;
  for (std::size_t i = 0; i < extended; ++i) left_ = left_ << 8U | head_[2 + i];
  std::copy_n(head_.begin() + 2 + static_cast<std::ptrdiff_t>(extended), 4, mask_.begin());
  head_had_ = 0;
  masked_ = 0;
  control_had_ = 0;
  if ((head_[0] & reserved_bits) != 0) return refuse("a frame with reserved bits");
  if ((extended == 2 && left_ < 126) || (extended == 8 && (left_ >> 16U == 0 || left_ >> 63U))) {
    return refuse("a frame's length in the wrong form");
  }
  if (opcode_ == op_text) {
    return fail("a text frame [MQTT-6.0.0-1]", CloseCode::unsupported, answers);
  }
  if (opcode_ > op_pong || (opcode_ > op_binary && opcode_ < op_close)) {
    return refuse("a frame of an unknown kind");
  }
  if (is_control(opcode_)) {
    if (!final || extended > 0) return refuse("a control frame that is cut or too long");
  } else {
    if (in_message_ != (opcode_ == op_continuation)) return refuse("a frame out of its message");
    in_message_ = !final;
  }
  in_frame_ = true;
}

void FrameDecoder::end_control(std::string& answers) {
  if (opcode_ == op_close) return on_close(answers);
  if (opcode_ == op_ping && answers.size() < max_answers) {
    append_control(answers, op_pong, {control_.data(), control_had_});
  }
}

void FrameDecoder::on_close(std::string& answers) {
  unsigned code = static_cast<unsigned>(CloseCode::normal);
  if (control_had_ > 0) {
    code = static_cast<unsigned>(static_cast<std::uint8_t>(control_[0])) << 8U |
           static_cast<std::uint8_t>(control_[1]);
    if (control_had_ == 1 || !is_close_code(code)) {
      return fail("a Close frame without a proper code", CloseCode::protocol_error, answers);
    }
  }
  state_ = State::closed;
  append_close(answers, static_cast<CloseCode>(code));
}

void FrameDecoder::fail(std::string_view reason, CloseCode code, std::string& answers) {
  state_ = State::failed;
  reason_ = reason;
  append_close(answers, code);
}

void append_frame_head(std::string& to, std::size_t size) {
  to.push_back(static_cast<char>(final_bit | op_binary));
  const auto big_endian = [&](unsigned bytes) {
    for (unsigned i = bytes; i-- > 0;) to.push_back(static_cast<char>(size >> (8U * i)));
  };
  if (size < 126) {
    to.push_back(static_cast<char>(size));
  } else if (size <= 0xFFFF) {
    to.push_back(126);
    big_endian(2);
  } else {
    to.push_back(127);
    big_endian(8);
  }
}

void append_close(std::string& to, CloseCode code) {
  const auto value = static_cast<std::uint16_t>(code);
  const char bytes[] = {static_cast<char>(value >> 8U), static_cast<char>(value & 0xFFU)};
  append_control(to, op_close, {bytes, sizeof bytes});
}

}  // namespace rowgate::net
