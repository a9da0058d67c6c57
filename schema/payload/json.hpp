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

#include "schema/payload/reader.hpp"

namespace rowgate::schema {

class JsonReader final : public Reader {
 public:
  explicit JsonReader(PayloadLimits limits = {});
  ~JsonReader() override;

  /// Finds the tokens; the payload must live until the last walk. False: error().
  bool open(std::string_view payload);
  /// Checks the whole document on the way.
  bool read(const FieldTree& tree, std::span<Field> fields,
            std::vector<Leaf>* leaves = nullptr) override;
  void begin(const Field& array) override;
  bool element(const FieldTree& tree, std::span<Field> fields,
               std::vector<Leaf>* leaves = nullptr) override;
  bool read_object() const noexcept override { return read_object_; }
  void rest(const FieldTree& tree, std::string& out, bool& nul) const override;
  const PayloadError& error() const noexcept override { return error_; }
  std::string_view path(const Leaf& leaf) const noexcept override {
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
  std::string_view token(std::uint32_t index) const noexcept;
  char at(std::uint32_t index) const noexcept { return payload_[starts_[index]]; }
  /// The token behind the value that begins at one. Precondition: the document was read.
  std::uint32_t behind(std::uint32_t index) const noexcept;
  std::uint32_t append_rest(const FieldNode& node, std::uint32_t index, std::string& out) const;

  PayloadLimits limits_;
  std::unique_ptr<Tokens> tokens_;
  std::string_view payload_;
  bool has_escapes_ = false;  // somewhere in the payload stands a backslash
  const std::uint32_t* starts_ = nullptr;
  std::uint32_t count_ = 0;
  std::uint32_t next_ = 0;
  std::uint32_t record_ = 0;       // where what was read last begins
  std::uint32_t nul_escapes_ = 0;  // seen so far
  bool read_object_ = false;
  std::span<Field> fields_;
  std::vector<Leaf>* leaves_ = nullptr;
  std::string paths_;  // of the leaves, one after the other
  std::string path_;   // of the value being read
  std::string key_;
  PayloadError error_;
};

}  // namespace rowgate::schema
