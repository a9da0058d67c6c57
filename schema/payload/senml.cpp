// SenML (RFC 8428), as JSON or as CBOR. A record becomes a row in its resolved form (section 4.6):
// base values added, the name in full, the time absolute.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "schema/number.hpp"
#include "schema/payload/decoder.hpp"
#include "schema/payload/document.hpp"
#include "schema/payload/senml_record.hpp"

namespace rowgate::schema {
namespace {

using Kind = Field::Kind;
using L = SenmlLabel;
__extension__ typedef __int128 Wide;

constexpr double newest_version = 10;
constexpr double least_absolute_time = 0x1p28;  // section 4.5.3: what is less is relative to now

/// A decimal number as digits without a point, and how many of them stand behind it.
struct Decimal {
  Wide digits = 0;
  std::size_t scale = 0;
};

std::optional<Decimal> decimal(std::string_view text) {
  constexpr std::size_t most = 36;
  std::string plain;
  if (!to_decimal(text, plain) || plain.size() > most) return std::nullopt;
  Decimal out;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    if (plain[i] == '.') out.scale = plain.size() - i - 1;
    if (plain[i] >= '0' && plain[i] <= '9') out.digits = out.digits * 10 + (plain[i] - '0');
  }
  if (plain.front() == '-') out.digits = -out.digits;
  return out;
}

void rescale(Decimal& number, std::size_t scale) {
  for (; number.scale < scale; ++number.scale) number.digits *= 10;
}

std::string print(Decimal number) {
  const bool negative = number.digits < 0;
  Wide digits = negative ? -number.digits : number.digits;
  while (number.scale > 0 && digits % 10 == 0) {
    digits /= 10;
    --number.scale;
  }
  std::string text;
  do {
    if (text.size() == number.scale && number.scale > 0) text += '.';
    text += static_cast<char>('0' + static_cast<int>(digits % 10));
    digits /= 10;
  } while (digits > 0 || text.size() <= number.scale);
  if (negative) text += '-';
  std::reverse(text.begin(), text.end());
  return text;
}

/// Exact where the digits are few enough, else as doubles. nullopt: out of range.
std::optional<std::string> sum(std::string_view a, std::string_view b) {
  constexpr std::size_t most_scale = 15;  // and 18 digits before the point
  constexpr Wide most_digits = static_cast<Wide>(1'000'000'000'000'000'000) * 1'000'000'000'000'000;
  auto x = decimal(a);
  auto y = decimal(b);
  if (x && y && x->scale <= most_scale && y->scale <= most_scale) {
    const std::size_t scale = std::max(x->scale, y->scale);
    const auto small = [&](const Decimal& n) {
      return n.digits < most_digits && n.digits > -most_digits;
    };
    if (small(*x) && small(*y)) {
      rescale(*x, scale);
      rescale(*y, scale);
      return print({x->digits + y->digits, scale});
    }
  }
  const auto left = to_double(a);
  const auto right = to_double(b);
  if (!left || !right || !std::isfinite(*left + *right)) return std::nullopt;
  return fmt::format("{}", *left + *right);
}

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// Section 4.5.1. Empty: sound.
std::string_view wrong_name(std::string_view name) {
  if (name.empty()) return "it has no name (n, or bn)";
  const auto allowed = [](char c) {
    return is_alphanumeric(c) || std::string_view("-:./_").find(c) != std::string_view::npos;
  };
  if (!is_alphanumeric(name.front()) || !std::all_of(name.begin(), name.end(), allowed)) {
    return "its name holds a character other than a-z, A-Z, 0-9 and -:./_, or begins with one of "
           "the latter";
  }
  return {};
}

/// RFC 4648 section 5, padded or not. nullopt: it is something else.
std::optional<std::string> from_base64url(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string out;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    int digit = 0;
    if (c >= 'A' && c <= 'Z') {
      digit = c - 'A';
    } else if (c >= 'a' && c <= 'z') {
      digit = c - 'a' + 26;
    } else if (c >= '0' && c <= '9') {
      digit = c - '0' + 52;
    } else if (c == '-' || c == '_') {
      digit = c == '-' ? 62 : 63;
    } else {
      return std::nullopt;
    }
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out += static_cast<char>(bits >> held & 0xFFU);
  }
  if (held == 6) return std::nullopt;
  return out;
}

