// CBOR (RFC 8949), with the tags that say what JSON cannot: times, big and exact numbers, UUIDs.
// Why not nlohmann-json: docs/decisions.md.
#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <optional>

#include "schema/convert.hpp"
#include "schema/payload/bignum.hpp"
#include "schema/payload/document_decoder.hpp"

namespace rowgate::schema {
namespace {

// RFC 8949 section 3: the first byte of an item and its argument.
struct Head {
  std::uint8_t major = 0;
  std::uint8_t info = 0;  // the low five bits
  std::uint64_t argument = 0;

  bool indefinite() const noexcept { return info == 31; }
  bool is_break() const noexcept { return major == 7 && indefinite(); }
};

// Section 3.1.
enum Major : std::uint8_t { number, negative, byte_string, text_string, array, map, tag, other };
// Section 3.4.
enum Tag : std::uint64_t {
  epoch_time = 1,
  bignum = 2,
  negative_bignum = 3,
  decimal = 4,
  bigfloat = 5,
  uuid = 37
};

class CborDecoder final : public DocumentDecoder {
 private:
  void build() override { item(head()); }
  Head head();
  /// The item behind its tags; `of` is the innermost.
  Head behind_tags(Head first, std::optional<std::uint64_t>& of);
  void item(Head first);
  void value(const Head& of);
  void array_of(const Head& of);
  void map_of(const Head& of);
  void key(Head first);
  void simple(const Head& of);
  std::string_view content(const Head& of);

  // Each of them takes the tagged item whole. False: it is not what the tag asks for.
  bool tagged(std::uint64_t with, const Head& of);
  bool time_of(const Head& of);
  bool uuid_of(const Head& of);
  bool fraction_of(std::uint64_t with, const Head& of);
  /// The digits of an integer or a bignum; empty: it is neither, or too long.
  std::string digits(const Head& of, std::optional<std::uint64_t> with);

