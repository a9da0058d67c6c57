#include "gateway/mqtt/wire.hpp"

namespace rowgate::mqtt {

namespace {

constexpr std::uint64_t ones = 0x0101010101010101U;
constexpr std::uint64_t highs = 0x8080808080808080U;

// Nonzero if any of eight bytes is NUL, above 0x7F, '+' or '#'. The latter two differ in one bit,
// so that setting it makes one comparison of two.
std::uint64_t unusual(const char* p) noexcept {
  static_assert(('#' | 0x08) == '+');
  const auto word = load_le<std::uint64_t>(p);
  const std::uint64_t wildcard = (word | ones * 0x08) ^ (ones * '+');
  return (word | ((word - ones) & ~word) | ((wildcard - ones) & ~wildcard)) & highs;
}

bool is_unusual(char c) noexcept {
  return static_cast<signed char>(c) <= 0 || c == '+' || c == '#';
}

TextClass classify_slowly(std::string_view text) noexcept {
  if (!is_utf8(text)) return TextClass::ill_formed;
  // Without branches, so that the compiler can take many bytes at a step.
  unsigned nul = 0;
  unsigned wildcard = 0;
  for (const char c : text) {
    nul |= c == '\0' ? 1U : 0U;
    wildcard |= (c | 0x08) == '+' ? 1U : 0U;
  }
  if (nul != 0) return TextClass::ill_formed;
  return wildcard == 0 ? TextClass::plain : TextClass::has_wildcard;
}

}  // namespace

TextClass classify_text(std::string_view text) noexcept {
  const char* p = text.data();
  std::uint64_t found = 0;
  if (text.size() >= 8) {
    // The last step overlaps the one before it, so that there is no tail.
    const char* const last = p + text.size() - 8;
    for (; p < last; p += 8) found |= unusual(p);
    found |= unusual(last);
  } else {
    for (const char c : text) found |= is_unusual(c) ? 1U : 0U;
  }
  return found == 0 ? TextClass::plain : classify_slowly(text);
}

}  // namespace rowgate::mqtt
