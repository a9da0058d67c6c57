// SenML as CBOR (RFC 8428 section 6): the same records, with integers for the names. Just as much
// of CBOR (RFC 8949) as a record can hold; anything else in a record is passed over.
#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <optional>

#include "schema/payload/senml_record.hpp"

namespace rowgate::schema {
namespace {

constexpr unsigned deepest = 64;

enum class Major : std::uint8_t { unsigned_, negative, bytes, text, array, map, tag, simple };

struct Head {
  Major major = Major::simple;
  std::uint8_t additional = 0;
  std::uint64_t argument = 0;
  bool indefinite() const noexcept { return additional == 31; }
};

/// RFC 8428 table 6.
std::optional<SenmlLabel> label_of(std::int64_t number) {
  using L = SenmlLabel;
  constexpr std::array<SenmlLabel, senml_labels> from_minus_6{L::bs,   L::bv, L::bu, L::bt, L::bn,
                                                              L::bver, L::n,  L::u,  L::v,  L::vs,
                                                              L::vb,   L::s,  L::t,  L::ut, L::vd};
  if (number < -6 || number > 8) return std::nullopt;
  return from_minus_6[static_cast<std::size_t>(number + 6)];
}

double half(std::uint16_t bits) {
  const int exponent = bits >> 10 & 0x1F;
  const int mantissa = bits & 0x3FF;
  double value = 0;
  if (exponent == 0) {
    value = std::ldexp(mantissa, -24);
  } else if (exponent == 31) {
    value = mantissa == 0 ? INFINITY : NAN;
  } else {
    value = std::ldexp(mantissa + 1024, exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -value : value;
}

class SenmlCborPack final : public SenmlPack {
 public:
  bool open(std::string_view payload, Arena& arena) override;
  bool next(SenmlRecord& record) override;
  const PayloadError& error() const noexcept override { return error_; }

 private:
  bool head(Head& head);
  bool ends(std::uint64_t& left, bool indefinite);
  bool read_key(std::optional<SenmlLabel>& label, bool& unknown);
  bool read_value(Field& field, unsigned depth);
  bool read_simple(const Head& head, Field& field);
  bool read_decimal(Field& field, unsigned depth);
  bool integer(const Head& head, std::int64_t& value) const;
  bool view(std::uint64_t size, std::string_view& out);
  bool skip(const Head& head, unsigned depth);
  bool wrong(std::string_view what);
  void number(Field& field, std::string_view text) {
    field.kind = Field::Kind::number;
    field.text = arena_->copy(text);
  }

  std::string_view payload_;
  Arena* arena_ = nullptr;
  std::size_t at_ = 0;
  std::uint64_t left_ = 0;
  bool indefinite_ = false;
  bool over_ = false;
  PayloadError error_;
};

bool SenmlCborPack::wrong(std::string_view what) {
  error_ = {what, at_};
  over_ = true;
  return false;
}

bool SenmlCborPack::open(std::string_view payload, Arena& arena) {
  payload_ = payload;
  arena_ = &arena;
  at_ = 0;
  over_ = false;
  error_ = {};
  Head pack;
  if (!head(pack)) return false;
  if (pack.major != Major::array) return wrong("it is not an array of records");
  indefinite_ = pack.indefinite();
  left_ = pack.argument;
  return true;
}

bool SenmlCborPack::head(Head& head) {
  if (at_ >= payload_.size()) return wrong("it ends too early");
  const auto first = static_cast<unsigned char>(payload_[at_++]);
  head.major = static_cast<Major>(first >> 5);
  head.additional = first & 0x1F;
  head.argument = head.additional;
  if (head.additional < 24) return true;
  if (head.additional == 31) {
    head.argument = 0;
    const bool may = head.major == Major::array || head.major == Major::map ||
                     head.major == Major::bytes || head.major == Major::text ||
                     head.major == Major::simple;
    return may || wrong("it is no CBOR");
  }
  if (head.additional > 27) return wrong("it is no CBOR");
  std::string_view argument;
  if (!view(1U << (head.additional - 24U), argument)) return false;
  head.argument = 0;
  for (const char c : argument) head.argument = head.argument << 8 | static_cast<unsigned char>(c);
  return true;
}

bool SenmlCborPack::view(std::uint64_t size, std::string_view& out) {
  if (size > payload_.size() - at_) return wrong("it ends too early");
  out = payload_.substr(at_, size);
  at_ += size;
  return true;
}

/// Counts an element. True: there is none any more.
bool SenmlCborPack::ends(std::uint64_t& left, bool indefinite) {
  if (indefinite) {
    if (at_ >= payload_.size() || payload_[at_] != '\xFF') return false;
    ++at_;
    return true;
  }
  if (left == 0) return true;
  --left;
  return false;
}

bool SenmlCborPack::next(SenmlRecord& record) {
  if (over_) return false;
  if (ends(left_, indefinite_)) {
    over_ = true;
    return at_ == payload_.size() ? false : wrong("something follows the pack");
  }
  Head map;
  if (!head(map)) return false;
  if (map.major != Major::map) return wrong("a record is not a map");
  record = {};
  std::uint64_t left = map.argument;
  while (!ends(left, map.indefinite())) {
    std::optional<SenmlLabel> label;
    if (!read_key(label, record.unknown)) return false;
    Field field;
    if (!read_value(field, 1)) return false;
    if (label) record[*label] = field;
  }
  return true;
}

bool SenmlCborPack::integer(const Head& head, std::int64_t& value) const {
  if (head.argument > static_cast<std::uint64_t>(INT64_MAX)) return false;
  value = static_cast<std::int64_t>(head.argument);
  if (head.major == Major::negative) value = -1 - value;
  return head.major == Major::unsigned_ || head.major == Major::negative;
}

bool SenmlCborPack::read_key(std::optional<SenmlLabel>& label, bool& unknown) {
  Head key;
  if (!head(key)) return false;
  std::int64_t number = 0;
  if (integer(key, number)) {
    label = label_of(number);
    return true;
  }
  if (key.major != Major::text || key.indefinite()) {
    return wrong("a field's name is neither an integer nor a text");
  }
  std::string_view name;
  if (!view(key.argument, name)) return false;
  unknown = unknown || name.ends_with('_');
  for (std::size_t i = 0; i < senml_labels; ++i) {
    if (senml_names[i] == name) label = static_cast<SenmlLabel>(i);
  }
  return true;
}

bool SenmlCborPack::read_value(Field& field, unsigned depth) {
  if (depth > deepest) return wrong("it is nested too deeply");
  Head value;
  if (!head(value)) return false;
  switch (value.major) {
    case Major::unsigned_:
      number(field, fmt::format("{}", value.argument));
      return true;
    case Major::negative:
      if (value.argument == UINT64_MAX) {
        number(field, "-18446744073709551616");
      } else {
        number(field, fmt::format("-{}", value.argument + 1));
      }
      return true;
    case Major::bytes:
    case Major::text:
      if (value.indefinite()) return wrong("a string's length is not given");
      field.kind = value.major == Major::text ? Field::Kind::string : Field::Kind::bytes;
      field.bare = true;
      return view(value.argument, field.text);
    case Major::simple:
      return read_simple(value, field);
    case Major::tag:
      if (value.argument == 4) return read_decimal(field, depth);
      return read_value(field, depth + 1);
    default:
      field.kind = value.major == Major::map ? Field::Kind::object : Field::Kind::array;
      return skip(value, depth);
  }
}

bool SenmlCborPack::read_simple(const Head& head, Field& field) {
  double real = 0;
  switch (head.additional) {
    case 20:
    case 21:
      field.kind = Field::Kind::boolean;
      field.text = head.additional == 21 ? "true" : "false";
      return true;
    case 25:
      real = half(static_cast<std::uint16_t>(head.argument));
      break;
    case 26:
      real = std::bit_cast<float>(static_cast<std::uint32_t>(head.argument));
      break;
    case 27:
      real = std::bit_cast<double>(head.argument);
      break;
    case 31:
      return wrong("it is no CBOR");
    default:
      field.kind = Field::Kind::null;
      return true;
  }
  if (!std::isfinite(real)) {
    field.kind = Field::Kind::null;
  } else if (head.additional == 26) {  // in its own shortest digits: 0.1f is 0.1
    number(field, fmt::format("{}", static_cast<float>(real)));
  } else {
    number(field, fmt::format("{}", real));
  }
  return true;
}

/// Tag 4, a decimal fraction: [exponent, mantissa].
bool SenmlCborPack::read_decimal(Field& field, unsigned depth) {
  Head pair;
  Head exponent;
  std::int64_t power = 0;
  if (!head(pair)) return false;
  if (pair.major != Major::array || pair.indefinite() || pair.argument != 2) {
    return wrong("a decimal fraction is not [exponent, mantissa]");
  }
  if (!head(exponent)) return false;
  Field mantissa;
  if (!integer(exponent, power) || !read_value(mantissa, depth + 1) ||
      mantissa.kind != Field::Kind::number ||
      mantissa.text.find_first_not_of("-0123456789") != std::string_view::npos) {
    return over_ ? false : wrong("a decimal fraction is not two integers");
  }
  number(field, fmt::format("{}e{}", mantissa.text, power));
  return true;
}

/// An array or a map that no field of a record can be.
bool SenmlCborPack::skip(const Head& head, unsigned depth) {
  std::uint64_t left = head.argument;
  Field ignored;
  while (!ends(left, head.indefinite())) {
    if (!read_value(ignored, depth + 1)) return false;
    if (head.major == Major::map && !read_value(ignored, depth + 1)) return false;
  }
  return true;
}

}  // namespace

std::unique_ptr<SenmlPack> make_senml_cbor_pack() {
  return std::make_unique<SenmlCborPack>();
}

}  // namespace rowgate::schema