  std::string chunks_;
};

double half_precision(std::uint64_t bits) noexcept {  // appendix D
  const auto exponent = static_cast<int>(bits >> 10U & 31U);
  const auto fraction = static_cast<double>(bits & 1023U);
  double v = 0;
  if (exponent == 0) {
    v = std::ldexp(fraction, -24);
  } else if (exponent != 31) {
    v = std::ldexp(fraction + 1024, exponent - 25);
  } else {
    v = fraction == 0 ? HUGE_VAL : std::nan("");
  }
  return (bits & 0x8000U) != 0 ? -v : v;
}

// -1 - n, where that is an int64_t.
constexpr std::int64_t negated(std::uint64_t n) noexcept {
  return static_cast<std::int64_t>(~n);
}

constexpr std::uint64_t most_negated = INT64_MAX;

Head CborDecoder::head() {
  const std::uint8_t first = in_.u8();
  Head head{static_cast<std::uint8_t>(first >> 5U), static_cast<std::uint8_t>(first & 31U), 0};
  switch (head.info) {
    case 24:
      head.argument = in_.u8();
      break;
    case 25:
      head.argument = in_.be<std::uint16_t>();
      break;
    case 26:
      head.argument = in_.be<std::uint32_t>();
      break;
    case 27:
      head.argument = in_.be<std::uint64_t>();
      break;
    case 28:
    case 29:
    case 30:
      wrong("it has a reserved length");
      break;
    case 31:
      if (head.major < Major::byte_string || head.major == Major::tag) {
        wrong("it has a number without an end");
      }
      break;
    default:
      head.argument = head.info;
  }
  return head;
}

Head CborDecoder::behind_tags(Head first, std::optional<std::uint64_t>& of) {
  while (first.major == Major::tag && good()) {
    of = first.argument;
    first = head();
  }
  return first;
}

void CborDecoder::item(Head first) {
  std::optional<std::uint64_t> with;
  first = behind_tags(first, with);
  if (!good()) return;
  if (with && *with >= Tag::epoch_time && *with <= Tag::bigfloat) {
    if (!tagged(*with, first) && good()) wrong("a tag in it does not fit its value");
  } else if (with != Tag::uuid || !uuid_of(first)) {
    value(first);
  }
}

void CborDecoder::value(const Head& of) {
  switch (of.major) {
    case Major::number:
      return document_.unsigned_integer(of.argument);
    case Major::negative:
      if (of.argument <= most_negated) return document_.integer(negated(of.argument));
      return document_.number(arena_->copy(digits(of, std::nullopt)));
    case Major::byte_string:
      return document_.bytes(content(of));
    case Major::text_string:
      return document_.string(content(of));
    case Major::array:
      return array_of(of);
    case Major::map:
      return map_of(of);
    default:
      return simple(of);
  }
}

// A size may lie: items are read until there are no more bytes, and nothing is set aside.
void CborDecoder::array_of(const Head& of) {
  document_.begin_array();
  for (std::uint64_t i = 0; (of.indefinite() || i < of.argument) && good(); ++i) {
    const Head next = head();
    if (of.indefinite() && next.is_break()) break;
    item(next);
  }
  document_.end_array();
}

void CborDecoder::map_of(const Head& of) {
  document_.begin_object();
  for (std::uint64_t i = 0; (of.indefinite() || i < of.argument) && good(); ++i) {
    const Head next = head();
    if (of.indefinite() && next.is_break()) break;
    key(next);
    if (good()) item(head());
  }
  document_.end_object();
}

// Text, or a whole number: SenML, CoAP and small devices number their fields.
void CborDecoder::key(Head first) {
  std::optional<std::uint64_t> with;
  const Head of = behind_tags(first, with);
  if (!good()) return;
  if (of.major == Major::text_string || of.major == Major::byte_string) {
    return document_.key(content(of));
  }
  if (of.major == Major::number) return number_key(of.argument);
  if (of.major == Major::negative && of.argument <= most_negated) {
    return negative_key(negated(of.argument));
  }
  wrong("a field's name in it is neither text nor a whole number");
}

void CborDecoder::simple(const Head& of) {
  switch (of.info) {
    case 20:
    case 21:
      return document_.boolean(of.info == 21);
    case 22:  // null
    case 23:  // undefined, which JSON has no other word for
      return document_.null();
    case 25:
      return document_.real(static_cast<float>(half_precision(of.argument)));
    case 26:
      return document_.real(std::bit_cast<float>(static_cast<std::uint32_t>(of.argument)));
    case 27:
      return document_.real(std::bit_cast<double>(of.argument));
    case 31:
      return wrong("a break stands where a value is expected");
    default:
      return wrong("it has a simple value that means nothing");
  }
}

// A string's bytes: a view of the payload, or the chunks put together in the arena.
std::string_view CborDecoder::content(const Head& of) {
  if (!of.indefinite()) {
    if (of.argument > in_.remaining()) {
      in_.view(in_.remaining() + 1);  // it ends too early
      return {};
    }
    return in_.view(of.argument);
  }
  chunks_.clear();
  while (good()) {
    const Head chunk = head();
    if (chunk.is_break()) break;
    if (chunk.major != of.major || chunk.indefinite()) {
      wrong("a string in it has a chunk that is none");
    } else if (chunk.argument > in_.remaining()) {
      in_.view(in_.remaining() + 1);
    } else {
      chunks_ += in_.view(chunk.argument);
    }
  }
  return arena_->copy(chunks_);
}

bool CborDecoder::tagged(std::uint64_t with, const Head& of) {
  if (with == Tag::epoch_time) return time_of(of);
  if (with == Tag::decimal || with == Tag::bigfloat) return fraction_of(with, of);
  if (of.major != Major::byte_string) return false;
  const std::string text = digits(of, with);
  if (text.empty()) return false;
  document_.number(arena_->copy(text));
  return true;
}

bool CborDecoder::time_of(const Head& of) {
  constexpr std::uint64_t most = INT64_MAX;
  if (of.major <= Major::negative) {
    if (of.argument > most) return false;
    const auto seconds = static_cast<std::int64_t>(of.argument);
    time(of.major == Major::number ? seconds : negated(of.argument), 0);
    return true;
  }
  if (of.major != Major::other || of.info < 25 || of.indefinite()) return false;
  double seconds = half_precision(of.argument);
  if (of.info == 26) seconds = std::bit_cast<float>(static_cast<std::uint32_t>(of.argument));
  if (of.info == 27) seconds = std::bit_cast<double>(of.argument);
  if (!std::isfinite(seconds)) return false;
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), seconds).ptr;
  const std::string_view shown(text.data(), static_cast<std::size_t>(end - text.data()));
  const auto at = timestamp_from_number(shown, TimeFormat::unix_s);
  document_.copy_string(at ? to_iso8601(*at) : std::string(shown));
  return true;
}

