#pragma once
// What every decoder that builds a Document must give, whatever the bytes are: fields that columns
// can be made of, or a reason.
#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

#include "schema/base/utf8.hpp"
#include "schema/number.hpp"
#include "schema/payload/decoder.hpp"
#include "schema/payload/json.hpp"
#include "tests/fuzz/must.hpp"

namespace rowgate::schema {

inline void check_field(const Field& field) {
  switch (field.kind) {
    case Field::Kind::object:
    case Field::Kind::array: {
      JsonReader json;
      FieldTree none;
      none.finish();
      std::vector<Field> fields;
      must(json.open(field.text) && json.read(none, fields));
      must(json.read_object() == (field.kind == Field::Kind::object));
      break;
    }
    case Field::Kind::number:
      must(is_json_number(field.text) || field.text == "NaN" || field.text == "Infinity" ||
           field.text == "-Infinity");
      break;
    case Field::Kind::string:
      must(is_utf8(field.text) && field.nul == has_nul(field.text));
      break;
    default:
      break;
  }
}

inline void check_document(Decoder& decoder, std::string_view payload) {
  static const FieldTree tree = [] {
    FieldTree made;
    for (const std::string_view pointer : {"", "/a", "/a/b", "/0", "/1/c"}) {
      made.add(pointer, !pointer.empty());
    }
    made.finish();
    return made;
  }();
  const Message message;
  const Mapping mapping;
  Arena arena;
  std::vector<Field> fields(tree.size());
  std::vector<Leaf> leaves;
  if (!decoder.open({payload, message, mapping, arena})) return must(!decoder.error().what.empty());
  must(decoder.next() == Decoder::Step::record);
  Reader& reader = decoder.reader();
  if (!reader.read(tree, fields, &leaves)) return must(!decoder.error().what.empty());
  for (const Field& field : fields) check_field(field);
  for (const Leaf& leaf : leaves) {
    must(is_utf8(reader.path(leaf)));
    check_field(leaf.field);
  }
  if (reader.read_object()) {
    std::string rest;
    bool nul = false;
    reader.rest(tree, rest, nul);
    Field object;
    object.kind = Field::Kind::object;
    object.text = rest;
    if (!rest.empty()) check_field(object);
  }
  for (const Field& field : fields) {
    if (field.kind != Field::Kind::array) continue;
    reader.begin(field);
    for (std::uint32_t i = 0; i < field.elements; ++i) {
      std::vector<Field> element(tree.size());
      if (!reader.element(tree, element, &leaves)) return;
      for (const Field& inner : element) check_field(inner);
    }
    break;
  }
  must(decoder.next() == Decoder::Step::end);
}

}  // namespace rowgate::schema
