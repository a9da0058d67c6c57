#pragma once
// What the fields of a topic's payloads seem to be: found by looking at the last few of them. Pure;
// any thread.
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gateway/topics/recent_messages.hpp"
#include "schema/mapping.hpp"

namespace rowgate::topics {

struct FoundField {
  std::string pointer;  // JSON Pointer, relative to the row
  schema::Type type = schema::Type::text;
  std::string example;     // JSON text
  std::size_t seen = 0;    // in so many rows
  bool is_array = false;   // an array or an empty object, as a whole
  bool is_number = false;  // in every row
};

struct FoundTime {
  std::string pointer;
  schema::TimeFormat format = schema::TimeFormat::iso8601;
};

struct PayloadShape {
  schema::Payload payload = schema::Payload::raw;  // json, ndjson, scalar or raw
  std::optional<std::string> rows;                 // JSON Pointer of the array that holds the rows
  std::size_t looked_at = 0;                       // rows
  std::vector<FoundField> fields;                  // in the order of their first appearance
  std::optional<FoundTime> time;
};

/// Numbers are double precision, whole ones too: the next may be 21.5. Beyond 2^53, where a double
/// has not enough digits, they are bigint. Fields that change their type are jsonb.
PayloadShape shape_of(std::span<const KeptMessage> messages);

/// "unix_ms": the mapping language's word.
const char* word_of(schema::TimeFormat format);
const char* word_of(schema::Payload payload);

}  // namespace rowgate::topics