// RFC 9562's text, which uuid columns take.
bool CborDecoder::uuid_of(const Head& of) {
  if (of.major != Major::byte_string || of.indefinite() || of.argument != 16) return false;
  constexpr std::string_view hex = "0123456789abcdef";
  std::string text;
  for (const char c : content(of)) {
    if (text.size() == 8 || text.size() == 13 || text.size() == 18 || text.size() == 23) {
      text += '-';
    }
    text += hex[static_cast<unsigned char>(c) >> 4U];
    text += hex[static_cast<unsigned char>(c) & 15U];
  }
  document_.copy_string(text);
  return true;
}

std::string CborDecoder::digits(const Head& of, std::optional<std::uint64_t> with) {
  if (of.major <= Major::negative) {
    std::array<char, 8> bytes;
    store_be(bytes.data(), of.argument);
    return bignum_digits({bytes.data(), bytes.size()}, of.major == Major::negative);
  }
  const std::uint64_t tagged_as = with.value_or(0);
  if (of.major != Major::byte_string || tagged_as < Tag::bignum ||
      tagged_as > Tag::negative_bignum) {
    return {};
  }
  std::string_view bytes = content(of);
  if (!good()) return {};
  bytes.remove_prefix(std::min(bytes.find_first_not_of('\0'), bytes.size()));
  if (bytes.size() > max_bignum_bytes) {
    wrong("a number in it has more than 1000 digits");
    return {};
  }
  return bignum_digits(bytes, tagged_as == Tag::negative_bignum);
}

// [exponent, mantissa], of ten or of two.
bool CborDecoder::fraction_of(std::uint64_t with, const Head& of) {
  constexpr std::uint64_t largest_exponent = 1'000'000;
  constexpr std::uint64_t exact_doubles = 1ULL << 53U;
  if (of.major != Major::array || of.indefinite() || of.argument != 2) return false;
  const Head power = head();
  if (power.major > Major::negative || power.argument > largest_exponent) return false;
  const std::int64_t exponent = power.major == Major::number
                                    ? static_cast<std::int64_t>(power.argument)
                                    : negated(power.argument);
  std::optional<std::uint64_t> inner;
  const Head mantissa = behind_tags(head(), inner);
  if (!good()) return false;
  if (with == Tag::decimal) {
    const std::string text = digits(mantissa, inner);
    if (text.empty()) return false;
    document_.number(arena_->copy(decimal_fraction(text, exponent)));
    return true;
  }
  if (mantissa.major > Major::negative || mantissa.argument >= exact_doubles) return false;
  const std::int64_t whole = mantissa.major == Major::number
                                 ? static_cast<std::int64_t>(mantissa.argument)
                                 : negated(mantissa.argument);
  document_.real(std::ldexp(static_cast<double>(whole), static_cast<int>(exponent)));
  return true;
}

}  // namespace

std::unique_ptr<Decoder> make_cbor_decoder() {
  return std::make_unique<CborDecoder>();
}

}  // namespace rowgate::schema