class SenmlDecoder final : public Decoder {
 public:
  bool open(const PayloadInput& input) override;
  Step next() override;
  Reader& reader() override { return document_; }
  const PayloadError& error() const noexcept override { return error_; }
  bool many() const noexcept override { return true; }
  std::string place() const override { return fmt::format("record {}", number_); }

 private:
  enum class Base : std::uint8_t { sound, alone, failed };
  Base take_base();
  bool check();
  bool build();
  bool add_name();
  bool add_number(L label, std::string_view base);
  bool add_data();
  bool add_time();
  bool is(L label, Kind kind) const { return record_[label].kind == kind; }
  bool has(L label) const { return !is(label, Kind::absent); }
  bool wrong(std::string what);

  std::unique_ptr<SenmlPack> json_ = make_senml_json_pack();
  std::unique_ptr<SenmlPack> cbor_ = make_senml_cbor_pack();
  SenmlPack* pack_ = nullptr;
  Arena* arena_ = nullptr;
  std::string now_;
  std::size_t number_ = 0;  // of the record, from 1
  SenmlRecord record_;
  std::array<std::string_view, senml_labels> base_;  // the base fields' text, as far as it goes
  Document document_;
  std::string what_;
  PayloadError error_;
};

/// What a field of a record must be.
Kind kind_of(L label) {
  switch (label) {
    case L::bn:
    case L::bu:
    case L::n:
    case L::u:
    case L::vs:
      return Kind::string;
    case L::vb:
      return Kind::boolean;
    case L::vd:
      return Kind::bytes;
    default:
      return Kind::number;
  }
}

std::string_view kind_name(Kind kind) {
  if (kind == Kind::string) return "a string";
  if (kind == Kind::boolean) return "a boolean";
  return kind == Kind::bytes ? "base64url data" : "a number";
}

bool SenmlDecoder::wrong(std::string what) {
  what_ = std::move(what);
  error_ = {what_};
  return false;
}

bool SenmlDecoder::open(const PayloadInput& input) {
  const Timestamp now = input.message.received_at;
  arena_ = &input.arena;
  now_ = fmt::format("{}.{:06}", now.micros / 1'000'000, std::abs(now.micros % 1'000'000));
  number_ = 0;
  base_ = {};
  // An array in CBOR begins with 0x80 to 0x9F; JSON text cannot.
  const bool cbor =
      !input.payload.empty() && (static_cast<unsigned char>(input.payload[0]) & 0xE0U) == 0x80U;
  pack_ = cbor ? cbor_.get() : json_.get();
  if (pack_->open(input.payload, input.arena)) return true;
  error_ = pack_->error();
  return false;
}

Decoder::Step SenmlDecoder::next() {
  while (pack_->next(record_)) {
    ++number_;
    switch (take_base()) {
      case Base::failed:
        return Step::failed;
      case Base::alone:
        continue;
      case Base::sound:
        return check() && build() ? Step::record : Step::bad_record;
    }
  }
  if (pack_->error().what.empty()) return Step::end;
  ++number_;
  error_ = pack_->error();
  return Step::failed;
}

/// The base fields go for this record and all behind it: with a wrong one none of them is sound.
SenmlDecoder::Base SenmlDecoder::take_base() {
  for (const L label : {L::bver, L::bn, L::bt, L::bu, L::bv, L::bs}) {
    const auto index = static_cast<std::size_t>(label);
    if (!has(label)) continue;
    if (!is(label, kind_of(label))) {
      wrong(fmt::format("{} is not {}", senml_names[index], kind_name(kind_of(label))));
      return Base::failed;
    }
    base_[index] = record_[label].text;
  }
  if (has(L::bver) && to_double(record_[L::bver].text).value_or(1e9) > newest_version) {
    wrong(fmt::format("its version is {}; 10 is the newest that is understood",
                      record_[L::bver].text.substr(0, 20)));
    return Base::failed;
  }
  if (record_.unknown) {
    wrong("it has a field whose name ends in '_', which must be understood and is not");
    return Base::failed;
  }
  const auto regular = record_.fields.begin() + static_cast<std::ptrdiff_t>(L::n);
  const bool alone = std::all_of(regular, record_.fields.end(),
                                 [](const Field& f) { return f.kind == Kind::absent; });
  return alone ? Base::alone : Base::sound;
}

