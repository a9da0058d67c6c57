// MessagePack (github.com/msgpack/msgpack/blob/master/spec.md), also as encoders of before its type
// `bin` write it: a string that is not UTF-8 is bytes. Why not nlohmann-json: docs/decisions.md.
#include <bit>

#include "schema/base/utf8.hpp"
#include "schema/payload/document_decoder.hpp"

namespace rowgate::schema {
namespace {

class MsgpackDecoder final : public DocumentDecoder {
 private:
  void build() override { item(); }
  void item();
  void small(std::uint8_t head);
  void sized(std::uint8_t head);
  void key();
  void array(std::uint32_t size);
  void map(std::uint32_t size);
  void text(std::uint32_t size);
  void bytes(std::uint32_t size);
  void extension(std::uint32_t size);
  void timestamp(std::string_view content);
  /// An unsigned number of 1, 2 or 4 bytes: a size.
  std::uint32_t size_of(unsigned width);
};

// The formats that carry their value or size in the first byte.
constexpr std::uint8_t last_positive = 0x7f, last_map = 0x8f, last_array = 0x9f, last_text = 0xbf,
                       first_negative = 0xe0;

void MsgpackDecoder::item() {
  const std::uint8_t head = in_.u8();
  if (!good()) return;
  if (head <= last_text || head >= first_negative) return small(head);
  sized(head);
}

void MsgpackDecoder::small(std::uint8_t head) {
  if (head <= last_positive) return document_.unsigned_integer(head);
  if (head <= last_map) return map(head & 0x0fU);
  if (head <= last_array) return array(head & 0x0fU);
  if (head <= last_text) return text(head & 0x1fU);
  document_.integer(static_cast<std::int8_t>(head));
}

void MsgpackDecoder::sized(std::uint8_t head) {
  switch (head) {
    case 0xc0:
      return document_.null();
    case 0xc2:
    case 0xc3:
      return document_.boolean(head == 0xc3);
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return bytes(size_of(1U << (head - 0xc4U)));
    case 0xc7:
    case 0xc8:
    case 0xc9:
      return extension(size_of(1U << (head - 0xc7U)));
    case 0xca:
      return document_.real(std::bit_cast<float>(in_.be<std::uint32_t>()));
    case 0xcb:
      return document_.real(std::bit_cast<double>(in_.be<std::uint64_t>()));
    case 0xcc:
    case 0xcd:
    case 0xce:
      return document_.unsigned_integer(size_of(1U << (head - 0xccU)));
    case 0xcf:
      return document_.unsigned_integer(in_.be<std::uint64_t>());
    case 0xd0:
      return document_.integer(std::bit_cast<std::int8_t>(in_.be<std::uint8_t>()));
    case 0xd1:
      return document_.integer(std::bit_cast<std::int16_t>(in_.be<std::uint16_t>()));
    case 0xd2:
      return document_.integer(std::bit_cast<std::int32_t>(in_.be<std::uint32_t>()));
    case 0xd3:
      return document_.integer(std::bit_cast<std::int64_t>(in_.be<std::uint64_t>()));
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return extension(1U << (head - 0xd4U));
    case 0xd9:
    case 0xda:
    case 0xdb:
      return text(size_of(1U << (head - 0xd9U)));
    case 0xdc:
    case 0xdd:
      return array(size_of(2U << (head - 0xdcU)));
    case 0xde:
    case 0xdf:
      return map(size_of(2U << (head - 0xdeU)));
    default:
      return wrong("byte 0xc1 stands in it, which no value begins with");
  }
}

std::uint32_t MsgpackDecoder::size_of(unsigned width) {
  if (width == 1) return in_.u8();
  if (width == 2) return in_.be<std::uint16_t>();
  return in_.be<std::uint32_t>();
}

// A size may lie: elements are read until there are no more bytes, and nothing is set aside.
void MsgpackDecoder::array(std::uint32_t size) {
  document_.begin_array();
  for (std::uint32_t i = 0; i < size && good(); ++i) item();
  document_.end_array();
}

void MsgpackDecoder::map(std::uint32_t size) {
  document_.begin_object();
  for (std::uint32_t i = 0; i < size && good(); ++i) {
    key();
    if (good()) item();
  }
  document_.end_object();
}

// Text, or a whole number: small devices number their fields.
void MsgpackDecoder::key() {
  const std::uint8_t head = in_.u8();
  if (!good()) return;
  if (head <= last_positive) return number_key(head);
  if (head >= first_negative) return negative_key(static_cast<std::int8_t>(head));
  if (head > last_array && head <= last_text) return document_.key(in_.view(head & 0x1fU));
  if (head >= 0xd9 && head <= 0xdb) return document_.key(in_.view(size_of(1U << (head - 0xd9U))));
  if (head >= 0xc4 && head <= 0xc6) return document_.key(in_.view(size_of(1U << (head - 0xc4U))));
  if (head >= 0xcc && head <= 0xce) return number_key(size_of(1U << (head - 0xccU)));
  if (head == 0xcf) return number_key(in_.be<std::uint64_t>());
  if (head == 0xd0) return negative_key(std::bit_cast<std::int8_t>(in_.be<std::uint8_t>()));
  if (head == 0xd1) return negative_key(std::bit_cast<std::int16_t>(in_.be<std::uint16_t>()));
  if (head == 0xd2) return negative_key(std::bit_cast<std::int32_t>(in_.be<std::uint32_t>()));
  if (head == 0xd3) return negative_key(std::bit_cast<std::int64_t>(in_.be<std::uint64_t>()));
  wrong("a field's name in it is neither text nor a whole number");
}

void MsgpackDecoder::text(std::uint32_t size) {
  const std::string_view content = in_.view(size);
  if (is_utf8(content)) return document_.string(content);
  document_.bytes(content);
}

void MsgpackDecoder::bytes(std::uint32_t size) {
  document_.bytes(in_.view(size));
}

void MsgpackDecoder::extension(std::uint32_t size) {
  constexpr std::int8_t timestamp_type = -1;
  const auto type = std::bit_cast<std::int8_t>(in_.be<std::uint8_t>());
  const std::string_view content = in_.view(size);
  if (!good()) return;
  if (type == timestamp_type) return timestamp(content);
  document_.bytes(content);
}

void MsgpackDecoder::timestamp(std::string_view content) {
  rowgate::Reader in(content);
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
  switch (content.size()) {
    case 4:
      seconds = in.be<std::uint32_t>();
      break;
    case 8: {
      constexpr unsigned second_bits = 34;
      const auto both = in.be<std::uint64_t>();
      nanoseconds = static_cast<std::uint32_t>(both >> second_bits);
      seconds = static_cast<std::int64_t>(both & ((1ULL << second_bits) - 1));
      break;
    }
    case 12:
      nanoseconds = in.be<std::uint32_t>();
      seconds = std::bit_cast<std::int64_t>(in.be<std::uint64_t>());
      break;
    default:
      return wrong("a timestamp in it is not of 4, 8 or 12 bytes");
  }
  if (nanoseconds >= 1'000'000'000) return wrong("a timestamp in it has too many nanoseconds");
  time(seconds, nanoseconds);
}

}  // namespace

std::unique_ptr<Decoder> make_msgpack_decoder() {
  return std::make_unique<MsgpackDecoder>();
}

}  // namespace rowgate::schema
