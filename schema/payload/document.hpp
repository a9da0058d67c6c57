#pragma once
// A document built event by event by the decoder of a format that is not JSON text, and read like
// JSON. The builder's half is the visitor every such decoder feeds; the Reader's half knows nothing
// of formats. A flat list of nodes: an object's members are key and value in turn, and every value
// knows where the one behind it begins.
//
// Text is checked: what is not UTF-8 makes the document wrong (error()), not the gateway.
// Not thread-safe; its memory is reused from document to document.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "schema/payload/reader.hpp"
#include "schema/row_batch.hpp"

namespace rowgate::schema {

class Document final : public Reader {
 public:
  explicit Document(PayloadLimits limits = {}) : limits_(limits) {}

  // ---- Building: begin(), then the events of exactly one value, then finish().

  /// Forgets the document before. `arena` takes what is not a view; it lives as long as the rows.
  void begin(Arena& arena);
  void null();
  void boolean(bool v);
  void integer(std::int64_t v);
  void unsigned_integer(std::uint64_t v);
  /// NaN and the infinities are numbers that no column takes but text.
  void real(double v);
  /// A float of single precision, in its own shortest digits (0.1f is 0.1).
  void real(float v);
  /// A number in JSON's grammar, a view that lives as long as the rows.
  void number(std::string_view digits);
  /// Views that live as long as the rows; the copy_ forms copy into the arena.
  void string(std::string_view text);
  void bytes(std::string_view bytes);
  /// A field as it is, for text that follows the rules of a scalar payload.
  void field(const Field& field);
  void copy_string(std::string_view text) { string(arena_->copy(text)); }
  void copy_bytes(std::string_view raw) { bytes(arena_->copy(raw)); }
  void begin_object() { open(Field::Kind::object); }
  void key(std::string_view name);
  void copy_key(std::string_view name) { key(arena_->copy(name)); }
  void end_object() { close(); }
  void begin_array() { open(Field::Kind::array); }
  void end_array() { close(); }
  /// The decoder found something wrong: the first one stays.
  void fail(std::string_view what, std::size_t offset = PayloadError::nowhere);
  /// A whole document, and nothing wrong with it. False: error().
  bool finish();
  /// Nothing was wrong so far: a decoder stops early where this is false.
  bool ok() const noexcept { return error_.what.empty(); }

  // ---- Reading.

  bool read(const FieldTree& tree, std::span<Field> fields,
            std::vector<Leaf>* leaves = nullptr) override;
  void begin(const Field& array) override { next_ = array.token + 1; }
  bool element(const FieldTree& tree, std::span<Field> fields,
               std::vector<Leaf>* leaves = nullptr) override;
  bool read_object() const noexcept override { return read_object_; }
  void rest(const FieldTree& tree, std::string& out, bool& nul) const override;
  std::string_view path(const Leaf& leaf) const noexcept override {
    return std::string_view(paths_).substr(leaf.path_begin, leaf.path_size);
  }
  const PayloadError& error() const noexcept override { return error_; }

 private:
  struct Node {
    Field field;
    std::uint32_t end = 0;  // index of the node behind this value
  };

  void add(const Field& field);
  void open(Field::Kind kind);
  void close();
  void start(const FieldTree& tree, std::span<Field> fields, std::vector<Leaf>* leaves);
  bool value(const FieldNode* node, unsigned depth);
  bool object(const FieldNode* node, unsigned depth);
  bool array(const FieldNode* node, unsigned depth);
  bool add_leaf(const Field& field);
  /// A value's JSON text, in the arena; byte strings as base64url (RFC 8949 section 6.1).
  std::string_view json_text(std::uint32_t index, bool& nul);
  void append_json(std::uint32_t index, std::string& out, bool& nul) const;
  void append_rest(const FieldNode& node, std::uint32_t index, std::string& out, bool& nul) const;

  PayloadLimits limits_;
  Arena* arena_ = nullptr;
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> open_;  // the objects and arrays being built, outermost first
  std::uint32_t next_ = 0;
  std::uint32_t record_ = 0;  // what was read last
  bool read_object_ = false;
  std::span<Field> fields_;
  std::vector<Leaf>* leaves_ = nullptr;
  std::string paths_;
  std::string path_;
  std::string json_;
  PayloadError error_;
};

/// Appends `text` as a JSON string, quotes and all. Precondition: UTF-8.
void append_json_string(std::string& out, std::string_view text);

}  // namespace rowgate::schema
