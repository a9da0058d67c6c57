#include "gateway/broker/json_text.hpp"

#include "schema/base/utf8.hpp"

namespace rowgate::broker {
namespace {

void append_string(std::string& out, std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out += '\\';
    if (byte >= 0x20 && byte != 0x7F) {
      out += c;
    } else {
      out.append("\\u00");
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  out += '"';
}

}  // namespace

void JsonObject::name(std::string_view name) {
  if (out_.size() > 1) out_ += ',';
  append_string(out_, name);
  out_ += ':';
}

void JsonObject::text(std::string_view member, std::string_view value) {
  name(member);
  if (value.empty() || !is_utf8(value)) {
    out_.append("null");
  } else {
    append_string(out_, value);
  }
}

void JsonObject::flag(std::string_view member, bool value) {
  name(member);
  out_.append(value ? "true" : "false");
}

std::string JsonObject::take() {
  out_ += '}';
  return std::move(out_);
}

}  // namespace rowgate::broker
