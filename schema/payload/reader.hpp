#pragma once
// One document as the mapper reads it: fields by FieldTree, the others as leaves, arrays element by
// element. JSON has its own Reader, which never leaves the payload's bytes; every other format
// builds a Document. Not thread-safe.
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/payload/field_tree.hpp"

namespace rowgate::schema {

struct PayloadLimits {
  std::size_t bytes = 16U << 20;
  unsigned depth = 64;
  std::size_t values = 2'000'000;     // of one document, with its names; JSON has none
  std::size_t leaves = 10'000;        // of one row
  std::size_t path_bytes = 1U << 20;  // of all leaves of one row together
};

/// What is wrong with a payload, and where.
struct PayloadError {
  static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);
  std::string_view what;  // static text
  std::size_t offset = nowhere;
};

class Reader {
 public:
  virtual ~Reader() = default;

  /// Fills `fields`, one a slot of `tree`. With `leaves`, fields that no pointer names are added
  /// there. False: error().
  virtual bool read(const FieldTree& tree, std::span<Field> fields,
                    std::vector<Leaf>* leaves = nullptr) = 0;

  /// Element by element through an array that read() found: first `begin`, then `element` as often
  /// as the array has elements. False: an element has too many leaves, and the rest is not read.
  virtual void begin(const Field& array) = 0;
  virtual bool element(const FieldTree& tree, std::span<Field> fields,
                       std::vector<Leaf>* leaves = nullptr) = 0;

  /// What was read last, by read() or element(), is an object.
  virtual bool read_object() const noexcept = 0;
  /// Appends, as JSON, what `tree` (that of the last read) leaves of the object read last: names
  /// and nesting as they came, without what columns take. An array stays whole unless a column
  /// takes it whole. Nothing is appended where nothing is left. `nul`: U+0000 stands in it.
  /// Precondition: read_object().
  virtual void rest(const FieldTree& tree, std::string& out, bool& nul) const = 0;
  virtual std::string_view path(const Leaf& leaf) const noexcept = 0;
  virtual const PayloadError& error() const noexcept = 0;
};

}  // namespace rowgate::schema