bool SenmlDecoder::check() {
  for (std::size_t i = static_cast<std::size_t>(L::n); i < senml_labels; ++i) {
    const L label = static_cast<L>(i);
    const bool data = label == L::vd && is(label, Kind::string);  // as JSON has it
    if (!has(label) || is(label, kind_of(label)) || data) continue;
    return wrong(fmt::format("{} is not {}", senml_names[i], kind_name(kind_of(label))));
  }
  const int values = int{has(L::v)} + int{has(L::vs)} + int{has(L::vb)} + int{has(L::vd)};
  if (values > 1) return wrong("it has more than one value");
  if (values == 0 && !has(L::s)) return wrong("it has no value (v, vs, vb, vd) and no sum (s)");
  return true;
}

bool SenmlDecoder::build() {
  document_.begin(*arena_);
  document_.begin_object();
  if (!add_name()) return false;
  const std::string_view unit =
      has(L::u) ? record_[L::u].text : base_[static_cast<std::size_t>(L::bu)];
  if (!unit.empty()) {
    document_.key("u");
    document_.string(unit);
  }
  if (!add_number(L::v, base_[static_cast<std::size_t>(L::bv)])) return false;
  if (has(L::vs)) {
    document_.key("vs");
    document_.string(record_[L::vs].text);
  }
  if (has(L::vb)) {
    document_.key("vb");
    document_.boolean(record_[L::vb].text == "true");
  }
  if (!add_data() || !add_number(L::s, base_[static_cast<std::size_t>(L::bs)]) || !add_time() ||
      !add_number(L::ut, {})) {
    return false;
  }
  document_.end_object();
  return document_.finish() || wrong(std::string(document_.error().what));
}

bool SenmlDecoder::add_name() {
  const std::string_view base = base_[static_cast<std::size_t>(L::bn)];
  std::string_view name = record_[L::n].text;
  if (!base.empty()) name = name.empty() ? base : arena_->copy(fmt::format("{}{}", base, name));
  const std::string_view what = wrong_name(name);
  if (!what.empty()) return wrong(std::string(what));
  document_.key("n");
  document_.string(name);
  return true;
}

bool SenmlDecoder::add_number(L label, std::string_view base) {
  if (!has(label)) return true;
  const std::string_view name = senml_names[static_cast<std::size_t>(label)];
  std::string_view text = record_[label].text;
  if (!base.empty()) {
    const auto total = sum(base, text);
    if (!total) return wrong(fmt::format("{} is out of range", name));
    text = arena_->copy(*total);
  }
  document_.key(name);
  document_.number(text);
  return true;
}

bool SenmlDecoder::add_data() {
  if (!has(L::vd)) return true;
  std::string_view bytes = record_[L::vd].text;
  if (is(L::vd, Kind::string)) {
    const auto decoded = from_base64url(bytes);
    if (!decoded) return wrong("vd is not base64url data");
    bytes = arena_->copy(*decoded);
  }
  document_.key("vd");
  document_.bytes(bytes);
  return true;
}

bool SenmlDecoder::add_time() {
  const std::string_view base = base_[static_cast<std::size_t>(L::bt)];
  const std::string_view own = has(L::t) ? record_[L::t].text : "0";
  auto time = base.empty() ? std::optional<std::string>(own) : sum(base, own);
  const auto seconds = time ? to_double(*time) : std::nullopt;
  if (seconds && *seconds < least_absolute_time) time = sum(now_, *time);
  if (!seconds || !time) return wrong("its time is out of range");
  document_.key("t");
  document_.number(arena_->copy(*time));
  return true;
}

}  // namespace

std::unique_ptr<Decoder> make_senml_decoder() {
  return std::make_unique<SenmlDecoder>();
}

}  // namespace rowgate::schema
