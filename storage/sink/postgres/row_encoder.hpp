#pragma once
// Rows -> the bytes of COPY ... (FORMAT binary) (PostgreSQL, section "COPY", Binary Format). One
// reused buffer, handed on in large pieces. Pure; one thread.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "schema/value.hpp"

namespace rowgate::storage::postgres {

/// The binary form of a column: of the type it has in the database, which need not be the one the
/// gateway would have chosen.
enum class Wire : std::uint8_t {
  boolean,
  int2,
  int4,
  int8,
  float4,
  float8,
  bytes,  // text, varchar, json, bytea, uuid
  jsonb,  // a version byte, then the text
  timestamptz,
  numeric,
};

class RowEncoder {
 public:
  /// Send the buffer on when it has this much.
  static constexpr std::size_t piece = 256 * 1024;

  /// Starts a COPY of these columns. With `ordinal`, a leading int8 column numbers the rows.
  void start(std::span<const Wire> columns, bool ordinal);
  /// Appends a row; `row` has a value a column. The index of a value that does not fit its column
  /// (an int4 of 3,000,000,000), which ends this COPY.
  [[nodiscard]] std::optional<std::size_t> add(std::span<const schema::Value> row);
  /// Appends the file trailer.
  void finish();

  std::string_view bytes() const noexcept { return {buffer_.get(), size_}; }
  void clear() noexcept { size_ = 0; }

 private:
  void reserve(std::size_t n);
  template <class T>
  void put(T v) noexcept;
  void put_bytes(std::string_view v);
  void put_numeric(std::string_view decimal);
  bool put_value(Wire wire, const schema::Value& value);

  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
  std::vector<Wire> columns_;
  bool ordinal_ = false;
  std::int64_t next_ordinal_ = 0;
  std::size_t fixed_ = 0;  // bytes a row takes at most, without its byte strings
};

}  // namespace rowgate::storage::postgres
