#pragma once
// A payload through a decoder, as a test compares it.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schema/payload/decoder.hpp"

namespace rowgate::schema {

/// The payload's one value: an object's or array's JSON, "number 1", "string a", "bytes 0102",
/// "true", "null"; or "wrong: it ends too early, at byte 1". `memory`: what the arena gave.
inline std::string read_whole(Decoder& decoder, std::string_view payload,
                              std::size_t* memory = nullptr) {
  const Message message;
  const Mapping mapping;
  Arena arena;
  FieldTree tree;
  tree.add("");
  tree.finish();
  std::vector<Field> fields(tree.size());
  const bool read = decoder.open({payload, message, mapping, arena}) &&
                    decoder.next() == Decoder::Step::record &&
                    decoder.reader().read(tree, fields) && decoder.next() == Decoder::Step::end;
  if (memory != nullptr) *memory = arena.used();
  if (!read) {
    std::string wrong = "wrong: " + std::string(decoder.error().what);
    const std::size_t at = decoder.error().offset;
    return at == PayloadError::nowhere ? wrong : wrong + ", at byte " + std::to_string(at);
  }
  const Field& field = fields[0];
  const std::string text(field.text);
  switch (field.kind) {
    case Field::Kind::null:
      return "null";
    case Field::Kind::number:
      return "number " + text;
    case Field::Kind::string:
      return "string " + text;
    case Field::Kind::bytes: {
      constexpr std::string_view digits = "0123456789abcdef";
      std::string hex = "bytes ";
      for (const char c : text) {
        hex += digits[static_cast<unsigned char>(c) >> 4U];
        hex += digits[static_cast<unsigned char>(c) & 15U];
      }
      return hex;
    }
    default:
      return text;
  }
}

inline std::string from_hex(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    if (hex[i] == ' ') ++i;
    out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

}  // namespace rowgate::schema
