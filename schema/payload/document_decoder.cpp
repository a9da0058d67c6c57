#include "schema/payload/document_decoder.hpp"

#include <array>

namespace rowgate::schema {

bool DocumentDecoder::open(const PayloadInput& input) {
  read_ = false;
  arena_ = &input.arena;
  in_ = rowgate::Reader(input.payload);
  document_.begin(input.arena);
  if (input.payload.size() > PayloadLimits{}.bytes) {
    document_.fail("it is larger than 16 MiB");
    return false;
  }
  if (input.payload.empty()) return document_.finish();
  build();
  if (in_.failed()) document_.fail("it ends too early", input.payload.size());
  if (good() && in_.remaining() > 0) wrong("something follows the value");
  return document_.finish();
}

Decoder::Step DocumentDecoder::next() {
  if (read_) return Step::end;
  read_ = true;
  return Step::record;
}

void DocumentDecoder::time(std::int64_t seconds, std::uint32_t nanoseconds) {
  constexpr std::int64_t second = 1'000'000;
  if (seconds < min_timestamp.micros / second || seconds > max_timestamp.micros / second) {
    return document_.copy_string(std::to_string(seconds));
  }
  std::array<char, iso8601_size> text;
  format_iso8601({seconds * second + nanoseconds / 1000}, text.data());
  document_.copy_string({text.data(), text.size()});
}

void DocumentDecoder::number_key(std::uint64_t number) {
  document_.copy_key(std::to_string(number));
}

void DocumentDecoder::negative_key(std::int64_t number) {
  document_.copy_key(std::to_string(number));
}

}  // namespace rowgate::schema
