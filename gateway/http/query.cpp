#include "gateway/http/query.hpp"

#include <charconv>

namespace rowgate::http {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low >= 0) {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

Query::Query(std::string_view target) {
  const auto mark = target.find('?');
  if (mark == std::string_view::npos) return;
  std::string_view rest = target.substr(mark + 1);
  rest = rest.substr(0, rest.find('#'));
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(pair.size() == rest.size() ? rest.size() : pair.size() + 1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    values_.emplace_back(
        percent_decode(pair.substr(0, equals), true),
        equals == std::string_view::npos ? "" : percent_decode(pair.substr(equals + 1), true));
  }
}

std::optional<std::string_view> Query::text(std::string_view name) const {
  for (const auto& [key, value] : values_) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> Query::number(std::string_view name, std::uint64_t otherwise,
                                           std::uint64_t least, std::uint64_t most) const {
  const auto found = text(name);
  if (!found) return otherwise;
  std::uint64_t value = 0;
  const char* const end = found->data() + found->size();
  const auto [rest, error] = std::from_chars(found->data(), end, value);
  if (error != std::errc{} || rest != end || value < least || value > most) return std::nullopt;
  return value;
}

bool Query::flag(std::string_view name) const {
  const auto found = text(name);
  return found && (found->empty() || *found == "true" || *found == "1");
}

}  // namespace rowgate::http
