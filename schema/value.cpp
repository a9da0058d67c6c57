#include "schema/value.hpp"

namespace rowgate::schema {

std::string_view type_name(Type type) noexcept {
  switch (type) {
    case Type::boolean:
      return "boolean";
    case Type::bigint:
      return "bigint";
    case Type::double_precision:
      return "double";
    case Type::text:
      return "text";
    case Type::timestamptz:
      return "timestamptz";
    case Type::jsonb:
      return "jsonb";
    case Type::bytea:
      return "bytea";
    case Type::uuid:
      return "uuid";
    case Type::numeric:
      return "numeric";
  }
  return "unknown";
}

}  // namespace rowgate::schema
