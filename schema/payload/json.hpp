#pragma once
// JSON payloads (RFC 8259). simdjson's first stage validates UTF-8 and finds the tokens; one walk
// over them checks the whole document and notes where the wanted fields stand. Numbers and strings
// are converted only if a column wants them, so no precision is lost on the way.
// Where a key occurs twice in an object the last one counts, as in PostgreSQL's jsonb.
// Not thread-safe; its memory is reused from message to message.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/payload/decoder.hpp"

namespace rowgate::schema {

struct JsonLimits {
  std::size_t bytes = 16U << 20;
  unsigned depth = 64;
  std::size_t leaves = 10'000;        // of one row
  std::size_t path_bytes = 1U << 20;  // of all leaves of one row together
};

/// What is wrong with a document, and where.
struct JsonError {
  static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);
  std::string_view what;  // static text
  std::size_t offset = nowhere;
};

class JsonReader {
 public:
  explicit JsonReader(JsonLimits limits = {});
  ~JsonReader();

  /// Finds the tokens; the payload must live until the last walk. False: error().
  bool open(std::string_view payload);
  /// Checks the whole document and fills `fields`, one a slot of `tree`. With `leaves`, fields that
  /// no pointer names are added there. False: error().
  bool read(const FieldTree& tree, std::span<Field> fields, std::vector<Leaf>* leaves = nullptr);

  /// Element by element through an array that read() found: first `begin`, then `element` as often
  /// as the array has elements. False: an element has too many leaves, and the rest is not read.
  void begin(const Field& array) noexcept;
  bool element(const FieldTree& tree, std::span<Field> fields, std::vector<Leaf>* leaves = nullptr);

  /// What was read last, by read() or element(), is an object.
  bool read_object() const noexcept { return read_object_; }
  const JsonError& error() const noexcept { return error_; }
  std::string_view path(const Leaf& leaf) const noexcept {
    return std::string_view(paths_).substr(leaf.path_begin, leaf.path_size);
  }

 private:
  struct Tokens;
  bool value(const FieldNode* node, unsigned depth);
  bool object(const FieldNode* node, unsigned depth);
  bool array(const FieldNode* node, unsigned depth, Field& field);
  bool string(Field& field);
  bool scalar(Field& field);
  const FieldNode* child_for_key(const FieldNode* node, const Field& key, std::size_t& hint);
  void start(const FieldTree& tree, std::span<Field> fields, std::vector<Leaf>* leaves);
  bool add_leaf(const Field& field);
  bool fail(std::string_view what, std::size_t offset) noexcept;
  char current() const noexcept;
  std::size_t offset() const noexcept;
  std::string_view token() const noexcept;

  JsonLimits limits_;
  std::unique_ptr<Tokens> tokens_;
  std::string_view payload_;
  const std::uint32_t* starts_ = nullptr;
  std::uint32_t count_ = 0;
  std::uint32_t next_ = 0;
  std::uint32_t nul_escapes_ = 0;  // seen so far
  bool read_object_ = false;
  std::span<Field> fields_;
  std::vector<Leaf>* leaves_ = nullptr;
  std::string paths_;  // of the leaves, one after the other
  std::string path_;   // of the value being read
  std::string key_;
  JsonError error_;
};

}  // namespace rowgate::schema
